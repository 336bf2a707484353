"""Packed weights: the same sums as with a byte for each, in the kernel interpreter, over random shapes and formats."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import f32, i8, i32
from skosh.ir.graph import Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_kernel import run_function
from skosh.lower.forms import stored as packed
from skosh.lower.narrow import forms as packing
from skosh.lower.narrow.float16_kernels import real_of_half
from skosh.lower.narrow.forms import FORMATS, in_bytes, in_fields
from skosh.lower.narrow.kernels import crumb, nibble, odd_crumb
from skosh.machines.arm_m.packed_pair_forms import in_words
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.targets import target

VALUES = {"int4": range(-8, 8), "int2": range(-2, 2), "odd": (-3, -1, 1, 3), "ternary": (-1, 0, 1)}
TARGETS = (None, "cortex-m0plus", "cortex-m4")


@pytest.fixture(autouse=True)
def pack_all(monkeypatch):
    monkeypatch.setattr(packing, "LEAST_SAVED", 0)
    monkeypatch.setattr(packing, "SAVED_BY_IMAGES", 0)


def tensor(name, shape, scale, zero=0, data=None, dtype=i8):
    return Tensor(name, shape, dtype, Quant((scale,), (zero,)), data)


def weights(rng, shape, values):
    """All values are there, so that the format is the one meant."""
    w = rng.choice(np.array(list(values)), shape).astype(np.int8)
    flat = w.reshape(-1)
    flat[: min(2, flat.size)] = [min(values), max(values)][: min(2, flat.size)]
    return w


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(VALUES)), st.sampled_from(TARGETS), st.integers(1, 3), st.integers(1, 5), st.integers(2, 19),
    st.integers(-128, 127), st.integers(0, 999),
)  # fmt: skip
def test_dense(values, machine, rows, units, depth, zero, seed):
    rng = np.random.default_rng(seed)
    w = weights(rng, (units, depth), VALUES[values])
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    ins = (
        tensor("x", (rows, depth), 0.05, zero),
        tensor("w", w.shape, 0.02, 0, w),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), 0.1, int(rng.integers(-128, 128))),)
    check(Dense(), ins, outs, [rng.integers(-128, 128, (rows, depth)).astype(np.int8), w, bias], machine, seed)


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(VALUES)), st.sampled_from(TARGETS), st.booleans(), st.integers(1, 5), st.integers(1, 5),
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(0, 999),
)  # fmt: skip
def test_convolutions(values, machine, frugal, height, width, channels, filters, size, stride, pad, seed):
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (pad, pad, pad, pad))
    w = weights(rng, (filters, size, size, channels), VALUES[values])
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", w.shape, 0.02, 0, w))
    if size > min(height, width) + 2 * pad:
        return
    shape = op.infer(ins)[0].shape
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    check(op, ins, (tensor("y", shape, 0.1, -7),), [x, w], machine, seed, frugal)


def check(op, ins, outs, values, machine, seed, frugal=False):
    chosen = op.frugal_calls(ins, outs) if frugal else op.calls(ins, outs)
    calls = tuple(packed(c, ins, machine and target(machine)) for c in chosen)
    assert all("packed" in c.kernel.name for c in calls)
    if machine == "cortex-m4" and not frugal:
        assert all("pairs" in c.kernel.name for c in calls)
    (want,) = op.reference(ins, outs, values)
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert np.array_equal(got, want)


@pytest.mark.parametrize("fit", FORMATS, ids=lambda f: f"{f.bits} bits{' odd' * f.odd}")
def test_fields_read_back(fit):
    low, high = (-3, 3) if fit.odd else (-(1 << fit.bits - 1), (1 << fit.bits - 1) - 1)
    w = np.arange(low, high + 1, 2 if fit.odd else 1, dtype=np.int8)[None, :]
    assert fit.holds(w)
    stored = in_fields(w, fit)[0]
    back = [run_function(fit.field, int(stored[k // fit.per_byte]), k % fit.per_byte) for k in range(w.size)]
    assert back == w[0].tolist()


def test_the_fewest_bits_that_hold_the_weights():
    def chosen(*values):
        return next((f for f in FORMATS if f.holds(np.array(values, np.int8))), None)

    assert [chosen(*v) for v in ((-1, 0, 1), (-2, 1), (-3, 1, 3), (-3, 0), (-8, 7), (-8, 8), (-127, 0))] == [
        FORMATS[0], FORMATS[0], FORMATS[1], FORMATS[2], FORMATS[2], None, None,
    ]  # fmt: skip
    assert (FORMATS[0].field, FORMATS[1].field, FORMATS[2].field) == (crumb, odd_crumb, nibble)


def test_words_of_two_filters():
    """Filters a = 1..8 and b = -1..-8 in 4 bits: bytes a0 b0 a2 b2 above a1 b1 a3 b3."""
    w = np.array([[1, 2, 3, 4, 5, 6, 7, -8], [-1, -2, -3, -4, -5, -6, -7, 0]], np.int8)
    words = in_words(w, FORMATS[2]).view(np.uint8)
    assert [[f"{b:02x}" for b in word] for word in words[0].tolist()] == [
        ["12", "fe", "34", "dc"],
        ["56", "ba", "78", "90"],
    ]


def test_sums_too_large_to_be_raised_stay_in_plain_fields():
    """A bias near 2^30 leaves no room for 16 times the sum: no pairs then, but packed all the same."""
    w = np.full((2, 8), 7, np.int8)
    bias = np.array([1 << 29, 0], np.int32)
    ins = (tensor("x", (1, 8), 0.05), tensor("w", w.shape, 1e-6, 0, w), tensor("b", (2,), 5e-8, 0, bias, i32))
    outs = (tensor("y", (1, 2), 1.0),)
    (made,) = (packed(c, ins, target("cortex-m4")) for c in Dense().calls(ins, outs))
    assert made.kernel.name == "matmul_packed"


def test_a_few_weights_are_not_worth_it(monkeypatch):
    monkeypatch.setattr(packing, "LEAST_SAVED", 48)
    w = np.ones((4, 8), np.int8)
    ins = (tensor("x", (1, 8), 0.05), tensor("w", w.shape, 0.02, 0, w))
    (call,) = Dense().calls(ins, (tensor("y", (1, 4), 0.1),))
    assert packed(call, ins, None) is call


# -------------------------------------------------------------------------------------------------------------- float16


def test_every_finite_float16_reads_back() -> None:
    halves = np.concatenate([np.arange(0, 65536, 61), [1, 2, 1023, 1024, 31743, 32768, 32769, 64511]]).astype(np.uint16)
    real = halves.view(np.float16).astype(np.float32)
    for half, want in zip(halves[np.isfinite(real)].tolist(), real[np.isfinite(real)], strict=True):
        assert np.float32(run_function(real_of_half, half)).tobytes() == want.tobytes()


@settings(max_examples=40)
@given(st.sampled_from(["dense", "conv2d", "depthwise"]), st.integers(1, 4), st.integers(1, 3), st.integers(0, 999))
def test_float16_weights_give_what_float32_gives(kind, channels, filters, seed):
    rng = np.random.default_rng(seed)
    shapes = {"dense": (filters, channels), "conv2d": (filters, 2, 2, channels), "depthwise": (1, 2, 2, channels)}
    w = rng.normal(0, 1, shapes[kind]).astype(np.float16).astype(np.float32)
    x_shape = (2, channels) if kind == "dense" else (1, 3, 4, channels)
    bias = rng.normal(0, 1, channels if kind == "depthwise" else filters).astype(np.float32)
    ops = {
        "dense": Dense("relu"), "conv2d": Conv2D((1, 1), (1, 0, 0, 1)), "depthwise": DepthwiseConv2D((1, 1), (0, 1, 1, 0)),
    }  # fmt: skip
    op = ops[kind]
    ins = tuple(Tensor(n, d.shape, f32, data=d) for n, d in (("w", w), ("b", bias)))
    ins = (Tensor("x", x_shape, f32), *ins)
    outs = (Tensor("y", op.infer(ins)[0].shape, f32),)
    calls = tuple(packed(c, ins, target("cortex-m4")) for c in op.calls(ins, outs))
    assert all(c.kernel.name.endswith("_f16") for c in calls)
    assert all(packed(c, ins, target("cortex-m0plus")) is c for c in op.calls(ins, outs))
    values = [rng.normal(0, 1, x_shape).astype(np.float32), w, bias]
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert got.tobytes() == op.reference(ins, outs, values)[0].tobytes()


def test_weights_that_float16_cannot_say_stay_as_they_are():
    w = np.array([[0.1, 1.0]], np.float32)
    ins = (Tensor("x", (1, 2), f32), Tensor("w", w.shape, f32, data=w))
    (call,) = Dense().calls(ins, (Tensor("y", (1, 1), f32),))
    assert packed(call, ins, target("cortex-m4")) is call


def test_a_small_convolution_is_packed_for_flash_alone(monkeypatch):
    monkeypatch.setattr(packing, "LEAST_SAVED", 48)
    monkeypatch.setattr(packing, "SAVED_BY_IMAGES", 128)
    w = np.ones((8, 3, 3, 1), np.int8)
    ins = (tensor("x", (1, 8, 8, 1), 0.05), tensor("w", w.shape, 0.02, 0, w))
    (call,) = Conv2D((1, 1), (1, 1, 1, 1)).calls(ins, (tensor("y", (1, 8, 8, 8), 0.1),))
    assert packed(call, ins, None) is call
    assert packed(call, ins, None, "flash").kernel.name == "conv2d_packed"


# --------------------------------------------------------------------------------------------------- floats in 8 bits


@settings(max_examples=40)
@given(
    st.sampled_from(["dense", "conv2d", "depthwise"]), st.integers(1, 6), st.integers(1, 4), st.booleans(), st.integers(0, 999)
)  # fmt: skip
def test_weights_of_8_bits_give_what_float32_gives(kind, channels, filters, per_channel, seed):
    rng = np.random.default_rng(seed)
    shapes = {"dense": (filters, 9 * channels), "conv2d": (filters, 3, 3, channels), "depthwise": (1, 5, 5, channels)}
    shape, axis = shapes[kind], 3 if kind == "depthwise" else 0
    q = rng.integers(-127, 128, shape)
    first = [slice(None)] * len(shape)
    for a in range(len(shape)):
        if a != axis:
            first[a] = 0
    q[tuple(first)] = 127  # a converter's scale is that of the largest weight
    scales = rng.uniform(1e-4, 2, shape[axis] if per_channel else 1).astype(np.float32)
    w = q.astype(np.float32) * scales.reshape([-1 if a == axis and per_channel else 1 for a in range(len(shape))])
    x_shape = (2, 9 * channels) if kind == "dense" else (1, 5, 6, channels)
    bias = rng.normal(0, 1, shape[axis]).astype(np.float32)
    ops = {
        "dense": Dense("relu"), "conv2d": Conv2D((1, 1), (1, 0, 0, 1)), "depthwise": DepthwiseConv2D((1, 1), (0, 1, 1, 0)),
    }  # fmt: skip
    op = ops[kind]
    ins = (Tensor("x", x_shape, f32), *(Tensor(n, d.shape, f32, data=d) for n, d in (("w", w), ("b", bias))))
    outs = (Tensor("y", op.infer(ins)[0].shape, f32),)
    calls = tuple(packed(c, ins, target("cortex-m4")) for c in op.calls(ins, outs))
    assert all(c.kernel.name.endswith("_f8") for c in calls)
    assert not any(packed(c, ins, target("cortex-m4"), "speed").kernel.name.endswith("_f8") for c in op.calls(ins, outs))
    values = [rng.normal(0, 1, x_shape).astype(np.float32), w, bias]
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert got.tobytes() == op.reference(ins, outs, values)[0].tobytes()


def test_a_weight_between_the_steps_keeps_float32():
    w = np.arange(-127, 128, dtype=np.float32).reshape(5, 51) * np.float32(0.013)
    assert in_bytes(w) is not None
    w[2, 7] = np.nextafter(w[2, 7], np.float32(9))
    assert in_bytes(w) is None
    assert in_bytes(np.zeros((2, 3), np.float32)) is None
