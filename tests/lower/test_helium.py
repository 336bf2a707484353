"""Kernels for Helium compute what the calls they replace compute: in the kernel interpreter, over random shapes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import i8, i32
from skosh.base.errors import ScheduleError
from skosh.emit.functions import kernel_text
from skosh.ir.graph import Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.language import kernel, par, seq, widen
from skosh.lower.forms import for_target
from skosh.machines.helium.forms import by_fours
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.schedule.sums import can_vectorize_sum, vectorize_sum
from skosh.targets import target


def tensor(name, shape, scale, zero=0, data=None, dtype=i8):
    return Tensor(name, shape, dtype, Quant((scale,), (zero,)), data)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 40), st.integers(-128, 127), st.integers(0, 999))
def test_dense(rows, units, depth, zero, seed):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (units, depth)).astype(np.int8)
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    ins = (
        tensor("x", (rows, depth), 0.05, zero),
        tensor("w", weights.shape, 0.02, 0, weights),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), 0.1, int(rng.integers(-128, 128))),)
    values = [rng.integers(-128, 128, (rows, depth)).astype(np.int8), weights, bias]
    check(Dense(), ins, outs, values, seed, {"matmul_sums", "matmul_short_sums"})


def test_more_filters_than_sums_at_once():
    rng = np.random.default_rng(4)
    for units in (132, 150, 256):
        weights = rng.integers(-128, 128, (units, 5)).astype(np.int8)
        ins = (tensor("x", (1, 5), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
        outs = (tensor("y", (1, units), 0.1, 2),)
        check(
            Dense(),
            ins,
            outs,
            [rng.integers(-128, 128, (1, 5)).astype(np.int8), weights],
            0,
            {"matmul_sums", "matmul_short_sums"},
        )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(0, 999),
)  # fmt: skip
def test_convolutions(height, width, channels, filters, rows, columns, stride, dilation, pad, seed):
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, 3 - min(stride, 2)), (pad, pad, pad, pad), (dilation, 1))
    weights = rng.integers(-128, 128, (filters, rows, columns, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    if (rows - 1) * dilation + 1 > height + 2 * pad or columns > width + 2 * pad:
        return
    shape = op.infer(ins)[0].shape
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    kernels = {"matmul_sums", "matmul_short_sums", "conv2d_row_sums", "conv2d_patch_sums"}
    check(op, ins, (tensor("y", shape, 0.1, -7),), [x, weights], seed, kernels)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 2), st.integers(1, 5), st.integers(1, 5),
    st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(0, 999),
)  # fmt: skip
def test_depthwise(height, width, channels, each, rows, columns, stride, dilation, pad, seed):
    rng = np.random.default_rng(seed)
    op = DepthwiseConv2D((stride, 3 - min(stride, 2)), (pad, pad, pad, pad), (dilation, 1))
    weights = rng.integers(-128, 128, (1, rows, columns, channels * each)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    if (rows - 1) * dilation + 1 > height + 2 * pad or columns > width + 2 * pad:
        return
    shape = op.infer(ins)[0].shape
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    check(op, ins, (tensor("y", shape, 0.1, -7),), [x, weights], seed, {"depthwise_columns"})


def check(op, ins, outs, values, seed, kernels):
    calls = for_target(op.calls(ins, outs), ins, target("cortex-m55"))
    assert {c.kernel.name for c in calls} <= kernels
    (want,) = op.reference(ins, outs, values)
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert np.array_equal(got, want)


def test_filters_by_fours():
    weights = np.arange(5 * 17, dtype=np.int8).reshape(5, 17)
    laid = by_fours(weights)
    assert laid.shape == (2, 2, 4, 16)
    for n in range(5):
        for k in range(17):
            assert laid[n // 4, k // 16, n % 4, k % 16] == weights[n, k]
    assert laid.astype(int).sum() == weights.astype(int).sum()


def test_a_machine_without_helium_keeps_its_calls():
    ins = (tensor("x", (1, 4), 0.05), tensor("w", (2, 4), 0.02, 0, np.ones((2, 4), np.int8)))
    calls = Dense().calls(ins, (tensor("y", (1, 2), 0.1),))
    assert "matmul_sums" not in {c.kernel.name for c in for_target(calls, ins, target("cortex-m4"))}


# ------------------------------------------------------------------------------------------------ the schedule step


@kernel
def dots(x: i8[M, K], w: i8[N, K], y: i32[M, N]):
    """y[m, n] = sum over k of x[m, k] * w[n, k]."""
    for m, n in par(M, N):
        acc = 0
        for k in seq(K):
            acc += widen(x[m, k]) * widen(w[n, k])
        y[m, n] = acc


@kernel
def strided(x: i8[2 * K], w: i8[K], y: i32[1]):
    """Every other x."""
    acc = 0
    for k in seq(K):
        acc += widen(x[2 * k]) * widen(w[k])
    y[0] = acc


@kernel
def shifted(x: i8[K], w: i8[K], y: i32[1]):
    """Not only products."""
    acc = 0
    for k in seq(K):
        acc += (widen(x[k]) - 1) * widen(w[k])
    y[0] = acc


def test_a_sum_says_how_it_is_done():
    marked = vectorize_sum(schedule.bind(dots, {"K": 40}), "k", "helium", 2)
    text = kernel_text(marked, "dots", lambda n: n)
    assert 'sum "k" by helium, 2 vectors a round' in text
    assert "vctp8q(8u)" in text
    assert text.count("vmladavaq_s8") == 3
    assert "vldrbq_z_s8" in text
    assert "#else" in text


def test_a_sum_of_unknown_length_stands_under_predicates():
    text = kernel_text(vectorize_sum(dots, "k", "helium"), "dots", lambda n: n)
    assert "vctp8q((uint32_t)(K - k))" in text
    assert "vmladavaq_p_s8" in text


@pytest.mark.parametrize(
    ("broken", "loop", "reason"),
    [
        (dots, "m", 'the loop over "m" is par: its iterations become lanes, see lanes.vectorize'),
        (dots, "z", 'there is no loop over "z"'),
        (strided, "k", 'elements of "x" don\'t lie side by side along "k"'),
        (shifted, "k", 'the loop over "k" does more than add products of i8 elements'),
    ],
)
def test_other_loops_are_refused(broken, loop, reason):
    assert can_vectorize_sum(broken, loop).reason == reason
    with pytest.raises(ScheduleError, match="is not legal"):
        vectorize_sum(broken, loop, "helium")
