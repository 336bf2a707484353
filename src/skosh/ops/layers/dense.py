"""Matrix products: Dense (TFLite's FULLY_CONNECTED) and BatchMatMul.

Types: int8, int16 (weights int8; bias int64, rounded once, or int32) and float32. Floats are summed in the order of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import FREE, Rule, Traits
from skosh.language import call
from skosh.ops.common import (
    broadcast_shape,
    check_dtype,
    check_quant,
    check_rank,
    check_same_dtype,
    clamp_float,
    finish,
    float_product_multiplier,
    given,
    optional,
    product_multipliers,
    required,
)
from skosh.ops.layers.float_kernels import batch_matmul_f32
from skosh.ops.layers.gemm_calls import matmul_calls
from skosh.ops.layers.layer_calls import dense_f32_calls, dense_wide_calls
from skosh.ops.layers.offset import has_offset, matmul_offset_calls
from skosh.ops.layers.rescaling import bias_of, largest_input, rescaling
from skosh.ops.layers.weights import check_weights, check_wide_shift, is_wide, operands
from skosh.ops.layers.windows_kernels import batch_matmul


@dataclass(frozen=True)
class Dense(Op):
    """y[m, n] = act(bias[n] + sum over k of x[m, k] * w[n, k]); x is any shape of M * K elements, w is [N, K].

    keep_dims: y has x's shape with N in place of K; otherwise it is [M, N].
    """

    activation: str = "none"
    keep_dims: bool = False
    kind = "dense"
    traits = Traits(rowwise=True, int8=Rule(channels=0), int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w = required(inputs, 2, 3)
        check_rank(w, 2)
        units, depth = w.shape
        check_weights(x, w, optional(inputs, 2), channels=units, axis=0, wide_bias=(i64, i32), offset=True)
        if self.keep_dims:
            if not x.shape or x.shape[-1] != depth:
                raise ModelError(f"the last size of {list(x.shape)} must be {depth}, as the weights' is")
            return (Type((*x.shape[:-1], units), x.dtype),)
        if x.size % depth:
            raise ModelError(f"{x.size} elements must divide into rows of {depth}, as the weights' are")
        return (Type((x.size // depth, units), x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        check_quant(y)
        if x.dtype != f32:
            check_wide_shift(dense_multipliers(x, w, y), is_wide(inputs))

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        bias = optional(inputs, 2)
        xs, ws = operands(x, given(values, 0), given(values, 1), w)
        acc = product(xs.reshape(-1, w.shape[1]), ws.T)
        if x.dtype == f32:
            acc = acc if bias is None else acc + given(values, 2).reshape(-1)
            return (clamp_float(acc, self.activation).reshape(y.shape),)
        total: Ints = acc.astype(np.int64) + bias_of(bias, w.shape[0])
        return (finish(total, dense_multipliers(x, w, y), y, self.activation, is_wide(inputs)).reshape(y.shape),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 2, 3)[0].size * required(inputs, 2, 3)[1].shape[0]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        rows = x.size // w.shape[1]
        if x.dtype == f32:
            return dense_f32_calls(inputs, rows, self.activation)
        scaling = dense_multipliers(x, w, y)
        if x.dtype == i16:
            return dense_wide_calls(inputs, outputs, rows, self.activation, scaling, is_wide(inputs))
        if has_offset(w):
            return matmul_offset_calls(inputs, outputs, rows, self.activation, scaling)
        return matmul_calls(inputs, outputs, rows, self.activation, scaling)


@dataclass(frozen=True)
class BatchMatMul(Op):
    """y[..., m, n] = sum over k of a[..., m, k] * b[..., k, n]; leading sizes broadcast.

    transpose_a, transpose_b: that operand's last two axes are swapped first (TFLite's adj_x, adj_y).
    """

    transpose_a: bool = False
    transpose_b: bool = False
    kind = "batch_matmul"
    traits = Traits(int8=FREE, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b = required(inputs, 2)
        check_rank(a, 2, 3, 4, 5)
        check_rank(b, 2, 3, 4, 5)
        check_dtype(a, i8, i16, f32)
        check_same_dtype(a, b)
        check_quant(a, b)
        m, k = _last_two(a.shape, self.transpose_a)
        depth, n = _last_two(b.shape, self.transpose_b)
        if k != depth:
            raise ModelError(f"a row of {k} elements must meet a column as long, not {depth}")
        return (Type((*broadcast_shape(a.shape[:-2], b.shape[:-2]), m, n), a.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        a, b = required(inputs, 2)
        (y,) = required(outputs, 1)
        check_quant(y)
        if a.dtype != f32:
            check_wide_shift(float_product_multiplier(a, b, y), a.dtype == i16)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        a, b = required(inputs, 2)
        (y,) = required(outputs, 1)
        left, right = _centred(a, given(values, 0)), _centred(b, given(values, 1))
        left = np.swapaxes(left, -1, -2) if self.transpose_a else left
        right = np.swapaxes(right, -1, -2) if self.transpose_b else right
        acc = product(left, right)
        if a.dtype == f32:
            return (acc,)
        return (finish(acc.astype(np.int64), float_product_multiplier(a, b, y), y, "none", a.dtype == i16),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        a, _ = required(inputs, 2)
        (y,) = required(outputs, 1)
        return y.size * _last_two(a.shape, self.transpose_a)[1]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b = required(inputs, 2)
        (y,) = required(outputs, 1)
        a_steps, b_steps = _steps(a.shape, self.transpose_a), _steps(b.shape, self.transpose_b)
        sizes = [1] * (5 - len(y.shape)) + list(y.shape)
        numbers: dict[str, Any] = dict(zip(("B0", "B1", "B2", "M", "N"), sizes, strict=True))
        numbers |= dict(zip(("a0", "a1", "a2", "am", "ak"), a_steps, strict=True))
        numbers |= dict(zip(("b0", "b1", "b2", "bk", "bn"), b_steps, strict=True))
        numbers |= {
            "AN": a.size,
            "BN": b.size,
            "K": _last_two(a.shape, self.transpose_a)[1],
            "a": In(0),
            "b": In(1),
            "y": Out(0),
        }
        if a.dtype == f32:
            return (call(batch_matmul_f32, **numbers),)
        assert a.quant is not None and b.quant is not None, "checked by infer"
        bound = np.array([numbers["K"] * largest_input(a) * largest_input(b)])
        scaling = float_product_multiplier(a, b, y)
        r = rescaling(y, "none", scaling, np.zeros(1, np.int64), bound, wide=a.dtype == i16)
        numbers |= {name: r[name] for name in ("A", "rescale", "zy", "lo", "hi")}
        numbers |= {name: int(r[name].data[0]) for name in ("multiplier", "right")}
        return (call(batch_matmul, X=a.dtype, start=0, za=a.quant.zero_point, zb=b.quant.zero_point, **numbers),)


def dense_multipliers(x: Tensor, w: Tensor, y: Tensor) -> tuple[Ints, Ints]:
    """[N] (multiplier, shift), or [1] for all when the weights have one scale, which TFLM computes less exactly."""
    assert w.quant is not None, "checked by infer"
    return product_multipliers(x, w, y, w.shape[0]) if w.quant.per_channel else float_product_multiplier(x, w, y)


def product(a: Array, b: Array) -> Array:
    """a @ b; float32 in the order of k with one rounding a step, float64 (holding integers) at once."""
    if a.dtype != np.float32:
        return np.asarray(a @ b)
    acc = np.zeros((*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN go their way
        for k in range(a.shape[-1]):
            acc += a[..., :, k, None] * b[..., None, k, :]
    return acc


def _centred(x: Tensor, values: Array) -> Array:
    """x - zx as float64, exact; float32 as it is. Products of int16 stay below 2^53 for 2^22 of them."""
    if x.dtype == f32:
        return values
    assert x.quant is not None, "checked by infer"
    return values.astype(np.float64) - x.quant.zero_point


def _steps(shape: tuple[int, ...], swapped: bool) -> tuple[int, ...]:
    """Elements between neighbours along three batch axes (0 where the size is 1), rows and columns."""
    rows, columns = (1, shape[-1]) if swapped else (shape[-1], 1)
    steps, size = [], shape[-1] * shape[-2]
    for n in reversed(shape[:-2]):
        steps.append(size if n > 1 else 0)
        size *= n
    return (*[0] * (3 - len(steps)), *reversed(steps), rows, columns)


def _last_two(shape: tuple[int, ...], swapped: bool) -> tuple[int, int]:
    return (shape[-1], shape[-2]) if swapped else (shape[-2], shape[-1])
