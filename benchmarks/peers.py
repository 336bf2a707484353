"""Classical models on microcontrollers beside emlearn, m2cgen and micromlgen: agreement, flash, RAM, instructions.

    .venv/bin/python benchmarks/peers.py                              # all tables, on stdout
    .venv/bin/python benchmarks/peers.py --only iris/SVC-rbf --rows 5 # some of it
    .venv/bin/python benchmarks/peers.py --write                      # put them into docs/peers.md

Models and split are those of ../shared/baselines/host.md, part C: 70/30, random_state 42, stratified; standardized features
but for trees; the other tools' figures are read from there. Each model as it is, exact in floats, and in integers; these take
integer features, as the other tools' integer forms do. Flash counts everything that is linked, start-up code and harness too
(about 230 bytes). Agreement with the library: on the whole test half, the C on this computer. Instructions: the mean over the
first rows of the test half, counted by the emulator.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import baselines
import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skosh
from skosh.built import Build, quantized
from skosh.emulate.runner import DeviceRunner
from skosh.ir.graph import Graph

Array = np.ndarray[Any, Any]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "peers.md"
START, END = "<!-- made by benchmarks/peers.py -->\n", "<!-- end -->\n"
LOADERS: dict[str, Callable[..., Any]] = {
    "digits": load_digits, "breast_cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes,
}  # fmt: skip
TREES = ("DecisionTree", "RF10", "RF50", "RF100", "ET50")
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "DecisionTree": lambda: DecisionTreeClassifier(random_state=0),
    **{f"RF{n}": lambda n=n: RandomForestClassifier(n, random_state=0) for n in (10, 50, 100)},
    "ET50": lambda: ExtraTreesClassifier(50, random_state=0),
    "LogReg": lambda: LogisticRegression(max_iter=1000),
    "RidgeClf": RidgeClassifier,
    "MLP32": lambda: MLPClassifier((32,), max_iter=500, random_state=0),
    "GaussianNB": GaussianNB,
    "KNN5": lambda: KNeighborsClassifier(5),
    "SVC-rbf": SVC,
    "SVC-lin": lambda: SVC(kernel="linear"),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "DecisionTree": lambda: DecisionTreeRegressor(random_state=0),
    **{f"RF{n}": lambda n=n: RandomForestRegressor(n, random_state=0) for n in (10, 50)},
    "LinReg": LinearRegression,
    "Ridge": Ridge,
    "MLP32": lambda: MLPRegressor(hidden_layer_sizes=(32,), max_iter=500, random_state=0),
    "SVC-rbf": lambda: SVR(C=10.0),
}
MODELS = {
    "digits": ("LogReg", "MLP32", "GaussianNB", "KNN5", "SVC-rbf", "SVC-lin", "DecisionTree", "RF10", "RF100", "ET50"),
    "breast_cancer": ("LogReg", "MLP32", "GaussianNB", "KNN5", "SVC-rbf", "SVC-lin", "DecisionTree", "RF10", "RF100"),
    "iris": ("LogReg", "RidgeClf", "MLP32", "GaussianNB", "KNN5", "SVC-rbf", "SVC-lin", "DecisionTree", "RF10", "RF50",
             "RF100", "ET50"),
    "diabetes": ("LinReg", "Ridge", "MLP32", "SVC-rbf", "DecisionTree", "RF10", "RF50"),
}  # fmt: skip
ALIKE = 0.01  # scores this near to the one in the baselines are called the same model's


@dataclass(frozen=True)
class Fitted:
    """A model with its data. score: the library's own, on the test half."""

    data: str
    name: str
    model: Any
    train: Array
    test: Array
    score: float

    @property
    def is_regressor(self) -> bool:
        return self.data == "diabetes"

    def graph(self, **options: Any) -> Graph:
        return skosh.load(self.model, **options) if self.is_regressor else skosh.load(self.model, output="label", **options)


def fitted(data: str, name: str, raw: bool = False) -> Fitted:
    """raw: features as they come, also for a model that gets standardized ones."""
    x, y = LOADERS[data](return_X_y=True)
    x = x.astype(np.float32).astype(np.float64)
    stratify = None if data == "diabetes" else y
    train, test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42, stratify=stratify)
    if name not in TREES and not raw:
        scaler = StandardScaler().fit(train)
        train, test = (scaler.transform(part).astype(np.float32).astype(np.float64) for part in (train, test))
    model = (REGRESSORS if data == "diabetes" else CLASSIFIERS)[name]().fit(train, y_train)
    return Fitted(data, name, model, train, test, float(model.score(test, y_test)))


def forms(case: Fitted) -> Iterator[tuple[str, Fitted, Graph]]:
    """(name, model, graph): exact in floats, then in integers. Digits, which are 0..16, stay exact where integers are."""
    yield "float32", case, case.graph()
    if case.data == "digits" and case.name in TREES:
        yield "uint8, exact", case, case.graph(features="uint8")
    elif case.data == "digits" and case.name == "KNN5":
        whole = fitted(case.data, case.name, raw=True)
        yield "uint8, exact", whole, skosh.quantize(whole.graph(), whole.train)
    else:
        yield "int8", case, skosh.quantize(case.graph(), case.train)
    if case.name in ("KNN5", "SVC-rbf") and case.data != "digits":
        yield "int16", case, skosh.quantize(case.graph(), case.train, scheme="int16x8")


