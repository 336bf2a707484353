"""L2 normalization along the last axis: each row divided by its length.

The meaning is TFLite Micro's: kernels/internal/reference/l2normalization.h, integer_ops/l2normalization.h, and
GetInvSqrtQuantizedMultiplierExp of kernels/internal/common.h.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base import arith
from skosh.base.arith import Ints
from skosh.base.dtypes import f32, i8, i32
from skosh.base.errors import ModelError
from skosh.base.fixedpoint import multiply_by_pot
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import SIGNED_UNIT, Traits
from skosh.language import (
    call,
    kernel,
    par,
    requantize,
    rounding_divide_by_pot,
    sat,
    seq,
    sqrt,
    srdhm,
    widen,
    wrap,
)
from skosh.ops.common import check_dtype, check_quant, required

EPSILON = float(np.float32(1e-6))  # the least length, for floats
HALF_SQRT_2 = 1518500250  # in Q0
ONE = 1 << 28  # in Q3
THREE_HALVES = 3 << 27  # in Q3
STEPS = 5  # of Newton's iteration
MAX_DEPTH = i32.max // 255**2  # elements whose squares 32 bits can add


@kernel
def l2_normalize_f32(x: f32[M, K], y: f32[M, K]):
    """y[m] = x[m] / max(length of x[m], EPSILON)."""
    for m in par(M):
        square = 0.0
        for k in seq(K):
            square += x[m, k] * x[m, k]
        length = max(EPSILON, sqrt(square))
        for k1 in par(K):
            y[m, k1] = x[m, k1] / length


@kernel
def l2_normalize_i8(x: i8[M, K], y: i8[M, K], *, zx):
    """y[m] = 128 * (x[m] - zx) / length of (x[m] - zx), in integers: Newton's iteration for 1 / sqrt."""
    for m in par(M):
        square = 0
        for k in seq(K):
            square += (widen(x[m, k]) - zx) * (widen(x[m, k]) - zx)
        multiplier = 2147483647
        right = 0
        if square > 1:
            right = 11
            if square >= 536870912:
                square = square // 4
                right += 1
            for _ in seq(13):
                if square < 134217728:
                    square = square * 4
                    right -= 1
            half = rounding_divide_by_pot(square >> 1, 1)
            root = ONE
            for _ in seq(STEPS):
                cube = sat(i32, i64(srdhm(srdhm(root, root), root)) << 6)
                root = sat(i32, i64(srdhm(THREE_HALVES, root) - srdhm(half, cube)) << 3)
            multiplier = srdhm(root, HALF_SQRT_2)
            if right < 0:
                multiplier = wrap(i32, i64(multiplier) << -right)
                right = 0
        for k1 in par(K):
            y[m, k1] = sat(i8, requantize(widen(x[m, k1]) - zx, multiplier, 7 - right))


def inverse_root(square: Ints) -> tuple[Ints, Ints]:
    """1 / sqrt(square) of positive int32 as (multiplier, right shift): multiplier * 2^-31 * 2^-right."""
    big = square >= 1 << 29
    scaled, right = np.where(big, square // 4, square), np.where(big, 12, 11)
    for _ in range(13):
        small = scaled < 1 << 27
        scaled, right = np.where(small, scaled * 4, scaled), np.where(small, right - 1, right)
    half = arith.rounding_divide_by_pot(scaled >> 1, 1)
    root = np.full(square.shape, ONE, np.int64)
    for _ in range(STEPS):
        cube = multiply_by_pot(arith.srdhm(arith.srdhm(root, root), root), 6)
        root = multiply_by_pot(arith.srdhm(THREE_HALVES, root) - arith.srdhm(half, cube), 3)
    multiplier = arith.wrap(arith.srdhm(root, HALF_SQRT_2) << np.maximum(-right, 0), i32)
    return np.where(square > 1, multiplier, i32.max), np.where(square > 1, np.maximum(right, 0), 0)


@dataclass(frozen=True)
class L2Normalize(Op):
    """y = x / sqrt(sum of x^2 along the last axis). int8: the output has scale 1/128 and zero point 0."""

    kind = "l2_normalize"
    traits = Traits(int8=SIGNED_UNIT)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i8)
        check_quant(x)
        if not x.shape:
            raise ModelError(f'"{x.name}" must have at least one axis')
        if x.dtype == i8 and x.shape[-1] > MAX_DEPTH:
            raise ModelError(f"the last axis must have at most {MAX_DEPTH} elements, not {x.shape[-1]}")
        return (Type(x.shape, x.dtype),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        (x,) = required(inputs, 1)
        return 2 * x.size

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,) = required(inputs, 1)
        rows = np.asarray(values[0]).reshape(-1, x.shape[-1])
        if x.dtype == f32:
            square = np.zeros(len(rows), np.float32)
            for column in rows.T:
                square = square + column * column
            length = np.maximum(np.sqrt(square), np.float32(EPSILON))
            return ((rows / length[:, None]).reshape(x.shape),)
        real = rows.astype(np.int64) - zero_point(x)
        multiplier, right = inverse_root(np.sum(real * real, axis=1))
        y = arith.requantize(real, multiplier[:, None], 7 - right[:, None])
        return (arith.saturate(y, i8).astype(np.int8).reshape(x.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        sizes = {"M": x.size // x.shape[-1], "K": x.shape[-1]}
        if x.dtype == f32:
            return (call(l2_normalize_f32, x=In(0), y=Out(0), **sizes),)
        return (call(l2_normalize_i8, x=In(0), y=Out(0), zx=zero_point(x), **sizes),)


def zero_point(x: Tensor) -> int:
    assert x.quant is not None, "checked by infer"
    return x.quant.zero_point
