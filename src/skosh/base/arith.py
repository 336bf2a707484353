"""Rounding, saturation, wrap and requantization: the integer arithmetic that every stage follows.

All functions take and give numpy integer arrays or scalars, in int64 inside, exact. The meaning is that of TensorFlow
Lite for Microcontrollers with double rounding (gemmlowp's fixed-point functions). The kernel language says the same
in ``language/arithmetic.py``; a test holds the two together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.dtypes import DType, i32

Ints = npt.NDArray[np.int64]


def wrap(x: Any, dtype: DType) -> Ints:
    """x modulo 2^bits, read as ``dtype`` (two's complement)."""
    mask = (1 << dtype.bits) - 1
    low = np.asarray(x, dtype=object) & mask
    if dtype.kind == "int":
        low = low - ((low >> (dtype.bits - 1)) & 1) * (1 << dtype.bits)
    return np.asarray(low, dtype=np.int64)


def saturate(x: Any, dtype: DType) -> Ints:
    """x clamped to the range of ``dtype``."""
    return np.clip(np.asarray(x, dtype=np.int64), dtype.min, dtype.max)


def srdhm(a: Any, b: Any) -> Ints:
    """Saturating rounding doubling high multiply of int32: a*b / 2^31, rounded to nearest, ties upward.

    gemmlowp SaturatingRoundingDoublingHighMul: nudge is 2^30 for a product >= 0, else 1 - 2^30, then truncating division.
    """
    a, b = np.broadcast_arrays(np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64))
    product = a * b
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    result = np.where(total >= 0, total >> 31, -((-total) >> 31))
    overflow = (a == -(1 << 31)) & (b == -(1 << 31))
    return np.asarray(np.where(overflow, (1 << 31) - 1, result), np.int64)


def rounding_divide_by_pot(x: Any, exponent: Any) -> Ints:
    """round(x / 2^exponent), ties away from zero (gemmlowp RoundingDivideByPOT); 0 <= exponent <= 31."""
    x, exponent = np.broadcast_arrays(np.asarray(x, dtype=np.int64), np.asarray(exponent, dtype=np.int64))
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + (remainder > threshold), np.int64)


def requantize(x: Any, multiplier: Any, shift: Any) -> Ints:
    """x * multiplier * 2^(shift - 31), rounded twice as TFLM does (MultiplyByQuantizedMultiplier).

    x: int32 values; multiplier: 0 or in [2^30, 2^31); shift > 0 is a left shift (which wraps to int32), < 0 a right one.
    """
    shift = np.asarray(shift, dtype=np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = np.asarray(x, dtype=np.int64) * (np.int64(1) << left)
    if np.any(shifted != saturate(shifted, i32)):
        shifted = wrap(shifted, i32)
    return rounding_divide_by_pot(srdhm(shifted, multiplier), right)


def requantize_i64(x: Any, multiplier: Any, shift: Any) -> Ints:
    """The int64-accumulator form that TFLM uses for int16 activations: single rounding with a 16-bit multiplier.

    multiplier is first reduced to 15 bits: (m + 2^15) >> 16 (or 0x7FFF when that would overflow).
    """
    x, multiplier, shift = np.broadcast_arrays(
        np.asarray(x, dtype=np.int64), np.asarray(multiplier, dtype=np.int64), np.asarray(shift, dtype=np.int64)
    )
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    total_shift = 15 - shift
    return np.asarray((x * reduced + (np.int64(1) << (total_shift - 1))) >> total_shift, np.int64)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """A positive real number as (multiplier, shift): real = multiplier * 2^(shift - 31), multiplier in [2^30, 2^31).

    tensorflow/lite/kernels/internal/quantization_util.cc, QuantizeMultiplier. Too small a number gives (0, 0).
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    fixed = math.floor(abs(fraction) * (1 << 31) + 0.5) * (1 if fraction > 0 else -1)
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return fixed, shift


def round_half_away(x: Any) -> npt.NDArray[np.float64]:
    """C's round(): ties away from zero."""
    x = np.asarray(x, dtype=np.float64)
    return np.asarray(np.where(x >= 0, np.floor(x + 0.5), np.ceil(x - 0.5)))
