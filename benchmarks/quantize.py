"""What quantization costs and saves: accuracy of every scheme, and flash, RAM and instructions on Cortex-M4 and M0+.

    .venv/bin/python benchmarks/quantize.py            # the tables of docs/quantization.md, on stdout
    .venv/bin/python benchmarks/quantize.py --write    # put them into the page
    .venv/bin/python benchmarks/quantize.py --only accuracy

Data: scikit-learn's digits, breast cancer, wine and iris, and three made sets; split 70/30, stratified, five times
(random_state 0 to 4). A drop is the float model's accuracy on the test halves less the quantized one's, in points, the mean
of the five splits; the worst split stands in brackets, where one sample of iris or wine is 2 points. Calibrated on the
training halves. Models: ``MLPClassifier((32,))`` for each set, and for digits a small convolutional network in PyTorch (its
rows are left out where PyTorch is missing). Instructions are of one run, counted by the emulator; sizes from the linker map.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import skosh
from skosh.ir.graph import Graph
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.networks.clipping import METHODS
from skosh.quantizer.study.compare import real_outputs

Array = np.ndarray[Any, Any]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "quantization.md"
SPLITS = range(5)
SCHEMES = ("int8", "int16x8", "mixed", "int4", "int2", "ternary")


def made(seed: int, **options: Any) -> Callable[..., Any]:
    return lambda return_X_y: datasets.make_classification(1000, random_state=seed, **options)


LOADERS: dict[str, Callable[..., Any]] = {
    "digits": datasets.load_digits,
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "made, 2 classes": made(1, n_features=20, n_informative=10),
    "made, 5 classes": made(2, n_features=20, n_informative=12, n_classes=5),
    "moons": lambda return_X_y: datasets.make_moons(1000, noise=0.2, random_state=3),
}


@dataclass(frozen=True)
class Data:
    """Halves of a data set, standardized by the training half; digits are pixels from 0 to 1."""

    train: Array
    test: Array
    y_train: Array
    y_test: Array


def split(name: str, seed: int) -> Data:
    x, y = LOADERS[name](return_X_y=True)
    halves = train_test_split(x.astype(np.float32), y, test_size=0.3, random_state=seed, stratify=y)
    mean, spread = (0.0, 16.0) if name == "digits" else (halves[0].mean(axis=0), halves[0].std(axis=0) + 1e-9)
    train, test = (((h - mean) / spread).astype(np.float32) for h in halves[:2])
    return Data(train, test, halves[2], halves[3])


def right(graph: Graph, floats: Graph, data: Data) -> float:
    """The share of the test half that is right, in percent."""
    y = real_outputs(graph, as_samples(floats, data.test))
    chosen = y.argmax(axis=1) if y.shape[1] > 1 else (y[:, 0] > 0.5).astype(int)
    return float(100 * np.mean(chosen == data.y_test))


# ------------------------------------------------------------------------------------------------------------------ models


def mlp(data: Data, seed: int) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it could train on
        return skosh.load(MLPClassifier((32,), max_iter=300, random_state=seed).fit(data.train, data.y_train))


def cnn_module(data: Data, seed: int) -> Any:
    """conv 3x3 x 8, pool, conv 3x3 x 16, pool, dense: 15 epochs of Adam on the digits."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    x, y = torch.from_numpy(images(data.train)), torch.from_numpy(data.y_train)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(15):
        for rows in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net.eval()


def images(x: Array) -> Array:
    return x.reshape(-1, 1, 8, 8)


def has_torch() -> bool:
    try:
        import onnxscript  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


# ------------------------------------------------------------------------------------------------------------------ tables


