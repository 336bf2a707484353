"""Inverse and hyperbolic functions in float32, and the tangent: as ``mathf``, the same bits on every machine.

Within 4 units in the last place of the true value. Each is reduced to a short range where a polynomial (fitted for this
file: weighted least squares towards the minimax) or functions of ``mathf`` are precise.
"""

from __future__ import annotations

from skosh.base.dtypes import f32
from skosh.language import bits, from_bits, func, sqrt
from skosh.language.mathf import INF, cos, exp, expm1, log, sin

HALF_PI = 1.5707964
HALF_PI_REST = -4.371139e-08  # pi/2 less HALF_PI
LARGE = 1.0e9  # from where 1 is nothing beside a square


@func
def arc_near_zero(x: f32) -> f32:
    """atan(x) for |x| <= tan(pi/8)."""
    z = x * x
    p = ((-0.06466886 * z + 0.10748878) * z - 0.1426451) * z + 0.1999956
    return x + x * (z * (p * z - 0.33333332))


@func
def atan(x: f32) -> f32:
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x  # NaN stays
    if a <= 0.41421357:
        y = arc_near_zero(x)
    elif a == a:
        if a > 2.4142137:
            y = HALF_PI + (HALF_PI_REST - arc_near_zero(1.0 / a))
        else:
            y = 0.7853982 + (arc_near_zero((a - 1.0) / (a + 1.0)) - 2.1855695e-08)
        y = -y if x < 0.0 else y
    return y


@func
def arc_of_sine(x: f32) -> f32:
    """asin(x) for |x| <= 1/2."""
    z = x * x
    p = (((0.03832848 * z + 0.02643326) * z + 0.04502024) * z + 0.07498761) * z + 0.16666673
    return x + x * (z * p)


@func
def asin(x: f32) -> f32:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN beyond -1 and 1."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = (x - x) / (x - x)  # NaN
    if a <= 0.5:
        y = arc_of_sine(x)
    elif a <= 1.0:
        y = HALF_PI + (HALF_PI_REST - 2.0 * arc_of_sine(sqrt((1.0 - a) * 0.5)))
        y = -y if x < 0.0 else y
    return y


@func
def acos(x: f32) -> f32:
    """The angle in [0, pi] whose cosine is x; NaN beyond -1 and 1."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = (x - x) / (x - x)  # NaN
    if a <= 0.5:
        y = HALF_PI + (HALF_PI_REST - arc_of_sine(x))
    elif a <= 1.0:
        y = 2.0 * arc_of_sine(sqrt((1.0 - a) * 0.5))
        y = 2.0 * HALF_PI + (2.0 * HALF_PI_REST - y) if x < 0.0 else y
    return y


@func
def tan(x: f32) -> f32:
    """The tangent; NaN of infinities."""
    return sin(x) / cos(x)


@func
def sinh(x: f32) -> f32:
    """(e^x - e^-x) / 2, without cancellation near 0."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = x  # NaN stays, and the tiny
    if a > 80.0:
        half = exp(0.5 * a)
        y = (0.5 * half) * half
    elif a > 1.0e-6:
        t = expm1(a)
        y = 0.5 * (t + t / (t + 1.0))
    return -y if x < 0.0 and y > 0.0 else y


@func
def cosh(x: f32) -> f32:
    """(e^x + e^-x) / 2."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = a  # NaN stays
    if a > 80.0:
        half = exp(0.5 * a)
        y = (0.5 * half) * half
    elif a == a:
        e = exp(a)
        y = 0.5 * e + 0.5 / e
    return y


@func
def log1p(x: f32) -> f32:
    """ln(1 + x), precise near 0: what the sum lost is added."""
    u = 1.0 + x
    y = x  # NaN stays, infinity and the tiny too
    if u != 1.0 and u < INF:
        y = log(u)
        if u > 0.0:
            y = y - ((u - 1.0) - x) / u
    return y


@func
def asinh(x: f32) -> f32:
    """ln(x + sqrt(x^2 + 1)), odd."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = a
    if a > LARGE:
        y = log(a) + 0.6931472
    elif a == a:
        y = log1p(a + a * a / (1.0 + sqrt(a * a + 1.0)))
    return -y if x < 0.0 else y


@func
def acosh(x: f32) -> f32:
    """ln(x + sqrt(x^2 - 1)); NaN below 1."""
    y = (x - x) / (x - x)  # NaN
    if x > LARGE:
        y = log(x) + 0.6931472
    elif x >= 1.0:
        t = x - 1.0
        y = log1p(t + sqrt(t * (t + 2.0)))
    return y


@func
def atanh(x: f32) -> f32:
    """ln((1 + x) / (1 - x)) / 2; infinite at -1 and 1, NaN beyond."""
    a = from_bits(bits(x) & 0x7FFFFFFF)
    y = (x - x) / (x - x)  # NaN
    if a < 1.0e-4:
        y = x
    elif a <= 1.0:
        y = 0.5 * log1p(2.0 * a / (1.0 - a))
        y = -y if x < 0.0 else y
    return y
