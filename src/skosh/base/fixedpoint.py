"""Functions of fixed-point numbers: exp, tanh, logistic, 1/(1+x), 1/sqrt(x), in integers only.

A number in format F(k) is a 32-bit integer ``raw`` that stands for raw / 2^(31 - k): k integer bits, so [-2^k, 2^k).
The product of F(a) and F(b) is an F(a + b): one rounding high multiply (``arith.srdhm``). The algorithms and their
constants are those of gemmlowp (fixedpoint/fixedpoint.h), on which TensorFlow Lite's quantized activations stand: they
give the same 32 bits. Everything takes and gives numpy arrays of int64 that hold int32 values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.arith import Ints, rounding_divide_by_pot, saturate, srdhm
from skosh.base.dtypes import i32

ONE = i32.max  # 1 in F(0): the largest F(0)
_ONE_F2 = 1 << 29
_48_OVER_17 = 1515870810  # F(2)
_NEG_32_OVER_17 = -1010580540  # F(2)
_EXP_MINUS_EIGHTH = 1895147668  # F(0)
_THIRD = 715827883  # F(0)
_HALF_SQRT_2 = 1518500250  # F(0)

_EXP_OF_MINUS_POWERS = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401), (4, 242),
)  # fmt: skip
"""(e, exp(-2^e) in F(0))."""


def _ints(x: Any) -> Ints:
    return np.asarray(x, dtype=np.int64)


def multiply_by_pot(x: Any, exponent: int) -> Ints:
    """x * 2^exponent: saturating to the left, rounding (ties away from zero) to the right."""
    if exponent >= 0:
        return saturate(_ints(x) << exponent, i32)
    return rounding_divide_by_pot(x, -exponent)


def rescale(x: Any, from_bits: int, to_bits: int) -> Ints:
    """The same real number in another format: F(from_bits) -> F(to_bits)."""
    return multiply_by_pot(x, from_bits - to_bits)


def rounding_half_sum(a: Any, b: Any) -> Ints:
    """(a + b) / 2, ties away from zero."""
    total = _ints(a) + _ints(b)
    total = total + np.where(total >= 0, 1, -1)
    return np.where(total >= 0, total >> 1, -((-total) >> 1))


# ----------------------------------------------------------------------------------------------------------- exponential


def exp_on_last_quarter(a: Any) -> Ints:
    """exp(a) for a in [-1/4, 0), F(0) -> F(0): Taylor's series of degree 4 around -1/8."""
    x = _ints(a) + (1 << 28)
    x2 = srdhm(x, x)
    x3 = srdhm(x2, x)
    x4_over_4 = multiply_by_pot(srdhm(x2, x2), -2)
    tail = multiply_by_pot(srdhm(x4_over_4 + x3, _THIRD) + x2, -1)  # x^4/24 + x^3/6 + x^2/2
    return _EXP_MINUS_EIGHTH + srdhm(_EXP_MINUS_EIGHTH, x + tail)


