"""Transcendental functions on int32 fixed-point numbers, bit for bit as gemmlowp and TFLM compute them.

A number "Q m" has m integer bits: it is raw * 2^(m - 31). Arrays of int64 hold the raw int32 values.
Sources: gemmlowp's fixedpoint.h; log: tensorflow/lite/kernels/internal/common.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.arith import Ints, rounding_divide_by_pot, saturate, srdhm
from skosh.base.dtypes import i32

ONE = i32.max  # 1.0 in Q0, as near as it gets


def rescale(raw: Any, source: int, target: int) -> Ints:
    """Q source to Q target: a rounding right shift, or a saturating left one."""
    return times_power_of_two(raw, source - target)


def times_power_of_two(raw: Any, exponent: int) -> Ints:
    """raw * 2^exponent, saturated or rounded."""
    if exponent <= 0:
        return rounding_divide_by_pot(raw, -exponent)
    return saturate(np.asarray(raw, np.int64) << exponent, i32)


def shift_saturated(raw: Any, exponent: Any) -> Ints:
    """raw << exponent, saturated where it is beyond 2^(31 - exponent) - 1 in magnitude; exponent: array, >= 0."""
    raw, exponent = np.broadcast_arrays(np.asarray(raw, np.int64), np.asarray(exponent, np.int64))
    threshold = (np.int64(1) << (31 - exponent)) - 1
    shifted = (raw << exponent).astype(np.int32).astype(np.int64)
    clamped = np.where(raw > threshold, i32.max, np.where(raw < -threshold, i32.min, shifted))
    return np.where(exponent == 0, raw, clamped)


def leading_zeros(x: Any) -> Ints:
    """Leading zero bits of non-negative int32 values; 32 for 0."""
    x = np.asarray(x, np.int64)
    bits = np.zeros(x.shape, np.int64)
    for power in (16, 8, 4, 2, 1):
        big = x >= (np.int64(1) << power)
        bits += np.where(big, power, 0)
        x = np.where(big, x >> power, x)
    return np.where(x == 0, 32, 31 - bits)


def half_sum(a: Any, b: Any) -> Ints:
    """(a + b) / 2, ties away from zero."""
    total = np.asarray(a, np.int64) + np.asarray(b, np.int64)
    return np.where(total >= 0, (total + 1) >> 1, -((1 - total) >> 1))


_EXP_STEPS = ((-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242))
"""(k, exp(-2^k) in Q0)."""


def exp_on_negative_values(a: Any, integer_bits: int) -> Ints:
    """exp(a) in Q0 for a <= 0 in Q integer_bits (at most 5)."""
    a = np.asarray(a, np.int64)
    fraction_bits = 31 - integer_bits
    quarter = np.int64(1) << (fraction_bits - 2)
    below_quarter = (a & (quarter - 1)) - quarter  # in [-1/4, 0)
    result = _exp_near_zero(rescale(below_quarter, integer_bits, 0))
    rest = below_quarter - a
    for power, factor in _EXP_STEPS:
        if integer_bits > power:
            result = np.where(rest & (np.int64(1) << (fraction_bits + power)), srdhm(result, factor), result)
    return np.where(a == 0, ONE, result)


def _exp_near_zero(a: Ints) -> Ints:
    """exp(a) in Q0 for a in [-1/4, 0): the Taylor series around -1/8."""
    at_center, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = srdhm(x, x)
    x3, x4 = srdhm(x2, x), srdhm(x2, x2)
    tail = times_power_of_two(srdhm(times_power_of_two(x4, -2) + x3, third) + x2, -1)
    return at_center + srdhm(at_center, x + tail)


def one_over_one_plus(a: Any) -> Ints:
    """1 / (1 + a) in Q0 for a in [0, 1] in Q0: three Newton steps in Q2."""
    half_denominator = half_sum(a, ONE)
    x = 1515870810 + srdhm(half_denominator, -1010580540)  # 48/17 - 32/17 d
    for _ in range(3):
        rest = (1 << 29) - srdhm(half_denominator, x)
        x = x + rescale(srdhm(x, rest), 4, 2)
    return rescale(x, 1, 0)  # halved by reading it as Q1


def reciprocal(x: Any, integer_bits: int) -> tuple[Ints, Ints]:
    """(1 / x as Q0 raw, its exponent): 1 / x = raw * 2^-31 * 2^-exponent, for x > 0 in Q integer_bits."""
    headroom = leading_zeros(x)
    shifted = (np.asarray(x, np.int64) << headroom) - (np.int64(1) << 31)
    return one_over_one_plus(shifted), integer_bits - headroom


def log_above_one(x: Any, integer_bits: int, output_bits: int) -> Ints:
    """ln(x) in Q output_bits for x >= 1 in Q integer_bits."""
    log_2, fourth_root_half, root_half, quarter = 1488522236, 1805811301, 1518500250, 536870912
    alpha_n, alpha_d, alpha_i, alpha_f = 117049297, 127690142, 1057819769, 638450708
    accumulator_bits = output_bits + 1
    quarter_scaled = rescale(quarter, 0, accumulator_bits)

    z_a = np.asarray(x, np.int64)
    headroom_a = leading_zeros(z_a)
    r_a = shift_saturated(srdhm(shift_saturated(z_a, headroom_a - 1), root_half), 1)
    power_a = saturate(shift_saturated(integer_bits - headroom_a, 31 - accumulator_bits) + quarter_scaled, i32)

    headroom_b = leading_zeros(srdhm(z_a, root_half)) - 1
    r_b = shift_saturated(z_a, headroom_b)
    power_b = saturate(shift_saturated(integer_bits - headroom_b, 31 - accumulator_bits) - quarter_scaled, i32)

    r, power = np.minimum(r_a, r_b), np.maximum(power_a, power_b)
    p, q = half_sum(r, fourth_root_half), 2 * (r - fourth_root_half)
    square = srdhm(q, q)
    numerator = srdhm(q, r) + srdhm(srdhm(q, square), alpha_n)
    denominator = srdhm(p, alpha_i + q + srdhm(alpha_d, square)) + srdhm(alpha_f, q)
    fraction = srdhm(rescale(numerator, 0, accumulator_bits), one_over_one_plus(denominator))
    return rescale(srdhm(power, log_2) + fraction, accumulator_bits, output_bits)
