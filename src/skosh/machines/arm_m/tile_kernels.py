"""Rows times filters in register tiles of rows by two filters, for machines with 16-bit pairs in a register.

Rows lie widened and interleaved: step s of the sum holds two elements of every row of the tile, so one double load serves
two rows. Two filters lie interleaved to fit: their four bytes of a step are one word. A word of four elements gives
elements 0 and 2, then 1 and 3. The requantization is in its cheapest exact form (see ``scaled``).
"""

from __future__ import annotations

from skosh.language import clamp, func, kernel, par, seq, set_word, word, wrap
from skosh.machines.arm_m.instructions import (
    pkhbt,
    pkhtb,
    smlabb,
    smlabt,
    smlad,
    smlatb,
    smlatt,
    smmulr,
    sxtb16,
    sxtb16_odd,
)


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
            first = oh * stride_h - top
            column = ow * stride_w - left
            if first >= 0 and first + (KH - 1) * dilation_h < H and 0 <= column <= W - KW:
                for v in par(KH):
                    for i in par(KW * C4):
                        elements = word(x[first + v * dilation_h, column * (4 * C4) + 4 * i])
                        patch[2 * (v * (KW * C4) + i), t0] = sxtb16(elements)
                        patch[2 * (v * (KW * C4) + i) + 1, t0] = sxtb16_odd(elements)
            else:
                before = min(max(-column, 0), KW) * C4
                inside = max(min(KW, W - column) * C4, before)
                for kh in par(KH):
                    row = first + kh * dilation_h
                    for q in par(KW * C4):
                        if 0 <= row < H and before <= q < inside:
                            elements = word(x[row, column * (4 * C4) + 4 * q])
                            patch[2 * (kh * (KW * C4) + q), t0] = sxtb16(elements)
                            patch[2 * (kh * (KW * C4) + q) + 1, t0] = sxtb16_odd(elements)
                        else:
                            patch[2 * (kh * (KW * C4) + q), t0] = wrap(u32, zx)
                            patch[2 * (kh * (KW * C4) + q) + 1, t0] = wrap(u32, zx)
        tile(patch, w, scale, y[b], lo=lo, hi=hi)


