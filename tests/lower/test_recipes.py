"""Recipes compute what the calls they replace compute: in the kernel interpreter, over random shapes and filters."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i8, i16, i32, i64
from skosh.ir.graph import Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.lower.forms import for_target
from skosh.machines.arm_m.pair_forms import interleave
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.layers.dense import Dense
from skosh.targets import target


def tensor(name, shape, scale, zero=0, data=None, dtype=i8):
    return Tensor(name, shape, dtype, Quant((scale,), (zero,)), data)


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 11), st.integers(-128, 127), st.integers(0, 999))
def test_dense_in_pairs(rows, units, depth, zero, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (units, depth)).astype(np.int8)
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    ins = (
        tensor("x", (rows, depth), 0.05, zero),
        tensor("w", weights.shape, 0.02, 0, weights),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), 0.1, int(rng.integers(-128, 128))),)
    check(Dense(), ins, outs, [rng.integers(-128, 128, (rows, depth)).astype(np.int8), weights, bias], seed)


@settings(max_examples=30)
@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2),
    st.integers(0, 2), st.integers(0, 999),
)  # fmt: skip
def test_convolutions_in_pairs(height, width, channels, filters, size, stride, pad, seed):
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (pad, pad, pad, pad))
    weights = rng.integers(-128, 128, (filters, size, size, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    if size > min(height, width) + 2 * pad:
        return
    shape = op.infer(ins)[0].shape
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    check(op, ins, (tensor("y", shape, 0.1, -7),), [x, weights], seed)


def check(op, ins, outs, values, seed):
    calls = for_target(op.calls(ins, outs), ins, target("cortex-m4"), "flash")  # other aims have tiles in assembly
    assert {c.kernel.name for c in calls} <= {"matmul_pairs", "conv2d_pairs"}
    (want,) = op.reference(ins, outs, values)
    tiled = for_target(op.calls(ins, outs), ins, target("cortex-m4"))
    for chosen in (calls, tiled):
        (got,) = run_calls(op, ins, outs, values, calls=chosen, shuffle=random.Random(seed))
        assert np.array_equal(got, want)


def test_interleaved_filters():
    weights = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], np.int8)
    assert interleave(weights).tolist() == [[[1, 5, 3, 7, 2, 6, 4, 8]], [[9, 0, 11, 0, 10, 0, 12, 0]]]


def test_a_machine_without_pairs_keeps_its_calls():
    ins = (tensor("x", (1, 4), 0.05), tensor("w", (2, 4), 0.02, 0, np.ones((2, 4), np.int8)))
    outs = (tensor("y", (1, 2), 0.1),)
    calls = Dense().calls(ins, outs)
    assert for_target(calls, ins, target("cortex-m0plus")) == calls
    assert for_target(calls, ins, None) == calls


@settings(max_examples=40)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 11), st.integers(0, 999))
def test_int16_inputs_in_pairs(rows, units, depth, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (units, depth)).astype(np.int8)
    bias = rng.integers(-(10**7), 10**7, units).astype(np.int64)
    ins = (
        tensor("x", (rows, depth), 1e-4, dtype=i16),
        tensor("w", weights.shape, 0.02, 0, weights),
        tensor("b", bias.shape, 2e-6, 0, bias, i64),
    )
    outs = (tensor("y", (rows, units), 3e-4, dtype=i16),)
    calls = for_target(Dense().calls(ins, outs), ins, target("cortex-m4"))
    assert [c.kernel.name for c in calls] == ["dense_wide_pairs"]
    x = rng.integers(-32768, 32768, (rows, depth)).astype(np.int16)
    values = [x, weights, bias]
    (got,) = run_calls(Dense(), ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert np.array_equal(got, Dense().reference(ins, outs, values)[0])


def test_int16_sums_beyond_32_bits_stay_wide():
    weights = np.full((1, 1000), 127, np.int8)
    ins = (tensor("x", (1, 1000), 1e-4, dtype=i16), tensor("w", weights.shape, 0.02, 0, weights))
    outs = (tensor("y", (1, 1), 1.0, dtype=i16),)
    calls = for_target(Dense().calls(ins, outs), ins, target("cortex-m4"))
    assert [c.kernel.name for c in calls] == ["dense_wide_i64_i16"]
