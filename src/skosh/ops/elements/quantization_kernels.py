"""What quantizing does to one element, in the kernel language."""

from __future__ import annotations

from skosh.language import assume, clamp, func, requantize, trunc, wrap


@func
def quantized(x: f32, scale: f32, zy: i32, lo: f32, hi: f32) -> i32:
    """y = round(x / scale) + zy, ties away from zero; before zy is added it is clamped to [lo, hi], NaN to lo."""
    steps = min(max(x / scale, lo), hi)
    y = trunc(i32, steps)
    assume(-65536 <= y <= 65536)  # lo and hi are those of 16 bits or less
    part = steps - f32(y)
    y += 1 if part >= 0.5 else (-1 if part <= -0.5 else 0)
    return y + zy


@func
def dequantized(x: i32, zx: i32, scale: f32) -> f32:
    """y = scale * (x - zx)."""
    return f32(x - zx) * scale


@func
def moved(x: i32, by: i32, lo: i32, hi: i32) -> i32:
    """y = x + by, clamped to [lo, hi]: another zero point for the same scale."""
    return clamp(x + by, lo, hi)


@func
def rescaled_i32(x: i32, zx: i32, multiplier: i32, shift: i32, zy: i32, lo: i32, hi: i32) -> i32:
    """y = x in the output's units, clamped to [lo, hi]."""
    scaled = requantize(wrap(i32, i64(x) - i64(zx)), multiplier, shift)
    return wrap(i32, clamp(i64(scaled) + i64(zy), i64(lo), i64(hi)))


@func
def truncated_i32(x: f32) -> i32:
    """y = x toward zero, clamped to 32 bits; NaN is 0."""
    y = 0
    if x >= 2147483648.0:
        y = 2147483647
    elif x < -2147483648.0:
        y = -2147483648
    elif x == x:
        y = trunc(i32, x)
    return y


@func
def truncated_u32(x: f32) -> u32:
    """y = x toward zero, clamped to [0, 2^32); NaN is 0."""
    y = u32(0)
    if x >= 4294967296.0:
        y = u32(4294967295)
    elif x > 0.0:
        y = trunc(u32, x)
    return y


@func
def truncated_i64(x: f32) -> i64:
    """y = x toward zero, clamped to 64 bits; NaN is 0."""
    y = i64(0)
    if x >= 9223372036854775808.0:
        y = i64(9223372036854775807)
    elif x < -9223372036854775808.0:
        y = i64(-9223372036854775808)
    elif x == x:
        y = trunc(i64, x)
    return y
