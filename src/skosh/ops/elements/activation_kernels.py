"""What activations and functions of one variable do to one element, in the kernel language."""

from __future__ import annotations

from skosh.language import clamp, func, kernel, par, requantize, sqrt, widen, wrap
from skosh.language.mathf import erfc, exp, expm1, tanh
from skosh.ops.elements.elementwise_kernels import scale_down

# ------------------------------------------------------------------------------------------------------------- integers


@func
def clamped(x: i32, lo: i32, hi: i32) -> i32:
    """y = x, clamped to [lo, hi]."""
    return clamp(x, lo, hi)


@func
def rescaled(x: i32, zx: i32, left: i32, multiplier: i32, right: i32, zy: i32, lo: i32, hi: i32) -> i32:
    """y = x in the output's units, clamped to [lo, hi]; (x - zx) 2^left stays below 2^30."""
    return clamp(scale_down((x - zx) << left, multiplier, right) + zy, lo, hi)


@func
def leaky_relu_i16(x: i32, m1: i32, shift1: i32, m2: i32, shift2: i32, sign: i32) -> i32:
    """y = x, or alpha * x below 0. alpha is sign * m2 * 2^(shift2 - 31)."""
    y = requantize(x, m1, shift1)
    if x < 0:
        y = sign * requantize(x, m2, shift2)
    return clamp(y, -32768, 32767)


@func
def prelu_rescaled(
    x: i32, alpha: i32, zx: i32, za: i32, m1: i32, shift1: i32, m2: i32, shift2: i32, zy: i32, lo: i32, hi: i32
) -> i32:
    """y = x, or alpha * x below 0."""
    v = x - zx
    y = requantize(v, m1, shift1) if v >= 0 else requantize(v * (alpha - za), m2, shift2)
    return clamp(y + zy, lo, hi)


@func
def magnitude_i16(x: i32, multiplier: i32, shift: i32) -> i32:
    """y = |x|, rescaled."""
    return clamp(requantize(-x if x < 0 else x, multiplier, shift), -32768, 32767)


@func
def magnitude_i32(x: i32) -> i32:
    """y = |x|, modulo 2^32."""
    return wrap(i32, -i64(x) if x < 0 else i64(x))


@func
def negative_i32(x: i32) -> i32:
    """y = -x, modulo 2^32."""
    return wrap(i32, -i64(x))


@func
def negative_i64(x: i64) -> i64:
    """y = -x, modulo 2^64."""
    return wrap(i64, u64(0) - wrap(u64, x))


@kernel
def logistic_i16(x: i16[N], table: u16[256], y: i16[N], *, multiplier, half, right):
    """y = 2^15 / (1 + e^-x), between the table's entries by a straight line; x * multiplier is 2^9 to an entry."""
    for i in par(N):
        v = (widen(x[i]) * multiplier + half) >> right
        a = -v if v < 0 else v
        step = min(a >> 9, 254)
        r = (widen(table[step]) << 9) + (a & 511) * (widen(table[step + 1]) - widen(table[step]))
        r = 33553408 if a >= 130560 else r
        y[i] = wrap(i16, (r + 512 if v >= 0 else 33554943 - r) >> 10)


@kernel
def tanh_i16(x: i16[N], table: u16[256], y: i16[N], *, multiplier, half, right):
    """y = 2^15 tanh(x), between the table's entries by a straight line; x * multiplier is 2^8 to an entry."""
    for i in par(N):
        v = (widen(x[i]) * multiplier + half) >> right
        a = -v if v < 0 else v
        step = min(a >> 8, 254)
        r = (widen(table[step]) << 8) + (a & 255) * (widen(table[step + 1]) - widen(table[step]))
        r = 16776960 if a >= 65280 else r
        y[i] = wrap(i16, (r - 8388480 if v >= 0 else 8388735 - r) >> 8)


# ---------------------------------------------------------------------------------------------------------------- floats
# Comparisons are written so that NaN stays NaN.


@func
def relu_f32(x: f32) -> f32:
    """y = max(x, 0)."""
    return 0.0 if x < 0.0 else x


@func
def clamped_f32(x: f32, lo: f32, hi: f32) -> f32:
    """y = x, clamped to [lo, hi]."""
    return hi if x > hi else (lo if x < lo else x)


@func
def leaky_relu_f32(x: f32, alpha: f32) -> f32:
    """y = x, or alpha * x up to 0."""
    return x if x > 0.0 else x * alpha


@func
def prelu_f32(x: f32, alpha: f32) -> f32:
    """y = x, or alpha * x below 0."""
    return x if x >= 0.0 else x * alpha


@func
def elu_f32(x: f32) -> f32:
    """y = x, or e^x - 1 below 0."""
    y = x
    if x < 0.0:
        y = expm1(x)
    return y


@func
def hard_swish_f32(x: f32) -> f32:
    """y = x * min(max(x + 3, 0), 6) / 6."""
    return x * min(max(x + 3.0, 0.0), 6.0) / 6.0


@func
def logistic_f32(x: f32) -> f32:
    """y = 1 / (1 + e^-x); 1 above 16.6, e^x below -9."""
    y = f32(1.0)
    if x < -9.0:
        y = exp(x)
    elif not x > 16.619047:
        y = 1.0 / (1.0 + exp(-x))
    return y


@func
def gelu_f32(x: f32) -> f32:
    """y = x/2 * erfc(-x / sqrt 2)."""
    return 0.5 * x * erfc(x * -0.70710677)


@func
def gelu_tanh_f32(x: f32) -> f32:
    """y = x/2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    return 0.5 * x * (1.0 + tanh(0.7978846 * (x + 0.044715 * x * x * x)))


@func
def magnitude_f32(x: f32) -> f32:
    """y = |x|."""
    return from_bits(bits(x) & 0x7FFFFFFF)


@func
def negative_f32(x: f32) -> f32:
    """y = -x."""
    return -x


@func
def square_f32(x: f32) -> f32:
    """y = x^2."""
    return x * x


@func
def sqrt_f32(x: f32) -> f32:
    """y = sqrt(x)."""
    return sqrt(x)


@func
def rsqrt_f32(x: f32) -> f32:
    """y = 1 / sqrt(x)."""
    return 1.0 / sqrt(x)


@func
def floor_f32(x: f32) -> f32:
    """y = the largest integer up to x."""
    y = x
    if x < 8388608.0 and x > -8388608.0:  # beyond, all are integers
        whole = f32(trunc(i32, x))
        y = whole - 1.0 if whole > x else (x if whole == x else whole)
    return y


@func
def ceil_f32(x: f32) -> f32:
    """y = the smallest integer from x."""
    return -floor_f32(-x)


@func
def round_f32(x: f32) -> f32:
    """y = the nearest integer, the even one of two."""
    y = x
    if x < 8388608.0 and x > -8388608.0:
        below = floor_f32(x)
        part = x - below
        odd = (trunc(i32, below) & 1) == 1
        y = below + 1.0 if part > 0.5 or (part == 0.5 and odd) else below
    return y
