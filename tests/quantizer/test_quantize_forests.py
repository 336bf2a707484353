"""Forests in integers: grids over thresholds, coarse leaves, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

import skosh
from skosh.base.dtypes import i16, u8
from skosh.base.errors import InputError, ModelError
from skosh.quantizer.classical.forests import gridded

CANCER, IRIS, DIGITS, DIABETES = (
    f(return_X_y=True) for f in (load_breast_cancer, load_iris, load_digits, load_diabetes)
)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    with threadpool_limits(1, "openmp"):
        yield


def sides(limits: Any, values: Any, dtype: Any) -> tuple[Any, Any]:
    """(how many limits are below each value, the same by integers)."""
    made = gridded(np.asarray(limits, np.float64), values, dtype)
    return np.searchsorted(limits, values), np.searchsorted(made.integers, made.grid.of(values, dtype))


def test_whole_numbers_are_what_they_are() -> None:
    for limits in (np.arange(16) + 0.5, np.arange(16.0)):
        made = gridded(limits, np.arange(17.0), u8)
        assert (made.grid.scale, made.grid.zero) == (1.0, 0)
        want, got = sides(limits, np.arange(17.0), u8)
        assert (want == got).all()


@pytest.mark.parametrize("dtype", [u8, i16])
@pytest.mark.parametrize(
    "limits", [[3.7], [0.0], [-5.0, 5.0], [1e-30, 2e-30], [1e30, 1.5e30], [900.0, 901.0, 950.0], [-1e38, 1e38]]
)
def test_values_keep_their_side_of_thresholds(limits: list[float], dtype: Any) -> None:
    span = max(limits) - min(limits) or abs(limits[0]) or 1.0
    values = np.linspace(limits[0] - span, limits[-1] + span, 400)
    values = values[np.abs(values[:, None] - np.array(limits)).min(axis=1) > span / 60]
    want, got = sides(limits, values, dtype)
    assert (want == got).all()


@pytest.mark.parametrize("dtype", [u8, i16])
@pytest.mark.parametrize("less", [False, True])
def test_values_that_are_thresholds_keep_their_side(dtype: Any, less: bool) -> None:
    values = np.sort(np.random.default_rng(0).normal(0, 3, 40).round(1)).astype(np.float32)
    limits = np.unique(values[::3])
    if less:  # x < limit, as XGBoost says it
        limits = np.nextafter(limits, np.float32(-np.inf))
    want, got = sides(limits.astype(np.float64), values.astype(np.float64), dtype)
    assert (want == got).all()


MODELS = [
    (DecisionTreeClassifier(random_state=0), IRIS, 0.0),
    (RandomForestClassifier(10, random_state=0), CANCER, 0.02),
    (RandomForestClassifier(10, random_state=0), DIGITS, 0.0),
    (GradientBoostingClassifier(n_estimators=20, random_state=0), CANCER, 0.02),
    (GradientBoostingClassifier(n_estimators=10, random_state=0), IRIS, 0.02),
    (HistGradientBoostingClassifier(max_iter=20, random_state=0), CANCER, 0.02),
    (AdaBoostClassifier(n_estimators=20, random_state=0), IRIS, 0.02),
    (IsolationForest(n_estimators=20, random_state=0), CANCER, 0.03),
]


@pytest.mark.parametrize(("model", "data", "most"), MODELS, ids=lambda v: type(v).__name__)
def test_labels_stay(model: Any, data: Any, most: float) -> None:
    x, y = data[0].astype(np.float32), data[1]
    fitted = model.fit(x[::2], y[::2])
    for scheme in ("int8", "int16x8"):
        graph = skosh.quantize(skosh.load(fitted), x[::2], scheme=scheme)
        assert graph.tensors[graph.inputs[0]].dtype == (u8 if scheme == "int8" else i16)
        build = skosh.compile(graph, target="host")
        assert np.mean(build.predict(x) != fitted.predict(x)) <= (most if scheme == "int8" else most / 4)
        assert build.verify(samples=5).bit_exact


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(10, random_state=0), GradientBoostingRegressor(random_state=0)]
)
def test_values_stay_near(model: Any) -> None:
    x, y = DIABETES[0].astype(np.float32), DIABETES[1]
    fitted = model.fit(x[::2], y[::2])
    want, off = fitted.predict(x), {}
    for scheme in ("int8", "int16x8"):
        got = skosh.compile(skosh.quantize(skosh.load(fitted), x[::2], scheme=scheme), target="host").predict(x)
        off[scheme] = float(np.mean(np.abs(got.reshape(-1) - want))) / float(np.std(want))
    assert off["int16x8"] < 0.01 and off["int8"] < 0.05


def test_fewer_leaves_and_nodes() -> None:
    fitted = GradientBoostingRegressor(random_state=0).fit(DIABETES[0].astype(np.float32), DIABETES[1])
    exact = skosh.load(fitted, form="table")
    (node,) = (n for n in exact.nodes if n.op.kind == "forest")
    made = skosh.quantize(exact, DIABETES[0].astype(np.float32))
    assert made.tensors[node.inputs[8]].size <= 255 < exact.tensors[node.inputs[8]].size
    sizes = [skosh.compile(g, target="cortex-m4").profile().flash.total for g in (exact, made)]
    assert sizes[1] < 0.7 * sizes[0]


def test_what_is_refused() -> None:
    x, y = IRIS[0].astype(np.float32), IRIS[1]
    graph = skosh.load(DecisionTreeClassifier().fit(x, y), missing=True)
    with pytest.raises(ModelError, match="integers can't be missing"):
        skosh.quantize(graph, x)
    with pytest.raises(InputError, match='the scheme of a forest must be one of int8, int16x8, not "int4"'):
        skosh.quantize(skosh.load(DecisionTreeClassifier().fit(x, y)), x, scheme="int4")
    with pytest.raises(InputError, match="must have shape"):
        skosh.quantize(skosh.load(DecisionTreeClassifier().fit(x, y)), x[:, :2])
