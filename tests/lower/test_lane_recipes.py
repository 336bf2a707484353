"""Recipes with filters or channels as lanes compute what the calls they replace compute: interpreted, over random shapes."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i32
from skosh.ir.interpret_calls import run_calls
from skosh.ir.kernel import For, walk
from skosh.lower.forms import for_target
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.targets import target
from tests.lower.test_vector_recipes import SHAPES, tensor

MACHINES = ("aarch64", "aarch64-sve", "rv64gcv")
NAMES = st.sampled_from(MACHINES)


def check(name: str, op: Any, ins: Any, outs: Any, values: Any, seed: int, kernels: set[str]) -> None:
    machine = target(name)
    calls = for_target(tuple(op.calls(ins, outs)), ins, machine)
    assert {c.kernel.name for c in calls} <= kernels
    assert all(any(isinstance(s, For) and s.vector == machine.simd for s in walk(c.kernel.body)) for c in calls)
    (want,) = op.reference(ins, outs, values)
    (got,) = run_calls(op, ins, outs, values, calls=calls, shuffle=random.Random(seed))
    assert np.array_equal(got, want)


@settings(max_examples=40)
@given(NAMES, st.integers(1, 6), st.integers(1, 5), st.integers(1, 35), st.integers(-128, 127), st.integers(0, 999))
def test_dense(name: str, rows: int, units: int, depth: int, zero: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (units, depth)).astype(np.int8)
    bias = rng.integers(-2000, 2000, units).astype(np.int32)
    scales = rng.uniform(0.01, 0.03, units).tolist() if seed % 2 and units > 1 else 0.02
    ins = (
        tensor("x", (rows, depth), 0.05, zero),
        tensor("w", weights.shape, scales, 0, weights),
        tensor("b", bias.shape, 0.001, 0, bias, i32),
    )
    outs = (tensor("y", (rows, units), 0.1, int(rng.integers(-128, 128))),)
    values = [rng.integers(-128, 128, (rows, depth)).astype(np.int8), weights, bias]
    check(name, Dense(), ins, outs, values, seed, {"matmul_lanes", "matmul_quad_lanes", "conv2d_quad_lanes"})


@settings(max_examples=60)
@given(NAMES, SHAPES, st.integers(1, 2), st.integers(0, 999))
def test_convolutions(name: str, shape: tuple[int, ...], dilation: int, seed: int) -> None:
    height, width, channels, filters, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    op = Conv2D((stride, stride), (before, after, before, after), (dilation, 1))
    weights = rng.integers(-128, 128, (filters, tall, wide, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    if (tall - 1) * dilation + 1 > height + before + after or wide > width + before + after:
        return
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    outs = (tensor("y", op.infer(ins)[0].shape, 0.1, -7),)
    kernels = {"conv2d_lanes", "conv2d_quad_lanes", "matmul_lanes", "matmul_quad_lanes"}
    check(name, op, ins, outs, [x, weights], seed, kernels)


@settings(max_examples=40)
@given(NAMES, SHAPES, st.integers(0, 999))
def test_depthwise(name: str, shape: tuple[int, ...], seed: int) -> None:
    height, width, channels, _, tall, wide, stride, before, after = shape
    rng = np.random.default_rng(seed)
    op = DepthwiseConv2D((stride, stride), (before, after, before, after))
    weights = rng.integers(-128, 128, (1, tall, wide, channels)).astype(np.int8)
    ins = (tensor("x", (1, height, width, channels), 0.05, 3), tensor("dw", weights.shape, 0.02, 0, weights))
    if tall > height + before + after or wide > width + before + after:
        return
    x = rng.integers(-128, 128, ins[0].shape).astype(np.int8)
    outs = (tensor("y", op.infer(ins)[0].shape, 0.1, -7),)
    check(name, op, ins, outs, [x, weights], seed, {"depthwise", "depthwise_rows"})


@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m55", "x86-64-avx2", "host", "rv32imc"])
def test_other_machines_keep_their_own(name: str) -> None:
    weights = np.ones((4, 8), np.int8)
    ins = (tensor("x", (3, 8), 0.05, 3), tensor("w", weights.shape, 0.02, 0, weights))
    outs = (tensor("y", (3, 4), 0.1, -7),)
    calls = for_target(tuple(Dense().calls(ins, outs)), ins, target(name))
    assert not {c.kernel.name for c in calls} & {"matmul_lanes", "matmul_quad_lanes"}
