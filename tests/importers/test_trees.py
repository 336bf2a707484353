"""scikit-learn's trees: the same label on every row, the same probabilities and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier
from threadpoolctl import threadpool_limits

import skosh
from skosh.base.errors import InputError, ModelError
from skosh.importers.trees import limits
from skosh.ops.trees.forest import AUTO
from tests.importers.trees import outputs, random_rows

DATA = {"digits": load_digits, "cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes}


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Threads of histogram boosting that wait for busy cores cost more than they give."""
    with threadpool_limits(1, "openmp"):
        yield


def halves(name: str) -> tuple[Any, Any, Any, Any]:
    """70/30, as in the comparison with other tools."""
    x, y = DATA[name](return_X_y=True)
    return train_test_split(
        x.astype(np.float32), y, test_size=0.3, random_state=42, stratify=None if name == "diabetes" else y
    )


CLASSIFIERS: list[tuple[Any, str]] = [
    (DecisionTreeClassifier(random_state=0), "digits"),
    (DecisionTreeClassifier(random_state=0, max_depth=3), "iris"),
    (ExtraTreeClassifier(random_state=0), "cancer"),
    (RandomForestClassifier(10, random_state=0), "digits"),
    (RandomForestClassifier(100, random_state=0), "cancer"),
    (RandomForestClassifier(30, random_state=0, max_depth=4), "digits"),
    (RandomForestClassifier(30, random_state=0, max_depth=3), "cancer"),
    (RandomForestClassifier(20, random_state=0, min_samples_leaf=3, class_weight="balanced"), "iris"),
    (ExtraTreesClassifier(50, random_state=0), "digits"),
    (GradientBoostingClassifier(n_estimators=20, random_state=0), "iris"),
    (GradientBoostingClassifier(n_estimators=20, random_state=0, loss="exponential"), "cancer"),
    (GradientBoostingClassifier(n_estimators=20, random_state=0, init="zero"), "cancer"),
    (HistGradientBoostingClassifier(max_iter=20), "cancer"),
    (HistGradientBoostingClassifier(max_iter=10), "iris"),
]

REGRESSORS: list[Any] = [
    DecisionTreeRegressor(random_state=0),
    RandomForestRegressor(10, random_state=0),
    ExtraTreesRegressor(10, random_state=0),
    GradientBoostingRegressor(n_estimators=50, random_state=0),
    GradientBoostingRegressor(n_estimators=20, random_state=0, loss="huber", init="zero"),
    HistGradientBoostingRegressor(max_iter=50),
    HistGradientBoostingRegressor(max_iter=20, loss="poisson"),
]


def _name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("model", "data"), CLASSIFIERS, ids=_name)
def test_classifiers(model: Any, data: str) -> None:
    x, test, y, _ = halves(data)
    model.fit(x, y)
    rows = np.concatenate([test, random_rows(x, 10_000)])
    want = model.predict_proba(rows)
    np.testing.assert_array_equal(outputs(skosh.load(model), rows), model.classes_.searchsorted(model.predict(rows)))
    got = outputs(skosh.load(model, output="proba"), rows[:2000])
    np.testing.assert_allclose(got, want[:2000, 1:] if want.shape[1] == 2 else want[:2000], atol=2e-6)
    if hasattr(model, "decision_function"):
        scores = outputs(skosh.load(model, output="decision"), rows[:100])
        np.testing.assert_allclose(scores, model.decision_function(rows[:100]).reshape(scores.shape), atol=1e-5)


@pytest.mark.parametrize("model", REGRESSORS, ids=_name)
def test_regressors(model: Any) -> None:
    x, test, y, _ = halves("diabetes")
    model.fit(x, y)
    rows = np.concatenate([test, random_rows(x, 10_000)])
    np.testing.assert_allclose(outputs(skosh.load(model), rows), model.predict(rows), rtol=1e-5)


def test_several_targets() -> None:
    x, test, y, _ = halves("diabetes")
    model = RandomForestRegressor(5, random_state=0, max_depth=5).fit(x, np.stack([y, -2 * y], 1))
    np.testing.assert_allclose(outputs(skosh.load(model), test), model.predict(test), rtol=1e-5)


@pytest.mark.parametrize("kind", [RandomForestClassifier, HistGradientBoostingClassifier])
def test_missing_values_go_where_the_library_sends_them(kind: Any) -> None:
    x, test, y, _ = halves("cancer")
    rng = np.random.default_rng(1)
    holes = [np.where(rng.random(a.shape) < 0.2, np.nan, a).astype(np.float32) for a in (x, test)]
    model = kind(random_state=0, **({"n_estimators": 20} if kind is RandomForestClassifier else {"max_iter": 10}))
    model.fit(holes[0], y)
    graph = skosh.load(model)
    assert graph.nodes[0].op.sided
    for rows in (holes[1], -np.abs(holes[1]) * np.float32(0.0), np.full_like(test[:1], np.nan)):
        np.testing.assert_array_equal(outputs(graph, rows), model.predict(rows))
    model.fit(x, y)
    assert not skosh.load(model).nodes[0].op.sided
    np.testing.assert_array_equal(outputs(skosh.load(model, missing=True), holes[1]), model.predict(holes[1]))


