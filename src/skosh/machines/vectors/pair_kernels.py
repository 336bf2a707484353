"""Kernels whose lanes lie side by side: filters, or channels. For machines that multiply pairs of i16 (``dot`` is 2).

Weights are widened and re-laid when the model is compiled; inputs are widened once for each use by all filters.
``rescale(sum, multiplier, right, offset)`` adds the zero point too; ``vector_recipes.rescaling`` chooses it, and says whether
sums are doubled, by the weights or by ``factor``.
"""

from __future__ import annotations

from skosh.base.dtypes import i16
from skosh.language import clamp, kernel, par, seq, set_word, widen, word, wrap
from skosh.language.dots import dot_pairs, halfwords


@kernel
def matmul_pair_lanes(
    x: i8[M, K], w: i16[K2, N, 2], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    offset: i32[(N - 1) * P + 1], y: i8[M, N], wide: i16[T, 2 * K2],
    *, rescale: function, P, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]), clamped: T rows at a time, T divides M."""
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
            y[b * T + m, n] = wrap(
                i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P]), offset[n * P]), lo, hi)
            )


@kernel
def row_pair_lanes(
    x: i8[M, K], w: i8[N // B, K2, B, 2], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    offset: i32[(N - 1) * P + 1], y: i8[M, N], wide: i16[M, 2 * K2],
    *, rescale: function, P, B, factor, lo, hi
):  # fmt: skip
    """The same for few rows: what costs is to read the weights, so they stay bytes, and B filters lie in one stream.

    x is multiplied by ``factor``; B divides N.
    """
    for t in par(M):
        for j in par(K):
            wide[t, j] = wrap(i16, widen(x[t, j]) * factor)
        for j in par(K, 2 * K2):
            wide[t, j] = wrap(i16, 0)
    for b in par(N // B):
        for f, m in par(B, M):
            acc = bias[b * B + f]
            for k in seq(K2):
                acc = dot_pairs(acc, word(wide[m, 2 * k]), halfwords(widen(w[b, k, f, 0]), widen(w[b, k, f, 1])))
            scaled = rescale(acc, multiplier[(b * B + f) * P], widen(right[(b * B + f) * P]), offset[(b * B + f) * P])
            y[m, b * B + f] = wrap(i8, clamp(scaled, lo, hi))


@kernel
def conv2d_pair_lanes(
    x: i8[H, W * C], w: i16[KH, S, N, 2], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    offset: i32[(N - 1) * P + 1], y: i8[OH, OW, N], rows: i16[KH, PW * C + 1],
    *, rescale: function, P, inside, stride_h, stride_w, dilation_h, top, left, zx, lo, hi
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
            y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P]), offset[n * P]), lo, hi))


@kernel
def depthwise_pair_lanes(
    x: i8[H, W * C], w: i16[K2, KW, C, 2], bias: i32[C], multiplier: i32[(C - 1) * P + 1], right: i8[(C - 1) * P + 1],
    offset: i32[(C - 1) * P + 1], y: i8[OH, OW, C], rows: i16[R, PW * C, 2],
    *, rescale: function, P, inside, again, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, lo, hi
):  # fmt: skip
    """Depthwise convolution: rows under the window are staged two by two, so that a lane multiplies a pair.

    A pair (a row, and the one dilation_h below) is staged once, and used again ``again`` output rows later, as another pair
    of the window: pairs take turns in R places. Only the window's last pair is new, but for the first ``again`` rows.
    """
    for oh in seq(OH):
        for j in par((K2 - 1) * (1 if oh >= again else 0), K2):
            place = (oh * stride_h + 2 * j * dilation_h) % R
            upper = oh * stride_h + 2 * j * dilation_h - top
            lower = upper + dilation_h
            for i in par(left * C):
                set_word(rows[place, i, 0], halfwords(zx, zx))
            for i in par((left + inside) * C, PW * C):
                set_word(rows[place, i, 0], halfwords(zx, zx))
            if 0 <= upper < H and 0 <= lower < H:
                for i in par(inside * C):
                    set_word(rows[place, left * C + i, 0], halfwords(widen(x[upper, i]), widen(x[lower, i])))
            elif 0 <= upper < H:
                for i in par(inside * C):
                    set_word(rows[place, left * C + i, 0], halfwords(widen(x[upper, i]), zx))
            elif 0 <= lower < H:
                for i in par(inside * C):
                    set_word(rows[place, left * C + i, 0], halfwords(zx, widen(x[lower, i])))
            else:
                for i in par(inside * C):
                    set_word(rows[place, left * C + i, 0], halfwords(zx, zx))
        for c, ow in par(C, OW):
            acc = bias[c]
            for kh in seq(K2):
                for kw in seq(KW):
                    column = (ow * stride_w + kw * dilation_w) * C
                    tap = word(rows[(oh * stride_h + 2 * kh * dilation_h) % R, column + c, 0])
                    acc = dot_pairs(acc, tap, word(w[kh, kw, c, 0]))
            scaled = rescale(acc, multiplier[c * P], widen(right[c * P]), offset[c * P])
            y[oh, ow, c] = wrap(i8, clamp(scaled, lo, hi))