def exp_on_negative_values(a: Any, integer_bits: int) -> Ints:
    """exp(a) for a <= 0, F(integer_bits) -> F(0): the last quarter by series, the rest by a multiplication a bit."""
    a = _ints(a)
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    last = (a & (quarter - 1)) - quarter
    result = exp_on_last_quarter(rescale(last, integer_bits, 0))
    remainder = last - a
    for exponent, factor in _EXP_OF_MINUS_POWERS:
        if integer_bits > exponent:
            bit = remainder & (1 << (fraction + exponent))
            result = np.where(bit != 0, srdhm(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(1 << (36 - integer_bits)), 0, result)  # below -32
    return np.where(a == 0, ONE, result)


# -------------------------------------------------------------------------------------------------------------- division


def _two_over_one_plus(a: Any) -> Ints:
    """2 / (1 + a) for a in [0, 1], F(0) -> F(2): three steps of Newton-Raphson from 48/17 - 32/17 d, d = (1 + a) / 2."""
    half_denominator = rounding_half_sum(a, ONE)
    x = _48_OVER_17 + srdhm(half_denominator, _NEG_32_OVER_17)
    for _ in range(3):
        error = _ONE_F2 - srdhm(half_denominator, x)
        x = x + rescale(srdhm(x, error), 4, 2)
    return x


def one_over_one_plus_x(a: Any) -> Ints:
    """1 / (1 + a) for a in [0, 1], F(0) -> F(0)."""
    return rescale(_two_over_one_plus(a), 1, 0)  # half of an F(2) is the same integer read as an F(1)


def one_minus_x_over_one_plus_x(a: Any) -> Ints:
    """(1 - a) / (1 + a) for a in [0, 1], F(0) -> F(0)."""
    return rescale(_two_over_one_plus(a) - _ONE_F2, 2, 0)


def reciprocal(x: Any) -> tuple[Ints, Ints]:
    """1/x of integers 0 < x < 2^31 as (r, e): 1/x = r * 2^(-31 - e), r in F(0) from 1/2 to 1.

    tensorflow/lite/kernels/internal/common.h, GetReciprocal with 31 integer digits; e is floor(log2 x).
    """
    x = _ints(x)
    assert np.all(x > 0), "only positive numbers have a reciprocal here"
    exponent = np.frexp(x.astype(np.float64))[1] - 1
    fraction = (x << (31 - exponent)) - (1 << 31)  # x / 2^e - 1 in F(0)
    return one_over_one_plus_x(fraction), exponent.astype(np.int64)


def quotient(a: Any, b: Any, multiplier: int, shift: int) -> Ints:
    """a / b * multiplier * 2^(shift - 31), of small integers: far beyond 16 bits, with a's sign, where b is 0; 0 for 0 / 0.

    tensorflow/lite/kernels/internal/reference/div.h: a goes left to the full word, is multiplied by 1/|b| and by the
    factor, and comes back. Where it would come back by more than 31 bits, which C leaves undefined, the result is 0.
    """
    a, b = _ints(a), _ints(b)
    x, d = np.where(b < 0, -a, a), np.abs(b)
    inverse, exponent = reciprocal(np.maximum(d, 1))
    headroom = leading_sign_bits(x)
    right = exponent + headroom - shift
    scaled = rounding_divide_by_pot(srdhm(srdhm(x << headroom, inverse), multiplier), np.clip(right, 0, 31))
    return np.where(d == 0, np.sign(x) * 65536, np.where(right <= 31, scaled, 0))


def leading_sign_bits(x: Any) -> Ints:
    """How far an int32 can go left without changing sign; 31 for 0 and -1."""
    magnitude = np.where(_ints(x) < 0, ~_ints(x), x)
    return 31 - np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)


def inverse_sqrt(x: int) -> tuple[int, int]:
    """1/sqrt(x) of an integer x >= 0 as (multiplier, shift) for ``arith.requantize``; 0 counts as 1.

    tensorflow/lite/kernels/internal/common.h, GetInvSqrtQuantizedMultiplierExp: five Newton-Raphson steps from 1, in F(3).
    """
    if x <= 1:
        return i32.max, 0
    right = 11
    while x >= 1 << 29:
        x //= 4
        right += 1
    pairs = (31 - x.bit_length()) // 2 - 1
    right -= pairs
    x <<= 2 * pairs  # now in [2^27, 2^29)
    half_x = multiply_by_pot(x >> 1, -1)
    half_three = (1 << 28) + (1 << 27)
    y: Any = 1 << 28
    for _ in range(5):
        cube = rescale(srdhm(srdhm(y, y), y), 9, 3)
        y = rescale(srdhm(half_three, y) - srdhm(half_x, cube), 6, 3)
    multiplier = int(srdhm(y, _HALF_SQRT_2))
    if right < 0:
        return multiplier << -right, 0
    return multiplier, -right


def reciprocal_in(x: Any, integer_bits: int) -> tuple[Ints, Ints]:
    """(r, e) with 1/x = r * 2^(-31 - e), for x > 0 in F(integer_bits)."""
    scale, exponent = reciprocal(x)
    return scale, exponent + (integer_bits - 31)


def leading_zeros(x: Any) -> Ints:
    """Leading zero bits of non-negative int32 values; 32 for 0."""
    x = np.asarray(x, np.int64)
    bits = np.zeros(x.shape, np.int64)
    for power in (16, 8, 4, 2, 1):
        big = x >= (np.int64(1) << power)
        bits += np.where(big, power, 0)
        x = np.where(big, x >> power, x)
    return np.where(x == 0, 32, 31 - bits)


