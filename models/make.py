"""Make the models that the wheel ships (src/skosh/deliver/models/data), from what scikit-learn bundles or what is made here.

    python models/make.py                            makes them anew (needs the sklearn, tflm and torch extras; a minute)
    python models/make.py --check                    trains again, and compares what that gives with what is there

Everything has a seed and runs on one thread: the same packages on the same processor give the same files. Others may round a
sum of the training otherwise: --check then says how far accuracies are apart, and fails beyond 1 point.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import skosh
from skosh.importers.tflite.export import tflite_bytes
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph

FOLDER = ROOT / "src" / "skosh" / "deliver" / "models" / "data"
GOLDEN, SAMPLES = 20, 100
NEAR = 0.01  # accuracy that another processor's rounding may cost

NETWORK = """network sprinkler {}
variable Rain { type discrete [ 2 ] { yes, no }; }
variable Sprinkler { type discrete [ 2 ] { on, off }; }
variable Grass { type discrete [ 2 ] { wet, dry }; }
probability ( Rain ) { table 0.2, 0.8; }
probability ( Sprinkler | Rain ) { (yes) 0.01, 0.99; (no) 0.4, 0.6; }
probability ( Grass | Sprinkler, Rain ) { (on, yes) 0.99, 0.01; (on, no) 0.9, 0.1; (off, yes) 0.8, 0.2; (off, no) 0.05, 0.95; }
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is there, write nothing")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        made = list(models(Path(folder)))
        told = [{**m, "files": {f: facts(Path(folder) / f) for f in m["files"]}} for m in made]
        if options.check:
            sys.exit(compared(told))
        FOLDER.mkdir(exist_ok=True)
        for old in FOLDER.iterdir():
            old.unlink()
        for file in Path(folder).iterdir():
            (FOLDER / file.name).write_bytes(file.read_bytes())
    (FOLDER / "models.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(f.stat().st_size for f in FOLDER.iterdir()):,} bytes in {FOLDER}")


def compared(told: list[dict[str, Any]]) -> int:
    """0 when the same files, or files as good, came out again."""
    kept = {m["name"]: m for m in json.loads((FOLDER / "models.json").read_text(encoding="utf-8"))}
    status = 0
    for m in told:
        before = kept[m["name"]]
        other = sorted(f for f in m["files"] if m["files"][f] != before["files"].get(f))
        apart = abs((m["accuracy"] or 0) - (before["accuracy"] or 0))
        print(f"{m['name']}: {'the same' if not other else f'other bytes: {other}'}; accuracy {apart:.4f} apart")
        status |= apart > NEAR
    return status


def facts(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def models(folder: Path) -> Iterator[dict[str, Any]]:
    """Each model's description, its files being in the folder."""
    yield sine(folder)
    yield digits(folder)
    yield forest(folder)
    yield sprinkler(folder)


# ------------------------------------------------------------------------------------------------------------------ sine


def sine(folder: Path) -> dict[str, Any]:
    """sin x for 0 <= x < 2 pi by 16 + 16 neurons, int8."""
    from sklearn.neural_network import MLPRegressor

    rng = np.random.default_rng(0)
    x = rng.uniform(0, 2 * np.pi, (2000, 1)).astype(np.float32)
    net = MLPRegressor(hidden_layer_sizes=(16, 16), alpha=0.1, solver="lbfgs", max_iter=5000, tol=1e-9, random_state=2)
    floats = skosh.load(net.fit(x, np.sin(x[:, 0])), name="sine_float")
    floats.save(folder / "sine_float.skosh")
    graph = skosh.quantize(floats, x[:500])
    (folder / "sine.tflite").write_bytes(tflite_bytes(graph))
    save_golden(folder / "sine.npz", folder / "sine.tflite", rng.integers(-128, 128, (GOLDEN, 1)).astype(np.int8))
    np.save(folder / "sine_x.npy", x[:SAMPLES])
    error = float(np.abs(real(skosh.load(folder / "sine.tflite"), x[:SAMPLES])[:, 0] - np.sin(x[:SAMPLES, 0])).max())
    return description(
        "sine", "sine.tflite", f"sin x, int8, a network of 16 + 16 neurons; wrong by at most {error:.3f}",
        ["sine.npz", "sine_x.npy", "sine_float.skosh"], "points drawn here", None,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------------- digits


def halves() -> tuple[Any, Any, Any, Any]:
    """Images [count, 64] from 0 to 1 and labels: 1,257 to train, 540 to test."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    return tuple(train_test_split((x / 16).astype(np.float32), y, test_size=540, random_state=0, stratify=y))


def digits(folder: Path) -> dict[str, Any]:
    """Handwritten digits, 8 x 8, by a depthwise separable network, int8."""
    train, test, train_y, test_y = halves()
    module, images = trained(train.reshape(-1, 1, 8, 8), train_y), test.reshape(-1, 8, 8, 1)
    floats = skosh.load(module, name="digits", example=np.zeros((1, 1, 8, 8), np.float32), layout="nhwc")
    graph = skosh.quantize(floats, train.reshape(-1, 8, 8, 1)[:400])
    (folder / "digits.tflite").write_bytes(tflite_bytes(graph))
    made = skosh.load(folder / "digits.tflite")
    accuracy = float((real(made, images).argmax(axis=1) == test_y).mean())
    t = made.tensors[made.inputs[0]]
    stored = np.clip(np.round(images[:GOLDEN] / t.quant.scale) + t.quant.zero_point, -128, 127).astype(np.int8)
    save_golden(folder / "digits.npz", folder / "digits.tflite", stored)
    np.save(folder / "digits_x.npy", images[:SAMPLES])
    np.save(folder / "digits_y.npy", test_y[:SAMPLES].astype(np.int32))
    (folder / "digits.txt").write_text("".join(f"{d}\n" for d in range(10)), encoding="utf-8")
    return description(
        "digits", "digits.tflite", "handwritten digits of 8 x 8 dots, int8, a depthwise separable network (DS-CNN)",
        ["digits.npz", "digits_x.npy", "digits_y.npy", "digits.txt"], "scikit-learn's load_digits", accuracy,
    )  # fmt: skip


def trained(x: Any, y: Any) -> Any:
    """The network, after 60 turns of Adam."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    def separable(into: int, out: int, stride: int) -> list[Any]:
        return [
            nn.Conv2d(into, into, 3, stride, 1, groups=into, bias=False), nn.BatchNorm2d(into), nn.ReLU(),
            nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
        ]  # fmt: skip

    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *separable(16, 32, 1), *separable(32, 32, 2),
        *separable(32, 32, 1), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(32, 10), nn.Softmax(dim=1),
    )  # fmt: skip
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    rate, turns = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=1e-4), 60
    for turn in range(turns):
        for group in rate.param_groups:
            group["lr"] = 3e-3 * (1 + np.cos(np.pi * turn / turns)) / 2
        order = torch.randperm(len(images))
        for rows in order.split(64):
            rate.zero_grad()
            loss = nn.functional.nll_loss(torch.log(net(images[rows]) + 1e-9), labels[rows])
            loss.backward()
            rate.step()
    return net.eval()


