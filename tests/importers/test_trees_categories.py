"""Splits on categories: XGBoost, LightGBM and histogram boosting send every number where skosh does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.errors import ModelError
from skosh.importers.tree_sets import Ranges, below, ranges_of, whole_numbers, with_ranges
from skosh.importers.trees import Tree
from skosh.ir.graph import Array
from tests.importers.trees import outputs
from tests.support.library import predicted

pytest.importorskip("sklearn")
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

STRANGE = np.array([np.nan, -1, -0.5, -0.0, 0.0, 0.25, 0.999, 1.5, 6, 7, 8, 50, 1e6, 1e9, -1e9, np.inf, -np.inf])


def data(seed: int = 0, count: int = 400, holes: bool = False) -> tuple[Array, Array]:
    """[count, 4]: two columns of categories, two of numbers; and targets that hang on them."""
    rng = np.random.default_rng(seed)
    x = np.stack([rng.integers(0, 7, count), rng.integers(0, 12, count), *rng.normal(0, 1, (2, count))], 1)
    y = np.isin(x[:, 0], (1, 4, 5)) * 2.0 + np.isin(x[:, 1], (0, 3, 8)) * x[:, 2] + 0.1 * x[:, 3]
    if holes:
        x = np.where(rng.random(x.shape) < 0.15, np.nan, x)
    return x.astype(np.float32), y.astype(np.float32)


def rows(x: Array) -> Array:
    """More of the kind, and strange numbers in each column."""
    more, _ = data(7, 500)
    strange = np.repeat(x[:20], len(STRANGE) * 2, axis=0)
    for i in range(len(strange)):
        strange[i, i % 2] = STRANGE[i // 2 % len(STRANGE)]
    return np.concatenate([x, more, strange]).astype(np.float32)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("one_hot", [1, 20])
def test_xgboost(holes: bool, one_hot: int) -> None:
    xgboost = pytest.importorskip("xgboost")
    x, y = data(holes=holes)
    model = xgboost.XGBRegressor(
        n_estimators=8, max_depth=5, feature_types=["c", "c", "q", "q"], enable_categorical=True,
        max_cat_to_onehot=one_hot, nthread=1,
    ).fit(x, y)  # fmt: skip
    test = rows(x)
    test = test[~np.isinf(test).any(axis=1)]  # the library refuses these
    np.testing.assert_allclose(outputs(skosh.load(model), test), model.predict(test), rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("holes", [False, True])
def test_lightgbm(holes: bool) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    x, y = data(holes=holes)
    model = lightgbm.LGBMRegressor(n_estimators=8, verbose=-1, n_jobs=1, min_data_per_group=5, cat_smooth=1)
    model.fit(x, y, categorical_feature=[0, 1])
    test = rows(x)
    test = test[np.abs(test[:, :2]).max(axis=1) < 1e8]  # a C cast of what fits no int is undefined in the library
    graph = skosh.load(model, missing=True)
    np.testing.assert_allclose(outputs(graph, test), model.predict(test), rtol=1e-5, atol=1e-6)
    if not holes:
        clean = test[~np.isnan(test).any(axis=1)]
        np.testing.assert_allclose(outputs(skosh.load(model), clean), model.predict(clean), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("holes", [False, True])
def test_histograms(holes: bool) -> None:
    x, y = data(holes=holes)
    x[:, 0] = x[:, 0] * 1.5 - 3  # categories need not be whole numbers
    model = HistGradientBoostingRegressor(max_iter=8, categorical_features=[0, 3]).fit(np.round(x, 1), y)
    test = np.round(rows(x), 1).astype(np.float32)
    exact = test.astype(np.float64)  # the library compares float64 with what it was fitted with
    test = test[~np.isinf(test).any(axis=1)]
    exact = exact[~np.isinf(exact).any(axis=1)]
    graph = skosh.load(model, missing=True)
    np.testing.assert_allclose(outputs(graph, test), model.predict(exact), rtol=1e-5, atol=1e-6)


def test_labels_on_a_device() -> None:
    x, y = data()
    model = HistGradientBoostingClassifier(max_iter=4, categorical_features=[0, 1]).fit(x, y > 1)
    build = skosh.compile(skosh.load(model), target="cortex-m0plus")
    assert build.predict(x[:30]).tolist() == model.predict(x[:30]).tolist()
    assert build.verify(x[:5]).bit_exact


def one_node() -> Tree:
    """Asks at the root; 1 on the left, 2 on the right."""
    a = np.array
    return Tree(
        a([0, 0, 0]), a([0.0, 0, 0]), a([1, -1, -1]), a([2, -1, -1]), a([False] * 3), a([9, 4, 5]), a([[0.0], [1], [2]])
    )


def walk(tree: Tree, x: float) -> int:
    node = 0
    while tree.left[node] >= 0:
        goes = bool(tree.missing[node]) if np.isnan(x) else x <= tree.limit[node]
        node = int(tree.left[node] if goes else tree.right[node])
    return int(tree.value[node, 0])


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 9)), st.booleans(), st.booleans(), st.booleans())
def test_any_set_of_whole_numbers(chosen: set[int], left: bool, nan_left: bool, from_below: bool) -> None:
    tree = with_ranges(one_node(), {0: whole_numbers(chosen, left=left, nan_left=nan_left, from_below=from_below)})
    for x in np.arange(-2, 11, 0.25):
        inside = int(x) in chosen and (x >= 0 or (x > -1 and from_below))
        assert walk(tree, float(x)) == (1 if inside == left else 2)
    assert walk(tree, np.nan) == (1 if nan_left else 2)


def test_ranges() -> None:
    assert ranges_of([], True, False) == Ranges((), (True,), False)
    assert ranges_of([(0, 1, True), (1, 2, False), (2, 3, True)], False, False) == Ranges(
        (0, 1, 2, 3), (False, True, False, True, False), False
    )
    assert ranges_of([(0, 1, True), (1, 2, True), (5, 5, True)], False, False).bounds == (0, 2)
    assert below(1.0, np.float32) < 1
    with pytest.raises(ModelError, match="categories must ascend"):
        ranges_of([(3, 4, True), (1, 2, True)], False, False)
    with pytest.raises(ModelError, match="a category must be a whole number from 0 to"):
        whole_numbers([-3], left=True, nan_left=False)


def test_categories_that_are_text() -> None:
    x, y = data()
    text = np.array(["a", "b", "c", "d", "e", "f", "g"])[x[:, :1].astype(int)].astype(object)
    model = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0]).fit(text, y)
    np.testing.assert_allclose(predicted(skosh.load(model), text), model.predict(text), rtol=1e-6)
