"""Elementary functions of one tensor: |x|, -x, x^2, roots, exponential, logarithm, sine, cosine, rounding.

float32 by ``kernels.mathf``, equal on every machine and within 2 units in the last place of a C library; square roots,
which every machine rounds correctly, by the machine. int8 is a table of 256 entries: |x| and 1/sqrt(x) in the integers of
TensorFlow Lite Micro (tensorflow/lite/micro/kernels/elementwise.cc); e^x, ln(x) and sqrt(x), which TFLM has for floats
only, as TensorFlow Lite means them (tensorflow/lite/kernels/{exp,elementwise}.cc).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from skosh.base.arith import Ints, quantize_multiplier, requantize, wrap
from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.fixedpoint import inverse_sqrt
from skosh.ir.call import Call
from skosh.ir.graph import Array, Tensor
from skosh.ir.traits import FREE, Traits
from skosh.language import mathf
from skosh.ops.elements import activation_kernels as k
from skosh.ops.elements.pointwise import pointwise
from skosh.ops.elements.unary import Unary, float_calls, float_values, quant_of, ratio, rounded, tabulated


@dataclass(frozen=True)
class Abs(Unary):
    """y = |x|. Types: int8, int16 (with or without a scale), int32, float32."""

    kind = "abs"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=FREE, int16=True)
    types = (i8, i16, i32, f32)

    def scaling(self, x: Tensor, y: Tensor) -> tuple[int, int]:
        """The factor from x's units to y's; 1 without scales."""
        if x.quant is None or quant_of(x)[0] == quant_of(y)[0]:
            return 1 << 30, 1
        return ratio(x, y)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return np.abs(v)
        if y.dtype == i32 or x.quant is None:
            return wrap(np.abs(v.astype(np.int64)), y.dtype)
        (_, zx), (_, zy) = quant_of(x), quant_of(y)
        scaled = requantize(np.abs(v.astype(np.int64) - zx), *self.scaling(x, y))
        return np.clip(scaled + zy, y.dtype.min, y.dtype.max)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        if y.dtype == f32:
            return float_calls(k.magnitude_f32, x, y)
        if y.dtype == i32 or x.quant is None:
            return pointwise(k.magnitude_i32, (x,), y)
        multiplier, shift = self.scaling(x, y)
        return pointwise(k.magnitude_i16, (x,), y, multiplier=multiplier, shift=shift)


@dataclass(frozen=True)
class Neg(Unary):
    """y = -x. Types: int32, int64, float32."""

    kind = "neg"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True)
    types = (i32, i64, f32)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        return np.negative(v)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return pointwise({f32: k.negative_f32, i32: k.negative_i32, i64: k.negative_i64}[y.dtype], (x,), y)


@dataclass(frozen=True)
class Rsqrt(Unary):
    """y = 1 / sqrt(x). Types: int8, float32. int8 of 0 and below, which TFLM refuses at run time, is the largest number."""

    kind = "rsqrt"
    traits = Traits(elementwise=True, unary=True, curve=True, int8=FREE)
    types = (i8, f32)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return np.float32(1) / np.sqrt(v)
        (sx, zx), (sy, zy) = quant_of(x), quant_of(y)
        multiplier, shift = quantize_multiplier(1.0 / (math.sqrt(sx) * sy))
        roots = np.clip(requantize(_inverse_roots(), multiplier, shift - 20) + zy, i8.min, i8.max)
        table = np.concatenate([[i8.max], roots, np.full(256, i8.max)])
        return np.asarray(table[v.astype(np.int64) - zx])  # negative ones count from the end

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return float_calls(k.rsqrt_f32, x, y)


@functools.cache
def _inverse_roots() -> Ints:
    """1/sqrt(q), q = 1..255, with 20 bits after the point."""
    factors = [inverse_sqrt(q) for q in range(1, 256)]
    return requantize(1, [m for m, _ in factors], [shift + 20 for _, shift in factors])


@dataclass(frozen=True)
class FloatFunction(Unary):
    """y = f(x) of float32 by one scalar function, and of int8, where a subclass has it, by a table."""

    function: ClassVar[Any]
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        return float_values(self.function, v) if y.dtype == f32 else self.quantized(x, y, v)

    def quantized(self, x: Tensor, y: Tensor, v: Array) -> Array:
        raise NotImplementedError(type(self).__name__)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        return float_calls(self.function, x, y)


@dataclass(frozen=True)
class Exp(FloatFunction):
    """y = e^x. Types: int8, float32."""

    kind = "exp"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=FREE)
    types = (i8, f32)
    function = mathf.exp

    def quantized(self, x: Tensor, y: Tensor, v: Array) -> Array:
        return tabulated(x, y, v, rounded(np.exp))


@dataclass(frozen=True)
class Log(FloatFunction):
    """y = ln(x). Types: int8, where numbers up to 0 give the smallest one, and float32."""

    kind = "log"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=FREE)
    types = (i8, f32)
    function = mathf.log

    def quantized(self, x: Tensor, y: Tensor, v: Array) -> Array:
        scale, zero = quant_of(y)
        low = np.float32(-128 - zero) * np.float32(scale)
        return tabulated(x, y, v, lambda r: np.where(r <= 0, low, rounded(np.log)(r)))


@dataclass(frozen=True)
class Sqrt(FloatFunction):
    """y = sqrt(x). Types: int8, where numbers below 0, which TensorFlow Lite refuses, give 0, and float32."""

    kind = "sqrt"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=FREE)
    types = (i8, f32)
    function = k.sqrt_f32

    def quantized(self, x: Tensor, y: Tensor, v: Array) -> Array:
        (sx, zx), (sy, zy) = quant_of(x), quant_of(y)
        real = np.float32(sx) * np.maximum(v.astype(np.int64) - zx, 0).astype(np.float32)
        return np.asarray(np.clip(np.trunc(np.sqrt(real) / np.float32(sy)) + zy, i8.min, i8.max))


@dataclass(frozen=True)
class Square(FloatFunction):
    """y = x^2. float32."""

    kind = "square"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, classical=True)
    function = k.square_f32


@dataclass(frozen=True)
class Sin(FloatFunction):
    """y = sin(x). float32."""

    kind = "sin"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = mathf.sin


@dataclass(frozen=True)
class Cos(FloatFunction):
    """y = cos(x). float32."""

    kind = "cos"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = mathf.cos


@dataclass(frozen=True)
class Erf(FloatFunction):
    """y = 2 / sqrt pi * the integral of e^(-t^2) from 0 to x. float32."""

    kind = "erf"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = mathf.erf


@dataclass(frozen=True)
class Ceil(FloatFunction):
    """y = the smallest integer from x. float32."""

    kind = "ceil"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = k.ceil_f32


@dataclass(frozen=True)
class Floor(FloatFunction):
    """y = the largest integer up to x. float32."""

    kind = "floor"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = k.floor_f32


@dataclass(frozen=True)
class Round(FloatFunction):
    """y = the integer nearest to x, of two the even one. float32."""

    kind = "round"
    traits = Traits(elementwise=True, unary=True, curve=True)
    function = k.round_f32
