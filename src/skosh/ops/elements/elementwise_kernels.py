"""What the arithmetic operators do to one element, in the kernel language."""

from __future__ import annotations

from skosh.base.dtypes import f32, i32, i64
from skosh.language import assume, clamp, func, requantize, rounded_high, rounding_divide_by_pot, sat, srdhm, wrap

# ------------------------------------------------------------------------------------------------------------ quantized


@func
def scale_down(x: i32, multiplier: i32, right: i32) -> i32:
    """requantize(x, multiplier, -right) for -2^30 <= x < 2^30 and 0 <= right <= 30, shorter: one rounded high multiply."""
    high = rounded_high(x + x, multiplier)
    tie = high >> 31 if right > 0 else 0  # ties go away from zero
    return (high + tie + ((1 << right) >> 1)) >> right


@func
def sum_of_one_scale(
    a: i32, b: i32, ua: i32, ub: i32, c: i32, multiplier: i32, right: i32, zy: i32, lo: i32, hi: i32
) -> i32:
    """y = a ua + b ub + c, rescaled: a + b or a - b of one scale; ua, ub: 2^n or -2^n, c: what zero points add."""
    return clamp(scale_down(a * ua + b * ub + c, multiplier, right) + zy, lo, hi)


@func
def sum_of_two_scales(
    a: i32, b: i32, za: i32, zb: i32, unit: i32, sign: i32, left: i32, mb: i32, rb: i32, multiplier: i32, right: i32,
    zy: i32, lo: i32, hi: i32,
) -> i32:  # fmt: skip
    """y = a + b, each negated or not, rescaled. a has the larger scale: half of it is 2^(left - 1) = |unit|."""
    raw = (a - za) * unit + sign * scale_down((b - zb) << left, mb, rb)
    return clamp(scale_down(raw, multiplier, right) + zy, lo, hi)


@func
def product_i8(
    a: i32, b: i32, za: i32, zb: i32, left: i32, multiplier: i32, right: i32, zy: i32, lo: i32, hi: i32
) -> i32:
    """y = a * b, rescaled: (a - za) (b - zb) 2^left stays below 2^30."""
    return clamp(scale_down(((a - za) * (b - zb)) << left, multiplier, right) + zy, lo, hi)


@func
def product_i16(a: i32, b: i32, multiplier: i32, shift: i32, lo: i32, hi: i32) -> i32:
    """y = a * b, rescaled."""
    return clamp(requantize(a * b, multiplier, shift), lo, hi)


@func
def square_of_difference(
    a: i32, b: i32, za: i32, zb: i32, left: i32, ma: i32, ra: i32, mb: i32, rb: i32, multiplier: i32, shift: i32, zy: i32,
    lo: i32, hi: i32,
) -> i32:  # fmt: skip
    """y = (a - b)^2: the difference in units of half the larger scale * 2^-left."""
    d = scale_down((a - za) << left, ma, ra) - scale_down((b - zb) << left, mb, rb)
    return clamp(requantize(d * d, multiplier, shift) + zy, lo, hi)


@func
def floor_log2(x: i32) -> i32:
    """The largest n with 2^n <= x, for 0 < x < 512."""
    n = 8 if x >= 256 else 0
    n += 4 if (x >> n) >= 16 else 0
    n += 2 if (x >> n) >= 4 else 0
    n += 1 if (x >> n) >= 2 else 0
    return n


@func
def reciprocal(d: i32, n: i32) -> i32:
    """2^n / d with 31 bits after the point, for 2^n <= d < 2^(n + 1): three steps of Newton-Raphson from 48/17 - 32/17 d."""
    half = wrap(i32, (i64((d - (1 << n)) << (31 - n)) + 2147483648) >> 1)  # d 2^-(n + 1)
    assume(half >= 1073741824)
    x = 1515870810 + srdhm(half, -1010580540)
    x += srdhm(x, 536870912 - srdhm(half, x)) * 4
    assume(500000000 < x < 1073741900)  # below 2
    x += srdhm(x, 536870912 - srdhm(half, x)) * 4
    assume(500000000 < x < 1073741900)
    x += srdhm(x, 536870912 - srdhm(half, x)) * 4
    return sat(i32, i64(x) * 2)


