"""Softmax and LogSoftmax along the last axis.

Integers as TFLM: int8 with fixed-point exp, reciprocal and log; int16 with two interpolated tables. Floats: exp and log
are those of ``kernels.mathf``, sums go left to right; TFLM's C library may differ in the last bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from skosh.base.arith import Ints, quantize_multiplier, requantize, round_half_away, rounding_divide_by_pot, srdhm
from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import ModelError
from skosh.base.fixedpoint import exp_on_negative_values, leading_zeros, log_above_one, reciprocal_in, rescale
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.quant import Quant
from skosh.ir.traits import PROBABILITY, Rule, Traits
from skosh.language import call
from skosh.language.mathf import exp, log
from skosh.language.vectorized import apply
from skosh.ops.common import FLOAT_MAX, check_dtype, check_quant, given, required
from skosh.ops.reductions.softmax_kernels import (
    log_softmax,
    log_softmax_f32,
    softmax,
    softmax_by_table,
    softmax_f32,
    softmax_i16,
)

DIFF_BITS = 5  # integer bits of x - max(x): exp(-2^5 / 2) is nothing
SUM_BITS = 12  # integer bits of the sum of exps
TABLE_PAYS = 1024  # elements from which a table of exps (at most 1 KB) is worth its flash


@dataclass(frozen=True)
class Softmax(Op):
    """y[c] = exp(beta * (x[c] - max x)) / sum over c. Types: int8 to int8 or int16, int16 to int16, float32.

    Output scales are fixed: int8 1/256 with zero point -128, int16 1/32768 (from int8: 1/65536 with -32768).
    """

    beta: float = 1.0
    wide: bool = False  # int8 to int16
    kind = "softmax"
    traits = Traits(rowwise=True, int8=PROBABILITY, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        _check_input(x, i8, i16, f32)
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ModelError(f"beta must be > 0 and finite, not {self.beta}")
        if self.wide:
            check_dtype(x, i8)
        if x.dtype == i8:
            input_scaling(x, self.beta)
        elif x.dtype == i16:
            wide_scaling(x, self.beta)
        return (Type(x.shape, i16 if self.wide else x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        if x.dtype == f32:
            return
        if y.quant is None or y.quant.per_channel:
            raise ModelError(f'"{y.name}" must have one scale')
        scale, zero, tolerance = (1 / 256, -128, 0.0)
        if y.dtype == i16:
            scale, zero, tolerance = (1 / 65536, -32768, 0.001) if x.dtype == i8 else (1 / 32768, 0, 0.001)
        if abs(y.quant.scale - scale) > tolerance * scale or y.quant.zero_point != zero:
            raise ModelError(
                f"softmax to {y.dtype} must have scale {scale!r} and zero point {zero}, "
                f"not {y.quant.scale!r} and {y.quant.zero_point}"
            )

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        xs = given(values, 0)
        if x.dtype == f32:
            with np.errstate(all="ignore"):
                exps = apply(exp, (xs - _row_max(xs)) * np.float32(self.beta))
                return (exps / sum_f32(exps),)
        if x.dtype == i16:
            return (self._int16(x, xs),)
        diff = xs.astype(np.int64) - np.max(xs, axis=-1, keepdims=True)
        exps, kept = exps_of_diffs(diff, *input_scaling(x, self.beta))
        scale, exponent = reciprocal_in(sum_of_exps(exps, kept), SUM_BITS)
        shift = exponent + 31 - y.dtype.bits
        result = rounding_divide_by_pot(srdhm(scale, exps), shift) + y.dtype.min
        return (np.where(kept, np.clip(result, y.dtype.min, y.dtype.max), y.dtype.min).astype(y.dtype.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        """int8 exps come from a table where there are many, else from the function."""
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        sizes: dict[str, Any] = {"x": In(0), "y": Out(0), "N": x.shape[-1], "M": x.size // x.shape[-1]}
        if x.dtype == f32:
            return (call(softmax_f32, lowest=-FLOAT_MAX, beta=float(np.float32(self.beta)), **sizes),)
        if x.dtype == i16:
            multiplier, shift = wide_scaling(x, self.beta)
            tables = {"exps": Const(exp_table(), "exp"), "reciprocals": Const(reciprocal_table(), "reciprocal")}
            return (call(softmax_i16, multiplier=multiplier, shift=shift, **tables, **sizes),)
        sizes |= {"Y": y.dtype, "bits_y": y.dtype.bits, "low": y.dtype.min, "high": y.dtype.max}
        multiplier, shift, diff_min = input_scaling(x, self.beta)
        if y.size >= TABLE_PAYS:
            diffs = np.arange(0, min(255, -diff_min) + 1)
            exps, _ = exps_of_diffs(-diffs, multiplier, shift, diff_min)
            table = Const(exps.astype(np.int32), "exp")
            return (call(softmax_by_table, table=table, E=len(diffs), **sizes),)
        return (call(softmax, multiplier=multiplier, shift=shift, diff_min=diff_min, **sizes),)

    def _int16(self, x: Tensor, xs: Array) -> Array:
        diff = xs.astype(np.int64) - np.max(xs, axis=-1, keepdims=True)
        scaled = requantize(diff, *wide_scaling(x, self.beta)) + 32767
        exps = interpolated(np.clip(scaled, i16.min, i16.max), exp_table())
        total = np.sum(exps, axis=-1, keepdims=True)
        headroom = leading_zeros(total)
        shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
        factor = interpolated(np.clip(shifted - (1 << 15) - (1 << 16), i16.min, i16.max), reciprocal_table())
        right = 31 - headroom
        result = (exps * factor + (np.int64(1) << (right - 1))) >> right
        return np.asarray(np.clip(result, 0, i16.max), dtype=np.int16)


@dataclass(frozen=True)
class LogSoftmax(Op):
    """y[c] = x[c] - max x - ln(sum over c of exp(x[c] - max x)). Types: int8 (scale 1/16, zero point 127) and float32."""

    kind = "log_softmax"
    traits = Traits(int8=Rule(fixed=Quant((1 / 16,), (127,))))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        _check_input(x, i8, f32)
        if x.dtype == i8:
            reverse_scaling(x)
        return (Type(x.shape, x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        check_quant(y)
        if x.dtype == i8 and y.quant is not None and (y.quant.scale, y.quant.zero_point) != (1 / 16, 127):
            raise ModelError(
                f"log-softmax to i8 must have scale 0.0625 and zero point 127, not {y.quant.scale!r} and {y.quant.zero_point}"
            )

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,) = required(inputs, 1)
        xs = given(values, 0)
        if x.dtype == f32:
            with np.errstate(all="ignore"):
                shifted = xs - _row_max(xs)
                return (shifted - apply(log, sum_f32(apply(exp, shifted))),)
        multiplier, shift, diff_min = input_scaling(x, 1.0)
        diff = xs.astype(np.int64) - np.max(xs, axis=-1, keepdims=True)
        exps, kept = exps_of_diffs(diff, multiplier, shift, diff_min)
        log_sum = log_above_one(sum_of_exps(exps, kept), SUM_BITS, DIFF_BITS)
        limit = np.maximum(diff_min - 1, requantize(log_sum - (1 << 31), *reverse_scaling(x)))
        result = rounding_divide_by_pot(requantize(diff, multiplier, shift) - log_sum, 31 - DIFF_BITS - 4) + 127
        return (np.where(diff > limit, np.clip(result, -128, 127), -128).astype(np.int8),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        sizes: dict[str, Any] = {"x": In(0), "y": Out(0), "N": x.shape[-1], "M": x.size // x.shape[-1]}
        if x.dtype == f32:
            return (call(log_softmax_f32, lowest=-FLOAT_MAX, **sizes),)
        multiplier, shift, diff_min = input_scaling(x, 1.0)
        back = dict(zip(("back_multiplier", "back_shift"), reverse_scaling(x), strict=True))
        return (call(log_softmax, multiplier=multiplier, shift=shift, diff_min=diff_min, **back, **sizes),)


def _check_input(x: Tensor, *allowed: object) -> None:
    if not x.shape:
        raise ModelError(f'"{x.name}" must have at least 1 dimension')
    check_dtype(x, *allowed)  # type: ignore[arg-type]
    check_quant(x)


# ------------------------------------------------------------------------------------------------------------- int8


def input_scaling(x: Tensor, beta: float) -> tuple[int, int, int]:
    """(multiplier, left shift, smallest difference whose exp counts) that bring x - max(x) to Q5.

    TFLM's PreprocessSoftmaxScaling and CalculateInputRadius.
    """
    assert x.quant is not None, "checked by infer"
    real = min(np.float32(beta).item() * x.quant.scale * (1 << (31 - DIFF_BITS)), 2.0**31 - 1)
    if not real > 1.0:
        raise ModelError(f"scale {x.quant.scale!r} times beta is too small for softmax")
    multiplier, shift = quantize_multiplier_left(real)
    radius = math.floor(((1 << DIFF_BITS) - 1) * 2.0 ** (31 - DIFF_BITS) / 2.0**shift)
    return multiplier, shift, -radius


def quantize_multiplier_left(real: float) -> tuple[int, int]:
    """quantize_multiplier for 1 < real < 2^31, without its bound on the shift."""
    multiplier, shift = quantize_multiplier(real / 2)
    return multiplier, shift + 1


def reverse_scaling(x: Tensor) -> tuple[int, int]:
    """(multiplier, shift) from Q5 back to differences of int8."""
    multiplier, shift, _ = input_scaling(x, 1.0)
    real = (1 << (31 - shift)) / multiplier
    if not real < 1.0:
        raise ModelError(f"scale {x.quant.scale if x.quant else 0!r} is too small for log-softmax")
    return quantize_multiplier(real)


def exps_of_diffs(diff: Ints, multiplier: int, shift: int, diff_min: int) -> tuple[Ints, Array]:
    """(exp(scale * diff) in Q0, which of them count)."""
    kept = diff >= diff_min
    return exp_on_negative_values(requantize(np.where(kept, diff, 0), multiplier, shift), DIFF_BITS), kept


def sum_of_exps(exps: Ints, kept: Array) -> Ints:
    """[..., 1]: the sum in Q12, which wraps like int32 (only beyond 2^12 equal elements)."""
    total = np.sum(np.where(kept, rescale(exps, 0, SUM_BITS), 0), axis=-1, keepdims=True)
    return np.asarray(total.astype(np.int32).astype(np.int64))


# ------------------------------------------------------------------------------------------------------------ int16


def wide_scaling(x: Tensor, beta: float) -> tuple[int, int]:
    """(multiplier, shift) such that -65535 stands for -10."""
    assert x.quant is not None, "checked by infer"
    real = x.quant.scale * np.float32(beta).item() / (10.0 / 65535.0)
    if not real < 2.0**15:
        raise ModelError(f"scale {x.quant.scale!r} times beta is too large for softmax")
    return quantize_multiplier(real)


@cache
def exp_table() -> Array:
    """[513] int16: exp(v) for v from -10 to 0."""
    return _table(10.0, 32767, _exp_rounded)


@cache
def reciprocal_table() -> Array:
    """[513] int16: 1 / (1 + v) for v from 0 to 1."""
    return _table(1.0, -32768, lambda v: np.float32(1) / (np.float32(1) + v))


def _table(span: float, zero_point: int, function: Callable[[Array], Array]) -> Array:
    """512 samples and one beyond of a function in (-1, 1], each moved by half the error at the middle of its interval.

    All in float32, as tensorflow/lite/kernels/internal/common.h, LUTPopulateInt16.
    """
    f = np.float32
    in_scale, out_scale = f(span) / f(65535), f(2.0) / f(65535)
    low, high = in_scale * f(-32768 - zero_point), in_scale * f(32767 - zero_point)
    step = (high - low) / f(512)
    inverse = f(65536) / (out_scale * f(32767) - out_scale * f(-32768))
    start = low + np.arange(512, dtype=f) * step
    value, after = function(start) * inverse, function(low + np.arange(1, 513, dtype=f) * step) * inverse
    middle = round_f32(function(start + step / f(2)) * inverse)
    error = round_f32((after + round_f32(value)) / f(2)) - middle
    samples = round_f32(value) - round_f32(error / f(2))
    last = round_f32(function(np.asarray([high], f)) * inverse)
    return np.asarray(np.clip(np.concatenate([samples, last]), -32768, 32767), dtype=np.int16)


def interpolated(value: Ints, table: Array) -> Ints:
    """Table lookup of int16 values: 9 bits choose the sample, 7 bits lie between it and the next."""
    wide = table.astype(np.int64)
    index, offset = 256 + (value >> 7), value & 127
    return np.asarray(wide[index] + (((wide[index + 1] - wide[index]) * offset + 64) >> 7))


# ---------------------------------------------------------------------------------------------------------- float32


def round_f32(x: Array) -> Array:
    """Ties away from zero, as C's roundf."""
    return round_half_away(x).astype(np.float32)


def _exp_rounded(x: Array) -> Array:
    """exp, correctly rounded to float32: what the C library that made TFLM's table gives."""
    return np.exp(x.astype(np.float64)).astype(np.float32)


def sum_f32(x: Array) -> Array:
    """[..., 1]: the sum along the last axis from left to right, rounded at each step."""
    return np.add.accumulate(x, axis=-1, dtype=np.float32)[..., -1:]


def _row_max(x: Array) -> Array:
    """[..., 1]: the largest element, and at least the smallest finite number; NaN never wins."""
    largest = np.max(np.where(np.isnan(x), -np.inf, x), axis=-1, keepdims=True)
    return np.asarray(np.maximum(largest, np.finfo(np.float32).min), dtype=np.float32)