@pytest.mark.parametrize("features", ["int8", "uint8", "int16"])
def test_integers_as_features(features: str) -> None:
    x, test, y, _ = halves("digits")
    model = RandomForestClassifier(5, random_state=0).fit(x, y)
    np.testing.assert_array_equal(outputs(skosh.load(model, features=features), test), model.predict(test))


def test_limits_are_rounded_down() -> None:
    t = np.array([0.1, 1 / 3, -0.1, 2.5, 1e300, -1e300, np.inf, 1e-60, -1e-60, -0.0])
    rounded = limits(t, skosh.load(DecisionTreeClassifier().fit([[0.0], [1]], [0, 1])).tensors["x"].dtype)
    for limit, low in zip(t, rounded, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            above = np.nextafter(low, np.float32(np.inf))
        assert np.float64(low) <= limit and (low == np.inf or np.float64(above) > limit)
    assert not np.signbit(rounded[-1])


FORMS: list[tuple[dict[str, Any], str]] = [
    ({"form": "table"}, "cortex-m0plus"),
    ({}, "cortex-m0plus"),
    ({"form": "code"}, "cortex-m4"),
    ({"form": "mixed", "output": "proba"}, "cortex-m4"),
    ({"form": "mixed", "features": "uint8"}, "cortex-m0plus"),
    ({"form": 0.1, "features": "uint8"}, "cortex-m4"),
]


@pytest.mark.parametrize(("options", "target"), FORMS)
def test_the_c_is_bit_exact(options: dict[str, Any], target: str) -> None:
    x, test, y, _ = halves("digits")
    model = RandomForestClassifier(3, random_state=0, max_depth=6).fit(x, y)
    build = skosh.compile(skosh.load(model, **options), target=target)
    assert build.verify(test[:10].astype(options.get("features", "float32")), against=("reference", "host")).bit_exact


@pytest.mark.parametrize("form", ["table", "mixed", "code"])
def test_negative_limits_and_many_scores(form: str) -> None:
    x, _, y, _ = halves("iris")
    scaled = StandardScaler().fit(x).transform(x)
    model = GradientBoostingClassifier(n_estimators=4, random_state=0).fit(scaled, y)
    build = skosh.compile(skosh.load(model, form=form, output="proba"), target="cortex-m0plus")
    assert build.verify(scaled[:5].astype(np.float32)).bit_exact
    assert build.verify(3).bit_exact


@pytest.mark.parametrize(
    ("trees", "optimize", "kernel"),
    [(3, "balanced", "vote"), (3, "flash", "forest_votes"), (40, "balanced", "forest_votes"), (40, "speed", "vote")],
)
def test_the_form_is_left_to_the_target_and_the_aim(trees: int, optimize: str, kernel: str) -> None:
    x, _, y, _ = halves("iris")
    graph = skosh.load(RandomForestClassifier(trees, random_state=0).fit(x, y))
    assert graph.nodes[0].op.inline == AUTO
    build = skosh.compile(graph, target="cortex-m4", optimize=optimize)
    assert any(r.kernel.name.startswith(kernel) for r in build.program.routines)


def test_after_a_scaler() -> None:
    x, test, y, _ = halves("iris")
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)).fit(x, y)
    build = skosh.compile(model, target="host")
    np.testing.assert_array_equal(build.run(test), model.predict(test))


def test_one_leaf_alone() -> None:
    model = DecisionTreeClassifier().fit([[1.0], [2.0]], [3, 3])
    build = skosh.compile(model, target="cortex-m4")
    assert build.run(np.ones((2, 1), np.float32)).tolist() == [0, 0]
    assert build.predict(np.ones((2, 1))).tolist() == [3, 3]


def test_what_is_refused() -> None:
    x, _, y, _ = halves("iris")
    tree = DecisionTreeClassifier().fit(x, y)
    with pytest.raises(InputError, match='features must be one of float32, int8, uint8, int16, not "int4"'):
        skosh.load(tree, features="int4")
    with pytest.raises(InputError, match="a step before the trees computes floats"):
        skosh.load(make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(x, y), features="int8")
    with pytest.raises(InputError, match="form must be one of auto, table, mixed, code"):
        skosh.load(tree, form="fast")
    with pytest.raises(InputError, match="or a share from 0 to 1, not"):
        skosh.load(tree, form=1.5)
    with pytest.raises(InputError, match='form must be "table" where values may be missing, not "code"'):
        skosh.load(tree, form="code", missing=True)
    with pytest.raises(InputError, match='DecisionTreeClassifier has no option "colour"'):
        skosh.load(tree, colour="red")
    with pytest.raises(ModelError, match='init must be None or "zero", not LinearRegression'):
        skosh.load(GradientBoostingRegressor(n_estimators=1, init=LinearRegression()).fit(x, y))
    with pytest.raises(ModelError, match="must be fitted"):
        skosh.load(RandomForestClassifier())
    tree.tree_.threshold[0] = np.nan
    with pytest.raises(ModelError, match="a threshold must be a number, not NaN"):
        skosh.load(tree)
