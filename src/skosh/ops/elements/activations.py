"""Activations: ReLU and its kin, logistic, tanh.

int8 is a table of 256 entries, filled when the model is compiled with the integers of TensorFlow Lite Micro's kernels;
int16 logistic and tanh interpolate a table, as TFLM does. float32 is computed by ``kernels.mathf``, equal on every
machine and within 2 units in the last place of a C library. RELU_N1_TO_1, which TFLM lacks, means what TensorFlow Lite's
kernel means (tensorflow/lite/kernels/activations.cc).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base import fixedpoint
from skosh.base.arith import quantize_multiplier, requantize, rounding_divide_by_pot
from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import FREE, PROBABILITY, SIGNED_UNIT, Traits
from skosh.language import call
from skosh.language.mathf import exp, tanh
from skosh.ops.common import broadcast_shape, check_dtype, check_quant, given, quantized, required
from skosh.ops.elements import activation_kernels as k
from skosh.ops.elements.pointwise import pointwise
from skosh.ops.elements.unary import (
    Unary,
    factor,
    float_calls,
    float_values,
    quant_of,
    ratio,
    rescale,
    rescale_numbers,
)

INF = float("inf")
_BOUNDS = {"relu": (0.0, INF), "relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0)}


@dataclass(frozen=True)
class Relu(Unary):
    """y = x clamped: to [0, inf) by "relu", [0, 6] by "relu6", [-1, 1] by "relu_n1_to_1". Types: int8, int16, float32.

    Quantized relu6 clamps the numbers as they are and takes input and output to have one scale, as TFLM does.
    """

    activation: str
    kind = "relu"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=FREE, int16=True)
    types = (i8, i16, f32)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.activation in _BOUNDS, f"no relu is called {self.activation}"
        (x,) = required(inputs, 1)
        if x.dtype == i16:
            check_quant(x)
        return super().infer(inputs)

    def range(self, x: Tensor, y: Tensor) -> tuple[int, int]:
        """What integers are clamped to."""
        lo, hi = _BOUNDS[self.activation]
        quant = (x if self.activation == "relu6" else y).quant
        assert quant is not None, "checked by infer"
        low, high = quantized(lo, quant), y.dtype.max if hi == INF else quantized(hi, quant)
        return min(max(low, y.dtype.min), y.dtype.max), max(min(high, y.dtype.max), y.dtype.min)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            lo, hi = (np.float32(b) for b in _BOUNDS[self.activation])
            return np.where(v > hi, hi, np.where(v < lo, lo, v))
        moved = v if self.activation == "relu6" else rescale(x, y, v, ratio(x, y))
        return np.clip(moved, *self.range(x, y))

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        if x.dtype != f32 and (self.activation == "relu6" or x.quant == y.quant):
            lo, hi = self.range(x, y)
            return pointwise(k.clamped, (x,), y, lo=lo, hi=hi)
        return super().calls(inputs, outputs)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        if y.dtype == f32 and self.activation == "relu":
            return float_calls(k.relu_f32, x, y)
        if y.dtype == f32:
            lo, hi = _BOUNDS[self.activation]
            return float_calls(k.clamped_f32, x, y, lo=lo, hi=hi)
        return pointwise(k.rescaled, (x,), y, **rescale_numbers(x, y, ratio(x, y), *self.range(x, y)))


@dataclass(frozen=True)
class LeakyRelu(Unary):
    """y = x, or alpha * x below 0. Types: int8, int16, float32."""

    alpha: float
    kind = "leaky_relu"
    traits = Traits(elementwise=True, unary=True, curve=True, int8=FREE, int16=True)
    types = (i8, i16, f32)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        if x.dtype == i16:
            check_quant(x)
        if not math.isfinite(self.alpha):
            raise ModelError(f"alpha must be finite, not {self.alpha}")
        return super().infer(inputs)

    def alpha_scaling(self, x: Tensor, y: Tensor) -> tuple[int, int, int]:
        """(sign, multiplier, shift) of x.scale * alpha / y.scale."""
        multiplier, shift = factor(quant_of(x)[0] * float(np.float32(self.alpha)) / quant_of(y)[0])
        return (-1 if multiplier < 0 else 1), abs(multiplier), shift

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return np.where(v > 0, v, v * np.float32(self.alpha))
        (_, zx), (_, zy) = quant_of(x), quant_of(y)
        sign, multiplier, shift = self.alpha_scaling(x, y)
        centered = v.astype(np.int64) - zx
        below = sign * requantize(centered, multiplier, shift)
        scaled = np.where(centered >= 0, requantize(centered, *ratio(x, y)), below)
        return np.asarray(np.clip(scaled + zy, y.dtype.min, y.dtype.max))

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        if y.dtype == f32:
            return float_calls(k.leaky_relu_f32, x, y, alpha=float(np.float32(self.alpha)))
        (m1, shift1), (sign, m2, shift2) = ratio(x, y), self.alpha_scaling(x, y)
        return pointwise(k.leaky_relu_i16, (x,), y, m1=m1, shift1=shift1, m2=m2, shift2=shift2, sign=sign)


@dataclass(frozen=True)
class Prelu(Op):
    """y = x, or alpha * x below 0; alpha is a tensor that broadcasts. Types: int8, int16 with an int8 alpha, float32."""

    kind = "prelu"
    traits = Traits(elementwise=True, int8=FREE)
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, alpha = required(inputs, 2)
        check_dtype(x, i8, i16, f32)
        check_dtype(alpha, f32 if x.dtype == f32 else i8)
        check_quant(x, alpha)
        return (Type(broadcast_shape(x.shape, alpha.shape), x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        (y,) = required(outputs, 1)
        if y.dtype != f32:
            check_quant(y)
            self.calls(inputs, outputs)

    def scaling(self, x: Tensor, alpha: Tensor, y: Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
        """The factors of x and of alpha * x."""
        sx, sa, sy = quant_of(x)[0], quant_of(alpha)[0], quant_of(y)[0]
        return factor(sx / sy), factor(sx * sa / sy)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x, alpha), (y,) = required(inputs, 2), required(outputs, 1)
        v, a = np.broadcast_arrays(given(values, 0), given(values, 1))
        if y.dtype == f32:
            with np.errstate(all="ignore"):
                return (np.where(v >= 0, v, v * a),)
        centered, slope = v.astype(np.int64) - quant_of(x)[1], a.astype(np.int64) - quant_of(alpha)[1]
        above, below = self.scaling(x, alpha, y)
        scaled = np.where(centered >= 0, requantize(centered, *above), requantize(centered * slope, *below))
        return (np.clip(scaled + quant_of(y)[1], y.dtype.min, y.dtype.max).astype(y.dtype.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x, alpha), (y,) = required(inputs, 2), required(outputs, 1)
        if y.dtype == f32:
            return pointwise(k.prelu_f32, (x, alpha), y)
        (m1, shift1), (m2, shift2) = self.scaling(x, alpha, y)
        return pointwise(
            k.prelu_rescaled, (x, alpha), y, zx=quant_of(x)[1], za=quant_of(alpha)[1], m1=m1, shift1=shift1, m2=m2,
            shift2=shift2, zy=quant_of(y)[1], lo=y.dtype.min, hi=y.dtype.max,
        )  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- sigmoids


@dataclass(frozen=True)
class Logistic(Unary):
    """y = 1 / (1 + e^-x). Types: int8 (output scale 1/256, zero point -128), int16 (1/32768), float32."""

    kind = "logistic"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=PROBABILITY, int16=True)
    types = (i8, i16, f32)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        return _infer_sigmoid(super().infer(inputs), inputs)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        _check_sigmoid("logistic", outputs, 1 / 256, -128)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            e = float_values(exp, np.where(v < -9, v, -v))
            return np.where(v > np.float32(16.619047164916992188), 1, np.where(v < -9, e, 1 / (1 + e)))
        if y.dtype == i16:
            return fixedpoint.logistic_int16(v, *int16_sigmoid_scaling(quant_of(x)[0], (0,)))
        raw, far = _in_q4(x, v)
        scaled = rounding_divide_by_pot(fixedpoint.logistic(raw, 4), 23) - 128
        return np.where(far == 0, np.clip(scaled, -128, 127), np.where(far > 0, 127, -128))

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        if y.dtype == f32:
            return float_calls(k.logistic_f32, x, y)
        return _int16_sigmoid_calls(k.logistic_i16, x, y, (0,))


@dataclass(frozen=True)
class Tanh(Unary):
    """y = tanh(x). Types: int8 (output scale 1/128, zero point 0), int16 (1/32768), float32."""

    kind = "tanh"
    traits = Traits(elementwise=True, unary=True, curve=True, rowwise=True, int8=SIGNED_UNIT, int16=True)
    types = (i8, i16, f32)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        return _infer_sigmoid(super().infer(inputs), inputs)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        _check_sigmoid("tanh", outputs, 1 / 128, 0)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        if y.dtype == f32:
            return float_values(tanh, v)
        if y.dtype == i16:
            return fixedpoint.tanh_int16(v, *int16_sigmoid_scaling(quant_of(x)[0], (0, 1)))
        raw, far = _in_q4(x, v)
        scaled = rounding_divide_by_pot(fixedpoint.tanh(raw, 4), 24)
        return np.where(far == 0, np.clip(scaled, -128, 127), np.where(far > 0, 127, -128))

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        if y.dtype == f32:
            return float_calls(tanh, x, y)
        return _int16_sigmoid_calls(k.tanh_i16, x, y, (0, 1))


def _infer_sigmoid(types: tuple[Type, ...], inputs: Operands) -> tuple[Type, ...]:
    (x,) = required(inputs, 1)
    if x.dtype in (i8, i16):
        check_quant(x)
        if not 2.0**-24 < quant_of(x)[0] < (16.0 if x.dtype == i8 else 2.0):
            raise ModelError(f'"{x.name}" must not have the scale {quant_of(x)[0]!r}', hint="quantize again")
    return types


def _check_sigmoid(kind: str, outputs: Operands, scale: float, zero: int) -> None:
    """The output's quantization is fixed: the result's bits after the point."""
    (y,) = required(outputs, 1)
    if y.dtype == f32:
        return
    check_quant(y)
    want, tolerance = ((scale, zero), 0.0) if y.dtype == i8 else ((2.0**-15, 0), 1e-3)
    got = quant_of(y)
    if abs(got[0] / want[0] - 1) > tolerance or got[1] != want[1]:
        raise ModelError(
            f"{kind} to {y.dtype} must have scale {want[0]!r} and zero point {want[1]}, not {got[0]!r} and {got[1]}"
        )


def _in_q4(x: Tensor, v: Array) -> tuple[Array, Array]:
    """int8 as F(4), and where it is out of (-15, 15): -1, 0 or 1."""
    scale, zero = quant_of(x)
    multiplier, shift = quantize_multiplier(scale * (1 << 27))
    radius = math.floor(15.0 * (1 << 27) / 2.0**shift)
    centered = v.astype(np.int64) - zero
    far = np.where(centered <= -radius, -1, np.where(centered >= radius, 1, 0))
    return requantize(np.where(far == 0, centered, 0), multiplier, shift), far


def int16_sigmoid_scaling(scale: float, shifts: tuple[int, ...]) -> tuple[int, int]:
    """(multiplier, right shift) from an int16's scale to 1 / (3 * 4096), on which the table stands.

    A power of two is taken exactly when it is 2^-12 shifted left by one of ``shifts``; other scales get 14 or 15 bits.
    """
    log2 = np.float32(math.log(scale)) * (np.float32(1) / np.float32(math.log(2.0)))
    nearest = round(float(log2))
    if abs(log2 - np.float32(nearest)) < np.float32(1e-3) and 12 + nearest in shifts:
        return 3 << (12 + nearest), 0
    multiplier, right = scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and right <= 30:
        right += 1
        multiplier *= 2.0
    return int(multiplier), right


def _int16_sigmoid_calls(kernel: Any, x: Tensor, y: Tensor, shifts: tuple[int, ...]) -> tuple[Call, ...]:
    multiplier, right = int16_sigmoid_scaling(quant_of(x)[0], shifts)
    table = Const(fixedpoint.sigmoid_table().astype(np.uint16), "sigmoid")
    half = 1 << (right - 1) if right else 0
    return (call(kernel, x=In(0), table=table, y=Out(0), N=y.size, multiplier=multiplier, half=half, right=right),)