@kernel
def conv2d_word_tiles(
    x: i8[H, W * C], w: u32[N2, 2 * KH * R4], scale: i32[N2, 8], y: i8[B, T, 2 * N2], patch: u32[2 * KH * R4, T],
    line: i8[KH * R4 * 4],
    *, KW, OW, start, stride_h, stride_w, dilation_h, top, left, zx, lo, hi
):  # fmt: skip
    """As ``conv2d_tiles``, where a row of the window, and not a pixel, has whole words: KW * C = 4 * R4."""
    for b in seq(B):
        for t0 in seq(T):
            oh = (start + b * T + t0) // OW
            ow = start + b * T + t0 - oh * OW
            column = ow * stride_w - left
            first = oh * stride_h - top
            if first >= 0 and first + (KH - 1) * dilation_h < H and 0 <= column <= W - KW:
                for v in par(KH):
                    for i in par(R4):
                        elements = word(x[first + v * dilation_h, column * C + 4 * i])
                        patch[2 * (v * R4 + i), t0] = sxtb16(elements)
                        patch[2 * (v * R4 + i) + 1, t0] = sxtb16_odd(elements)
            else:
                before = min(max(-column, 0), KW) * C
                inside = max(min(KW, W - column) * C, before)
                for e in par(KH * R4):
                    set_word(line[4 * e], (wrap(u32, zx) & 255) * 16843009)
                for kh in par(KH):
                    row = first + kh * dilation_h
                    if 0 <= row < H:
                        for g in par((inside - before) // 4):
                            set_word(line[kh * (R4 * 4) + before + 4 * g], word(x[row, column * C + before + 4 * g]))
                        for h in par(before + (inside - before) // 4 * 4, inside):
                            line[kh * (R4 * 4) + h] = x[row, column * C + h]
                for q in par(KH * R4):
                    elements = word(line[4 * q])
                    patch[2 * q, t0] = sxtb16(elements)
                    patch[2 * q + 1, t0] = sxtb16_odd(elements)
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
            first = oh * stride_h - top
            if first >= 0 and first + (KH - 1) * dilation_h < H and 0 <= column <= W - KW:
                for v in par(KH):
                    for g in par(KW * C // 4):
                        set_word(line[v * (KW * C) + 4 * g], word(x[first + v * dilation_h, column * C + 4 * g]))
                    for h in par(KW * C // 4 * 4, KW * C):
                        line[v * (KW * C) + h] = x[first + v * dilation_h, column * C + h]
            else:
                before = min(max(-column, 0), KW) * C
                inside = max(min(KW, W - column) * C, before)
                for kh in par(KH):
                    row = first + kh * dilation_h
                    for i in par(KW * C):
                        if 0 <= row < H and before <= i < inside:
                            line[kh * (KW * C) + i] = x[row, column * C + i]
                        else:
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
    rows: u32[C4, PW, KH], w: u32[C4, KW, KH], scale: i32[C4, 8], y: i8[OW, 4 * C4],
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
                    upper = spread(rows[c, ow * stride_w + kw, 2 * p])
                    lower = spread(rows[c, ow * stride_w + kw, 2 * p + 1])
                    taps = w[c, kw, 2 * p]
                    taps_next = w[c, kw, 2 * p + 1]
                    acc = smlad(pkhbt(upper, lower), taps, acc)
                    acc_next = smlad(pkhtb(lower, upper), taps_next, acc_next)
                for p in seq(KH // 2 * 2, KH):
                    last = spread(rows[c, ow * stride_w + kw, p])
                    tap = w[c, kw, p]
                    acc = smlabb(last, tap, acc)
                    acc_next = smlatt(last, tap, acc_next)
            multiplier = scale[c, 2]
            rounding = scale[c, 3]
            right = scale[c, 4]
            y[ow, 4 * c + odd] = wrap(i8, clamp(scaled(acc, multiplier, rounding, right), lo, hi))
            right_next = scale[c, 5]
            multiplier_next = scale[c, 6]
            rounding_next = scale[c, 7]
            y[ow, 4 * c + 2 + odd] = wrap(
                i8, clamp(scaled(acc_next, multiplier_next, rounding_next, right_next), lo, hi)
            )


@kernel
def depthwise_tiles(
    x: i8[H, W * 4 * C4], w: u32[2, C4, KW, KH], scale: i32[2, C4, 8], y: i8[OH, OW, 4 * C4], rows: u32[C4, PW, KH],
    *, inside, stride_h, stride_w, top, left, zx, lo, hi
):  # fmt: skip
    """Depthwise convolution: the rows under the window are staged, four channels by column by row, with zx around them.

    zx: the input's zero point four times.
    """
    for oh in seq(OH):
        for kh in seq(KH):
            row = oh * stride_h + kh - top
            if 0 <= row < H:
                for j in par(C4):
                    for i in par(left):
                        rows[j, i, kh] = wrap(u32, zx)
                    for i in par(left + inside, PW):
                        rows[j, i, kh] = wrap(u32, zx)
                for k in par(C4):
                    for m in par(inside):
                        rows[k, left + m, kh] = word(x[row, (m * C4 + k) * 4])
            else:
                for j in par(C4):
                    for i in par(PW):
                        rows[j, i, kh] = wrap(u32, zx)
        channel_pairs(rows, w[0], scale[0], y[oh], spread=sxtb16, stride_w=stride_w, odd=0, lo=lo, hi=hi)
        channel_pairs(rows, w[1], scale[1], y[oh], spread=sxtb16_odd, stride_w=stride_w, odd=1, lo=lo, hi=hi)


@kernel
def depthwise_planes(
    x: i8[H, W * 4 * C4], w: u32[4 * C4, KW, 2], scale: i32[4 * C4, 4], y: i8[2 * O, OW, 4 * C4],
    rows: u32[C4 * PW * 4, 2],
    *, inside, top, left, zx, lo, hi
):  # fmt: skip
    """Depthwise convolution of three rows with stride 1, two output rows at a time: four input rows as two pairs.

    Rows 0 and 1 lie in one word, rows 2 and 3 in the next, channel by channel. With the taps (w0, w1) and (w1, w2), the
    upper output is (r0, r1).(w0, w1) + r2 w2, the lower one r1 w0 + (r2, r3).(w1, w2). zx: the zero point in each byte.
    """
    for p in seq(O + 1):
        if p > 0:
            for i in par(C4 * PW * 4):
                rows[i, 0] = rows[i, 1]
        for g in par(C4):
            for e in par(left * 4):
                rows[g * PW * 4 + e, 1] = sxtb16(wrap(u32, zx))
            for e in par((left + inside) * 4, PW * 4):
                rows[g * PW * 4 + e, 1] = sxtb16(wrap(u32, zx))
        row = 2 * p - top
        if 0 <= row < H - 1:
            for k in par(C4):
                for m in par(inside):
                    upper = word(x[row, (m * C4 + k) * 4])
                    lower = word(x[row + 1, (m * C4 + k) * 4])
                    rows[(k * PW + left + m) * 4, 1] = pkhbt(sxtb16(upper), sxtb16(lower))
                    rows[(k * PW + left + m) * 4 + 1, 1] = pkhbt(sxtb16_odd(upper), sxtb16_odd(lower))
                    rows[(k * PW + left + m) * 4 + 2, 1] = pkhtb(sxtb16(lower), sxtb16(upper))
                    rows[(k * PW + left + m) * 4 + 3, 1] = pkhtb(sxtb16_odd(lower), sxtb16_odd(upper))
        else:
            for k, m in par(C4, inside):
                upper = word(x[row, (m * C4 + k) * 4]) if 0 <= row < H else wrap(u32, zx)
                lower = word(x[row + 1, (m * C4 + k) * 4]) if 0 <= row + 1 < H else wrap(u32, zx)
                rows[(k * PW + left + m) * 4, 1] = pkhbt(sxtb16(upper), sxtb16(lower))
                rows[(k * PW + left + m) * 4 + 1, 1] = pkhbt(sxtb16_odd(upper), sxtb16_odd(lower))
                rows[(k * PW + left + m) * 4 + 2, 1] = pkhtb(sxtb16(lower), sxtb16(upper))
                rows[(k * PW + left + m) * 4 + 3, 1] = pkhtb(sxtb16_odd(lower), sxtb16_odd(upper))
        if p > 0:
            for c in par(C4):
                for j in par(4):
                    for ow in par(OW):
                        bias = scale[4 * c + j, 0]
                        acc = bias
                        acc_low = bias
                        for kw in seq(KW):
                            first = rows[(c * PW + ow + kw) * 4 + j, 0]
                            second = rows[(c * PW + ow + kw) * 4 + j, 1]
                            taps = w[4 * c + j, kw, 0]
                            taps_low = w[4 * c + j, kw, 1]
                            acc = smlad(first, taps, acc)
                            acc = smlabt(second, taps_low, acc)
                            acc_low = smlatb(first, taps, acc_low)
                            acc_low = smlad(second, taps_low, acc_low)
                        multiplier = scale[4 * c + j, 1]
                        rounding = scale[4 * c + j, 2]
                        right = scale[4 * c + j, 3]
                        y[2 * p - 2, ow, 4 * c + j] = wrap(i8, clamp(scaled(acc, multiplier, rounding, right), lo, hi))
                        y[2 * p - 1, ow, 4 * c + j] = wrap(
                            i8, clamp(scaled(acc_low, multiplier, rounding, right), lo, hi)
                        )
