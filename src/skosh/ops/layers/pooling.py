"""Pooling over height and width: average, maximum, root mean square. Padding is never counted.

x: [N, H, W, C]. Integers keep their scale; an average is rounded to the nearest integer, ties away from zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import SAME, Traits
from skosh.language import call
from skosh.ops.common import activation_range, check_dtype, check_quant, check_rank, clamp_float, given, required
from skosh.ops.layers.pooling_kernels import (
    average_pool2d,
    average_pool2d_f32,
    average_pool2d_upward,
    l2_pool2d_f32,
    max_pool2d,
    max_pool2d_f32,
)
from skosh.ops.layers.windows import Pads, Pair, Window


@dataclass(frozen=True)
class Pool2D(Op):
    """What the three have in common: the window and the activation."""

    size: Pair
    stride: Pair
    pads: Pads
    activation: str = "none"

    @property
    def window(self) -> Window:
        return Window(self.size, self.stride, self.pads)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_rank(x, 4)
        self.check_type(x)
        top, bottom, left, right = self.pads
        if max(top, bottom) >= self.size[0] or max(left, right) >= self.size[1]:
            raise ModelError(f"padding {self.pads} must be less than the window {self.size}")
        return (Type((x.shape[0], *self.window.outputs(x.shape[1], x.shape[2]), x.shape[3]), x.dtype),)

    def check_type(self, x: Tensor) -> None:
        check_dtype(x, i8, i16, f32)
        check_quant(x)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        """Output scale and zero point must be the input's, to 1e-6, as TFLM demands."""
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        check_quant(y)
        if x.dtype != f32 and x.quant is not None and y.quant is not None:
            same = abs(np.float32(x.quant.scale) - np.float32(y.quant.scale)) <= 1e-6
            if not same or x.quant.zero_point != y.quant.zero_point:
                raise ModelError(
                    f"pooling must keep scale {x.quant.scale!r} and zero point {x.quant.zero_point}, "
                    f"but its output has {y.quant.scale!r} and {y.quant.zero_point}"
                )
            activation_range(self.activation, y.quant, y.dtype)

    def clamped(self, acc: Array, y: Tensor) -> Array:
        if y.dtype == f32:
            return clamp_float(acc, self.activation)
        lo, hi = activation_range(self.activation, y.quant, y.dtype)
        return np.clip(acc, lo, hi).astype(y.dtype.np)

    def kernels(self) -> tuple[Any, Any]:
        """(the kernel of integers, that of float32)."""
        raise NotImplementedError(type(self).__name__)

    def more_numbers(self, x: Tensor) -> dict[str, Any]:
        """What the kernel of integers is told beyond what all are."""
        return {}

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        """One call an image."""
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        lo, hi = activation_range(self.activation, y.quant, y.dtype)
        integers, floats = self.kernels()
        numbers: dict[str, Any] = {
            "H": x.shape[1], "W": x.shape[2], "C": x.shape[3], "OH": y.shape[1], "OW": y.shape[2],
            "KH": self.size[0], "KW": self.size[1], "stride_h": self.stride[0], "stride_w": self.stride[1],
            "top": self.pads[0], "left": self.pads[2], "lo": lo, "hi": hi,
        }  # fmt: skip
        if x.dtype != f32:
            numbers["T"] = x.dtype
        numbers |= self.more_numbers(x)
        kernel, batch = floats if x.dtype == f32 else integers, x.shape[0]
        places = ((In(0, n * (x.size // batch)), Out(0, n * (y.size // batch))) for n in range(batch))
        return tuple(call(kernel, x=source, y=target, **numbers) for source, target in places)

    def count(self, x: Tensor, y: Tensor) -> Array:
        """[1, OH, OW, 1]: how many elements of the input each window holds."""
        counts = np.zeros((1, y.shape[1], y.shape[2], 1), np.int64)
        for tap in self.window.taps(x.shape[1], x.shape[2]):
            counts[:, *tap.out] += 1
        return counts

    def summed(self, x: Tensor, y: Tensor, values: Array) -> Array:
        """Sums over each window, in row-major order."""
        acc = np.zeros(y.shape, values.dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            for tap in self.window.taps(x.shape[1], x.shape[2]):
                acc[:, *tap.out] += values[:, *tap.into]
        return acc


@dataclass(frozen=True)
class AveragePool2D(Pool2D):
    """Mean of the window's elements inside the input; integers are rounded to nearest, ties away from zero.

    upward: ties go up, as in models that were uint8, where nothing is below zero.
    """

    upward: bool = False
    kind = "average_pool2d"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def kernels(self) -> tuple[Any, Any]:
        return (average_pool2d_upward if self.upward else average_pool2d), average_pool2d_f32

    def more_numbers(self, x: Tensor) -> dict[str, Any]:
        return {"least": x.dtype.min} if self.upward and x.dtype != f32 else {}

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        count = self.count(x, y)
        if x.dtype == f32:
            return (self.clamped(self.summed(x, y, given(values, 0)) / count.astype(np.float32), y),)
        total = self.summed(x, y, given(values, 0).astype(np.int64))
        if self.upward:
            return (self.clamped((total + count // 2) // count, y),)
        average = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (self.clamped(average, y),)


@dataclass(frozen=True)
class MaxPool2D(Pool2D):
    """Largest element of the window; a NaN never wins."""

    kind = "max_pool2d"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def kernels(self) -> tuple[Any, Any]:
        return max_pool2d, max_pool2d_f32

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        xs = given(values, 0)
        acc = np.full(y.shape, np.finfo(np.float32).min if x.dtype == f32 else x.dtype.min, x.dtype.np)
        for tap in self.window.taps(x.shape[1], x.shape[2]):
            new, old = xs[:, *tap.into], acc[:, *tap.out]
            acc[:, *tap.out] = np.where(old < new, new, old)
        return (self.clamped(acc, y),)


@dataclass(frozen=True)
class L2Pool2D(Pool2D):
    """Square root of the mean of squares; float32 only."""

    kind = "l2_pool2d"

    def kernels(self) -> tuple[Any, Any]:
        return None, l2_pool2d_f32

    def check_type(self, x: Tensor) -> None:
        check_dtype(x, f32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        xs = given(values, 0)
        with np.errstate(over="ignore"):
            squares = xs * xs
        mean = self.summed(x, y, squares) / self.count(x, y).astype(np.float32)
        return (self.clamped(np.sqrt(mean), y),)
