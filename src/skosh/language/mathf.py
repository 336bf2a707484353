"""Functions of real numbers in float32: the same bits on every machine.

Each is a scalar function of the kernel language, made of + - * /, comparisons and operations on bits, every one rounded
to float32, so the interpreter, its numpy twin (``vectorized.apply``) and the C agree exactly. Results are within 1.6
units in the last place of the true value (``erfc``: 4), so within 2 of what C libraries give; infinities, NaN and
subnormal numbers are what C's own functions make of them. Polynomials are minimax fits.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i32, i64, u32, u64
from skosh.language import bits, from_bits, func, trunc, wrap

INF = float("inf")
LOG2_E = 1.44269504
LN2_HIGH = 0.693359375  # 9 bits, so a small integer times it is exact
LN2_LOW = -0.00021219444
QUIET_NAN = 0x7FC00000

# ----------------------------------------------------------------------------------------------------------- exponential


@func
def exp_of_sum(x: f32, low: f32) -> f32:
    """exp(x + low) for |low| at most a few units in the last place of x, and finite x + low that neither over- nor underflow.

    n = round(x / ln 2), r = x + low - n ln 2, exp(r) by a polynomial; 2^n goes into the exponent.
    """
    n = trunc(i32, x * LOG2_E + (0.5 if x > 0.0 else -0.5))
    high = x - f32(n) * LN2_HIGH
    tail = f32(n) * LN2_LOW - low
    r = high - tail
    p = ((0.0013814222 * r + 0.008368899) * r + 0.041668404) * r + 0.1666652
    p = (p * r + 0.49999994) * (r * r)
    y = 1.0 - ((tail - p) - high)
    if n >= -125:
        y = from_bits(bits(y) + n * 8388608)
    else:  # below the normal numbers: the last product rounds
        y = from_bits(bits(y) + (n + 64) * 8388608) * 5.421011e-20
    return y


@func
def exp(x: f32) -> f32:
    """e^x."""
    y = x  # NaN stays
    if x > 88.72283:
        y = INF
    elif x < -103.97208:
        y = 0.0
    elif x == x:
        y = exp_of_sum(x, 0.0)
    return y


@func
def expm1(x: f32) -> f32:
    """e^x - 1, without cancellation near 0: 2^n (e^r - 1) + (2^n - 1)."""
    y = x  # NaN stays, and the tiny
    if x > 17.0:
        y = exp(x)
    elif x < -17.5:
        y = -1.0
    elif x > 1e-8 or x < -1e-8:
        n = trunc(i32, x * LOG2_E + (0.5 if x > 0.0 else -0.5))
        high = x - f32(n) * LN2_HIGH
        tail = f32(n) * LN2_LOW
        r = high - tail
        p = ((0.00019845899 * r + 0.0013940893) * r + 0.00833339) * r + 0.04166636
        p = ((p * r + 0.16666666) * r + 0.5) * (r * r)
        power = from_bits((n + 127) * 8388608)
        y = power * (high - (tail - p)) + (power - 1.0)
    return y


# ------------------------------------------------------------------------------------------------------------- logarithm


@func
def log(x: f32) -> f32:
    """The natural logarithm; -inf at 0, NaN below."""
    y = x
    if x > 0.0 and x < INF:
        i = bits(x)
        k = 0
        if i < 8388608:  # below the normal numbers
            i = bits(x * 8388608.0)
            k = -23
        part = i - 0x3F3504F3  # of sqrt(1/2): m is in [sqrt(1/2), sqrt(2))
        k += part >> 23
        f = from_bits((part & 0x7FFFFF) + 0x3F3504F3) - 1.0
        p = ((0.0675757 * f - 0.11694335) * f + 0.11893512) * f - 0.12403084
        p = ((p * f + 0.14218554) * f - 0.1666809) * f + 0.20002167
        p = ((p * f - 0.25000009) * f + 0.3333331) * (f * f * f)
        half = 0.5 * (f * f)
        y = (f - (half - (p + f32(k) * LN2_LOW))) + f32(k) * LN2_HIGH
    elif x == 0.0:
        y = -INF
    elif x < 0.0:
        y = from_bits(QUIET_NAN)
    return y


# ---------------------------------------------------------------------------------------------------------- square root


@func
def square_root(x: f32) -> f32:
    """The square root, correctly rounded: the word ``sqrt`` for machines that have none. NaN below 0.

    r = floor(sqrt(m)) of a 48-bit integer m, 24 bits: a guess by Newton's iteration, put right by comparing r^2 with m.
    """
    y = x  # NaN, inf and both zeros stay
    if x > 0.0 and x < INF:
        i = bits(x)
        shift = 0
        if i < 8388608:  # below the normal numbers
            i = bits(x * 16777216.0)
            shift = 12
        exponent = (i >> 23) - 127
        odd = exponent & 1
        mantissa = (i & 0x7FFFFF) | 0x800000
        f = from_bits((i & 0x7FFFFF) + (127 + odd) * 8388608)  # in [1, 4)
        g = from_bits((bits(f) >> 1) + 0x1FBD1DF5)
        g = 0.5 * (g + f / g)
        g = 0.5 * (g + f / g)
        g = 0.5 * (g + f / g)
        m = i64(mantissa) << (23 + odd)
        r = i64(trunc(i32, g * 8388608.0))
        if r * r > m:
            r -= 1
        if (r + 1) * (r + 1) <= m:
            r += 1
        if m - r * r > r:  # m is above (r + 1/2)^2
            r += 1
        y = from_bits(wrap(i32, r) + ((exponent >> 1) + 126 - shift) * 8388608)
    elif x < 0.0:
        y = from_bits(QUIET_NAN)
    return y


# ------------------------------------------------------------------------------------------------------- hyperbolic, error


@func
def tanh(x: f32) -> f32:
    """The hyperbolic tangent: a polynomial near 0, then 1 - 2 / (e^2|x| + 1)."""
    sign = bits(x) & -2147483648
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x
    if a > 9.02:
        y = from_bits(bits(1.0) | sign)
    elif a >= 0.625:
        y = from_bits(bits(1.0 - 2.0 / (exp_of_sum(2.0 * a, 0.0) + 1.0)) | sign)
    elif x == x:
        z = x * x
        p = ((-0.0056973835 * z + 0.020632546) * z - 0.053737797) * z + 0.1333142
        y = x + x * (z * (p * z - 0.3333328))
    return y


@func
def erf_near_zero(x: f32) -> f32:
    """erf(x) / x - 1 for |x| < 7/8."""
    z = x * x
    p = ((0.00008675392 * z - 0.00082111039) * z + 0.0052067474) * z - 0.026861584
    return ((p * z + 0.11283733) * z - 0.37612635) * z + 0.12837917


@func
def erfc_tail(a: f32) -> f32:
    """erfc(a) for 0.84 <= a <= 10.06: e^(-a^2) times a smooth function of t = (a - 2) / (a + 2)."""
    t = (a - 2.0) / (a + 2.0)
    p = ((-0.0003728355 * t - 0.0009299083) * t + 0.0030109272) * t + 0.0065101837
    p = ((p * t - 0.021503346) * t - 0.03644503) * t + 0.27947188
    p = (p * t - 0.6871606) * t + 1.0215827
    high = from_bits(bits(a) & -4096)  # 12 bits, so its square is exact
    square = high * high
    rest = (a - high) * (a + high)
    total = square + rest
    return exp_of_sum(-total, (total - square) - rest) * p / (a + 2.0)  # total is rounded; low is what it lost


@func
def erfc(x: f32) -> f32:
    """1 - erf(x), without cancellation: relative precision lasts to the smallest numbers."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x  # NaN stays
    if a < 0.84:
        if x < 0.25:
            y = 1.0 - (x + x * erf_near_zero(x))
        else:
            y = 0.5 - ((x - 0.5) + x * erf_near_zero(x))
    elif x > 10.06:
        y = 0.0
    elif x < -4.0:
        y = 2.0
    elif x == x:
        y = erfc_tail(a)
        y = 2.0 - y if x < 0.0 else y
    return y


