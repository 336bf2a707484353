"""Rows times filters in register tiles of rows by two filters, for machines with 16-bit pairs in a register.

Rows lie widened and interleaved: step s of the sum holds two elements of every row of the tile, so one double load serves
two rows. Two filters lie interleaved to fit: their four bytes of a step are one word. A word of four elements gives
elements 0 and 2, then 1 and 3. The requantization is in its cheapest exact form (see ``scaled``).
"""

from __future__ import annotations

from skosh.kernels import clamp, func, kernel, par, seq, word, wrap
from skosh.targets.arm_dsp import pkhbt, pkhtb, smlabb, smlad, smlatt, smmulr, sxtb16, sxtb16_odd


@func
def scaled(acc: i32, multiplier: i32, rounding: i32, right: i32) -> i32:
    """acc * multiplier * 2^-(31 + right), rounded twice, plus the zero point, for |acc| < 2^30 and right <= 22.

    rounding = 2^(right - 1) + (zero point << right): adding the sign first moves ties away from zero.
    """
    high = smmulr(acc * 2, multiplier)
    return (high + (high >> 31) + rounding) >> right


@kernel
def tile(
    x: u32[S, T], w: u32[N2, S], scale: i32[N2, 8], y: i8[T, 2 * N2],
    *, lo, hi
):  # fmt: skip
    """y[t, n] = scaled(bias[n] + sum over k of x[t, k] * w[n, k]), clamped to [lo, hi]."""
    for n in par(N2):
        bias = scale[n, 0]
        bias_odd = scale[n, 1]
        for t in par(T):
            acc = bias
            acc_odd = bias_odd
            for s in seq(S):
                four = w[n, s]
                even = sxtb16(four)
                odd = sxtb16_odd(four)
                two = x[s, t]
                acc = smlad(two, even, acc)
                acc_odd = smlad(two, odd, acc_odd)
            multiplier = scale[n, 2]
            rounding = scale[n, 3]
            right = scale[n, 4]
            y[t, 2 * n] = wrap(i8, clamp(scaled(acc, multiplier, rounding, right), lo, hi))
            right_odd = scale[n, 5]
            multiplier_odd = scale[n, 6]
            rounding_odd = scale[n, 7]
            y[t, 2 * n + 1] = wrap(i8, clamp(scaled(acc_odd, multiplier_odd, rounding_odd, right_odd), lo, hi))


@kernel
def matmul_tiles(
    x: i8[B, T, 4 * Q], w: u32[N2, 2 * Q], scale: i32[N2, 8], y: i8[B, T, 2 * N2], patch: u32[2 * Q, T],
    *, lo, hi
):  # fmt: skip
    """B * T rows times 2 * N2 filters, T rows at a time."""
    for b in seq(B):
        for t0 in par(T):
            for q in par(Q):
                elements = word(x[b, t0, 4 * q])
                patch[2 * q, t0] = sxtb16(elements)
                patch[2 * q + 1, t0] = sxtb16_odd(elements)
        tile(patch, w, scale, y[b], lo=lo, hi=hi)


@kernel
def conv2d_tiles(
    x: i8[H, W * 4 * C4], w: u32[N2, 2 * KH * KW * C4], scale: i32[N2, 8], y: i8[B, T, 2 * N2],
    patch: u32[2 * KH * KW * C4, T],
    *, OW, start, stride_h, stride_w, dilation_h, top, left, zx, lo, hi
):  # fmt: skip
    """Convolution by im2col, T output pixels at a time from pixel ``start`` on; channels in words of four.

    zx: the input's zero point twice, as a pair of halfwords.
    """
    for b in seq(B):
        for t0 in seq(T):
            oh = (start + b * T + t0) // OW
            ow = start + b * T + t0 - oh * OW
            column = ow * stride_w - left
            before = min(max(-column, 0), KW) * C4
            inside = max(min(KW, W - column) * C4, before)
            for kh in seq(KH):
                row = oh * stride_h + kh * dilation_h - top
                if 0 <= row < H:
                    for q in par(before):
                        patch[2 * (kh * (KW * C4) + q), t0] = wrap(u32, zx)
                        patch[2 * (kh * (KW * C4) + q) + 1, t0] = wrap(u32, zx)
                    for i in par(before, inside):
                        elements = word(x[row, column * (4 * C4) + 4 * i])
                        patch[2 * (kh * (KW * C4) + i), t0] = sxtb16(elements)
                        patch[2 * (kh * (KW * C4) + i) + 1, t0] = sxtb16_odd(elements)
                    for q in par(inside, KW * C4):
                        patch[2 * (kh * (KW * C4) + q), t0] = wrap(u32, zx)
                        patch[2 * (kh * (KW * C4) + q) + 1, t0] = wrap(u32, zx)
                else:
                    for q in par(KW * C4):
                        patch[2 * (kh * (KW * C4) + q), t0] = wrap(u32, zx)
                        patch[2 * (kh * (KW * C4) + q) + 1, t0] = wrap(u32, zx)
        tile(patch, w, scale, y[b], lo=lo, hi=hi)


