"""The library's own object as an oracle: what differs is found, what is rounding isn't, and the edges are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import skosh
from skosh.base.errors import InputError
from skosh.importers.originals import EDGES, Answers, Original
from skosh.ir.graph import Graph
from skosh.ops.trees.forest import ordered
from skosh.verify.edges import edge_samples, from_order, readers
from skosh.verify.library import asked, compared

X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
MODELS: list[Any] = [
    RandomForestClassifier(5, random_state=0),
    RandomForestRegressor(3, random_state=0),
    LogisticRegression(),
    make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=4, random_state=0)),
    IsolationForest(n_estimators=5, random_state=0),
]


def with_data(graph: Graph, name: str, change: Any) -> Graph:
    """The graph with another constant in place of the one whose name ends so."""
    (found,) = [t for n, t in graph.tensors.items() if n.endswith(name)]
    return replace(graph, tensors={**graph.tensors, found.name: replace(found, data=change(found.data.copy()))})


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_objects_agree_with_themselves(model: Any) -> None:
    proof = skosh.compile(model.fit(X, Y), target="host").verify(5)
    assert proof.bit_exact, proof.first_difference
    assert proof.against == ("reference", "library")
    assert proof.library is not None
    assert proof.library.rows > 5
    assert proof.as_json()["library"]["name"].startswith(type(model).__name__)


def test_a_threshold_that_is_a_little_off_is_found() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, Y)

    def moved(limit: Any) -> Any:
        limit[:] = np.nextafter(limit, np.float32(np.inf))
        return limit

    graph = with_data(skosh.load(model, output="proba"), "tree_limit", moved)
    proof = skosh.compile(graph, target="cortex-m4").verify(5)
    assert not proof.bit_exact
    assert proof.first_difference is not None
    assert proof.first_difference.against == "library (thresholds)"
    assert proof.library is not None
    assert proof.library.edges["thresholds"] > 0
    only = skosh.compile(graph, target="host").verify(5, against=("reference",))
    assert (only.bit_exact, only.library) == (True, None)


def test_a_value_that_is_off_is_found() -> None:
    graph = with_data(skosh.load(LogisticRegression().fit(X, Y)), "weight", lambda w: w * 1.001)
    proof = skosh.compile(graph, target="host").verify(5, against=("library",))
    assert not proof.bit_exact
    assert proof.first_difference is not None
    assert proof.first_difference.against == "library (samples)"


def test_only_what_has_an_object_can_be_compared_with_it() -> None:
    graph = skosh.load(LogisticRegression().fit(X, Y))
    small = skosh.quantize(graph, X)
    assert skosh.compile(small, target="host").verify(3).library is None
    with pytest.raises(InputError, match="only a model made from a library's fitted object can be compared with that"):
        skosh.compile(small, target="host").verify(3, against=("library",))


def test_ties_are_counted_apart() -> None:
    graph = skosh.load(DecisionTreeClassifier(max_depth=2).fit(X, Y))
    want, scores = np.array([[0], [0], [2]]), np.array([[0.5, 0.5, 0], [0.6, 0.4, 0], [0.2, 0.2, 0.6]])
    answers = Answers((want,), scores)
    original = Original("x", lambda inputs: answers)
    (found,) = compared(original, graph, answers, [(np.array([1]),), (np.array([1]),), (np.array([2]),)])
    assert found.differ.reshape(-1).tolist() == [False, True, False]
    assert found.ties == 1


def test_a_library_may_refuse_rows_and_kinds() -> None:
    def answers(inputs: Any) -> Answers:
        rows = np.concatenate([x[0] for x in inputs])
        if np.isnan(rows).any():
            raise ValueError("no\nNaN")
        return Answers((rows.sum(axis=1, keepdims=True),))

    good, bad = (np.ones((1, 2), np.float32),), (np.full((1, 2), np.nan, np.float32),)
    original = Original("x", answers)
    got, said = asked(original, [good, bad, good], one_by_one=True)
    assert (said, got is not None) == ("ValueError: no NaN", True)
    assert got is not None
    assert got.known is not None
    assert (got.known.tolist(), got.outputs[0].reshape(-1)[[0, 2]].tolist()) == ([True, False, True], [2, 2])
    assert asked(original, [good, bad], one_by_one=False) == (None, said)


def test_edges_are_where_they_should_be() -> None:
    graph = skosh.load(RandomForestClassifier(5, random_state=0).fit(X, Y))
    ((name, trees),) = readers(graph)
    assert name == "x"
    for (x,) in edge_samples(graph, 20, "thresholds"):
        keys = ordered(x[0])
        near = [set(keys[[f]] - trees.limit[trees.feature == f]) & {0, 1} for f in range(4)]
        assert sum(map(bool, near)) >= 2
    for kind, holds in (("missing", np.isnan), ("infinite", np.isinf), ("huge", lambda x: np.abs(x) > 1e7)):
        assert all(holds(x).any() for (x,) in edge_samples(graph, 5, kind))
    whole = skosh.load(RandomForestClassifier(5, random_state=0).fit(np.rint(X * 9), Y), features="int8")
    assert edge_samples(whole, 5, "thresholds")
    assert not edge_samples(whole, 5, "missing")
    assert set(EDGES) == {"thresholds", "tiny", "huge", "missing", "infinite"}
    for x in (0.0, -0.0, 1e-45, -1e-45, 1.5, -3.25, np.inf, -np.inf):
        number = np.array([x], np.float32)
        assert from_order(int(ordered(number)[0]), number.dtype).tobytes() == number.tobytes()
