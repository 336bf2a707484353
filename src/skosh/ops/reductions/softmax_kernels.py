"""Softmax and log-softmax in the kernel language: M rows of N numbers."""

from __future__ import annotations

from skosh.base.dtypes import i32, i64
from skosh.language import assume, clamp, func, kernel, par, requantize, rounding_divide_by_pot, seq, srdhm, widen, wrap
from skosh.language.mathf import exp, log
from skosh.ops.elements.fixed_point_kernels import (
    exp_on_negative_values,
    leading_zeros,
    log_above_one,
    reciprocal_of_sum,
)


@func
def share(x: i32, right: i32) -> i32:
    """x / 2^right, rounded; of very many equal elements each has a share that rounds to 0."""
    y = rounding_divide_by_pot(x, min(right, 31))
    return y if right <= 31 else 0


@kernel
def softmax(x: i8[M, N], y: Y[M, N], *, multiplier, shift, diff_min, bits_y, low, high):
    """exp(x - max x) over its sum: exps in Q0, the sum in Q12, low..high the range of the output's bits_y bits."""
    for m in par(M):
        largest = widen(x[m, 0])
        for n in seq(1, N):
            largest = max(largest, widen(x[m, n]))
        total = 0
        for n in seq(N):
            diff = widen(x[m, n]) - largest
            if diff >= diff_min:
                total += rounding_divide_by_pot(exp_on_negative_values(requantize(diff, multiplier, shift)), 12)
        scale = reciprocal_of_sum(total)
        right = 43 - bits_y - leading_zeros(total)
        assume(right >= 0)  # the largest element adds 1
        for n in par(N):
            diff = widen(x[m, n]) - largest
            element = low
            if diff >= diff_min:
                element = srdhm(scale, exp_on_negative_values(requantize(diff, multiplier, shift)))
                element = min(share(element, right) + low, high)
            y[m, n] = wrap(Y, element)


@kernel
def softmax_by_table(x: i8[M, N], table: i32[E], y: Y[M, N], *, bits_y, low, high):
    """The same for many rows: table[d] = exp(-d) in Q0, for the E differences d whose exps count."""
    for m in par(M):
        largest = widen(x[m, 0])
        for n in seq(1, N):
            largest = max(largest, widen(x[m, n]))
        total = 0
        for n in seq(N):
            diff = largest - widen(x[m, n])
            if diff < E:
                total += rounding_divide_by_pot(table[diff], 12)
        scale = reciprocal_of_sum(total)
        right = 43 - bits_y - leading_zeros(total)
        assume(right >= 0)  # the largest element adds 1
        for n in par(N):
            diff = largest - widen(x[m, n])
            element = low
            if diff < E:
                element = min(share(srdhm(scale, table[diff]), right) + low, high)
            y[m, n] = wrap(Y, element)


@kernel
def log_softmax(x: i8[M, N], y: i8[M, N], *, multiplier, shift, diff_min, back_multiplier, back_shift):
    """x - max x - ln(sum of exps), in Q5 until it is rounded to 1/16."""
    for m in par(M):
        largest = widen(x[m, 0])
        for n in seq(1, N):
            largest = max(largest, widen(x[m, n]))
        total = 0
        for n in seq(N):
            diff = widen(x[m, n]) - largest
            if diff >= diff_min:
                total += rounding_divide_by_pot(exp_on_negative_values(requantize(diff, multiplier, shift)), 12)
        log_sum = log_above_one(total)
        assume(log_sum >= 0)
        limit = max(diff_min - 1, requantize(log_sum + (-2147483647 - 1), back_multiplier, back_shift))
        for n in par(N):
            diff = widen(x[m, n]) - largest
            element = -128
            if diff > limit:
                element = rounding_divide_by_pot(requantize(diff, multiplier, shift) - log_sum, 22) + 127
            y[m, n] = wrap(i8, clamp(element, -128, 127))


@func
def fraction(slope: i32, offset: i32) -> i32:
    """slope * offset / 128, rounded."""
    return (slope * offset + 64) >> 7


@kernel
def softmax_i16(x: i16[M, N], exps: i16[513], reciprocals: i16[513], y: i16[M, N], *, multiplier, shift):
    """int16 softmax by two tables of 512 intervals; y holds the exps in between."""
    for m in par(M):
        largest = widen(x[m, 0])
        for n in seq(1, N):
            largest = max(largest, widen(x[m, n]))
        total = 0
        for n in seq(N):
            scaled = requantize(widen(x[m, n]) - largest, multiplier, shift)
            v = clamp(scaled, -65535, 0) + 32767
            k = 256 + (v >> 7)
            low = widen(exps[k])
            element = low + fraction(widen(exps[k + 1]) - low, v & 127)
            y[m, n] = wrap(i16, element)
            total += element
        headroom = leading_zeros(total)
        assume(1 <= headroom < 18)  # the largest element adds almost 1
        sum_scaled = wrap(i32, ((i64(total) << (headroom - 1)) + 8192) >> 14)
        assume(65536 <= sum_scaled <= 131072)
        u = clamp(sum_scaled - 98304, -32768, 32767)
        j = 256 + (u >> 7)
        base = widen(reciprocals[j])
        factor = base + fraction(widen(reciprocals[j + 1]) - base, u & 127)
        right = 31 - headroom
        for n in par(N):
            result = (widen(y[m, n]) * factor + (1 << (right - 1))) >> right
            y[m, n] = wrap(i16, clamp(result, 0, 32767))


@kernel
def softmax_f32(x: f32[M, N], y: f32[M, N], lowest: f32, beta: f32):
    """y holds the exps until they are divided by their sum."""
    for m in par(M):
        largest = lowest
        for n in seq(N):
            element = x[m, n]
            largest = element if largest < element else largest
        total = 0.0
        for n in seq(N):
            power = exp((x[m, n] - largest) * beta)
            y[m, n] = power
            total += power
        for n in par(N):
            y[m, n] = y[m, n] / total


@kernel
def log_softmax_f32(x: f32[M, N], y: f32[M, N], lowest: f32):
    for m in par(M):
        largest = lowest
        for n in seq(N):
            element = x[m, n]
            largest = element if largest < element else largest
        total = 0.0
        for n in seq(N):
            total += exp(x[m, n] - largest)
        log_total = log(total)
        for n in par(N):
            y[m, n] = x[m, n] - largest - log_total