@func
def quotient_i8(a: i32, b: i32, za: i32, zb: i32, multiplier: i32, shift: i32, zy: i32, lo: i32, hi: i32) -> i32:
    """y = a / b, rescaled; a number divided by zero is the largest or the smallest, 0 / 0 is 0."""
    x = a - za if b >= zb else za - a
    d = b - zb if b >= zb else zb - b
    y = 65536 if x > 0 else (-65536 if x < 0 else 0)
    if d > 0:
        n = floor_log2(d)
        headroom = 31
        if x > 0:
            headroom = 30 - floor_log2(x)
        elif x < 0:
            headroom = 31 - floor_log2(-2 * x - 1)
        q = srdhm(x << headroom, reciprocal(d, n))
        right = n + headroom - shift
        y = rounding_divide_by_pot(srdhm(q, multiplier), min(right, 31))
        y = y if right <= 31 else 0
    return clamp(y + zy, lo, hi)


# -------------------------------------------------------------------------------------------------------------- integers


@func
def sum_i32(a: i32, b: i32) -> i32:
    """y = a + b, modulo 2^32."""
    return wrap(i32, i64(a) + i64(b))


@func
def difference_i32(a: i32, b: i32, lo: i32, hi: i32) -> i32:
    """y = a - b, modulo 2^32, clamped to [lo, hi]."""
    return clamp(wrap(i32, i64(a) - i64(b)), lo, hi)


@func
def product_i32(a: i32, b: i32, lo: i32, hi: i32) -> i32:
    """y = a * b, modulo 2^32, clamped to [lo, hi]."""
    return clamp(wrap(i32, i64(a) * i64(b)), lo, hi)


@func
def quotient_i32(a: i32, b: i32, lo: i32, hi: i32) -> i32:
    """y = a / b, toward zero, clamped to [lo, hi]; a number divided by zero is the largest or the smallest, 0 / 0 is 0."""
    y = 2147483647 if a > 0 else (-2147483648 if a < 0 else 0)
    if b == -1:
        y = wrap(i32, -i64(a))
    elif b != 0:
        y = a // b
    return clamp(y, lo, hi)


@func
def square_of_difference_i32(a: i32, b: i32) -> i32:
    """y = (a - b)^2, modulo 2^32."""
    d = wrap(i32, i64(a) - i64(b))
    return wrap(i32, i64(d) * i64(d))


# ---------------------------------------------------------------------------------------------------------------- floats
# min(hi, max(lo, x)) and not the other way round: with C's comparisons, NaN stays NaN.


@func
def sum_f32(a: f32, b: f32, lo: f32, hi: f32) -> f32:
    """y = a + b, clamped to [lo, hi]."""
    return min(hi, max(lo, a + b))


@func
def difference_f32(a: f32, b: f32, lo: f32, hi: f32) -> f32:
    """y = a - b, clamped to [lo, hi]."""
    return min(hi, max(lo, a - b))


@func
def product_f32(a: f32, b: f32, lo: f32, hi: f32) -> f32:
    """y = a * b, clamped to [lo, hi]."""
    return min(hi, max(lo, a * b))


@func
def quotient_f32(a: f32, b: f32, lo: f32, hi: f32) -> f32:
    """y = a / b, clamped to [lo, hi]."""
    return min(hi, max(lo, a / b))


@func
def open_sum_f32(a: f32, b: f32) -> f32:
    """y = a + b."""
    return a + b


@func
def open_difference_f32(a: f32, b: f32) -> f32:
    """y = a - b."""
    return a - b


@func
def open_product_f32(a: f32, b: f32) -> f32:
    """y = a * b."""
    return a * b


@func
def open_quotient_f32(a: f32, b: f32) -> f32:
    """y = a / b."""
    return a / b


@func
def square_of_difference_f32(a: f32, b: f32) -> f32:
    """y = (a - b)^2."""
    return (a - b) * (a - b)
