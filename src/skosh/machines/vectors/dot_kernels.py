"""Rows times filters with filters as lanes, for machines that add up four products of int8 a lane, or one.

The rows under a convolution's window are kept in a ring: a window that moves down by ``stride_h`` rows stages only as many
new ones (``kept`` of them stay).
"""

from __future__ import annotations

from skosh.base.dtypes import i8
from skosh.language import clamp, kernel, par, seq, widen, word, wrap
from skosh.language.dots import dot_quads, dot_sixteens


@kernel
def matmul_quad_lanes(
    x: i8[M, 4 * Q], w: i8[Q, N, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped to [lo, hi]; rows of fours."""
    for n, m in par(N, M):
        acc = bias[n]
        for q in seq(Q // 4):
            acc = dot_sixteens(
                acc,
                word(x[m, 16 * q]), word(x[m, 16 * q + 4]), word(x[m, 16 * q + 8]), word(x[m, 16 * q + 12]),
                word(w[4 * q, n, 0]), word(w[4 * q + 1, n, 0]), word(w[4 * q + 2, n, 0]), word(w[4 * q + 3, n, 0]),
            )  # fmt: skip
        for k in seq(Q // 4 * 4, Q):
            acc = dot_quads(acc, word(x[m, 4 * k]), word(w[k, n, 0]))
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def matmul_lanes(
    x: i8[M, K], w: i8[K, N], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """The same, one product at a time."""
    for n, m in par(N, M):
        acc = bias[n]
        for k in seq(K):
            acc += widen(x[m, k]) * widen(w[k, n])
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_quad_lanes(
    x: i8[H, W * C], w: i8[KH, Q, N, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N], rows: i8[KH, PW * C + 3],
    *, rescale: function, P, kept, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution: Q fours in a row of the window; what the last one reads past it meets weights of zero."""
    for oh in seq(OH):
        for j in par(kept if oh > 0 else 0, KH):
            row = oh * stride_h + j * dilation_h - top
            slot = (oh * stride_h + j) % KH
            if 0 <= row < H:
                for i in par(left * C):
                    rows[slot, i] = wrap(i8, zx)
                for i in par(inside * C):
                    rows[slot, left * C + i] = x[row, i]
                for i in par((left + inside) * C, PW * C + 3):
                    rows[slot, i] = wrap(i8, zx)
            else:
                for i in par(PW * C + 3):
                    rows[slot, i] = wrap(i8, zx)
        for n, ow in par(N, OW):
            acc = bias[n]
            for kh in seq(KH):
                slot = (oh * stride_h + kh) % KH
                for q in seq(Q // 4):
                    at = ow * stride_w * C + 16 * q
                    acc = dot_sixteens(
                        acc,
                        word(rows[slot, at]), word(rows[slot, at + 4]), word(rows[slot, at + 8]), word(rows[slot, at + 12]),
                        word(w[kh, 4 * q, n, 0]), word(w[kh, 4 * q + 1, n, 0]),
                        word(w[kh, 4 * q + 2, n, 0]), word(w[kh, 4 * q + 3, n, 0]),
                    )  # fmt: skip
                for k in seq(Q // 4 * 4, Q):
                    acc = dot_quads(acc, word(rows[slot, ow * stride_w * C + 4 * k]), word(w[kh, k, n, 0]))
            y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_lanes(
    x: i8[H, W * C], w: i8[KH, K, N], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N], rows: i8[KH, PW * C],
    *, rescale: function, P, kept, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """The same, one product at a time; K elements in a row of the window."""
    for oh in seq(OH):
        for j in par(kept if oh > 0 else 0, KH):
            row = oh * stride_h + j * dilation_h - top
            slot = (oh * stride_h + j) % KH
            if 0 <= row < H:
                for i in par(left * C):
                    rows[slot, i] = wrap(i8, zx)
                for i in par(inside * C):
                    rows[slot, left * C + i] = x[row, i]
                for i in par((left + inside) * C, PW * C):
                    rows[slot, i] = wrap(i8, zx)
            else:
                for i in par(PW * C):
                    rows[slot, i] = wrap(i8, zx)
        for n, ow in par(N, OW):
            acc = bias[n]
            for kh in seq(KH):
                slot = (oh * stride_h + kh) % KH
                for k in seq(K):
                    acc += widen(rows[slot, ow * stride_w * C + k]) * widen(w[kh, k, n])
            y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))