@kernel
def conv2d_byte_tiles(
    x: i8[H, W * C], w: u32[N2, 2 * Q], scale: i32[N2, 8], y: i8[B, T, 2 * N2], patch: u32[2 * Q, T], line: i8[4 * Q],
    *, KH, KW, OW, start, stride_h, stride_w, dilation_h, top, left, zx, lo, hi
):  # fmt: skip
    """As ``conv2d_tiles``, for any number of channels: a pixel's window is gathered byte by byte, then widened."""
    for b in seq(B):
        for t0 in seq(T):
            oh = (start + b * T + t0) // OW
            ow = start + b * T + t0 - oh * OW
            column = ow * stride_w - left
            before = min(max(-column, 0), KW) * C
            inside = max(min(KW, W - column) * C, before)
            for kh in seq(KH):
                row = oh * stride_h + kh * dilation_h - top
                if 0 <= row < H:
                    for i in par(before):
                        line[kh * (KW * C) + i] = wrap(i8, zx)
                    for i in par(before, inside):
                        line[kh * (KW * C) + i] = x[row, column * C + i]
                    for i in par(inside, KW * C):
                        line[kh * (KW * C) + i] = wrap(i8, zx)
                else:
                    for i in par(KW * C):
                        line[kh * (KW * C) + i] = wrap(i8, zx)
            for i in par(KH * KW * C, 4 * Q):
                line[i] = wrap(i8, 0)
            for q in par(Q):
                elements = word(line[4 * q])
                patch[2 * q, t0] = sxtb16(elements)
                patch[2 * q + 1, t0] = sxtb16_odd(elements)
        tile(patch, w, scale, y[b], lo=lo, hi=hi)


@kernel
def dense_tiles(
    x: i8[4 * Q], w: u32[N4, Q, 4], scale: i32[N4, 4, 4], y: i8[N4, 4], wide: u32[Q, 2],
    *, lo, hi
):  # fmt: skip
    """One row times 4 * N4 filters, four at a time: every weight is used once, so it is loaded with its neighbours."""
    for i in par(Q):
        elements = word(x[4 * i])
        wide[i, 0] = sxtb16(elements)
        wide[i, 1] = sxtb16_odd(elements)
    for n in par(N4):
        for f in par(4):
            acc = scale[n, 0, f]
            for q in seq(Q):
                four = w[n, q, f]
                acc = smlad(wide[q, 0], sxtb16(four), acc)
                acc = smlad(wide[q, 1], sxtb16_odd(four), acc)
            y[n, f] = wrap(i8, clamp(scaled(acc, scale[n, 1, f], scale[n, 2, f], scale[n, 3, f]), lo, hi))


@kernel
def channel_pairs(
    rows: u32[KH, R], w: u32[C4, KW, KH], scale: i32[C4, 8], y: i8[OW, 4 * C4],
    *, spread: function, stride_w, odd, lo, hi
):  # fmt: skip
    """Depthwise, two channels of each word of four: those that ``spread`` takes out of it; two rows a product."""
    for c in par(C4):
        for ow in par(OW):
            bias = scale[c, 0]
            bias_next = scale[c, 1]
            acc = bias
            acc_next = bias_next
            for kw in seq(KW):
                for p in seq(KH // 2):
                    upper = spread(rows[2 * p, (ow * stride_w + kw) * C4 + c])
                    lower = spread(rows[2 * p + 1, (ow * stride_w + kw) * C4 + c])
                    acc = smlad(pkhbt(upper, lower), w[c, kw, 2 * p], acc)
                    acc_next = smlad(pkhtb(lower, upper), w[c, kw, 2 * p + 1], acc_next)
                for p in seq(KH // 2 * 2, KH):
                    last = spread(rows[p, (ow * stride_w + kw) * C4 + c])
                    acc = smlabb(last, w[c, kw, p], acc)
                    acc_next = smlatt(last, w[c, kw, p], acc_next)
            multiplier = scale[c, 2]
            rounding = scale[c, 3]
            right = scale[c, 4]
            y[ow, 4 * c + odd] = wrap(i8, clamp(scaled(acc, multiplier, rounding, right), lo, hi))
            right_next = scale[c, 5]
            multiplier_next = scale[c, 6]
            rounding_next = scale[c, 7]
            y[ow, 4 * c + 2 + odd] = wrap(i8, clamp(scaled(acc_next, multiplier_next, rounding_next, right_next), lo, hi))


@kernel
def depthwise_tiles(
    x: i8[H, W * 4 * C4], w: u32[2, C4, KW, KH], scale: i32[2, C4, 8], y: i8[OH, OW, 4 * C4], rows: u32[KH, PW * C4],
    *, inside, stride_h, stride_w, top, left, zx, lo, hi
):  # fmt: skip
    """Depthwise convolution: the rows under the window are staged with the zero point (zx: four times) around them."""
    for oh in seq(OH):
        for kh in seq(KH):
            row = oh * stride_h + kh - top
            if 0 <= row < H:
                for i in par(left * C4):
                    rows[kh, i] = wrap(u32, zx)
                for m in par(inside * C4):
                    rows[kh, left * C4 + m] = word(x[row, 4 * m])
                for i in par((left + inside) * C4, PW * C4):
                    rows[kh, i] = wrap(u32, zx)
            else:
                for i in par(PW * C4):
                    rows[kh, i] = wrap(u32, zx)
        channel_pairs(rows, w[0], scale[0], y[oh], spread=sxtb16, stride_w=stride_w, odd=0, lo=lo, hi=hi)
        channel_pairs(rows, w[1], scale[1], y[oh], spread=sxtb16_odd, stride_w=stride_w, odd=1, lo=lo, hi=hi)
