"""Two products in one multiplication, requantization in 32 bits: nothing overflows, and the layers are exact."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i8, i32
from skosh.ir.graph import Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.lower.forms import for_target
from skosh.machines.words.staircase import SIGNED, SPLIT, WIDE, Staircase, cheapest
from skosh.machines.words.twin_forms import LONGEST, ROOM, fitting
from skosh.machines.words.twin_kernels import signed_rescaled, split_rescaled, wide_rescaled
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.targets import target

FORMS = {SPLIT: split_rescaled, SIGNED: signed_rescaled, WIDE: wide_rescaled}


def tensor(name, shape, scale, zero=0, data=None, dtype=i8):
    return Tensor(name, shape, dtype, Quant((scale,), (zero,)), data)


def weights_like(rng, shape, kind):
    """extremes: all 127, -127 or -128; heavy: mostly large; light: small, which makes long groups."""
    if kind == "extremes":
        return rng.choice(np.array([127, -127, -128], np.int8), shape)
    return np.rint(rng.normal(0, {"heavy": 60, "light": 6}[kind], shape)).clip(-128, 127).astype(np.int8)


def inputs_like(rng, shape, weights):
    """Several inputs: at random, all -128, all 127, and those that drive the first filter to both ends."""
    yield rng.integers(-128, 128, shape).astype(np.int8)
    yield np.full(shape, -128, np.int8)
    yield np.full(shape, 127, np.int8)
    first = np.where(weights.reshape(weights.shape[0], -1)[0] > 0, 127, -128).astype(np.int8)
    yield np.resize(first, shape)
    yield np.resize(-1 - first, shape)


KINDS = st.sampled_from(["extremes", "heavy", "light"])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(4, 13), st.integers(1, 40), KINDS, st.sampled_from([0, 1]), st.integers(0, 999))
@example(1, 4, 33, "extremes", 0, 0)
def test_dense(rows, units, depth, kind, machine, seed):
    rng = np.random.default_rng(seed)
    w = weights_like(rng, (units, depth), kind)
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    ins = (
        tensor("x", (rows, depth), 0.05, int(rng.integers(-128, 128))),
        tensor("w", w.shape, 0.02, 0, w),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), float(rng.uniform(0.01, 0.5)), int(rng.integers(-128, 128))),)
    check(Dense(), ins, outs, [w, bias], ("cortex-m0plus", "rv32imc")[machine], seed)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 4), st.integers(4, 9), st.integers(1, 3), st.integers(1, 2),
    st.integers(0, 2), KINDS, st.integers(0, 999),
)  # fmt: skip
def test_convolutions(height, width, channels, filters, size, stride, pad, kind, seed):
    if size > min(height, width) + 2 * pad:
        return
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (pad, pad, pad, pad))
    w = weights_like(rng, (filters, size, size, channels), kind)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", w.shape, 0.02, 0, w))
    outs = (tensor("y", op.infer(ins)[0].shape, 0.3, -7),)
    check(op, ins, outs, [w], "cortex-m0plus", seed)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 2),
    st.integers(1, 2), st.integers(0, 2), KINDS, st.integers(0, 999),
)  # fmt: skip
@example(5, 1, 4, 5, 1, 1, 1, 2, "heavy", 7)
def test_depthwise(height, width, channels, rows, columns, stride, dilation, pad, kind, seed):
    reach = (dilation * (rows - 1) + 1, dilation * (columns - 1) + 1)
    if reach[0] > height + 2 * pad or reach[1] > width + 2 * pad:
        return
    rng = np.random.default_rng(seed)
    op = DepthwiseConv2D((stride, stride), (pad, pad, pad, pad), (dilation, dilation))
    w = weights_like(rng, (1, rows, columns, channels), kind)
    ins = (tensor("x", (1, height, width, channels), 0.05, int(rng.integers(-128, 128))), tensor("w", w.shape, 0.02, 0, w))
    outs = (tensor("y", op.infer(ins)[0].shape, 0.3, -7),)
    check(op, ins, outs, [w], "cortex-m0plus", seed)


def test_several_filters_a_channel_keep_their_form():
    w = weights_like(np.random.default_rng(1), (1, 3, 3, 8), "heavy")
    ins = (tensor("x", (1, 5, 5, 2), 0.05), tensor("w", w.shape, 0.02, 0, w))
    op = DepthwiseConv2D((1, 1), (1, 1, 1, 1))
    (c,) = for_target(op.calls(ins, (tensor("y", op.infer(ins)[0].shape, 0.3),)), ins, target("cortex-m0plus"))
    assert c.kernel.name == "depthwise_rows"


def check(op, ins, outs, constants, machine, seed):
    """In the strict interpreter, which stops where C would be undefined."""
    calls = for_target(op.calls(ins, outs), ins, target(machine))
    assert {c.kernel.name for c in calls} <= {"matmul_twins", "conv2d_twins", "depthwise_stairs", "depthwise_rows_stairs"}
    for x in inputs_like(np.random.default_rng(seed), ins[0].shape, constants[0]):
        values = [x, *constants]
        (want,) = op.reference(ins, outs, values)
        (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
        assert np.array_equal(got, want)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 50), KINDS, st.integers(0, 999))
def test_no_half_of_a_word_overflows(filters, depth, kind, seed):
    """Where a group is allowed, its sums at the ends of what inputs may be, at every step, fit int16, and the word int32."""
    w = weights_like(np.random.default_rng(seed), (filters, depth), kind).astype(np.int64)
    allowed = fitting(w)
    assert allowed.shape == (filters, LONGEST) and allowed[:, 0].all()
    for n, g in zip(*np.nonzero(allowed), strict=True):
        groups = np.pad(w[n], (0, -depth % (g + 1))).reshape(-1, g + 1)
        high = np.where(groups > 0, groups * 127, groups * -128).cumsum(axis=1)
        low = np.where(groups > 0, groups * -128, groups * 127).cumsum(axis=1)
        assert np.abs(groups).sum(axis=1).max() <= ROOM
        assert low.min() > -(1 << 15) and high.max() < 1 << 15
        assert (1 << 15) * 65537 - 65537 < 1 << 31


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1 << 30, (1 << 31) - 1), st.integers(1, 20), st.integers(-128, 127), st.booleans(),
    st.integers(1, 200_000), st.integers(-50_000, 50_000),
)  # fmt: skip
def test_cheap_requantization_is_the_same_function(multiplier, right, zero, relu, reach, middle):
    one = np.ones(1, np.int64)
    stairs = Staircase(
        multiplier * one, right * one, zero, zero if relu else -128, 127, (middle - reach) * one, (middle + reach) * one
    )  # fmt: skip
    form = cheapest(stairs)
    if form is None:
        return
    rng = np.random.default_rng(reach)
    steps = np.flatnonzero(np.diff(stairs.value(np.arange(middle - reach, middle + reach + 1)[None])[0])) + middle - reach
    tries = np.unique(np.concatenate([steps, steps + 1, rng.integers(middle - reach, middle + reach + 1, 300)]))
    words = form.words[0].tolist()
    more = words[4] if len(words) > 4 else 0
    got = [evaluated(form.kind, int(acc), *words[:4], more, form.low_bits) for acc in tries]
    assert np.array_equal(np.clip(got, stairs.lo, stairs.hi), stairs.value(tries[None])[0])


def evaluated(kind, acc, m1, m0, offset, right, more, low_bits):
    """The kernel function, by hand, every step checked to fit 32 bits."""

    def fits(v):
        assert -(1 << 31) <= v < 1 << 31
        return v

    bend = (acc >> 31) & more
    if kind == WIDE:
        low = acc & 65535
        inner = fits(fits(low * m1) + (fits(low * m0) >> low_bits)) >> (16 - low_bits)
        return fits(fits(fits(fits((acc >> 16) * fits((m1 << low_bits) + m0)) + inner) + offset) + bend) >> right
    base = fits(fits(acc * m1) + (fits(acc * m0) >> low_bits))
    return fits(fits(base + offset) + (bend if kind == SIGNED else 0)) >> right


def test_most_layers_find_a_form():
    rng = np.random.default_rng(1)
    n = 64
    reach = rng.integers(1000, 1 << 19, n)
    multiplier, right = rng.integers(1 << 30, (1 << 31) - 1, n), np.maximum(np.log2(reach / 256).astype(np.int64), 1)
    assert cheapest(Staircase(multiplier, right, -128, -128, 127, -reach, reach)) is not None
    assert cheapest(Staircase(multiplier, right, 3, -128, 127, -reach, reach)) is not None


@pytest.mark.parametrize("aim", ["flash", "speed"])
def test_weights_take_twice_the_flash_so_not_for_flash(aim):
    w = np.ones((4, 8), np.int8)
    ins = (tensor("x", (1, 8), 0.05), tensor("w", w.shape, 0.02, 0, w))
    calls = for_target(Dense().calls(ins, (tensor("y", (1, 4), 0.1),)), ins, target("cortex-m0plus"), aim)
    assert [c.kernel.name for c in calls] == ["matmul" if aim == "flash" else "matmul_twins"]
