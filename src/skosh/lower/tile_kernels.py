"""Rows times filters in register tiles of rows by two filters, for machines with 16-bit pairs in a register.

Rows lie widened and interleaved: step s of the sum holds elements 2s and 2s + 1 of every row of the tile, so one double
load serves two rows. Two filters lie interleaved to fit: their four bytes of a step are one word. The requantization is
in its cheapest exact form: round = 2^(right - 1) + (zero point << right), and 2^31 is never reached.
"""

from __future__ import annotations

from skosh.kernels import clamp, func, kernel, par, seq, word, wrap
from skosh.targets.arm_dsp import smlad, smmulr, sxtb16, sxtb16_odd


@func
def scaled(acc: i32, multiplier: i32, round: i32, right: i32) -> i32:
    """acc * multiplier * 2^-(31 + right), rounded twice, plus the zero point that ``round`` holds; |acc| < 2^30."""
    high = smmulr(acc * 2, multiplier)
    return (high + (high >> 31) + round) >> right


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
            round = scale[n, 3]
            right = scale[n, 4]
            y[t, 2 * n] = wrap(i8, clamp(scaled(acc, multiplier, round, right), lo, hi))
            right_odd = scale[n, 5]
            multiplier_odd = scale[n, 6]
            round_odd = scale[n, 7]
            y[t, 2 * n + 1] = wrap(i8, clamp(scaled(acc_odd, multiplier_odd, round_odd, right_odd), lo, hi))
