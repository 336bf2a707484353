"""Samples that reach: corners, thresholds, what a search finds; and what ``Proof.coverage`` says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skosh
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from skosh.verify.coverage import Watch
from skosh.verify.ends import ends
from skosh.verify.proof import prove
from skosh.verify.reach import reaching_samples
from skosh.verify.samples import Samples, random_samples
from tests.conformance.random_models import Sketch

X = np.random.default_rng(0).normal(size=(300, 4)) * [1, 10, 100, 0.01] + [0, 50, 500, -3]
Y = (X[:, 1] > 52).astype(int) + (X[:, 2] > 520)


def dense(activation: str = "NONE") -> Graph:
    """64 inputs to 2 sums, every weight 100: random inputs stay far from the ends of int8, the corners don't."""
    s = Sketch(np.random.default_rng(1))
    s.inputs = [s.add((1, 64), scales=0.003, zero_points=0)]
    w = s.constant(np.full((2, 64), 100), "int8", scales=0.01, zero_points=0)
    bias = s.constant([5, -5], scales=3e-5, zero_points=0)
    y = s.add((1, 2), scales=0.05, zero_points=0)
    s.outputs = [s.node("FULLY_CONNECTED", [s.inputs[0], w, bias], y, fused_activation_function=activation)]
    return load(s.finish(), name="m")


def watched(graph: Graph, samples: Samples) -> Watch:
    watch = Watch(graph)
    for x in samples.inputs:
        watch.see(run_graph(graph, x).values)
    return watch


def test_as_many_as_asked_for_and_always_the_same() -> None:
    graph = dense()
    for count in (1, 2, 5, 20):
        a, b = reaching_samples(graph, count), reaching_samples(graph, count)
        assert len(a) == count
        assert all(np.array_equal(x[0], y[0]) for x, y in zip(a.inputs, b.inputs, strict=True))
        assert np.array_equal(a.inputs[0][0], random_samples(graph, 1).inputs[0][0])


def test_corners() -> None:
    (alternating,), (high,), (low,), (other,) = reaching_samples(dense(), 5).inputs[1:]
    assert set(high.flat) == {127} and set(low.flat) == {-128}
    assert alternating[0, :3].tolist() == [127, -128, 127]
    assert other[0, :3].tolist() == [-128, 127, -128]


def test_a_fault_at_the_ends_is_found_by_the_corners_alone() -> None:
    """The model that is meant clamps at the end of int8, 6.35, the one that is run at 6: no random sum is as large."""
    meant, run = dense("RELU"), skosh.compile(dense("RELU6"), target="host")
    assert prove(meant, run.program, run.runner, random_samples(meant, 20)).bit_exact
    found = prove(meant, run.program, run.runner, reaching_samples(meant, 20))
    assert not found.bit_exact
    assert found.first_difference is not None
    first = found.first_difference
    assert (first.sample, first.expected, first.got) == (2, 127, 120)  # all at the highest


def test_saturations_are_counted() -> None:
    graph = dense()
    assert watched(graph, random_samples(graph, 20)).coverage(1, 1).saturations == (0, 2)
    assert watched(graph, reaching_samples(graph, 20)).coverage(1, 1).saturations == (2, 2)
    proof = skosh.compile(graph, target="host").verify(20)
    assert proof.sentence == (
        "identical on 20 samples: the output, its layer (on 3 samples), 46 elements, against reference; "
        "reached 2 of 2 saturations"
    )
    told = proof.as_json()["coverage"]
    assert told["saturations"] == {"reached": 2, "of": 2}
    assert (told["outputs"], told["layers"], told["traced_samples"], told["unvaried"]) == (1, 1, 3, [])


def test_leaves_of_a_forest() -> None:
    graph = skosh.load(RandomForestClassifier(8, max_depth=5, random_state=0).fit(X, Y))
    drawn, reached = (watched(graph, s(graph, 40)).coverage(0, 0).leaves for s in (random_samples, reaching_samples))
    assert drawn[1] == reached[1] == sum(t.tree_.n_leaves for t in RandomForestClassifier(
        8, max_depth=5, random_state=0).fit(X, Y).estimators_)  # fmt: skip
    assert reached[0] > 0.9 * reached[1] > 2 * drawn[0]


def test_a_layer_that_never_varied_is_named() -> None:
    build = skosh.compile(dense(), target="host")
    proof = build.verify(np.zeros((3, 64), np.int8))
    assert proof.coverage is not None
    assert proof.coverage.unvaried == (build.source.outputs[0],)
    assert proof.sentence.endswith(f"; never varied: {build.source.outputs[0]}")
    assert "never varied" not in build.verify(1).sentence  # one sample says nothing of that


def test_ends_come_from_scalers_and_trees_and_types() -> None:
    scaled = skosh.load(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y))
    ((low, high),) = ends(scaled).values()
    np.testing.assert_allclose((low + high).reshape(-1) / 2, X.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose((high - low).reshape(-1) / 8, X.std(axis=0), rtol=1e-3)
    ((low, high),) = ends(skosh.load(RandomForestClassifier(3, random_state=0).fit(X, Y))).values()
    assert (low.reshape(-1) < X.mean(axis=0)).all() and (X.mean(axis=0) < high.reshape(-1)).all()
    ((low, high),) = ends(skosh.load(LogisticRegression().fit(X[:, :1], Y))).values()
    assert (set(low.flat), set(high.flat)) == ({-4}, {4})
    ((low, high),) = ends(dense()).values()
    assert (set(low.flat), set(high.flat)) == ({-128}, {127})


@pytest.mark.parametrize("model", [
    make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(4, max_depth=4, random_state=0),
], ids=lambda m: type(m).__name__)  # fmt: skip
def test_what_a_library_gives_there_too(model: Any) -> None:
    proof = skosh.compile(model.fit(X, Y), target="cortex-m4").verify(12)
    assert proof.bit_exact, proof.first_difference
    assert proof.library is not None
