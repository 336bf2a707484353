"""Kernels whose lanes lie side by side: filters, or channels. For machines that multiply pairs of i16 (``dot`` is 2).

Weights are widened and re-laid when the model is compiled; inputs are widened once for each use by all filters.
"""

from __future__ import annotations

from skosh.base.dtypes import i16
from skosh.kernels import clamp, kernel, par, seq, set_word, widen, word, wrap
from skosh.kernels.dots import dot_pairs, even_bytes, halfwords, odd_bytes


@kernel
def matmul_pair_lanes(
    x: i8[M, K], w: i16[K2, N, 2], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    wide: i16[T, 2 * K2],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped: T rows at a time, T divides M."""
    for b in seq(M // T):
        for t in par(T):
            for j in par(K):
                wide[t, j] = i16(x[b * T + t, j])
            for j in par(K, 2 * K2):
                wide[t, j] = wrap(i16, 0)
        for n, m in par(N, T):
            acc = bias[n]
            for k in seq(K2):
                acc = dot_pairs(acc, word(wide[m, 2 * k]), word(w[k, n, 0]))
            y[b * T + m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def row_pair_lanes(
    x: i8[M, K], w: i8[Q, N, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    wide: i16[M, 4 * Q],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """The same for few rows, with weights of 8 bits: reading them is what costs. Elements 0 2 1 3 of each four, as pairs."""
    for m in par(M):
        for j in par(K // 4):
            wide[m, 4 * j] = i16(x[m, 4 * j])
            wide[m, 4 * j + 1] = i16(x[m, 4 * j + 2])
            wide[m, 4 * j + 2] = i16(x[m, 4 * j + 1])
            wide[m, 4 * j + 3] = i16(x[m, 4 * j + 3])
        for i in seq(K // 4 * 4, 4 * Q):
            wide[m, i] = wrap(i16, 0)
        for i in seq(K // 4 * 4, K):
            wide[m, K // 4 * 4 + i % 4 // 2 + i % 2 * 2] = i16(x[m, i])
    for n, m in par(N, M):
        acc = bias[n]
        for q in seq(Q):
            four = word(w[q, n, 0])
            acc = dot_pairs(acc, word(wide[m, 4 * q]), even_bytes(four))
            acc = dot_pairs(acc, word(wide[m, 4 * q + 2]), odd_bytes(four))
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_pair_lanes(
    x: i8[H, W * C], w: i16[KH, S, N, 2], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N], rows: i16[KH, PW * C + 1],
    *, rescale: function, P, inside, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution: the rows under the window are widened, with the zero point around them; S pairs a row of the window."""
    for oh in seq(OH):
        for j in par(KH):
            row = oh * stride_h + j * dilation_h - top
            if 0 <= row < H:
                for i in par(left * C):
                    rows[j, i] = wrap(i16, zx)
                for i in par(inside * C):
                    rows[j, left * C + i] = i16(x[row, i])
                for i in par((left + inside) * C, PW * C + 1):
                    rows[j, i] = wrap(i16, zx)
            else:
                for i in par(PW * C + 1):
                    rows[j, i] = wrap(i16, zx)
        for n, ow in par(N, OW):
            acc = bias[n]
            for kh in seq(KH):
                for k in seq(S):
                    acc = dot_pairs(acc, word(rows[kh, ow * stride_w * C + 2 * k]), word(w[kh, k, n, 0]))
            y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def depthwise_pair_lanes(
    x: i8[H, W * C], w: i16[K2, KW, C, 2], bias: i32[C], multiplier: i32[(C - 1) * P + 1], right: i8[(C - 1) * P + 1],
    y: i8[OH, OW, C], rows: i16[K2, PW * C, 2],
    *, rescale: function, P, inside, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution: rows under the window are staged two by two, so that a lane multiplies a pair."""
    for oh in seq(OH):
        for j in par(K2):
            upper = oh * stride_h + 2 * j * dilation_h - top
            lower = upper + dilation_h
            for i in par(left * C):
                set_word(rows[j, i, 0], halfwords(zx, zx))
            for i in par((left + inside) * C, PW * C):
                set_word(rows[j, i, 0], halfwords(zx, zx))
            if 0 <= upper < H and 0 <= lower < H:
                for i in par(inside * C):
                    set_word(rows[j, left * C + i, 0], halfwords(widen(x[upper, i]), widen(x[lower, i])))
            elif 0 <= upper < H:
                for i in par(inside * C):
                    set_word(rows[j, left * C + i, 0], halfwords(widen(x[upper, i]), zx))
            elif 0 <= lower < H:
                for i in par(inside * C):
                    set_word(rows[j, left * C + i, 0], halfwords(zx, widen(x[lower, i])))
            else:
                for i in par(inside * C):
                    set_word(rows[j, left * C + i, 0], halfwords(zx, zx))
        for c, ow in par(C, OW):
            acc = bias[c]
            for kh in seq(K2):
                for kw in seq(KW):
                    tap = word(rows[kh, (ow * stride_w + kw * dilation_w) * C + c, 0])
                    acc = dot_pairs(acc, tap, word(w[kh, kw, c, 0]))
            y[oh, ow, c] = wrap(i8, clamp(rescale(acc, multiplier[c * P], widen(right[c * P])) + zy, lo, hi))
