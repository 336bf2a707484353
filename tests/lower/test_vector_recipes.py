"""Recipes for vector machines compute what the calls they replace compute: in the kernel interpreter, over random shapes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import f32, i8, i32
from skosh.ir.graph import Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ir.kernel import For, walk
from skosh.lower.forms import for_target
from skosh.machines.vectors.forms import STAGED, interleaved, rows_at_a_time
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.dense import BatchMatMul, Dense
from skosh.targets import target

AVX2 = target("x86-64-avx2")


def tensor(name: str, shape: tuple[int, ...], scales: Any, zero: int = 0, data: Any = None, dtype: Any = i8) -> Tensor:
    scales = (scales,) if isinstance(scales, float) else tuple(scales)
    axis = None if len(scales) == 1 else (3 if name == "dw" else 0)
    return Tensor(name, shape, dtype, Quant(scales, (zero,) * len(scales), axis), data)


def check(op: Any, ins: Any, outs: Any, values: Any, seed: int, kernels: set[str]) -> None:
    calls = for_target(tuple(op.calls(ins, outs)), ins, AVX2)
    assert {c.kernel.name for c in calls} <= kernels
    assert all(any(isinstance(s, For) and s.vector == "avx2" for s in walk(c.kernel.body)) for c in calls)
    (want,) = op.reference(ins, outs, values)
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert got.tobytes() == want.tobytes()


@settings(max_examples=40)
@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(1, 11), st.integers(-128, 127), st.booleans(), st.integers(0, 999)
)
def test_dense(rows: int, units: int, depth: int, zero: int, several: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (units, depth)).astype(np.int8)
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    scales = rng.uniform(0.01, 0.03, units).tolist() if several and units > 1 else 0.02
    ins = (
        tensor("x", (rows, depth), 0.05, zero),
        tensor("w", weights.shape, scales, 0, weights),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), 0.1, int(rng.integers(-128, 128))),)
    values = [rng.integers(-128, 128, (rows, depth)).astype(np.int8), weights, bias]
    check(Dense(), ins, outs, values, seed, {"matmul_pair_lanes", "row_pair_lanes"})


SHAPES = st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2),
    st.integers(1, 2), st.integers(0, 2), st.integers(0, 2),
)  # fmt: skip


@settings(max_examples=40)
@given(SHAPES, st.integers(0, 999))
def test_convolutions(shape: tuple[int, ...], seed: int) -> None:
    height, width, channels, filters, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (before, after, before, after))
    weights = rng.integers(-128, 128, (filters, tall, wide, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    if tall > height + before + after or wide > width + before + after:
        return
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    outs = (tensor("y", op.infer(ins)[0].shape, 0.1, -7),)
    check(op, ins, outs, [x, weights], seed, {"conv2d_pair_lanes", "matmul_pair_lanes", "row_pair_lanes"})


@settings(max_examples=40)
@given(SHAPES, st.integers(1, 2), st.integers(0, 999))
def test_depthwise_convolutions(shape: tuple[int, ...], dilation: int, seed: int) -> None:
    height, width, channels, _, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    op = DepthwiseConv2D((stride, stride), (before, after, before, after), (dilation, dilation))
    weights = rng.integers(-128, 128, (1, tall, wide, channels)).astype(np.int8)
    scales = rng.uniform(0.01, 0.03, channels).tolist() if channels > 1 else 0.02
    ins = (tensor("x", (1, height, width, channels), 0.05, -5), tensor("dw", weights.shape, scales, 0, weights))
    if (tall - 1) * dilation + 1 > height + before + after or (wide - 1) * dilation + 1 > width + before + after:
        return
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    outs = (tensor("y", op.infer(ins)[0].shape, 0.1, -7),)
    check(op, ins, outs, [x, weights], seed, {"depthwise_pair_lanes"})


@settings(max_examples=30)
@given(SHAPES, st.sampled_from(["dense", "conv2d", "depthwise"]), st.integers(0, 999))
def test_layers_of_floats(shape: tuple[int, ...], kind: str, seed: int) -> None:
    height, width, channels, filters, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    window = {"stride": (stride, stride), "pads": (before, after, before, after)}
    op: Any = {"dense": Dense(), "conv2d": Conv2D(**window), "depthwise": DepthwiseConv2D(**window)}[kind]
    sizes = {
        "dense": (filters, channels), "conv2d": (filters, tall, wide, channels), "depthwise": (1, tall, wide, channels),
    }[kind]  # fmt: skip
    given = (height, channels) if kind == "dense" else (1, height, width, channels)
    if kind != "dense" and (tall > height + before + after or wide > width + before + after):
        return
    x, weights = (rng.standard_normal(s).astype(np.float32) for s in (given, sizes))
    ins = (Tensor("x", x.shape, f32), Tensor("w", weights.shape, f32, None, weights))
    outs = (Tensor("y", op.infer(ins)[0].shape, f32),)
    check(op, ins, outs, [x, weights], seed, {f"{kind}_f32_lanes"})


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(4, 9), st.integers(0, 2), st.integers(0, 999))
def test_filters_of_a_channel(size: int, channels: int, filters: int, pad: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    op = DepthwiseConv2D((1, 1), (pad, pad, pad, pad))
    weights = rng.integers(-128, 128, (1, 2, 2, channels * filters)).astype(np.int8)
    if size + 2 * pad < 2:
        return
    ins = (tensor("x", (1, size, size, channels), 0.05, -5), tensor("dw", weights.shape, 0.02, 0, weights))
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    outs = (tensor("y", op.infer(ins)[0].shape, 0.1, -7),)
    check(op, ins, outs, [x, weights], seed, {"depthwise_filters", "depthwise_rows_filters"})


@settings(max_examples=30)
@given(SHAPES, st.integers(0, 999))
def test_windows_spread_out(shape: tuple[int, ...], seed: int) -> None:
    height, width, channels, filters, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (before, after, before, after), (1, 2))
    weights = rng.integers(-128, 128, (filters, tall, 1 + wide, channels)).astype(np.int8)
    if tall > height + before + after or 1 + 2 * wide > width + before + after:
        return
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    check(op, ins, (tensor("y", op.infer(ins)[0].shape, 0.1, -7),), [x, weights], seed, {"conv2d_spread_lanes"})


@settings(max_examples=30)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2),
    st.integers(0, 999),
)  # fmt: skip
def test_transposed_convolutions(
    height: int, width: int, channels: int, filters: int, size: int, stride: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    op = TransposeConv((stride, stride), (0, 0, 0, 0))
    weights = rng.integers(-128, 128, (filters, size, size, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    check(op, ins, (tensor("y", op.infer(ins)[0].shape, 0.1, -7),), [x, weights], seed, {"transpose_conv_lanes"})


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), st.integers(0, 999))
def test_products_of_two_inputs(batch: int, rows: int, columns: int, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-128, 128, s).astype(np.int8) for s in ((batch, rows, depth), (batch, depth, columns)))
    ins = (tensor("a", a.shape, 0.05, 3), tensor("b", b.shape, 0.02, -9))
    outs = (tensor("y", (batch, rows, columns), 0.1, -7),)
    check(BatchMatMul(), ins, outs, [a, b], seed, {"batch_matmul_i32_i8"})


def test_interleaved_filters() -> None:
    weights = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    assert interleaved(weights, 2, i8).tolist() == [[[1, 2], [4, 5]], [[3, 0], [6, 0]]]


@pytest.mark.parametrize("rows", [1, 7, 36, 125, 1021, 2304])
def test_rows_staged_at_a_time_divide_all(rows: int) -> None:
    for width in (8, 130, 1024, 40_000):
        staged = rows_at_a_time(rows, width)
        assert rows % staged == 0
        assert staged * width <= STAGED or staged == rows
