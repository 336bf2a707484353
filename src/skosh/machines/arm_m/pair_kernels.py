"""Rows times filters, two products an instruction: for machines with 16-bit pairs in a register (Cortex-M4, M7, M33).

SXTB16 takes a word of four int8 apart into elements 0 and 2, and 1 and 3. Two filters lie interleaved to fit: a word holds
elements 0 and 2 of both, the next one elements 1 and 3. What is left of K below four is done one by one.
"""

from __future__ import annotations

from skosh.language import clamp, kernel, par, seq, widen, word, wrap
from skosh.machines.arm_m.instructions import smlad, sxtb16, sxtb16_odd
from skosh.ops.layers.gemm import gather_patches


@kernel
def matmul_pairs(
    x: i8[M, K], w: i8[N2, Q, 8], bias: i32[2 * N2], multiplier: i32[(2 * N2 - 1) * P + 1],
    right: i8[(2 * N2 - 1) * P + 1], y: i8[M, N],
    *, rescale: function, P, R, even, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped to [lo, hi]; two filters at a time.

    R: K % 4, which the products of a whole word leave.
    """
    for m, n in par(M, N2):
        acc = bias[2 * n]
        acc_odd = bias[2 * n + 1]
        for q in seq(K // 4):
            four = word(x[m, 4 * q])
            first = word(w[n, q, 0])
            second = word(w[n, q, 4])
            acc = smlad(sxtb16(four), sxtb16(first), acc)
            acc_odd = smlad(sxtb16(four), sxtb16_odd(first), acc_odd)
            acc = smlad(sxtb16_odd(four), sxtb16(second), acc)
            acc_odd = smlad(sxtb16_odd(four), sxtb16_odd(second), acc_odd)
        for j in seq(R):
            acc += widen(x[m, K // 4 * 4 + j]) * widen(w[n, K // 4, j % 2 * 4 + j // 2 * 2])
            acc_odd += widen(x[m, K // 4 * 4 + j]) * widen(w[n, K // 4, j % 2 * 4 + j // 2 * 2 + 1])
        scaled = rescale(acc, multiplier[2 * n * P], widen(right[2 * n * P])) + zy
        y[m, 2 * n] = wrap(i8, clamp(scaled, lo, hi))
        if even == 1 or 2 * n + 1 < N:
            scaled_odd = rescale(acc_odd, multiplier[(2 * n + 1) * P], widen(right[(2 * n + 1) * P])) + zy
            y[m, 2 * n + 1] = wrap(i8, clamp(scaled_odd, lo, hi))


@kernel
def conv2d_pairs(
    x: i8[H, W * C], w: i8[N2, Q, 8], bias: i32[2 * N2], multiplier: i32[(2 * N2 - 1) * P + 1],
    right: i8[(2 * N2 - 1) * P + 1], y: i8[OH * OW, N], patch: i8[T, 4 * Q],
    *, rescale: function, P, KH, KW, even, stride_h, stride_w, dilation_h, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution by im2col: T output pixels at a time are gathered as rows (padding is the zero point), then multiplied."""
    for b in seq((OH * OW + T - 1) // T):
        rows = min(T, OH * OW - b * T)
        gather_patches(
            x, patch, W=W, C=C, KH=KH, KW=KW, OW=OW, first=b * T, rows=rows,
            stride_h=stride_h, stride_w=stride_w, dilation_h=dilation_h, top=top, left=left, zx=zx,
        )  # fmt: skip
        for t in seq(rows):
            for i in par(KH * KW * C, 4 * Q):
                patch[t, i] = wrap(i8, 0)
        for m, n in par(rows, N2):
            acc = bias[2 * n]
            acc_odd = bias[2 * n + 1]
            for q in seq(Q):
                four = word(patch[m, 4 * q])
                first = word(w[n, q, 0])
                second = word(w[n, q, 4])
                acc = smlad(sxtb16(four), sxtb16(first), acc)
                acc_odd = smlad(sxtb16(four), sxtb16_odd(first), acc_odd)
                acc = smlad(sxtb16_odd(four), sxtb16(second), acc)
                acc_odd = smlad(sxtb16_odd(four), sxtb16_odd(second), acc_odd)
            scaled = rescale(acc, multiplier[2 * n * P], widen(right[2 * n * P])) + zy
            y[b * T + m, 2 * n] = wrap(i8, clamp(scaled, lo, hi))
            if even == 1 or 2 * n + 1 < N:
                scaled_odd = rescale(acc_odd, multiplier[(2 * n + 1) * P], widen(right[(2 * n + 1) * P])) + zy
                y[b * T + m, 2 * n + 1] = wrap(i8, clamp(scaled_odd, lo, hi))
