"""Rows times filters for machines that add 16 products of int8 at once (Helium): lanes lie along the rows.

Filters go by fours: w[g, q, j, k] is element 16 q + k of filter 4 g + j, with zeros where there is none, so that one pointer
walks over all of them. Their sums are collected first and then requantized side by side, with lanes along the filters.
"""

from __future__ import annotations

from skosh.base.dtypes import i8, i32
from skosh.language import clamp, func, kernel, par, requantize_bounded, seq, widen, wrap


@func
def requantize_leftward(x: i32, multiplier: i32, left: i32) -> i32:
    """requantize_bounded with its shift as a left one, which is negative: the sign that vector shifts want."""
    return requantize_bounded(x, multiplier, -left)


@kernel
def matmul_sums(
    x: i8[M, K], w: i8[G, Q, 4, 16], bias: i32[4 * G], multiplier: i32[(N - 1) * P + 1], shift: i8[(N - 1) * P + 1],
    y: i8[M, N], *, rescale: function, P, R, S, even, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped to [lo, hi].

    R: K % 16. S: fours of filters at a time; even: S divides G, and N is 4 G.
    """
    for m in par(M):
        for b in seq((G + S - 1) // S):
            sums = ram(i32[4 * S])
            for g in par(S if even == 1 else min(S, G - b * S)):
                acc0 = bias[4 * (b * S + g)]
                acc1 = bias[4 * (b * S + g) + 1]
                acc2 = bias[4 * (b * S + g) + 2]
                acc3 = bias[4 * (b * S + g) + 3]
                for q in seq(K // 16):
                    for k in seq(16):
                        acc0 += widen(x[m, 16 * q + k]) * widen(w[b * S + g, q, 0, k])
                        acc1 += widen(x[m, 16 * q + k]) * widen(w[b * S + g, q, 1, k])
                        acc2 += widen(x[m, 16 * q + k]) * widen(w[b * S + g, q, 2, k])
                        acc3 += widen(x[m, 16 * q + k]) * widen(w[b * S + g, q, 3, k])
                for e in seq(R):
                    acc0 += widen(x[m, K // 16 * 16 + e]) * widen(w[b * S + g, K // 16, 0, e])
                    acc1 += widen(x[m, K // 16 * 16 + e]) * widen(w[b * S + g, K // 16, 1, e])
                    acc2 += widen(x[m, K // 16 * 16 + e]) * widen(w[b * S + g, K // 16, 2, e])
                    acc3 += widen(x[m, K // 16 * 16 + e]) * widen(w[b * S + g, K // 16, 3, e])
                sums[4 * g] = acc0
                sums[4 * g + 1] = acc1
                sums[4 * g + 2] = acc2
                sums[4 * g + 3] = acc3
            for f in par(4 * S if even == 1 else min(4 * S, N - 4 * b * S)):
                scaled = rescale(sums[f], multiplier[(4 * b * S + f) * P], widen(shift[(4 * b * S + f) * P]))
                y[m, 4 * b * S + f] = wrap(i8, clamp(scaled, lo - zy, hi - zy) + zy)


@kernel
def matmul_short_sums(
    x: i8[M, K], w: i8[G, 1, 4, 16], bias: i32[4 * G], multiplier: i32[(N - 1) * P + 1], shift: i8[(N - 1) * P + 1],
    y: i8[M, N], *, rescale: function, P, even, zy, lo, hi
):  # fmt: skip
    """The same for K <= 16: four filters stay in registers while all rows pass. even: N is 4 G."""
    for g in par(G):
        for m in par(M):
            sums = ram(i32[4])
            acc0 = bias[4 * g]
            acc1 = bias[4 * g + 1]
            acc2 = bias[4 * g + 2]
            acc3 = bias[4 * g + 3]
            for k in seq(K):
                acc0 += widen(x[m, k]) * widen(w[g, 0, 0, k])
                acc1 += widen(x[m, k]) * widen(w[g, 0, 1, k])
                acc2 += widen(x[m, k]) * widen(w[g, 0, 2, k])
                acc3 += widen(x[m, k]) * widen(w[g, 0, 3, k])
            sums[0] = acc0
            sums[1] = acc1
            sums[2] = acc2
            sums[3] = acc3
            for f in par(4 if even == 1 else min(4, N - 4 * g)):
                scaled = rescale(sums[f], multiplier[(4 * g + f) * P], widen(shift[(4 * g + f) * P]))
                y[m, 4 * g + f] = wrap(i8, clamp(scaled, lo - zy, hi - zy) + zy)


@kernel
def conv2d_row_sums(
    x: i8[H, W * C], w: i8[G, KH, Q, 4, 16], bias: i32[4 * G], multiplier: i32[(N - 1) * P + 1],
    shift: i8[(N - 1) * P + 1], y: i8[OH, OW, N], rows: i8[KH, PW * C],
    *, rescale: function, P, R, S, even, KW, kept, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution: the rows under the window are staged, with the zero point around them; lanes lie along a row of the window.

    A window moves down by stride_h rows; ``kept`` of its rows stay. R: KW * C % 16.
    """
    for oh in seq(OH):
        for kh in seq(kept):
            for i in par(PW * C):
                rows[kh, i] = rows[kh + stride_h, i]
        for kh in par(kept if oh > 0 else 0, KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for i in par(left * C):
                    rows[kh, i] = wrap(i8, zx)
                for i in par(inside * C):
                    rows[kh, left * C + i] = x[row, i]
                for i in par((left + inside) * C, PW * C):
                    rows[kh, i] = wrap(i8, zx)
            else:
                for i in par(PW * C):
                    rows[kh, i] = wrap(i8, zx)
        for ow in par(OW):
            for b in seq((G + S - 1) // S):
                sums = ram(i32[4 * S])
                for g in par(S if even == 1 else min(S, G - b * S)):
                    acc0 = bias[4 * (b * S + g)]
                    acc1 = bias[4 * (b * S + g) + 1]
                    acc2 = bias[4 * (b * S + g) + 2]
                    acc3 = bias[4 * (b * S + g) + 3]
                    for h in seq(KH):
                        for q in seq(KW * C // 16):
                            for k in seq(16):
                                acc0 += widen(rows[h, ow * stride_w * C + 16 * q + k]) * widen(w[b * S + g, h, q, 0, k])
                                acc1 += widen(rows[h, ow * stride_w * C + 16 * q + k]) * widen(w[b * S + g, h, q, 1, k])
                                acc2 += widen(rows[h, ow * stride_w * C + 16 * q + k]) * widen(w[b * S + g, h, q, 2, k])
                                acc3 += widen(rows[h, ow * stride_w * C + 16 * q + k]) * widen(w[b * S + g, h, q, 3, k])
                        last = ow * stride_w * C + KW * C // 16 * 16
                        for e in seq(R):
                            acc0 += widen(rows[h, last + e]) * widen(w[b * S + g, h, KW * C // 16, 0, e])
                            acc1 += widen(rows[h, last + e]) * widen(w[b * S + g, h, KW * C // 16, 1, e])
                            acc2 += widen(rows[h, last + e]) * widen(w[b * S + g, h, KW * C // 16, 2, e])
                            acc3 += widen(rows[h, last + e]) * widen(w[b * S + g, h, KW * C // 16, 3, e])
                    sums[4 * g] = acc0
                    sums[4 * g + 1] = acc1
                    sums[4 * g + 2] = acc2
                    sums[4 * g + 3] = acc3
                for f in par(4 * S if even == 1 else min(4 * S, N - 4 * b * S)):
                    scaled = rescale(sums[f], multiplier[(4 * b * S + f) * P], widen(shift[(4 * b * S + f) * P]))
                    y[oh, ow, 4 * b * S + f] = wrap(i8, clamp(scaled, lo - zy, hi - zy) + zy)


@kernel
def conv2d_patch_sums(
    x: i8[H, W * C], w: i8[G, Q, 4, 16], bias: i32[4 * G], multiplier: i32[(N - 1) * P + 1],
    shift: i8[(N - 1) * P + 1], y: i8[OH, OW, N], rows: i8[KH, PW * C],
    *, rescale: function, P, S, even, KW, kept, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """The same for windows with short rows: each is gathered from the staged rows, and lanes lie along all of it."""
    for oh in seq(OH):
        for kh in seq(kept):
            for i in par(PW * C):
                rows[kh, i] = rows[kh + stride_h, i]
        for kh in par(kept if oh > 0 else 0, KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for i in par(left * C):
                    rows[kh, i] = wrap(i8, zx)
                for i in par(inside * C):
                    rows[kh, left * C + i] = x[row, i]
                for i in par((left + inside) * C, PW * C):
                    rows[kh, i] = wrap(i8, zx)
            else:
                for i in par(PW * C):
                    rows[kh, i] = wrap(i8, zx)
        patch = ram(i8[16 * Q])
        for i in par(KH * KW * C, 16 * Q):
            patch[i] = wrap(i8, 0)
        for ow in seq(OW):
            for t in par(KH):
                for i in par(KW * C):
                    patch[t * (KW * C) + i] = rows[t, ow * stride_w * C + i]
            for b in seq((G + S - 1) // S):
                sums = ram(i32[4 * S])
                for g in par(S if even == 1 else min(S, G - b * S)):
                    acc0 = bias[4 * (b * S + g)]
                    acc1 = bias[4 * (b * S + g) + 1]
                    acc2 = bias[4 * (b * S + g) + 2]
                    acc3 = bias[4 * (b * S + g) + 3]
                    for q in seq(Q):
                        for k in seq(16):
                            acc0 += widen(patch[16 * q + k]) * widen(w[b * S + g, q, 0, k])
                            acc1 += widen(patch[16 * q + k]) * widen(w[b * S + g, q, 1, k])
                            acc2 += widen(patch[16 * q + k]) * widen(w[b * S + g, q, 2, k])
                            acc3 += widen(patch[16 * q + k]) * widen(w[b * S + g, q, 3, k])
                    sums[4 * g] = acc0
                    sums[4 * g + 1] = acc1
                    sums[4 * g + 2] = acc2
                    sums[4 * g + 3] = acc3
                for f in par(4 * S if even == 1 else min(4 * S, N - 4 * b * S)):
                    scaled = rescale(sums[f], multiplier[(4 * b * S + f) * P], widen(shift[(4 * b * S + f) * P]))
                    y[oh, ow, 4 * b * S + f] = wrap(i8, clamp(scaled, lo - zy, hi - zy) + zy)


@kernel
def depthwise_columns(
    x: i8[H, W * C], w: i8[C * R, KP], bias: i32[C * R], multiplier: i32[(C * R - 1) * P + 1],
    shift: i8[(C * R - 1) * P + 1], y: i8[OH, OW, C * R], columns: i8[C * (PW * KH) + KP], sums: i32[OW],
    *, rescale: function, P, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution: each channel's rows under the window are staged column by column, so that a window lies in one
    piece, and its products are one sum. Filters, column by column too, are filled up with zeros to KP elements.

    Elements of ``columns`` beyond a window meet these zeros.
    """
    for i in par(C * (PW * KH) + KP):
        columns[i] = wrap(i8, zx)
    for oh in seq(OH):
        for kh in par(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for d in par(C):
                    for p in par(inside):
                        columns[(d * PW + left + p) * KH + kh] = x[row, p * C + d]
            else:
                for d in par(C):
                    for p in par(inside):
                        columns[(d * PW + left + p) * KH + kh] = wrap(i8, zx)
        for c in seq(C):
            for r in seq(R):
                for ow in par(OW):
                    acc = bias[c * R + r]
                    for k in seq(KP):
                        acc += widen(columns[(c * PW + ow * stride_w) * KH + k]) * widen(w[c * R + r, k])
                    sums[ow] = acc
                for f in par(OW):
                    scaled = rescale(sums[f], multiplier[(c * R + r) * P], widen(shift[(c * R + r) * P]))
                    y[oh, f, c * R + r] = wrap(i8, clamp(scaled, lo - zy, hi - zy) + zy)
