"""``fixed_point`` in the kernel language: exp, reciprocal and logarithm on int32; a test holds the two together.

A number "Q m" has m integer bits: it is raw * 2^(m - 31).
"""

from __future__ import annotations

from skosh.base.dtypes import i32, i64, u32
from skosh.language import assume, func, rounding_divide_by_pot, srdhm, wrap

ONE = 2147483647


@func
def shift_left_saturated(x: i32, exponent: i32) -> i32:
    """x * 2^exponent within int32, for 0 <= exponent <= 31."""
    return wrap(i32, min(max(i64(x) << exponent, i64(-2147483648)), i64(2147483647)))


@func
def shift_saturated(x: i32, exponent: i32) -> i32:
    """x << exponent, saturated where |x| is beyond 2^(31 - exponent) - 1; 0 <= exponent <= 31."""
    threshold = wrap(i32, (i64(1) << (31 - exponent)) - 1)
    y = wrap(i32, i64(x) << exponent)
    if exponent > 0 and x > threshold:
        y = 2147483647
    elif exponent > 0 and x < -threshold:
        y = -2147483648
    return y


@func
def leading_zeros(x: i32) -> i32:
    """Zero bits above the highest one bit of x >= 0; 32 for 0."""
    y = wrap(u32, x)
    n = 0
    if y < 65536:
        n += 16
        y = y << 16
    if y < 16777216:
        n += 8
        y = y << 8
    if y < 268435456:
        n += 4
        y = y << 4
    if y < 1073741824:
        n += 2
        y = y << 2
    if y < 2147483648:
        n += 1
    return 32 if x == 0 else n


@func
def half_sum(a: i32, b: i32) -> i32:
    """(a + b) / 2, ties away from zero."""
    total = i64(a) + i64(b)
    return wrap(i32, (total + (i64(1) if total >= 0 else i64(0))) >> 1)


@func
def exp_near_zero(a: i32) -> i32:
    """exp(a) in Q0 for a in [-1/4, 0) in Q0: the Taylor series around -1/8."""
    x = a + 268435456
    x2 = srdhm(x, x)
    x3 = srdhm(x2, x)
    x4 = rounding_divide_by_pot(srdhm(x2, x2), 2)
    tail = rounding_divide_by_pot(srdhm(x4 + x3, 715827883) + x2, 1)
    return 1895147668 + srdhm(1895147668, x + tail)


@func
def exp_on_negative_values(a: i32) -> i32:
    """exp(a) in Q0 for a <= 0 in Q5: the last quarter by its series, the rest by squares of exp(-1/4)."""
    below_quarter = (a & 16777215) - 16777216  # in [-1/4, 0)
    y = exp_near_zero(below_quarter * 32)
    rest = below_quarter - a
    if (rest & 16777216) != 0:
        y = srdhm(y, 1672461947)
    if (rest & 33554432) != 0:
        y = srdhm(y, 1302514674)
    if (rest & 67108864) != 0:
        y = srdhm(y, 790015084)
    if (rest & 134217728) != 0:
        y = srdhm(y, 290630308)
    if (rest & 268435456) != 0:
        y = srdhm(y, 39332535)
    if (rest & 536870912) != 0:
        y = srdhm(y, 720401)
    if (rest & 1073741824) != 0:
        y = srdhm(y, 242)
    return 2147483647 if a == 0 else y


@func
def one_over_one_plus(a: i32) -> i32:
    """1 / (1 + a) in Q0 for a in [0, 1] in Q0: three Newton steps in Q2, which end below 2."""
    assume(a >= 0)
    half_denominator = half_sum(a, 2147483647)
    x = 1515870810 + srdhm(half_denominator, -1010580540)
    x += shift_left_saturated(srdhm(x, 536870912 - srdhm(half_denominator, x)), 2)
    assume(500000000 < x < 1073741900)
    x += shift_left_saturated(srdhm(x, 536870912 - srdhm(half_denominator, x)), 2)
    assume(500000000 < x < 1073741900)
    x += shift_left_saturated(srdhm(x, 536870912 - srdhm(half_denominator, x)), 2)
    return shift_left_saturated(x, 1)


@func
def reciprocal_of_sum(x: i32) -> i32:
    """2^30 .. 2^31 for 1 / x, without its exponent: x > 0, shifted left until its highest bit is 2^31, is 1 + a."""
    return one_over_one_plus(wrap(i32, (i64(x) << leading_zeros(x)) - 2147483648))


@func
def log_above_one(x: i32) -> i32:
    """ln(x) in Q5 for x >= 1 in Q12."""
    headroom_a = leading_zeros(x)
    assume(1 <= headroom_a <= 12)
    r_a = shift_saturated(srdhm(shift_saturated(x, headroom_a - 1), 1518500250), 1)
    power_a = shift_saturated(12 - headroom_a, 25) + 8388608
    headroom_b = leading_zeros(srdhm(x, 1518500250)) - 1
    assume(0 <= headroom_b <= 12)
    r_b = shift_saturated(x, headroom_b)
    power_b = shift_saturated(12 - headroom_b, 25) - 8388608
    r = min(r_a, r_b)
    assume(r > 1500000000)  # about 1 / sqrt(2), in Q0
    power = max(power_a, power_b)
    p = half_sum(r, 1805811301)
    q = wrap(i32, (i64(r) - 1805811301) * 2)
    square = srdhm(q, q)
    numerator = srdhm(q, r) + srdhm(srdhm(q, square), 117049297)
    denominator = srdhm(p, 1057819769 + q + srdhm(127690142, square)) + srdhm(638450708, q)
    fraction = srdhm(rounding_divide_by_pot(numerator, 6), one_over_one_plus(denominator))
    return shift_left_saturated(srdhm(power, 1488522236) + fraction, 1)
