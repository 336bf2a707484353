"""Several targets, chains, models that look at nothing, and large forests: against the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.tree import DecisionTreeClassifier

import skosh
from skosh.base.errors import ModelError
from skosh.ir.checks.ranges import decisions
from skosh.ir.kernel import If
from skosh.lower.forests import MOST, formed
from skosh.targets import target
from tests.support.library import assert_library

X = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
NUMBERS = np.stack([X[:, 0], X[:, 1] ** 2, X[:, 0] * X[:, 2] * 1e6], axis=1)
LABELS = (np.median(NUMBERS, axis=0) < NUMBERS).astype(int)
MIXED = np.stack([np.array(["no", "yes"])[LABELS[:, 0]], np.array(["a", "b", "c"])[LABELS[:, 1] + LABELS[:, 2]]], axis=1)
FEW: dict[str, Any] = {"random_state": 0, "max_depth": 5}

MODELS: list[tuple[Any, Any]] = [
    (RandomForestRegressor(4, **FEW), NUMBERS), (RandomForestClassifier(4, **FEW), LABELS),
    (RandomForestClassifier(4, **FEW), MIXED), (DecisionTreeClassifier(**FEW), LABELS),
    (MultiOutputClassifier(LogisticRegression()), LABELS), (MultiOutputClassifier(DecisionTreeClassifier(**FEW)), MIXED),
    (MultiOutputRegressor(GradientBoostingRegressor(n_estimators=3)), NUMBERS),
    (RegressorChain(Ridge(), order=[2, 0, 1]), NUMBERS / [1, 1, 1e6]),
    (ClassifierChain(LogisticRegression(), order=[1, 0, 2]), LABELS),
    (ClassifierChain(DecisionTreeClassifier(**FEW)), LABELS), (DummyClassifier(), LABELS[:, 0]),
    (DummyClassifier(strategy="constant", constant="b"), MIXED[:, 1]), (DummyRegressor(), NUMBERS[:, 0]),
    (DummyRegressor(strategy="median"), NUMBERS),
]  # fmt: skip


@pytest.mark.parametrize(("model", "y"), MODELS, ids=lambda v: type(v).__name__)
def test_several_targets(model: Any, y: Any) -> None:
    model.fit(X, y)
    assert_library(model, skosh.load(model), X, model.predict(X))


def test_a_small_forest_of_several_targets_is_small() -> None:
    model = RandomForestRegressor(10, max_depth=6, random_state=0).fit(X, NUMBERS)
    build = skosh.compile(model, target="cortex-m4")
    assert build.verify(3).bit_exact
    flash = build.profile().flash
    assert flash.code + flash.weights < 16_000


def test_what_is_refused() -> None:
    drawn = DummyClassifier(strategy="stratified").fit(X, LABELS[:, 0])
    with pytest.raises(ModelError, match='the strategy "stratified" draws at random'):
        skosh.load(drawn)
    chain = ClassifierChain(LogisticRegression(), chain_method="predict_proba").fit(X, LABELS)
    with pytest.raises(ModelError, match="a chain must hand on labels"):
        skosh.load(chain)
    with pytest.raises(ModelError, match='output of RandomForestClassifier must be "label", not "proba"'):
        skosh.load(RandomForestClassifier(2).fit(X, LABELS), output="proba")


def test_a_large_forest_has_bounded_code() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(7000, 4)).astype(np.float32)
    model = RandomForestClassifier(6, random_state=0).fit(x, rng.integers(0, 2, 7000))
    graph = skosh.load(model)
    (node,) = [n for n in graph.nodes if n.op.kind == "forest"]
    inputs = graph.operands(node.inputs)
    assert len(graph.tensors[node.inputs[1]].data) > 4 * MOST  # type: ignore[arg-type]
    for aim in ("balanced", "speed", "flash"):
        assert formed(node.op, inputs, target("cortex-m4"), aim).inline <= MOST  # type: ignore[attr-defined]
    build = skosh.compile(graph, target="host")
    assert build.predict(x[:50]).tolist() == model.predict(x[:50]).tolist()


def test_nested_ifs_of_constants_are_read_at_once() -> None:
    model = DecisionTreeClassifier(max_depth=8, random_state=0).fit(X, LABELS[:, 2])
    graph = skosh.load(model, form="code")
    (node,) = [n for n in graph.nodes if n.op.kind == "forest"]
    (call, *_) = node.op.calls(graph.operands(node.inputs), graph.operands(node.outputs))
    trees = [s for s in call.kernel.body if isinstance(s, If)]
    assert trees
    tree = decisions(trees[0])
    assert tree is not None
    assert (tree.name, tree.least, tree.most) == ("node", 0, 1)
    assert 1 <= len(tree.asked) <= X.shape[1]
    assert decisions(If(trees[0].condition, trees[0].then, ())) is None
