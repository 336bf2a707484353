"""Rows times filters whose weights lie several to a byte: two of 4 bits, or four of 2 bits, the first in the lowest bits.

``field(byte, place)`` is the weight at a place of a byte; F is how many a byte holds. A filter's row begins with a byte.
"""

from __future__ import annotations

from skosh.language import clamp, func, kernel, par, seq, widen, wrap


@func
def nibble(byte: i32, place: i32) -> i32:
    """Field 0 or 1 of 4 bits: -8 to 7."""
    return (byte << (28 - 4 * place)) >> 28


@func
def crumb(byte: i32, place: i32) -> i32:
    """Field 0 to 3 of 2 bits: -2 to 1."""
    return (byte << (30 - 2 * place)) >> 30


@func
def odd_crumb(byte: i32, place: i32) -> i32:
    """Field 0 to 3 of 2 bits as an odd number: -3, -1, 1 or 3."""
    return 2 * ((byte << (30 - 2 * place)) >> 30) + 1


@kernel
def matmul_packed(
    x: i8[M, K], w: i8[N, B], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, field: function, rescale: function, F, P, R, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped to [lo, hi]; F weights a byte.

    R: K % F, which whole bytes leave.
    """
    for m, n in par(M, N):
        acc = bias[n]
        for b in seq(K // F):
            byte = widen(w[n, b])
            acc += widen(x[m, F * b]) * field(byte, 0)
            acc += widen(x[m, F * b + 1]) * field(byte, 1)
            if F == 4:
                acc += widen(x[m, F * b + 2]) * field(byte, 2)
                acc += widen(x[m, F * b + 3]) * field(byte, 3)
        for rest in seq(R):
            acc += widen(x[m, K // F * F + rest]) * field(widen(w[n, K // F]), rest)
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_packed(
    x: i8[H, W * C], w: i8[N, B], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH * OW, N], patch: i8[T, F * B],
    *, field: function, rescale: function, F, P, KH, KW, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution by im2col: T output pixels at a time are gathered as rows (padding is the zero point), then multiplied."""
    for b in seq((OH * OW + T - 1) // T):
        rows = min(T, OH * OW - b * T)
        for t in seq(rows):
            oh = (b * T + t) // OW
            ow = b * T + t - oh * OW
            column = ow * stride_w - left
            before = min(max(-column, 0), KW) * C
            inside = max(min(KW, W - column) * C, before)
            for kh in seq(KH):
                row = oh * stride_h + kh * dilation_h - top
                if 0 <= row < H:
                    for i in par(before):
                        patch[t, kh * (KW * C) + i] = wrap(i8, zx)
                    for i in par(before, inside):
                        patch[t, kh * (KW * C) + i] = x[row, column * C + i]
                    for i in par(inside, KW * C):
                        patch[t, kh * (KW * C) + i] = wrap(i8, zx)
                else:
                    for i in par(KW * C):
                        patch[t, kh * (KW * C) + i] = wrap(i8, zx)
            for i in par(KH * KW * C, F * B):
                patch[t, i] = wrap(i8, 0)
        for m, n in par(rows, N):
            acc = bias[n]
            for q in seq(B):
                byte = widen(w[n, q])
                acc += widen(patch[m, F * q]) * field(byte, 0)
                acc += widen(patch[m, F * q + 1]) * field(byte, 1)
                if F == 4:
                    acc += widen(patch[m, F * q + 2]) * field(byte, 2)
                    acc += widen(patch[m, F * q + 3]) * field(byte, 3)
            y[b * T + m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_packed_direct(
    x: i8[H, W, C], w: i8[N, KH, KW, B], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N],
    *, field: function, rescale: function, F, P, D, G, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution without scratch memory: taps that fall on the padding are skipped. The bias is the layer's own.

    G filters form a group, which sees D channels of its own. Each place of a filter begins with a byte.
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
                            weight = field(widen(w[n, kh, kw, d // F]), d % F)
                            acc += (widen(x[row, column, n // G * D + d]) - zx) * weight
        y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))