def agreement(case: Fitted, graph: Graph) -> str:
    """With the library: the share of labels, or the largest relative error."""
    got, want = skosh.compile(graph, target="host").predict(case.test), case.model.predict(case.test)
    if case.is_regressor:
        return f"off by {np.max(np.abs(got - want) / np.abs(want)):.0e}"
    return f"{np.mean(got == want):.3f}"


def instructions(build: Build, rows: Array) -> int:
    """The mean of runs on these rows, features in floats."""
    runner, t = build.runner, build.source.tensors[build.source.inputs[0]]
    assert isinstance(runner, DeviceRunner), "devices are emulated"
    inputs = quantized(rows, t) if t.quant is not None else rows.astype(t.dtype.np)
    counts = []
    for row in inputs:
        runner.run((row[None],))
        counts.append(runner.last.instructions)
        if sum(counts) > 30_000_000:  # a few rows of the largest models say enough
            break
    return round(float(np.mean(counts)))


def verdict(flash: int, count: int, others: Sequence[baselines.Peer]) -> str:
    """Against the smallest flash and the fewest instructions of all of them, which need not be one tool's."""
    if not others:
        return "none to compare"
    least, fewest = min(p.flash for p in others), min(p.instructions for p in others)
    if 2 * flash <= least and 2 * count <= fewest:
        return "half of both"
    smaller, fewer = flash < least, count < fewest
    if smaller and fewer:
        half = " (half the flash)" if 2 * flash <= least else " (half the instructions)" if 2 * count <= fewest else ""
        return f"less of both{half}"
    return "less flash" if smaller else "fewer instructions" if fewer else "neither"


def line(case: Fitted, form: str, agreed: str, build: Build, rows: Array, others: Sequence[baselines.Peer]) -> list[str]:
    profile, count = build.profile(), instructions(build, rows)
    right = [p for p in others if p.agreement >= 0.9995]
    held = verdict(profile.flash.total, count, others)
    ours = 1.0 if case.is_regressor else float(agreed)
    if ours < min((p.agreement for p in others), default=0.0) - ALIKE:
        held = f"agrees less: {held}"
    elif right != list(others) and right and (more := verdict(profile.flash.total, count, right)) != held:
        held += f"; of exact ones {more}"
    least = min(others, key=lambda p: p.flash, default=None)
    fewest = min(others, key=lambda p: p.instructions, default=None)
    shown = [str(p) if p else "not here" for p in (least, fewest)]
    sizes = [f"{n:,}" for n in (profile.flash.total, profile.ram.total, count)]
    return [case.data, case.name, form, agreed, *sizes, *shown, held]


HEAD = ["data", "model", "form", "agrees", "flash", "RAM", "instructions", "smallest other: flash / instructions",
        "quickest other", "we need"]  # fmt: skip


def tables(only: Sequence[str], targets: Sequence[str], rows: int, optimize: str) -> dict[str, list[list[str]]]:
    known = {t: baselines.peers(t) for t in targets}
    given = baselines.scores()
    found: dict[str, list[list[str]]] = {t: [] for t in targets}
    for data, names in MODELS.items():
        for name in names:
            if only and not any(o in (data, f"{data}/{name}") for o in only):
                continue
            case = fitted(data, name)
            score = given.get((data, name))
            if score is not None and abs(score - case.score) > ALIKE:
                print(f"{data}/{name}: our model scores {case.score:.4f}, that of the baselines {score:.4f}", file=sys.stderr)
            for form, model, graph in forms(case):
                agreed = agreement(model, graph)
                for target in targets:
                    build = skosh.compile(graph, target=target, optimize=optimize)
                    peers = known[target].get((data, name), [])
                    made = line(case, form, agreed, build, model.test[:rows], peers)
                    print(target, " | ".join(made), file=sys.stderr, flush=True)
                    found[target].append(made)
    return found


def text(found: dict[str, list[list[str]]]) -> str:
    parts = []
    for target, lines in found.items():
        rule = ["---"] * 4 + ["--:"] * 3 + ["---"] * 3
        body = "".join(f"| {' | '.join(cells)} |\n" for cells in [HEAD, rule, *lines])
        parts.append(f"**{target}**\n\n{body}")
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="digits, iris/SVC-rbf, ...")
    parser.add_argument("--targets", nargs="+", default=["cortex-m0plus", "cortex-m4"])
    parser.add_argument("--rows", type=int, default=30)
    parser.add_argument("--optimize", default="balanced")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/peers.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    made = text(tables(arguments.only, arguments.targets, arguments.rows, arguments.optimize))
    if not arguments.write:
        print(made)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START, 1)
    PAGE.write_text(before + START + made + END + rest.split(END, 1)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
