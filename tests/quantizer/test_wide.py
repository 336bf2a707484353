"""int16 activations, alone and beside int8: types, boundaries, and what is gained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.errors import InputError
from skosh.importers.sklearn.builder import Builder
from skosh.ir.interpret_graph import run_graph
from skosh.ops.elements.activations import Logistic, Relu
from skosh.ops.elements.elementwise import Add
from skosh.ops.elements.smooth import HardSwish
from skosh.ops.layers.dense import Dense
from skosh.quantizer import sensitivity
from skosh.quantizer.networks.mixed import wide_layers
from skosh.quantizer.study.compare import noise_db
from tests.ops.one_operator import check_kernels
from tests.quantizer.nets import network
from tests.quantizer.test_quantize_graph import PLAIN, ROWS, chain, layer


def real_outputs(graph, rows):
    """[samples, ...] float64 of the first output, from real inputs."""
    x, y = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    out = []
    for row in rows:
        value = row[None].astype(np.float32)
        if x.quant is not None:
            q = np.round(value.astype(np.float64) / x.quant.scale) + x.quant.zero_point
            value = np.clip(q, x.dtype.min, x.dtype.max).astype(x.dtype.np)
        got = run_graph(graph, [value]).values[y.name].astype(np.float64)
        out.append(got if y.quant is None else (got - y.quant.zero_point) * y.quant.scale)
    return np.stack(out)


def test_a_dense_layer_in_full():
    q = skosh.quantize(PLAIN, ROWS, scheme="int16x8")
    x, w, b, y = (q.tensors[n] for n in (*q.nodes[0].inputs, *q.nodes[0].outputs))
    assert [t.dtype for t in (x, w, b, y)] == [i16, i8, i64, i16]
    assert x.quant.zero_point == y.quant.zero_point == 0
    assert x.quant.scale == float(np.float32(float(np.abs(ROWS).max()) / 32767))


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_lose_less_than_in_int8(seed):
    graph, samples = network(seed)
    try:
        narrow, wide = (skosh.quantize(graph, samples, scheme=s) for s in ("int8", "int16x8"))
    except InputError:  # a random relu may let nothing through
        assume(False)
    want = real_outputs(graph, samples)
    losses = [noise_db(want, real_outputs(q, samples)) for q in (narrow, wide)]
    assert losses[1] >= losses[0] - 1
    check_kernels(wide)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**16))
def test_any_layers_may_be_wide(seed, picked):
    """Types agree everywhere, and the kernels compute what the operators mean."""
    graph, samples = network(seed)
    layers = {n.name: "int16x8" for i, n in enumerate(graph.nodes) if picked >> i & 1}
    try:
        q = skosh.quantize(graph, samples, layers=layers)
    except InputError:
        assume(False)
    check_kernels(q)


def test_boundaries():
    graph = chain((Dense(), layer(5, 4)), Relu("relu"), (Dense(), layer(3, 5, 1)), Logistic())
    q = skosh.quantize(graph, ROWS, layers={"t2": "int16x8"})
    assert [(n.op.kind, q.tensors[n.outputs[0]].dtype) for n in q.nodes] == [
        ("dense", i8), ("relu", i8), ("quantize", i16), ("dense", i16), ("logistic", i16),
    ]  # fmt: skip
    assert q.tensors["t3"].quant.scale == 1 / 32768
    first = skosh.quantize(graph, ROWS, layers={"t0": "int16x8"})
    assert [(n.op.kind, first.tensors[n.outputs[0]].dtype) for n in first.nodes] == [
        ("dense", i16), ("relu", i16), ("quantize", i8), ("dense", i8), ("logistic", i8),
    ]  # fmt: skip
    assert first.tensors["x"].dtype == i16


def test_an_operator_without_an_int16_form_stays_int8():
    q = skosh.quantize(chain((Dense(), layer(3, 4)), HardSwish(), (Dense(), layer(2, 3))), ROWS, scheme="int16x8")
    assert [(n.op.kind, q.tensors[n.outputs[0]].dtype) for n in q.nodes] == [
        ("dense", i16), ("quantize", i8), ("hard_swish", i8), ("quantize", i16), ("dense", i16),
    ]  # fmt: skip


def test_a_constant_that_both_types_read():
    b = Builder("<test>")
    x, c = b.input("x", (1, 4)), b.constant("c", [[0.5, 1, 2, -1]])
    y = b.apply(Add(), x, c, name="one")
    q = skosh.quantize(b.graph("net", b.apply(Add(), y, c, name="two")), ROWS, layers={"two": "int16x8"})
    assert [q.tensors[n.inputs[1]].dtype for n in q.nodes if n.op.kind == "add"] == [i8, i16]


def test_sensitivity_names_the_layer_that_loses_most():
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 1, (64, 4)).astype(np.float32)
    bad = np.eye(4, dtype=np.float32) * [1000.0, 1, 1, 1]  # one output drowns the others in a common scale
    back = np.diag([0.001, 1, 1, 1]).astype(np.float32)
    graph = chain((Dense(), (np.eye(4), np.zeros(4))), (Dense(), (bad, np.zeros(4))), (Dense(), (back, np.zeros(4))))
    found = sensitivity(graph, rows, labels=rows.argmax(axis=1))
    assert [s.layer for s in found] == ["t0", "t1", "t2"]
    assert found[0].noise_db > 35 > 10 > found[1].noise_db
    assert found[0].parameters == 16
    assert found[0].agreement > 0.9
    assert found[0].accuracy == found[0].agreement
    wide = wide_layers(graph, rows)
    assert {"t1", "t2"} <= set(wide)
    mixed = skosh.quantize(graph, rows, scheme="mixed")
    assert set(mixed.notes["quantization"]["wide"]) == set(wide)
    want = real_outputs(graph, rows)
    assert (
        noise_db(want, real_outputs(mixed, rows)) > noise_db(want, real_outputs(skosh.quantize(graph, rows), rows)) + 20
    )


def test_what_is_fine_in_int8_stays_int8():
    q = skosh.quantize(PLAIN, ROWS, scheme="mixed")
    assert q.notes["quantization"]["wide"] == ()
    assert {t.dtype for t in q.tensors.values()} == {i8, i32}


def test_labels_that_do_not_fit():
    with pytest.raises(InputError, match=r"labels must be one for each of 16 samples, not \(3,\)"):
        sensitivity(PLAIN, ROWS, labels=[0, 1, 2])


def test_float16():
    q = skosh.quantize(PLAIN, scheme="float16")
    w = q.tensors[q.nodes[0].inputs[1]].data
    assert w.dtype == np.float32
    assert np.array_equal(w.astype(np.float16).astype(np.float32), w)
    assert {t.dtype for t in q.tensors.values()} == {f32}
    assert q.digest != PLAIN.digest
    assert q.notes["quantization"]["scheme"] == "float16"
    huge = chain((Dense(), (np.full((1, 4), 1e6), np.zeros(1))))
    with pytest.raises(skosh.base.errors.ModelError) as info:
        skosh.quantize(huge, scheme="float16")
    assert str(info.value) == (
        '<test>: "c0_0": float16 weights must be at most 65,504 in magnitude, but one is 1e+06. '
        'Hint: scale the model, or use scheme="int8"'
    )
    with pytest.raises(skosh.base.errors.ModelError, match="it has no layers with weights to keep as float16"):
        skosh.quantize(chain(Relu("relu")), scheme="float16")


def test_samples_must_be_there():
    with pytest.raises(InputError) as info:
        skosh.quantize(PLAIN)
    assert str(info.value) == "<test>: int8 must have samples to be calibrated on. Hint: quantize(graph, samples)"
