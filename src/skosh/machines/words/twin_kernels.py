"""Two products in one multiplication, for machines whose registers hold 32 bits and nothing smaller.

x * (w0 + 65536 w1) is x w0 in the lower half of a word and x w1 in the upper one. Sums of such words keep two sums of
products apart as long as both fit int16. That is proved from the weights, when we compile: G products in a row of each
filter have sum of |w| < 256, and |x| <= 128, so each half stays within 128 * 255 < 2^15, and the word itself, lower +
65536 upper, within 2^31. After each group of G products the halves go to full sums: the lower half sign-extended, and the
upper half of the rest. Requantization takes the cheapest form that is exact for the filters (``lower.staircase``).
"""

from __future__ import annotations

from skosh.language import assume, clamp, func, kernel, par, seq, widen, wrap


@func
def split_rescaled(acc: i32, m1: i32, m0: i32, offset: i32, right: i32, more: i32, low_bits: i32) -> i32:
    """floor((acc * M + offset * 2^low_bits) / 2^(low_bits + right)), M = m1 * 2^low_bits + m0; ``more`` isn't used."""
    return (acc * m1 + ((acc * m0) >> low_bits) + offset) >> right


@func
def signed_rescaled(acc: i32, m1: i32, m0: i32, offset: i32, right: i32, more: i32, low_bits: i32) -> i32:
    """As ``split_rescaled``; the offset has ``more`` where acc < 0."""
    return (acc * m1 + ((acc * m0) >> low_bits) + offset + ((acc >> 31) & more)) >> right


@func
def wide_rescaled(acc: i32, m1: i32, m0: i32, offset: i32, right: i32, more: i32, low_bits: i32) -> i32:
    """(floor(acc * M / 2^16) + offset, with ``more`` where acc < 0) / 2^right, M = m1 * 2^low_bits + m0: acc in two halves."""
    low = acc & 65535
    scaled = (acc >> 16) * ((m1 << low_bits) + m0) + ((low * m1 + ((low * m0) >> low_bits)) >> (16 - low_bits))
    return (scaled + offset + ((acc >> 31) & more)) >> right


@kernel
def quads(
    x: i32[B * G, T], w: i32[N4, B, G, 2], bias: i32[N4, 4], scale: i32[N4, 4 + 4 * F], y: i8[T, N],
    *, rescale: function, low_bits, lo, hi
):  # fmt: skip
    """y[t, n] = rescale(bias[n] + sum over k of x[k, t] * w[n, k]), clamped: four filters at a time, as two words.

    scale: for each filter F words for ``rescale``, and its place in y.
    """
    for n in seq(N4):
        for t in par(T):
            acc0 = bias[n, 0]
            acc1 = bias[n, 1]
            acc2 = bias[n, 2]
            acc3 = bias[n, 3]
            for b in seq(B):
                first = x[b * G, t]
                twin = first * w[n, b, 0, 0]
                other = first * w[n, b, 0, 1]
                for g in seq(1, G):
                    one = x[b * G + g, t]
                    twin += one * w[n, b, g, 0]
                    other += one * w[n, b, g, 1]
                lower = widen(wrap(i16, twin))
                acc0 += lower
                acc1 += (twin - lower) >> 16
                lower2 = widen(wrap(i16, other))
                acc2 += lower2
                acc3 += (other - lower2) >> 16
            value0 = rescale(
                acc0, scale[n, 0], scale[n, 1], scale[n, 2], scale[n, 3], scale[n, F - 1],
                low_bits,
            )  # fmt: skip
            place0 = scale[n, F]
            assume(0 <= place0 < N)
            y[t, place0] = wrap(i8, clamp(value0, lo, hi))
            value1 = rescale(
                acc1, scale[n, 1 + F], scale[n, 2 + F], scale[n, 3 + F], scale[n, 4 + F], scale[n, 2 * F],
                low_bits,
            )  # fmt: skip
            place1 = scale[n, 2 * F + 1]
            assume(0 <= place1 < N)
            y[t, place1] = wrap(i8, clamp(value1, lo, hi))
            value2 = rescale(
                acc2, scale[n, 2 + 2 * F], scale[n, 3 + 2 * F], scale[n, 4 + 2 * F], scale[n, 5 + 2 * F], scale[n, 3 * F + 1],
                low_bits,
            )  # fmt: skip
            place2 = scale[n, 3 * F + 2]
            assume(0 <= place2 < N)
            y[t, place2] = wrap(i8, clamp(value2, lo, hi))
            value3 = rescale(
                acc3, scale[n, 3 + 3 * F], scale[n, 4 + 3 * F], scale[n, 5 + 3 * F], scale[n, 6 + 3 * F], scale[n, 4 * F + 2],
                low_bits,
            )  # fmt: skip
            place3 = scale[n, 4 * F + 3]
            assume(0 <= place3 < N)
            y[t, place3] = wrap(i8, clamp(value3, lo, hi))


@kernel
def matmul_twins(
    x: i8[M, T, K], w: i32[N4, B, G, 2], bias: i32[N4, 4], scale: i32[N4, 4 + 4 * F], y: i8[M, T, N],
    patch: i32[B * G, T],
    *, rescale: function, low_bits, lo, hi
):  # fmt: skip
    """M * T rows times 4 * N4 of N filters, T rows at a time, widened; B * G >= K, and what lies beyond K is zero."""
    for i, j in par(B * G - K, T):
        patch[K + i, j] = 0
    for m in seq(M):
        for t0 in par(T):
            for k in par(K):
                patch[k, t0] = widen(x[m, t0, k])
        quads(patch, w, bias, scale, y[m], F=F, rescale=rescale, low_bits=low_bits, lo=lo, hi=hi)


@kernel
def conv2d_twins(
    x: i8[H, W * C], w: i32[N4, B, G, 2], bias: i32[N4, 4], scale: i32[N4, 4 + 4 * F], y: i8[M, T, N],
    patch: i32[B * G, T],
    *, rescale: function, KH, KW, OW, start, stride_h, stride_w, dilation_h, top, left, zx, low_bits, lo, hi
):  # fmt: skip
    """Convolution by im2col, T output pixels at a time from pixel ``start`` on; B * G >= KH * KW * C."""
    for i, j in par(B * G - KH * KW * C, T):
        patch[KH * KW * C + i, j] = 0
    for m in seq(M):
        for t0 in seq(T):
            oh = (start + m * T + t0) // OW
            ow = start + m * T + t0 - oh * OW
            first = oh * stride_h - top
            column = ow * stride_w - left
            if first >= 0 and first + (KH - 1) * dilation_h < H and 0 <= column <= W - KW:
                for v in par(KH):
                    for k in par(KW * C):
                        patch[v * (KW * C) + k, t0] = widen(x[first + v * dilation_h, column * C + k])
            else:
                before = min(max(-column, 0), KW) * C
                inside = max(min(KW, W - column) * C, before)
                for kh in par(KH):
                    row = first + kh * dilation_h
                    for q in par(KW * C):
                        if 0 <= row < H and before <= q < inside:
                            patch[kh * (KW * C) + q, t0] = widen(x[row, column * C + q])
                        else:
                            patch[kh * (KW * C) + q, t0] = zx
        quads(patch, w, bias, scale, y[m], F=F, rescale=rescale, low_bits=low_bits, lo=lo, hi=hi)
