"""Features that float32 squares to infinity or to nothing, or that lie far from 0: predicted as the library does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import BayesianRidge, Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid
from sklearn.svm import SVC, SVR, OneClassSVM

import skosh
from skosh.ir.interpret_graph import run_graph
from tests.importers.sklearn_models import Array, single

CLASSIFIERS: list[Any] = [
    KNeighborsClassifier(3), KNeighborsClassifier(3, weights="distance"), KNeighborsClassifier(3, algorithm="brute"),
    KNeighborsClassifier(3, p=1), KMeans(3, random_state=0, n_init=1), NearestCentroid(), SVC(), SVC(gamma="auto"),
    GaussianNB(), *(GaussianMixture(3, covariance_type=c, random_state=0) for c in ("diag", "full")),
    QuadraticDiscriminantAnalysis(), LinearDiscriminantAnalysis(), OneClassSVM(nu=0.2),
    EllipticEnvelope(random_state=0, support_fraction=1.0),
]  # fmt: skip
REGRESSORS: list[Any] = [LinearRegression(), Ridge(), Lasso(0.001), BayesianRidge(), SVR(), KNeighborsRegressor(3)]
PLACES: dict[str, tuple[float, Any]] = {
    "huge": (1e25, 0.0), "tiny": (1e-25, 0.0), "far": (1.0, 1e6), "far, each elsewhere": (1.0, [1e4, -3e4, 2e5, 10.0]),
}  # fmt: skip


def data(place: str) -> tuple[Array, Array, Array]:
    """(training rows, classes, other rows)"""
    scale, offset = PLACES[place]
    rng = np.random.default_rng(0)
    x, rows = rng.normal(size=(90, 4)), rng.normal(size=(40, 4))
    y = (x[:, 0] + 0.5 * x[:, 1] > 0).astype(int) + (x[:, 2] > 0.7)
    return single(x * scale + np.asarray(offset)), y, single(rows * scale + np.asarray(offset))


def fitted(model: Any, x: Array, y: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(x, y)


def interpreted(model: Any, rows: Array, **options: Any) -> Array:
    """What the graph gives for each row, labels as the library has them."""
    graph = skosh.load(model, **options)
    y = np.stack([run_graph(graph, [r[None].astype(np.float32)]).values[graph.outputs[0]].reshape(-1) for r in rows])
    return np.asarray(graph.notes["classes"])[y[:, 0]] if options.get("output") == "label" else y


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_labels(model: Any, place: str) -> None:
    if place == "tiny" and isinstance(model, QuadraticDiscriminantAnalysis):
        return  # which refuses to be fitted
    x, y, rows = data(place)
    made = fitted(model, x, y)
    np.testing.assert_array_equal(interpreted(made, rows, output="label"), made.predict(rows))


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda m: type(m).__name__)
def test_labels_of_rows_that_are_much_too_far_out(model: Any) -> None:
    """Up to what float32 holds, of a model of numbers near 1: beyond 1e16 float64 can't tell its neighbours apart either."""
    x, y, rows = data("huge")
    made = fitted(model, single(x / 1e25), y)
    out = single(rows / 1e25 * 10.0 ** np.random.default_rng(1).uniform(19, 37, (len(rows), 1)))
    np.testing.assert_array_equal(interpreted(made, out, output="label"), made.predict(out))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("model", REGRESSORS, ids=lambda m: type(m).__name__)
def test_values(model: Any, place: str) -> None:
    """Near 0 beside the features: what is left of numbers near 1e6 after most of them cancels."""
    x, _, rows = data(place)
    y = (x - x.mean(axis=0)) @ [1, -2, 0.5, 0.3] / PLACES[place][0]
    made = fitted(model, x, y + np.random.default_rng(2).normal(size=90) * 0.1)
    want = made.predict(rows)
    np.testing.assert_allclose(interpreted(made, rows)[:, 0], want, rtol=1e-5, atol=1e-5 * want.std())


@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4", "rv32imc"])
def test_the_c_is_bit_exact(target: str) -> None:
    x, y, rows = data("far")
    for model in (Ridge(), RidgeClassifier(), KNeighborsClassifier(3)):
        build = skosh.compile(fitted(model, x, y), target=target)
        proof = build.verify(rows[:6].astype(np.float32))
        assert proof.bit_exact, proof.first_difference
    assert "double" in skosh.compile(fitted(Ridge(), x, y), target=target).sources["ridge.c"]


def test_a_model_whose_data_was_scaled_stays_float32() -> None:
    x, y, _ = data("huge")
    assert "precise_dense" not in {n.op.kind for n in skosh.load(fitted(LogisticRegression(), x / 1e25, y)).nodes}