@func
def erf(x: f32) -> f32:
    """The error function."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x
    if a < 0.84:
        y = x + x * erf_near_zero(x)
    elif a > 4.0:
        y = 1.0 if x > 0.0 else -1.0
    elif x == x:
        y = 1.0 - erfc_tail(a)
        y = -y if x < 0.0 else y
    return y


# --------------------------------------------------------------------------------------------------------- trigonometric


@func
def quarter_turns(x: f32) -> u64:
    """|x| * 2 / pi modulo 4, in units of 2^-62, for pi/4 < |x| < inf: exact to 2^-61 however large x is.

    |x| = m 2^e; three 32-bit words of 2/pi, those that matter at 2^e, times the 24 bits of m (Payne and Hanek).
    """
    start = ((bits(x) >> 23) & 0xFF) - 126  # the first bit of 2/pi, counted from 26 zeros before it, that matters
    w0 = u32(0x00000028)
    w1 = u32(0xBE60DB93)
    w2 = u32(0x91054A7F)
    w3 = u32(0x09D5F47D)
    if start >= 128:
        w0 = u32(0x4D377036)
        w1 = u32(0xD8A5664F)
        w2 = u32(0x10E4107F)
        w3 = u32(0x9458EAF7)
    elif start >= 96:
        w0 = u32(0x09D5F47D)
        w1 = u32(0x4D377036)
        w2 = u32(0xD8A5664F)
        w3 = u32(0x10E4107F)
    elif start >= 64:
        w0 = u32(0x91054A7F)
        w1 = u32(0x09D5F47D)
        w2 = u32(0x4D377036)
        w3 = u32(0xD8A5664F)
    elif start >= 32:
        w0 = u32(0xBE60DB93)
        w1 = u32(0x91054A7F)
        w2 = u32(0x09D5F47D)
        w3 = u32(0x4D377036)
    r = start & 31
    a = ((u64(w0) << 32 | u64(w1)) << r) >> 32
    b = ((u64(w1) << 32 | u64(w2)) << r) >> 32
    c = ((u64(w2) << 32 | u64(w3)) << r) >> 32
    m = u64(wrap(u32, (bits(x) & 0x7FFFFF) | 0x800000))
    return ((m * a) << 32) + m * b + ((m * c) >> 32)


@func
def angle_in_turn(fraction: i64) -> f32:
    """fraction * 2^-62 * pi/2 for |fraction| <= 2^61: the fraction in two floats, pi/2 in three, products exact or small."""
    high = f32(fraction)
    low = f32(fraction - trunc(i64, high))
    a = from_bits(bits(high) & -4096)
    b = high - a
    angle = a * 1.5703125 + (b * 1.5703125 + (a * 0.00048382679 + (b * 0.00048382679 + low * 1.5707964)))
    return angle * 2.1684043e-19


@func
def sin_near_zero(r: f32) -> f32:
    """sin(r) for |r| <= pi/4."""
    z = r * r
    return r + r * (z * (((-0.00019515201 * z + 0.00833216) * z) - 0.16666655))


@func
def cos_near_zero(r: f32) -> f32:
    """cos(r) for |r| <= pi/4."""
    z = r * r
    return 1.0 - (0.5 * z - (z * z) * ((0.000024438359 * z - 0.0013887367) * z + 0.041666646))


@func
def sin_of_turns(x: f32, quarter: i32) -> f32:
    """sin(|x| + quarter * pi/2) for pi/4 < |x| < inf."""
    turns = quarter_turns(x)
    nearest = wrap(i32, (turns + u64(0x2000000000000000)) >> 62)
    r = angle_in_turn(wrap(i64, turns - (u64(wrap(u32, nearest)) << 62)))
    n = (nearest + quarter) & 3
    y = cos_near_zero(r) if (n & 1) == 1 else sin_near_zero(r)
    return -y if n >= 2 else y


@func
def sin(x: f32) -> f32:
    """The sine; NaN of infinities."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x - x  # NaN
    if a <= 0.7853981:
        y = sin_near_zero(x)
    elif a < INF:
        y = sin_of_turns(x, 0)
        y = -y if x < 0.0 else y
    return y


@func
def cos(x: f32) -> f32:
    """The cosine; NaN of infinities."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x - x  # NaN
    if a <= 0.7853981:
        y = cos_near_zero(x)
    elif a < INF:
        y = sin_of_turns(x, 1)
    return y
