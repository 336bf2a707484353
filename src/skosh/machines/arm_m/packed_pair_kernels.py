"""The kernels of ``pair_kernels`` for weights of 4 or 2 bits, at the same price: a mask makes four weights of a word.

A word of weights holds, in each of its bytes, the weights of 8 / BITS places from the highest bits down: with 4 bits, elements
0 and 2 of two filters above elements 1 and 3. Shifted left and masked, the top bits of each byte are 2^(8 - BITS) times the
weight, signed: no more is needed than SXTB16 does anyway. ``half`` sets the bit below, which makes weights odd numbers in half
steps. So all sums are 2^S times as large; ``acc >> S`` is exact.
"""

from __future__ import annotations

from skosh.language import clamp, func, kernel, par, seq, widen, word, wrap
from skosh.machines.arm_m.instructions import smlad, sxtb16, sxtb16_odd


@func
def top_fields(fields: u32, shift: i32, mask: u32, half: u32) -> u32:
    """The fields that ``shift`` brings to the top of each byte, and nothing below but ``half``."""
    return ((fields << shift) & mask) | half


@kernel
def matmul_packed_pairs(
    x: i8[M, K], w: i8[N2, Q, 4], bias: i32[2 * N2], multiplier: i32[(2 * N2 - 1) * P + 1],
    right: i8[(2 * N2 - 1) * P + 1], y: i8[M, N], mask: u32, half: u32,
    *, rescale: function, P, BITS, J, R, S, even, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(sum >> S) + zy, clamped to [lo, hi]; two filters at a time, 4 * J elements a word of weights.

    R: K % (4 * J), which whole words leave.
    """
    for m, n in par(M, N2):
        acc = bias[2 * n]
        acc_odd = bias[2 * n + 1]
        for q in seq(K // (4 * J)):
            fields = word(w[n, q, 0])
            four = word(x[m, 4 * J * q])
            first = top_fields(fields, 0, mask, half)
            second = top_fields(fields, BITS, mask, half)
            acc = smlad(sxtb16(four), sxtb16(first), acc)
            acc_odd = smlad(sxtb16(four), sxtb16_odd(first), acc_odd)
            acc = smlad(sxtb16_odd(four), sxtb16(second), acc)
            acc_odd = smlad(sxtb16_odd(four), sxtb16_odd(second), acc_odd)
            if J == 2:
                next_four = word(x[m, 4 * J * q + 4])
                third = top_fields(fields, 2 * BITS, mask, half)
                fourth = top_fields(fields, 3 * BITS, mask, half)
                acc = smlad(sxtb16(next_four), sxtb16(third), acc)
                acc_odd = smlad(sxtb16(next_four), sxtb16_odd(third), acc_odd)
                acc = smlad(sxtb16_odd(next_four), sxtb16(fourth), acc)
                acc_odd = smlad(sxtb16_odd(next_four), sxtb16_odd(fourth), acc_odd)
        for r in seq(R):
            fields = word(w[n, K // (4 * J), 0])
            brought = top_fields(fields, (r // 4 * 2 + r % 2) * BITS, mask, half) >> (r % 4 // 2 * 16)
            tap = widen(x[m, K // (4 * J) * (4 * J) + r])
            acc += tap * widen(wrap(i8, brought))
            acc_odd += tap * widen(wrap(i8, brought >> 8))
        scaled = rescale(acc >> S, multiplier[2 * n * P], widen(right[2 * n * P])) + zy
        y[m, 2 * n] = wrap(i8, clamp(scaled, lo, hi))
        if even == 1 or 2 * n + 1 < N:
            scaled_odd = rescale(acc_odd >> S, multiplier[(2 * n + 1) * P], widen(right[(2 * n + 1) * P])) + zy
            y[m, 2 * n + 1] = wrap(i8, clamp(scaled_odd, lo, hi))


@kernel
def conv2d_packed_pairs(
    x: i8[H, W * C], w: i8[N2, Q, 4], bias: i32[2 * N2], multiplier: i32[(2 * N2 - 1) * P + 1],
    right: i8[(2 * N2 - 1) * P + 1], y: i8[OH * OW, N], patch: i8[T, 4 * J * Q], mask: u32, half: u32,
    *, rescale: function, P, BITS, J, S, KH, KW, even, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
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
            for i in par(KH * KW * C, 4 * J * Q):
                patch[t, i] = wrap(i8, 0)
        for m, n in par(rows, N2):
            acc = bias[2 * n]
            acc_odd = bias[2 * n + 1]
            for q in seq(Q):
                fields = word(w[n, q, 0])
                four = word(patch[m, 4 * J * q])
                first = top_fields(fields, 0, mask, half)
                second = top_fields(fields, BITS, mask, half)
                acc = smlad(sxtb16(four), sxtb16(first), acc)
                acc_odd = smlad(sxtb16(four), sxtb16_odd(first), acc_odd)
                acc = smlad(sxtb16_odd(four), sxtb16(second), acc)
                acc_odd = smlad(sxtb16_odd(four), sxtb16_odd(second), acc_odd)
                if J == 2:
                    next_four = word(patch[m, 4 * J * q + 4])
                    third = top_fields(fields, 2 * BITS, mask, half)
                    fourth = top_fields(fields, 3 * BITS, mask, half)
                    acc = smlad(sxtb16(next_four), sxtb16(third), acc)
                    acc_odd = smlad(sxtb16(next_four), sxtb16_odd(third), acc_odd)
                    acc = smlad(sxtb16_odd(next_four), sxtb16(fourth), acc)
                    acc_odd = smlad(sxtb16_odd(next_four), sxtb16_odd(fourth), acc_odd)
            scaled = rescale(acc >> S, multiplier[2 * n * P], widen(right[2 * n * P])) + zy
            y[b * T + m, 2 * n] = wrap(i8, clamp(scaled, lo, hi))
            if even == 1 or 2 * n + 1 < N:
                scaled_odd = rescale(acc_odd >> S, multiplier[(2 * n + 1) * P], widen(right[(2 * n + 1) * P])) + zy
                y[b * T + m, 2 * n + 1] = wrap(i8, clamp(scaled_odd, lo, hi))