def accuracy_tables() -> Iterator[str]:
    """Drops by scheme, then by calibration."""
    names = list(LOADERS)
    models = [(f"{n}, MLP", n, False) for n in names] + ([("digits, CNN", "digits", True)] if has_torch() else [])
    ways: list[tuple[str, dict[str, Any]]] = [(s, {"scheme": s}) for s in SCHEMES]
    ways += [(f"int8, {m}", {"calibration": m}) for m in METHODS[1:]]
    ways += [("int8, bias corrected", {"bias_correction": True}), ("int8, equalized", {"equalize": True})]
    ways += [(f"{s}, nearest", {"scheme": s, "compensate": False, "bias_correction": False}) for s in SCHEMES[3:]]
    drops: dict[str, dict[str, list[float]]] = {title: {way: [] for way, _ in ways} for title, _, _ in models}
    whole: dict[str, list[float]] = {title: [] for title, _, _ in models}
    trained = ("int8", "int4", "int2", "ternary")
    after: dict[str, list[float]] = {s: [] for s in trained}
    for title, name, convolutional in models:
        for seed in SPLITS:
            data = split(name, seed)
            if convolutional:
                data = Data(images(data.train), images(data.test), data.y_train, data.y_test)
                module = cnn_module(data, seed)
                floats = skosh.load(module, example=data.train[:1])
            else:
                floats = mlp(data, seed)
            base = right(floats, floats, data)
            whole[title].append(base)
            for way, options in ways:
                graph = skosh.quantize(floats, data.train, **options)
                drops[title][way].append(base - right(graph, floats, data))
            if convolutional:
                from skosh.quantizer.study.training import train

                for s in trained:
                    graph = train(module, data.train, data.y_train, scheme=s, epochs=10, seed=seed)
                    after[s].append(base - right(graph, floats, data))
            print(f"{title}, split {seed}", file=sys.stderr)
    first, rest = [w for w, _ in ways[: len(SCHEMES)]], [w for w, _ in ways[len(SCHEMES) :]]
    for part in (first, rest):
        rows = [[t, f"{np.mean(whole[t]):.1f} %", *(_drop(drops[t][w]) for w in part)] for t, _, _ in models]
        yield table(["", "float32", *part], rows)
    if has_torch():
        yield table(["trained on, digits CNN", *trained], [["drop", *(_drop(after[s]) for s in trained)]])


def _drop(values: Sequence[float]) -> str:
    mean, worst = round(float(np.mean(values)), 2) + 0.0, round(max(values), 1) + 0.0  # no -0
    return f"{mean:.2f} ({worst:.1f})"


def cost_tables() -> Iterator[str]:
    """Flash, RAM and instructions of each scheme for the digits models that give a label."""
    data = split("digits", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((32,), max_iter=300, random_state=0).fit(data.train, data.y_train)
    models = {"MLP 64-32-10": (skosh.load(model, output="label"), data.train)}
    if has_torch():
        models["CNN"] = (skosh.load(cnn_module(data, 0), example=images(data.train[:1])), images(data.train))
    for title, (floats, samples) in models.items():
        rows = []
        for scheme in ("float32", "float16", *SCHEMES):
            graph = floats if scheme == "float32" else skosh.quantize(floats, samples, scheme=scheme)
            cells = [scheme]
            for target in ("cortex-m4", "cortex-m0plus"):
                build = skosh.compile(graph, target=target)
                assert build.verify(samples=2).bit_exact, f"{title}, {scheme} on {target}"
                p = build.profile()
                cells += [f"{p.flash.code:,}", f"{p.flash.weights:,}", f"{p.ram.total:,}", f"{p.instructions:,}"]
            rows.append(cells)
            print(f"{title}, {scheme}", file=sys.stderr)
        yield table(
            [title, *(f"{c}, {t}" for t in ("M4", "M0+") for c in ("code", "weights", "RAM", "instructions"))], rows
        )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


PARTS = {"accuracy": accuracy_tables, "cost": cost_tables}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/quantization.md")
    asked = parser.parse_args()
    for name in asked.only or PARTS:
        text = "\n".join(PARTS[name]())
        print(text)
        if asked.write:
            write(name, text)


def write(name: str, text: str) -> None:
    """Replace what stands between the marks of a part."""
    start, end = f"<!-- made by benchmarks/quantize.py: {name} -->\n", "<!-- end -->\n"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