def shift_saturated(raw: Any, exponent: Any) -> Ints:
    """raw << exponent, saturated where it is beyond 2^(31 - exponent) - 1 in magnitude; exponent: array, >= 0."""
    raw, exponent = np.broadcast_arrays(np.asarray(raw, np.int64), np.asarray(exponent, np.int64))
    threshold = (np.int64(1) << (31 - exponent)) - 1
    shifted = (raw << exponent).astype(np.int32).astype(np.int64)
    clamped = np.where(raw > threshold, i32.max, np.where(raw < -threshold, i32.min, shifted))
    return np.where(exponent == 0, raw, clamped)


def log_above_one(x: Any, integer_bits: int, output_bits: int) -> Ints:
    """ln(x) for x >= 1, F(integer_bits) -> F(output_bits); tensorflow/lite/kernels/internal/common.h."""
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
    p, q = rounding_half_sum(r, fourth_root_half), 2 * (r - fourth_root_half)
    square = srdhm(q, q)
    numerator = srdhm(q, r) + srdhm(srdhm(q, square), alpha_n)
    denominator = srdhm(p, alpha_i + q + srdhm(alpha_d, square)) + srdhm(alpha_f, q)
    fraction = srdhm(rescale(numerator, 0, accumulator_bits), one_over_one_plus_x(denominator))
    return rescale(srdhm(power, log_2) + fraction, accumulator_bits, output_bits)


# --------------------------------------------------------------------------------------------------- sigmoids of fixed point


def tanh(a: Any, integer_bits: int) -> Ints:
    """tanh(a), F(integer_bits) -> F(0)."""
    a = _ints(a)
    negative = np.where(a < 0, a, -a)
    t = one_minus_x_over_one_plus_x(exp_on_negative_values(negative, integer_bits + 1))  # the same integer, doubled
    return np.where(a == 0, 0, np.where(a < 0, -t, t))


def logistic(a: Any, integer_bits: int) -> Ints:
    """1 / (1 + exp(-a)), F(integer_bits) -> F(0)."""
    a = _ints(a)
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, positive, ONE - positive))


# ------------------------------------------------------------------------------------- sigmoids of int16, by interpolation


_RAISED = (
    4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40, 41, 43, 44, 45, 46, 49, 50,
    54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135, 255,
)  # fmt: skip
"""Where TensorFlow Lite's table is one above the rounded value (chords of a concave curve run below it)."""


def sigmoid_table() -> Ints:
    """65536 * logistic(i / 24), i = 0..255: [0, 10.7) in steps that the int16 sigmoids interpolate; all below 65536."""
    table = np.floor(65536.0 / (1.0 + np.exp(-np.arange(256) / 24.0)) + 0.5).astype(np.int64)
    table[list(_RAISED)] += 1
    return table


def rescale_int16(x: Any, multiplier: int, shift: int) -> Ints:
    """(x * multiplier + half) >> shift: an int16 on the grid of ``sigmoid_table``, 2^9 (logistic) or 2^8 (tanh) to a step."""
    half = 1 << (shift - 1) if shift > 0 else 0
    return (_ints(x) * multiplier + half) >> shift


def logistic_int16(x: Any, multiplier: int, shift: int) -> Ints:
    """Logistic of int16 -> int16 in units of 2^-15 (tensorflow/lite/.../integer_ops/logistic.h)."""
    x = rescale_int16(x, multiplier, shift)
    value = _interpolated(np.abs(x), 9, 0x7FFF << 10)
    return np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1) >> 10


def tanh_int16(x: Any, multiplier: int, shift: int) -> Ints:
    """tanh of int16 -> int16 in units of 2^-15: 2 logistic(2x) - 1 (tensorflow/lite/.../integer_ops/tanh.h)."""
    x = rescale_int16(x, multiplier, shift)
    value = _interpolated(np.abs(x), 8, 0xFFFF << 8)
    return np.where(x >= 0, value - (1 << 23) + (1 << 7), -value + (1 << 23) + (1 << 7) - 1) >> 8


def _interpolated(magnitude: Ints, bits: int, saturated: int) -> Ints:
    """The table at magnitude / 2^bits times 2^bits, between its entries by a straight line."""
    table = sigmoid_table()
    step = np.minimum(magnitude >> bits, 254)
    value = (table[step] << bits) + (magnitude & ((1 << bits) - 1)) * (table[step + 1] - table[step])
    return np.where(magnitude >> bits >= 255, saturated, value)
