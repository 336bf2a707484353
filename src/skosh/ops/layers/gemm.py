"""Rows times filters, in int8: the kernels that dense layers and convolutions share.

``multiplier`` and ``right`` hold one entry a filter (P = 1) or one for all (P = 0). ``rescale`` is the requantization:
``requantize_bounded`` where the accumulator is proved below 2^30, else ``requantize``. Input zero points are in the bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.ir.call import Const
from skosh.ir.graph import Array
from skosh.ir.kernel import Function
from skosh.language import assume, clamp, kernel, par, requantize, requantize_bounded, seq, widen, wrap


@kernel
def matmul(
    x: i8[M, K], w: i8[N, K], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped to [lo, hi]."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += widen(x[m, k]) * widen(w[n, k])
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def gather_patches(
    x: i8[H, W * C], patch: i8[T, R], *, W, C, KH, KW, OW, first, rows, stride_h, stride_w, dilation_h, top, left, zx
):
    """patch[t], for t below rows: what lies under the window of output pixel first + t; padding is the zero point."""
    for t in seq(rows):
        oh = (first + t) // OW
        ow = first + t - oh * OW
        column = ow * stride_w - left
        before = min(max(-column, 0), KW) * C
        inside = max(min(KW, W - column) * C, before)
        for kh in seq(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for i in par(before):
                    patch[t, kh * (KW * C) + i] = wrap(i8, zx)
                for i in par(before, inside):
                    assume(0 <= column * C + i < W * C)
                    patch[t, kh * (KW * C) + i] = x[row, column * C + i]
                for i in par(inside, KW * C):
                    patch[t, kh * (KW * C) + i] = wrap(i8, zx)
            else:
                for i in par(KW * C):
                    patch[t, kh * (KW * C) + i] = wrap(i8, zx)


@kernel
def conv2d_patches(
    x: i8[H, W * C], w: i8[N, KH * KW * C], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH * OW, N], patch: i8[T, KH * KW * C],
    *, rescale: function, P, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution by im2col: T output pixels at a time are gathered as rows (padding is the zero point), then multiplied."""
    for b in seq((OH * OW + T - 1) // T):
        rows = min(T, OH * OW - b * T)
        gather_patches(
            x, patch, W=W, C=C, KH=KH, KW=KW, OW=OW, first=b * T, rows=rows,
            stride_h=stride_h, stride_w=stride_w, dilation_h=dilation_h, top=top, left=left, zx=zx,
        )  # fmt: skip
        for m, n in par(rows, N):
            acc = bias[n]
            for k in seq(KH * KW * C):
                acc += widen(patch[m, k]) * widen(w[n, k])
            y[b * T + m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_direct(
    x: i8[H, W, C], w: i8[N, KH, KW, D], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N],
    *, rescale: function, P, G, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution without scratch memory: taps that fall on the padding are skipped. The bias is the layer's own.

    G filters form a group, which sees D channels of its own.
    """
    for oh, ow, n in par(OH, OW, N):
        acc = bias[n]
        for kh in seq(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for kw in seq(KW):
                    column = ow * stride_w + kw * dilation_w - left
                    if 0 <= column < W:
                        for d in seq(D):
                            acc += (widen(x[row, column, n // G * D + d]) - zx) * widen(w[n, kh, kw, d])
        y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@dataclass(frozen=True)
class Rescale:
    """How int32 accumulators become int8: constants for a kernel, and the function that is exact for them."""

    multiplier: Const
    right: Const
    per_filter: int  # P of the kernels
    function: Function


def rescale_constants(multipliers: Array, shifts: Array, bound: Array) -> Rescale:
    """multipliers, shifts: [N], real = multiplier * 2^(shift - 31). bound: [N], the largest |accumulator| possible.

    The short requantization is chosen when every accumulator stays below 2^30 and every shift is to the right by 1 to 30.
    """
    short = bool(np.all(bound < 1 << 30) and np.all(shifts <= -1) and np.all(shifts >= -30))
    same = bool(np.all(multipliers == multipliers[0]) and np.all(shifts == shifts[0]))
    kept = slice(0, 1) if same else slice(None)
    right = -shifts if short else shifts
    return Rescale(
        Const(multipliers[kept].astype(np.int32), "multiplier"),
        Const(right[kept].astype(np.int8), "shift"),
        0 if same else 1,
        _function(requantize_bounded if short else requantize),
    )


def _function(function: object) -> Function:
    assert isinstance(function, Function), "not a function of the kernel language"
    return function


def accumulator_bound(weights: Array, bias: Array, x_min: int, x_max: int) -> Array:
    """[N]: the largest |bias + sum x * w| over all inputs in [x_min, x_max]. weights: [N, K] integers; bias: [N]."""
    w = weights.reshape(weights.shape[0], -1).astype(np.int64)
    high = np.where(w > 0, w * x_max, w * x_min).sum(axis=1) + bias
    low = np.where(w > 0, w * x_min, w * x_max).sum(axis=1) + bias
    return np.asarray(np.maximum(np.abs(high), np.abs(low)))

