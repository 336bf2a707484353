"""Weights of few bits: nearest codes, fitted scales, compensated rounding, corrected biases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.ir.interpret_graph import run_graph
from skosh.quantizer.networks.fit import fitted_scales, nearest
from skosh.quantizer.networks.layers import compensated
from skosh.quantizer.networks.schemes import INT2_CODES, INT4_CODES, INT8_CODES, SCHEMES, TERNARY_CODES
from tests.quantizer.nets import network
from tests.quantizer.test_quantize_graph import ROWS, chain, layer

CODES = (INT8_CODES, INT4_CODES, INT2_CODES, TERNARY_CODES)


@pytest.mark.parametrize("codes", CODES, ids=len)
@given(x=st.floats(-300, 300))
def test_nearest_is_nearest(codes, x):
    got = nearest(np.array([x]), codes)[0]
    assert got in codes
    assert abs(x - got) <= min(abs(x - c) for c in codes) + 1e-9


def test_halfway_goes_away_from_zero():
    assert nearest(np.array([0.5, -0.5, 1.5, 9.0]), INT4_CODES).tolist() == [1, -1, 2, 7]
    assert nearest(np.array([2.0, -2.0, 0.0, -0.1, 7.0]), INT2_CODES).tolist() == [3, -3, 1, -1, 3]


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(0, 2**31))
def test_a_ternary_row_is_as_good_as_trying_all(depth, seed):
    row = np.random.default_rng(seed).normal(0, 1, depth)
    scale = fitted_scales(row[None], TERNARY_CODES)[0]
    got = float(np.sum((row - scale * nearest(row / scale, TERNARY_CODES)) ** 2))
    best = min(
        float(np.sum((row - q * (row @ q / max(q @ q, 1))) ** 2))
        for q in map(np.array, itertools.product((-1, 0, 1), repeat=depth))
    )
    assert got <= best + 1e-9


@settings(max_examples=30)
@given(st.sampled_from(CODES), st.integers(1, 40), st.integers(0, 2**31))
def test_a_fitted_scale_is_no_worse_than_the_largest_weight_as_the_largest_code(codes, depth, seed):
    row = np.random.default_rng(seed).normal(0, 1, depth)

    def loss(scale):
        return float(np.sum((row - scale * nearest(row / scale, codes)) ** 2))

    assert loss(fitted_scales(row[None], codes)[0]) <= loss(np.abs(row).max() / max(codes)) * 1.05 + 1e-12
    assert fitted_scales(np.zeros((1, 3)), codes)[0] == 0


@settings(max_examples=25)
@given(st.sampled_from(CODES[1:]), st.integers(2, 20), st.integers(0, 2**31))
def test_compensated_rounding_keeps_the_sums(codes, depth, seed):
    """Over inputs that go together, sums lose less than with each weight rounded by itself; never much more."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (200, depth)) @ rng.normal(0, 1, (depth, depth)) + rng.normal(0, 1, depth)
    steps = rng.uniform(min(codes), max(codes), (4, depth))
    moments = x.T @ x / len(x)
    got = compensated(steps, codes, moments)
    assert set(np.unique(got)) <= set(codes)

    def loss(q):
        return float(np.mean(((steps - q) @ x.T) ** 2))

    assert loss(got) <= loss(nearest(steps, codes)) * 1.3 + 1e-9


def test_inputs_that_do_not_go_together_are_rounded_by_themselves():
    steps = np.array([[0.4, 1.6, -2.2]])
    assert compensated(steps, INT4_CODES, np.diag([1.0, 2.0, 3.0])).tolist() == [[0, 2, -2]]


def outputs(graph, rows):
    t = graph.tensors[graph.outputs[0]]
    x = graph.tensors[graph.inputs[0]]
    return np.stack([
        (run_graph(graph, [np.clip(np.round(r[None] / x.quant.scale) + x.quant.zero_point, -128, 127).astype(np.int8)])
         .values[t.name].astype(np.float64) - t.quant.zero_point) * t.quant.scale
        for r in rows
    ])  # fmt: skip


def test_a_corrected_bias_keeps_the_mean_output():
    rng = np.random.default_rng(3)
    rows = rng.uniform(0.5, 1.5, (200, 12)).astype(np.float32)  # far from 0: rounding weights moves the mean
    from skosh.ops.layers.dense import Dense

    graph = chain((Dense(), (rng.normal(0, 1, (4, 12)), rng.normal(0, 1, 4))), shape=(1, 12))
    want = np.stack([run_graph(graph, [r[None]]).values["t0"] for r in rows]).mean(axis=0)
    plain, corrected = (
        outputs(skosh.quantize(graph, rows, scheme="ternary", compensate=False, bias_correction=b), rows).mean(axis=0)
        for b in (False, True)
    )
    assert np.abs(corrected - want).max() < 0.25 * np.abs(plain - want).max()


@pytest.mark.parametrize("scheme", ["int4", "int2", "ternary"])
def test_weights_are_the_codes_and_depthwise_ones_stay_int8(scheme):
    found = set()
    for seed in range(12):
        graph, samples = network(seed)
        try:
            q = skosh.quantize(graph, samples, scheme=scheme)
        except skosh.base.errors.InputError:
            continue
        for node in q.nodes:
            if node.op.kind in ("dense", "conv2d", "depthwise_conv2d"):
                found.add(node.op.kind)
                values = set(np.unique(q.tensors[node.inputs[1]].data).tolist())
                allowed = SCHEMES["int8" if node.op.kind == "depthwise_conv2d" else scheme].weights
                assert values <= set(allowed)
    assert found == {"dense", "conv2d", "depthwise_conv2d"}


def test_layers_of_their_own_scheme():
    from skosh.ops.layers.dense import Dense

    graph = chain((Dense("relu"), layer(5, 4)), (Dense(), layer(3, 5)))
    q = skosh.quantize(graph, ROWS, scheme="ternary", layers={"t1": "int8"})
    ranges = [int(np.abs(q.tensors[n.inputs[1]].data.astype(int)).max()) for n in q.nodes]
    assert ranges == [1, 127]
    with pytest.raises(skosh.base.errors.InputError) as info:
        skosh.quantize(graph, ROWS, layers={"t7": "int4"})
    assert str(info.value) == '<test>: there must be a layer "t7". Hint: layers with weights: t0, t1'
