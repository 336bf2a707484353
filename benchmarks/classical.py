"""What skosh makes of scikit-learn's classical models: agreement with the library, flash, RAM, instructions.

    .venv/bin/python benchmarks/classical.py                         # the table of docs/scikit-learn.md, on stdout
    .venv/bin/python benchmarks/classical.py --data iris --only SVC  # some of it
    .venv/bin/python benchmarks/classical.py --write                 # put it into the page

Data: scikit-learn's digits, breast cancer, wine, iris (and diabetes for regressors), split 70/30, random_state 42,
stratified; all numbers exact in float32. Models of distances and products get standardized features, as in
../shared/baselines. Agreement is on the test half and on random rows: half uniform in the range of each feature, half with
features drawn from other rows each; the C runs on this computer. Instructions: of one run, the first test row, counted by
the emulator; they repeat on any machine.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import (
    cluster,
    covariance,
    datasets,
    discriminant_analysis,
    linear_model,
    mixture,
    naive_bayes,
    neighbors,
    svm,
)
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import skosh
from skosh.built import Build
from skosh.emulate.runner import DeviceRunner
from skosh.verify.measure import measure as measure_build

Array = np.ndarray[Any, Any]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scikit-learn.md"
TARGETS = ("cortex-m0plus", "cortex-m4")
START, END = "<!-- made by benchmarks/classical.py -->\n", "<!-- end -->\n"

LOADERS: dict[str, Callable[..., Any]] = {
    "digits": datasets.load_digits, "breast cancer": datasets.load_breast_cancer, "wine": datasets.load_wine,
    "iris": datasets.load_iris, "diabetes": datasets.load_diabetes,
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Halves of a data set; float64 that holds float32 numbers."""

    train: Array
    test: Array
    y_train: Array
    y_test: Array

    def random(self, count: int, seed: int = 0) -> Array:
        """[count, features]: half uniform, half made of features of different rows."""
        rng = np.random.default_rng(seed)
        low, high = self.train.min(axis=0), self.train.max(axis=0)
        uniform = rng.uniform(low, high, (count // 2, len(low)))
        mixed = rng.permuted(np.tile(self.train, (count // len(self.train) + 1, 1)), axis=0)[: count - count // 2]
        return single(np.concatenate([uniform, mixed]))


@dataclass(frozen=True)
class Case:
    """A model class. scaled: does it get standardized features?"""

    make: Callable[[], Any]
    scaled: bool = True
    kind: str = "classifier"
    skip: tuple[str, ...] = ()
    binary: bool = False  # features become 0 and 1

    @property
    def name(self) -> str:
        made = self.make()
        kernel = f" {made.kernel}" if isinstance(getattr(made, "kernel", None), str) else ""
        weights = " by distance" if getattr(made, "weights", None) == "distance" else ""
        return type(made).__name__ + kernel + weights


def single(x: Array) -> Array:
    """The nearest float32 numbers, as float64."""
    return np.asarray(x).astype(np.float32).astype(np.float64)


def split(name: str, case: Case) -> Data:
    x, y = LOADERS[name](return_X_y=True)
    x = single(x)
    stratify = None if name == "diabetes" else y
    train, test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=42, stratify=stratify)
    if case.scaled:
        scaler = StandardScaler().fit(train)
        train, test = single(scaler.transform(train)), single(scaler.transform(test))
    if case.binary:
        middle = np.median(train, axis=0)
        train, test = (train > middle).astype(float), (test > middle).astype(float)
    return Data(train, test, y_train, y_test)


SVMS = ("linear", "poly", "rbf", "sigmoid")
CASES = [
    Case(lambda: linear_model.LogisticRegression(max_iter=300)),
    Case(linear_model.RidgeClassifier),
    Case(lambda: linear_model.SGDClassifier(random_state=0)),
    Case(lambda: linear_model.Perceptron(random_state=0)),
    Case(lambda: linear_model.PassiveAggressiveClassifier(random_state=0)),
    Case(lambda: svm.LinearSVC(random_state=0)),
    *(Case(partial(svm.SVC, kernel=k)) for k in SVMS),
    Case(lambda: svm.NuSVC(nu=0.1)),
    Case(svm.OneClassSVM),
    Case(discriminant_analysis.LinearDiscriminantAnalysis, scaled=False),
    Case(lambda: discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1)),
    Case(naive_bayes.GaussianNB, scaled=False),
    Case(naive_bayes.MultinomialNB, scaled=False),
    Case(naive_bayes.ComplementNB, scaled=False),
    Case(naive_bayes.BernoulliNB),
    Case(lambda: naive_bayes.CategoricalNB(min_categories=2), binary=True),
    Case(neighbors.KNeighborsClassifier),
    Case(lambda: neighbors.KNeighborsClassifier(weights="distance")),
    Case(neighbors.NearestCentroid),
    Case(lambda: cluster.KMeans(8, random_state=0)),
    Case(lambda: mixture.GaussianMixture(3, random_state=0, reg_covar=1e-2)),
    Case(lambda: covariance.EllipticEnvelope(random_state=0, support_fraction=1.0), skip=("digits",)),
    Case(lambda: VotingClassifier([("a", linear_model.LogisticRegression()), ("b", naive_bayes.GaussianNB())], voting="soft")),
    *(
        Case(make, kind="regressor")
        for make in (
            linear_model.LinearRegression, linear_model.Ridge, linear_model.Lasso, linear_model.ElasticNet,
            lambda: linear_model.SGDRegressor(random_state=0), svm.LinearSVR, neighbors.KNeighborsRegressor,
            lambda: neighbors.KNeighborsRegressor(weights="distance"),
            lambda: VotingRegressor([("a", linear_model.Ridge()), ("b", linear_model.Lasso())]),
            linear_model.PoissonRegressor,
        )
    ),
    *(Case(partial(svm.SVR, kernel=k, C=10.0), kind="regressor") for k in SVMS),
    Case(lambda: svm.NuSVR(C=10.0), kind="regressor"),
]  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of the table. differ: of test and random rows; error: the largest relative one of a regressor."""

    model: str
    data: str
    differ: tuple[int, int]
    rows: tuple[int, int]
    error: float | None
    sizes: tuple[tuple[int, int, int], ...]  # flash, RAM, instructions on each target

    def cells(self) -> list[str]:
        if self.error is None:
            agreement = [f"{100 * (1 - d / n):.4g} %" for d, n in zip(self.differ, self.rows, strict=True)]
        else:
            agreement = [f"within {self.error:.1g}", ""]
        return [self.model, self.data, *agreement, *(f"{n:,}" for size in self.sizes for n in size)]


def measure(name: str, case: Case, randoms: int, targets: tuple[str, ...] = TARGETS) -> Row:
    data = split(name, case)
    model = case.make().fit(data.train, data.y_train)
    graph = skosh.load(model, output="label") if case.kind == "classifier" else skosh.load(model)
    host = skosh.compile(graph, target="host")
    parts = [data.test, data.random(randoms)]
    if case.binary:
        parts[1] = (parts[1] > 0.5).astype(float)
    want, got = [model.predict(x) for x in parts], [host.predict(x) for x in parts]
    differ = tuple(int(np.sum(w != g)) for w, g in zip(want, got, strict=True))
    error = None
    if case.kind == "regressor":
        scale = np.abs(want[0]).mean()
        error = max(float(np.max(np.abs(g - w) / np.maximum(np.abs(w), scale))) for w, g in zip(want, got, strict=True))
    sizes = tuple(footprint(skosh.compile(graph, target=t), data.test[:1]) for t in targets)
    return Row(case.name, name, (differ[0], differ[1]), (len(parts[0]), len(parts[1])), error, sizes)


def footprint(build: Build, row: Array) -> tuple[int, int, int]:
    """(flash, RAM, instructions) of one run on this row."""
    runner, tracer = build.runner, build.tracer
    assert isinstance(runner, DeviceRunner) and isinstance(tracer, DeviceRunner), "devices are emulated"
    inputs = (row.astype(np.float32),)
    profile = measure_build(build.program, build.optimize, build.firmware, runner, tracer, inputs)
    assert profile.instructions is not None, "the emulator counts"
    return profile.flash.total, profile.ram.total, profile.instructions


def rows(chosen: list[str], only: list[str], randoms: int) -> Iterator[Row]:
    for case in CASES:
        if only and not any(o in case.name for o in only):
            continue
        for name in LOADERS:
            wanted = (name == "diabetes") == (case.kind == "regressor")
            if wanted and name in chosen and name not in case.skip:
                yield measure(name, case, randoms)


def table(found: list[Row]) -> str:
    head = ["model", "data", "agrees, test half", "random rows"]
    head += [f"{t} {what}" for t in ("M0+", "M4") for what in ("flash", "RAM", "instructions")]
    lines = [head, ["---", "---", *["--:"] * (len(head) - 2)], *(r.cells() for r in found)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(LOADERS), choices=list(LOADERS))
    parser.add_argument("--only", nargs="+", default=[], help="parts of model names")
    parser.add_argument("--random", type=int, default=10_000, help="random rows")
    parser.add_argument("--write", action="store_true", help="put the table into docs/scikit-learn.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    found = []
    for row in rows(arguments.data, arguments.only, arguments.random):
        print(" | ".join(row.cells()), file=sys.stderr, flush=True)
        found.append(row)
    text = table(found)
    if not arguments.write:
        print(text)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START, 1)
    PAGE.write_text(before + START + text + END + rest.split(END, 1)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
