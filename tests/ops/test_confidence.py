"""Is a classifier sure: the operators against their formulas, on emulated machines and on this computer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.dtypes import bool_, i8, i32
from skosh.base.errors import ModelError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph, Node, Op, Quant, Tensor
from skosh.ir.interpret_graph import run_graph
from skosh.ops.choices.confidence import Sure, SureByMargin
from skosh.place.confidence import Logistic, Temperature, exponentials, fit_logistic, fit_temperature

SCALE = 0.11


def decided(op: Op, rows: int, classes: int, table: Array | None = None) -> Graph:
    """A graph of this operator alone."""
    tensors = {
        "x": Tensor("x", (rows, classes), i8, Quant((SCALE,), (3,))), "y": Tensor("y", (rows, 1), bool_),
        **({} if table is None else {"table": Tensor("table", table.shape, i32, None, table)}),
    }  # fmt: skip
    inputs = ("x",) if table is None else ("x", "table")
    graph = Graph("decided", tensors, (Node(op, inputs, ("y",), "decide"),), ("x",), ("y",))
    check_graph(graph)
    return graph


@given(st.integers(2, 12), st.floats(0.02, 20), st.floats(0.05, 1.0), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_sure_is_the_threshold_on_softmax(classes: int, temperature: float, threshold: float, seed: int) -> None:
    """Against floats, but where the confidence lies within a thousandth of the threshold."""
    q = np.random.default_rng(seed).integers(-128, 128, (40, classes)).astype(np.int8)
    rule = Temperature(temperature, threshold)
    z = np.exp((q.astype(float) - q.max(axis=1, keepdims=True)) * SCALE / temperature)
    confidence = 1 / z.sum(axis=1)
    np.testing.assert_allclose(rule.confidence(q, SCALE), confidence)
    table = exponentials(SCALE / temperature, classes)
    graph = decided(Sure(int(table[0] / threshold)), 40, classes, table)
    got = run_graph(graph, (q,)).values["y"][:, 0]
    clear = abs(confidence - threshold) > 1e-3
    np.testing.assert_array_equal(got[clear], (confidence >= threshold)[clear])
    np.testing.assert_array_equal(got, rule.sure(q, SCALE))


@pytest.mark.parametrize("target", ["cortex-m0plus", "cortex-m4", "rv32imc"])
def test_devices_compute_it(target: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(-128, 128, (12, 1, 7)).astype(np.int8)
    x[0], x[1] = -128, 127
    for graph in (
        decided(Sure(int(1.5 * (1 << 20))), 1, 7, exponentials(0.05, 7)),
        decided(SureByMargin(900, -800, 3, -5000), 1, 7),
        decided(SureByMargin(1 << 20, 1 << 20, -(1 << 17), 1 << 28), 1, 7),
    ):
        proof = skosh.compile(graph, target=target).verify(x, against=("reference", "host"))
        assert proof.bit_exact, proof.first_difference


def test_what_is_refused() -> None:
    with pytest.raises(ModelError, match=r"sums of 7 entries of the table must lie from 0 to 2\^31 - 1"):
        decided(Sure(1), 1, 7, np.full(256, 1 << 29, np.int32))
    with pytest.raises(ModelError, match=r"the weighted sum must stay below 2\^31"):
        decided(SureByMargin(1 << 24, 0, 0, 0), 1, 7)
    with pytest.raises(ModelError, match="of at least 2 classes"):
        decided(SureByMargin(1, 1, 1, 1), 1, 1)


def test_temperature_makes_confidences_true() -> None:
    """Labels are drawn with the probabilities of softmax(scores / 3): the fit finds 3."""
    rng = np.random.default_rng(1)
    q = rng.integers(-100, 100, (4000, 5)).astype(np.int8)
    p = np.exp(q * SCALE / 3)
    p /= p.sum(axis=1, keepdims=True)
    labels = (rng.random((4000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 4)
    assert fit_temperature(q, SCALE, labels) == pytest.approx(3, rel=0.1)


def test_the_logistic_decision_learns_margins() -> None:
    rng = np.random.default_rng(2)
    q = rng.integers(-128, 128, (3000, 6)).astype(np.int8)
    ordered = np.sort(q.astype(int), axis=1)
    right = rng.random(3000) < 1 / (1 + np.exp(-(ordered[:, -1] - ordered[:, -2] - 20) / 8))
    rule, unit = fit_logistic(q, right)
    assert unit > 0
    assert isinstance(rule, Logistic)
    assert rule.first > 0 > rule.second
    assert (rule.sure(q, SCALE) == right).mean() > 0.8
    SureByMargin(rule.first, rule.second, rule.every, rule.bias).infer((Tensor("x", (1, 6), i8, Quant((1.0,), (0,))),))
