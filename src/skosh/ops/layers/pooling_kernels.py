"""Pooling in the kernel language: one image [H, W, C] at a time, windows cut to the input."""

from __future__ import annotations

from skosh.language import assume, clamp, kernel, par, seq, sqrt, widen, wrap
from skosh.ops.layers.float_kernels import clamped


@kernel
def average_pool2d(x: T[H, W, C], y: T[OH, OW, C], *, KH, KW, stride_h, stride_w, top, left, lo, hi):
    """Mean of the elements inside the input, rounded to nearest, ties away from zero."""
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            count = (row1 - row0) * (column1 - column0)
            assume(count > 0)
            for c in par(C):
                acc = 0
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        acc += widen(x[row, column, c])
                acc = (acc + (count // 2 if acc > 0 else -(count // 2))) // count
                y[oh, ow, c] = wrap(T, clamp(acc, lo, hi))


@kernel
def average_pool2d_upward(x: T[H, W, C], y: T[OH, OW, C], *, KH, KW, stride_h, stride_w, top, left, lo, hi, least):
    """The same with ties upward; least: no element is below."""
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            count = (row1 - row0) * (column1 - column0)
            assume(count > 0)
            for c in par(C):
                acc = 0
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        acc += widen(x[row, column, c]) - least
                acc = (acc + count // 2) // count + least
                y[oh, ow, c] = wrap(T, clamp(acc, lo, hi))


@kernel
def max_pool2d(x: T[H, W, C], y: T[OH, OW, C], *, KH, KW, stride_h, stride_w, top, left, lo, hi):
    """Largest element inside the input; lo is below all elements or the activation's bound."""
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            for c in par(C):
                acc = lo
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        acc = max(acc, widen(x[row, column, c]))
                y[oh, ow, c] = wrap(T, min(acc, hi))


@kernel
def average_pool2d_f32(x: f32[H, W, C], y: f32[OH, OW, C], lo: f32, hi: f32, *, KH, KW, stride_h, stride_w, top, left):
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            count = f32((row1 - row0) * (column1 - column0))
            for c in par(C):
                acc = 0.0
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        acc += x[row, column, c]
                y[oh, ow, c] = clamped(acc / count, lo, hi)


@kernel
def l2_pool2d_f32(x: f32[H, W, C], y: f32[OH, OW, C], lo: f32, hi: f32, *, KH, KW, stride_h, stride_w, top, left):
    """Square root of the mean of squares."""
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            count = f32((row1 - row0) * (column1 - column0))
            for c in par(C):
                acc = 0.0
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        acc += x[row, column, c] * x[row, column, c]
                y[oh, ow, c] = clamped(sqrt(acc / count), lo, hi)


@kernel
def max_pool2d_f32(x: f32[H, W, C], y: f32[OH, OW, C], lo: f32, hi: f32, *, KH, KW, stride_h, stride_w, top, left):
    """Largest element; a NaN never wins."""
    for oh in par(OH):
        row0 = max(oh * stride_h - top, 0)
        row1 = min(oh * stride_h - top + KH, H)
        for ow in par(OW):
            column0 = max(ow * stride_w - left, 0)
            column1 = min(ow * stride_w - left + KW, W)
            for c in par(C):
                acc = lo
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        element = x[row, column, c]
                        acc = element if acc < element else acc
                y[oh, ow, c] = hi if hi < acc else acc
