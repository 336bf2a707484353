"""Convolutions over height and width: Conv2D (grouped too), DepthwiseConv2D, TransposeConv.

Layouts are TFLite's: x [N, H, W, C], y [N, OH, OW, F]; weights [F, KH, KW, C / groups], depthwise [1, KH, KW, F].
Integers: y = zy + requantize(bias[f] + sum (x - zx) * w), see tensorflow/lite/kernels/internal/reference/integer_ops.
Types: x int8 with w int8 and bias int32; x int16 with w int8 and bias int64 (rounded once) or int32; all float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import Rule, Traits
from skosh.ops.common import check_rank, given, optional, required
from skosh.ops.layers.depthwise import depthwise_calls
from skosh.ops.layers.gemm_calls import conv2d_calls
from skosh.ops.layers.layer_calls import (
    conv2d_f32_calls,
    conv2d_wide_calls,
    depthwise_f32_calls,
    depthwise_wide_calls,
    transpose_conv_calls,
    transpose_conv_f32_calls,
)
from skosh.ops.layers.offset import conv2d_offset_calls, depthwise_offset_calls, has_offset
from skosh.ops.layers.weights import check_output, check_weights, finished, is_wide, operands
from skosh.ops.layers.windows import Pads, Pair, Window


@dataclass(frozen=True)
class Conv2D(Op):
    """y[n, i, j, f] = act(bias[f] + sum over kh, kw, c of x[n, i*sh + kh*dh - top, j*sw + kw*dw - left, c] * w[f, kh, kw, c]).

    With groups, filter f sees channels of its group only: C / (w's channels) groups, F / groups filters each.
    """

    stride: Pair
    pads: Pads
    dilation: Pair = (1, 1)
    activation: str = "none"
    kind = "conv2d"
    traits = Traits(int8=Rule(channels=0), int16=True)

    def window(self, w: Tensor) -> Window:
        """w: [F, KH, KW, C / groups]."""
        return Window((w.shape[1], w.shape[2]), self.stride, self.pads, self.dilation)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w = required(inputs, 2, 3)
        check_rank(x, 4)
        check_rank(w, 4)
        check_weights(x, w, optional(inputs, 2), channels=w.shape[0], axis=0, wide_bias=(i64, i32), offset=True)
        filters, _, _, depth = w.shape
        if x.shape[3] % depth:
            raise ModelError(f"{x.shape[3]} channels must divide into groups of the filter's {depth}")
        if filters % (x.shape[3] // depth):
            raise ModelError(f"{filters} filters must divide into {x.shape[3] // depth} groups")
        return (Type((x.shape[0], *self.window(w).outputs(x.shape[1], x.shape[2]), filters), x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        check_output(inputs, outputs, required(inputs, 2, 3)[1].shape[0])

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        xs, ws = operands(x, given(values, 0), given(values, 1), w)
        groups = x.shape[3] // w.shape[3]
        acc = np.zeros(y.shape, xs.dtype)
        for tap in self.window(w).taps(x.shape[1], x.shape[2]):
            rows, columns = tap.into
            window = xs[:, rows, columns]
            for g in range(groups):
                depth, filters = _part(g, w.shape[3]), _part(g, w.shape[0] // groups)
                _add_product(acc[:, *tap.out, filters], window[..., depth], ws[filters, tap.row, tap.column])
        return (finished(acc, inputs, y, self.activation),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        (y,) = required(outputs, 1)
        w = required(inputs, 2, 3)[1]
        return y.size * w.shape[1] * w.shape[2] * w.shape[3]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w = required(inputs, 2, 3)
        if x.dtype == i8 and has_offset(w):
            return conv2d_offset_calls(inputs, outputs, self.window(w), self.activation)
        if x.dtype == i8:
            return conv2d_calls(inputs, outputs, self.window(w), self.activation)
        if x.dtype == f32:
            return conv2d_f32_calls(inputs, outputs, self.window(w), self.activation)
        return conv2d_wide_calls(inputs, outputs, self.window(w), self.activation, is_wide(inputs))

    def frugal_calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w = required(inputs, 2, 3)
        if x.dtype == i8 and not has_offset(w):
            return conv2d_calls(inputs, outputs, self.window(w), self.activation, scratch=False)
        return self.calls(inputs, outputs)


@dataclass(frozen=True)
class DepthwiseConv2D(Op):
    """Each channel c has its own F / C filters: y[n, i, j, f] sums x[..., f // (F / C)] * w[0, kh, kw, f] over the window."""

    stride: Pair
    pads: Pads
    dilation: Pair = (1, 1)
    activation: str = "none"
    kind = "depthwise_conv2d"
    traits = Traits(int8=Rule(channels=3), int16=True)

    def window(self, w: Tensor) -> Window:
        """w: [1, KH, KW, F]."""
        return Window((w.shape[1], w.shape[2]), self.stride, self.pads, self.dilation)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w = required(inputs, 2, 3)
        check_rank(x, 4)
        check_rank(w, 4)
        check_weights(x, w, optional(inputs, 2), channels=w.shape[3], axis=3, offset=True)
        if w.shape[0] != 1:
            raise ModelError(f"a depthwise filter must have shape [1, height, width, channels], not {list(w.shape)}")
        if w.shape[3] % x.shape[3]:
            raise ModelError(f"{w.shape[3]} filters must be a multiple of the {x.shape[3]} channels")
        return (Type((x.shape[0], *self.window(w).outputs(x.shape[1], x.shape[2]), w.shape[3]), x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        check_output(inputs, outputs, required(inputs, 2, 3)[1].shape[3])

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        xs, ws = operands(x, given(values, 0), given(values, 1), w)
        per_channel = w.shape[3] // x.shape[3]
        acc = np.zeros(y.shape, xs.dtype)
        for tap in self.window(w).taps(x.shape[1], x.shape[2]):
            window = np.repeat(xs[:, tap.into[0], tap.into[1]], per_channel, axis=3)
            with np.errstate(over="ignore", invalid="ignore"):
                acc[:, *tap.out] += window * ws[0, tap.row, tap.column]
        return (finished(acc, inputs, y, self.activation),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        (y,) = required(outputs, 1)
        w = required(inputs, 2, 3)[1]
        return y.size * w.shape[1] * w.shape[2]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w = required(inputs, 2, 3)
        if x.dtype == i8 and has_offset(w):
            return depthwise_offset_calls(inputs, outputs, self.window(w), self.activation)
        if x.dtype == i8:
            return depthwise_calls(inputs, outputs, self.window(w), self.activation)
        if x.dtype == f32:
            return depthwise_f32_calls(inputs, outputs, self.window(w), self.activation)
        return depthwise_wide_calls(inputs, outputs, self.window(w), self.activation)

    def frugal_calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, w = required(inputs, 2, 3)
        if x.dtype == i8 and not has_offset(w):
            return depthwise_calls(inputs, outputs, self.window(w), self.activation, scratch=False)
        return self.calls(inputs, outputs)


@dataclass(frozen=True)
class TransposeConv(Op):
    """Every input adds its filter to the output: y[n, i*sh + kh - top, j*sw + kw - left, f] += x[n, i, j, c] * w[f, kh, kw, c].

    pads: rows and columns cut from the (H - 1) * sh + KH by (W - 1) * sw + KW result; a negative bottom or right adds
    some that no input reaches. Inputs: x, w [F, KH, KW, C], bias (int16 x: int64 or int16).
    """

    stride: Pair
    pads: Pads
    activation: str = "none"
    kind = "transpose_conv"
    traits = Traits(int8=Rule(channels=0), int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, w = required(inputs, 2, 3)
        check_rank(x, 4)
        check_rank(w, 4)
        check_weights(x, w, optional(inputs, 2), channels=w.shape[0], axis=0, wide_bias=(i64, i16))
        if w.shape[3] != x.shape[3]:
            raise ModelError(f"the filter must have the input's {x.shape[3]} channels, not {w.shape[3]}")
        Window((w.shape[1], w.shape[2]), self.stride, (0, 0, 0, 0)).check()
        top, bottom, left, right = self.pads
        height = (x.shape[1] - 1) * self.stride[0] + w.shape[1] - top - bottom
        width = (x.shape[2] - 1) * self.stride[1] + w.shape[2] - left - right
        if top < 0 or left < 0 or height < 1 or width < 1:
            raise ModelError(f"pads {self.pads} must leave something of the output, not {height} x {width}")
        return (Type((x.shape[0], height, width, w.shape[0]), x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        check_output(inputs, outputs, required(inputs, 2, 3)[1].shape[0])

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, w = required(inputs, 2, 3)
        (y,) = required(outputs, 1)
        xs, ws = operands(x, given(values, 0), given(values, 1))
        acc = np.zeros(y.shape, xs.dtype)
        # An output meets its inputs in row-major order, so the filter's places come backwards.
        taps = Window((w.shape[1], w.shape[2]), self.stride, (self.pads[0], 0, self.pads[2], 0))
        for row in reversed(range(w.shape[1])):
            for column in reversed(range(w.shape[2])):
                down = _scatter(row - taps.pads[0], self.stride[0], x.shape[1], y.shape[1])
                across = _scatter(column - taps.pads[2], self.stride[1], x.shape[2], y.shape[2])
                if down is not None and across is not None:
                    _add_product(acc[:, down[1], across[1]], xs[:, down[0], across[0]], ws[:, row, column])
        return (finished(acc, inputs, y, self.activation),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, w = required(inputs, 2, 3)
        return x.size * w.shape[0] * w.shape[1] * w.shape[2]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        corner = self.pads[0], self.pads[2]
        if required(inputs, 2, 3)[0].dtype == f32:
            return transpose_conv_f32_calls(inputs, outputs, self.stride, corner, self.activation)
        return transpose_conv_calls(inputs, outputs, self.stride, corner, self.activation, is_wide(inputs))


def _add_product(acc: Array, x: Array, w: Array) -> None:
    """acc[..., f] += sum over c of x[..., c] * w[f, c]; float32 in the order of c, one rounding a step."""
    if acc.dtype == np.float32:
        with np.errstate(over="ignore", invalid="ignore"):  # infinities and NaN go their way
            for c in range(x.shape[-1]):
                acc += x[..., c, None] * w[:, c]
    else:
        acc += x @ w.T


def _part(index: int, size: int) -> slice:
    return slice(index * size, (index + 1) * size)


def _scatter(offset: int, stride: int, size: int, outputs: int) -> tuple[slice, slice] | None:
    """Inputs i with 0 <= i * stride + offset < outputs, and those outputs; None when there are none."""
    first = max(0, -(offset // stride))
    last = min(size - 1, (outputs - 1 - offset) // stride)
    if first > last:
        return None
    return slice(first, last + 1), slice(first * stride + offset, last * stride + offset + 1, stride)
