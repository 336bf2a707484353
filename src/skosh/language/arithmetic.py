"""Requantization in the kernel language; ``base/arith.py`` says the same in numpy, and a test holds the two together."""

from __future__ import annotations

from skosh.base.dtypes import i32, i64
from skosh.language.decorators import func, wrap


@func
def srdhm(a: i32, b: i32) -> i32:
    """round(a * b / 2^31): gemmlowp's saturating rounding doubling high multiply, for b > INT32_MIN (no overflow)."""
    return wrap(i32, (i64(a) * i64(b) + 1073741824) >> 31)


@func
def rounded_high(a: i32, b: i32) -> i32:
    """round(a * b / 2^32), ties upward."""
    return wrap(i32, (i64(a) * i64(b) + 2147483648) >> 32)


@func
def rounding_divide_by_pot(x: i32, exponent: i32) -> i32:
    """round(x / 2^exponent), ties away from zero; 0 <= exponent <= 31."""
    mask = wrap(i32, (i64(1) << exponent) - 1)
    half = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > half else 0)


@func
def requantize(x: i32, multiplier: i32, shift: i32) -> i32:
    """x * multiplier * 2^(shift - 31), rounded twice; shift > 0 shifts left first, and wraps."""
    left = max(shift, 0)
    right = max(-shift, 0)
    return rounding_divide_by_pot(srdhm(wrap(i32, i64(x) << left), multiplier), right)


@func
def requantize_bounded(x: i32, multiplier: i32, right: i32) -> i32:
    """requantize for |x| < 2^30 and shift = -right, 1 <= right <= 30: equal, and shorter on most machines.

    (2x * m + 2^31) >> 32 is one rounded high multiply; adding the sign before the rounding shift moves ties away from zero.
    """
    high = rounded_high(x + x, multiplier)
    return (high + (high >> 31) + (1 << (right - 1))) >> right


@func
def rounded_high_plus(a: i32, b: i32, c: i32) -> i32:
    """round(a * b / 2^32), ties upward, plus c; wraps."""
    return wrap(i32, ((i64(a) * i64(b) + 2147483648) >> 32) + i64(c))


@func
def requantize_doubled(twice: i32, multiplier: i32, right: i32, offset: i32) -> i32:
    """requantize_bounded(x, multiplier, right) + zy, for twice = 2 x, offset = 2^(right - 1) + zy 2^right, right <= 22.

    Both roundings and the zero point are one addition. Ties move away from zero by the sign of x: the rounded product has
    the same one, or is 0, where it doesn't matter.
    """
    return (rounded_high_plus(twice, multiplier, offset) + (twice >> 31)) >> right


@func
def requantize_bounded_plus(x: i32, multiplier: i32, right: i32, offset: i32) -> i32:
    """requantize_bounded, plus the zero point."""
    return requantize_bounded(x, multiplier, right) + offset


@func
def requantize_plus(x: i32, multiplier: i32, shift: i32, offset: i32) -> i32:
    """requantize, plus the zero point."""
    return requantize(x, multiplier, shift) + offset
