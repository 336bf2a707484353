"""pgmpy's, hmmlearn's and sklearn_crfsuite's objects as oracles of ``verify``: right models agree, wrong ones are caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.importers.pgm.asked import MOST
from skosh.ir.graph import Graph

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:pgmpy", "ignore::UserWarning:pgmpy")

CASES: dict[str, dict[str, Any]] = {
    "network": {"query": "rain"},
    "network, together": {"query": ["rain", "sprinkler"]},
    "network, each": {"query": ["rain", "sprinkler"], "joint": False},
    "network, map": {"query": "rain", "output": "map"},
    "gaussian": {},
    "gaussian, lag": {"output": "smooth", "lag": 2},
    "gaussian, window": {"output": "posteriors", "length": 9},
    "gaussian, likelihood": {"output": "likelihood", "length": 9},
    "symbols": {},
    "symbols, window": {"output": "posteriors", "length": 3},
    "field": {"output": "marginals", "length": 4},
    "field, numbers": {"output": "marginals", "length": 4, "attributes": 3},
    "field, no values": {"output": "marginals", "length": 4, "attributes": 3, "values": False},
}


def model_of(case: str, *, other: bool = False) -> Any:
    """A fitted object; other: one of the same shape that answers otherwise."""
    kind, rng = case.partition(",")[0], np.random.default_rng(int(other))
    if kind == "network":
        from tests.importers.test_networks import sprinkler, to_pgmpy

        model = to_pgmpy(sprinkler())
        if other:
            for table in model.get_cpds():
                table.values = table.values[::-1].copy()
        return model
    if kind == "field":
        crfsuite = pytest.importorskip("sklearn_crfsuite")
        items = [[{"a": float(v), "b": float(-v)} for v in rng.normal(size=4)] for _ in range(30)]
        labels = [["x" if (item["a"] > 0) != other else "y" for item in row] for row in items]
        return crfsuite.CRF(max_iterations=20).fit(items, labels)
    hmm = pytest.importorskip("hmmlearn.hmm")
    if kind == "gaussian":
        return hmm.GaussianHMM(3, random_state=0).fit(rng.normal(size=(120, 2)) + other)
    return hmm.CategoricalHMM(2, random_state=0).fit(rng.integers(0, 3, (120, 1)) if not other else [[0], [1], [2], [2]] * 9)


def checked(graph: Graph) -> Any:
    """The proof for random samples; symbols that come one by one are all observed, until the ninth."""
    build = skosh.compile(graph, target="host")
    (x, *more) = (graph.tensors[n] for n in graph.inputs)
    if graph.states and x.dtype.kind == "int" and not more:
        symbols = np.random.default_rng(2).integers(0, 3, (12, *x.shape[1:])).astype(np.int32)
        symbols[8] = -1
        return build.verify(symbols)
    return build.verify(12)


@pytest.mark.parametrize("case", CASES)
def test_the_library_agrees(case: str) -> None:
    proof = checked(skosh.load(model_of(case), **CASES[case]))
    assert proof.bit_exact, proof.first_difference
    assert proof.library is not None and proof.library.rows > 0
    assert proof.library.largest_error < 1e-5


@pytest.mark.parametrize("case", [c for c in CASES if c != "network, map"])
def test_another_object_is_told_apart(case: str) -> None:
    """So the test above can fail: the C of one model, asked about another."""
    graph = skosh.load(model_of(case), **CASES[case])
    other = skosh.load(model_of(case, other=True), **CASES[case]).notes.library
    proof = checked(replace(graph, notes=graph.notes.with_(library=other)))
    assert not proof.bit_exact and proof.first_difference is not None


def test_unseen_symbols_and_late_samples_are_left_out() -> None:
    """hmmlearn has no number for a symbol that wasn't observed; a network is asked for the first samples alone."""
    graph = skosh.load(model_of("symbols, window"), **CASES["symbols, window"])
    with pytest.raises(ValueError, match="wasn't observed"):
        graph.notes.library.answers([(np.array([[0, -1, 2]], np.int32),)])
    graph = skosh.load(model_of("network"), query="rain")
    none_seen = [(np.full((1, len(graph.notes.evidence)), -1, np.int32),)] * (MOST + 5)
    known = graph.notes.library.answers(none_seen).known
    assert known.tolist() == [True] * MOST + [False] * 5


@pytest.mark.parametrize("case", ["gaussian", "field", "network"])
def test_paths_are_not_asked_for(case: str) -> None:
    """Of two that are equally probable to within rounding, either is right."""
    options = {"query": ["rain", "sprinkler"], "output": "map"} if case == "network" else {"output": "viterbi", "length": 4}
    assert skosh.load(model_of(case), **options).notes.library is None
