"""A model of many rows gives, row by row, what the model of one row gives; and which models have none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import skosh
from skosh.built import BATCH_FROM
from skosh.ir.check_graph import check_graph
from skosh.ir.interpret_graph import run_graph
from skosh.optimize.batching import batched

MODELS: list[tuple[Any, Any, dict[str, Any]]] = [
    (RandomForestClassifier(4, max_depth=4, random_state=0), load_iris, {}),
    (RandomForestClassifier(4, max_depth=4, random_state=0), load_breast_cancer, {"output": "proba"}),
    (GradientBoostingClassifier(n_estimators=4, random_state=0), load_iris, {"output": "proba"}),
    (HistGradientBoostingClassifier(max_iter=4), load_breast_cancer, {"missing": True}),
    (AdaBoostClassifier(n_estimators=4, random_state=0), load_iris, {"output": "decision"}),
    (AdaBoostRegressor(n_estimators=4, random_state=0), load_diabetes, {}),
    (ExtraTreesRegressor(3, max_depth=8, random_state=0), load_diabetes, {}),
    (IsolationForest(n_estimators=4, random_state=0), load_iris, {}),
    (LogisticRegression(max_iter=50), load_iris, {}),
]


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize(("model", "data", "options"), MODELS, ids=lambda v: type(v).__name__)
def test_rows_side_by_side(model: Any, data: Any, options: dict[str, Any]) -> None:
    x, y = data(return_X_y=True)
    graph = skosh.load(model.fit(x, y), **options)
    rows = x[:: len(x) // 7][:7].astype(np.float32)
    many = batched(graph, len(rows))
    assert many is not None
    check_graph(many)
    (out,) = graph.outputs
    want = [run_graph(graph, [row[None]]).values[out] for row in rows]
    np.testing.assert_array_equal(run_graph(many, [rows]).values[out], np.concatenate(want))


def test_many_rows_are_run_in_blocks_and_give_the_same() -> None:
    x, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(10, random_state=0).fit(x, y)
    build = skosh.compile(skosh.load(model), target="host")
    rows = np.tile(x, (20, 1))[: BATCH_FROM + 5].astype(np.float32)
    assert build._batches is not None
    got = build.run(rows)
    np.testing.assert_array_equal(got, build._batches.run(rows))
    np.testing.assert_array_equal(got[:150], build.run(rows[:150]))
    np.testing.assert_array_equal(build.predict(rows), model.predict(rows))
    assert build._batches.run(rows[:1]).shape == (1,)


def test_models_that_do_not_take_rows_one_by_one() -> None:
    x, y = load_iris(return_X_y=True)
    assert batched(skosh.load(KNeighborsClassifier(3).fit(x, y)), 8) is None
    build = skosh.compile(skosh.load(KNeighborsClassifier(3).fit(x, y)), target="host")
    assert build._batches is None
    rows = np.tile(x, (14, 1)).astype(np.float32)
    assert build.run(rows).shape == (2100,)