def forest(folder: Path) -> dict[str, Any]:
    """The same digits by 20 trees."""
    from sklearn.ensemble import RandomForestClassifier

    train, test, train_y, test_y = halves()
    model = RandomForestClassifier(20, max_depth=8, random_state=0, n_jobs=1).fit(train, train_y)
    skosh.load(model, name="forest").save(folder / "forest.skosh")
    np.savez(folder / "forest.npz", inputs=test[:GOLDEN], outputs=model.predict(test[:GOLDEN]).astype(np.int32)[:, None])
    np.save(folder / "forest_x.npy", test[:SAMPLES])
    np.save(folder / "forest_y.npy", test_y[:SAMPLES].astype(np.int32))
    return description(
        "forest", "forest.skosh", "the same digits by 20 trees, a RandomForestClassifier",
        ["forest.npz", "forest_x.npy", "forest_y.npy"], "scikit-learn's load_digits", float(model.score(test, test_y)),
    )  # fmt: skip


def sprinkler(folder: Path) -> dict[str, Any]:
    (folder / "sprinkler.bif").write_text(NETWORK, encoding="utf-8")
    what = "a Bayesian network: did it rain, given what was seen? Load it with --query Rain --evidence Grass"
    return description("sprinkler", "sprinkler.bif", what, [], "written here", None)


# -------------------------------------------------------------------------------------------------------------- all of them


def description(name: str, file: str, what: str, beside: list[str], data: str, accuracy: float | None) -> dict[str, Any]:
    told = None if accuracy is None else round(accuracy, 4)
    return {"name": name, "file": file, "description": what, "accuracy": told, "data": data, "files": [file, *beside]}


def save_golden(path: Path, model: Path, inputs: Any) -> None:
    """Inputs, and what TensorFlow Lite Micro gives for them."""
    from tests.support.tflm import Tflm

    oracle = Tflm(model.read_bytes(), 1)
    shape = skosh.load(model).tensors[skosh.load(model).inputs[0]].shape
    np.savez(path, inputs=inputs, outputs=np.concatenate([oracle.run([x.reshape(shape)])[0] for x in inputs]))


def real(graph: Graph, x: Any) -> Any:
    """The outputs as real numbers, for inputs as real numbers."""
    t, y = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    assert t.quant is not None and y.quant is not None
    stored = np.clip(np.round(x / t.quant.scale) + t.quant.zero_point, -128, 127).astype(np.int8)
    rows = [run_graph(graph, [row.reshape(t.shape)]).values[y.name] for row in stored]
    return (np.stack(rows).reshape(len(rows), -1).astype(np.float64) - y.quant.zero_point) * y.quant.scale


if __name__ == "__main__":
    main()
