"""int16 inputs times int8 filters, two products an instruction: for machines with pairs of 16 bits in a register.

A filter's bytes lie in the order 0, 2, 1, 3, four by four: SXTB16 then gives elements 0 and 1 as a pair, and 2 and 3.
"""

from __future__ import annotations

from skosh.language import clamp, kernel, par, seq, widen, word, wrap
from skosh.machines.arm_m.instructions import smlad, sxtb16, sxtb16_odd


@kernel
def dense_wide_pairs(
    x: i16[M, K], w: i8[N, Q, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i16[M, N],
    *, rescale: function, P, R, zy, lo, hi
):  # fmt: skip
    """A dense layer of inputs with zero point 0, whose sums fit 32 bits. R: K % 4, which whole words leave."""
    for m, n in par(M, N):
        acc = bias[n]
        for q in seq(K // 4):
            weights = word(w[n, q, 0])
            acc = smlad(word(x[m, 4 * q]), sxtb16(weights), acc)
            acc = smlad(word(x[m, 4 * q + 2]), sxtb16_odd(weights), acc)
        for r in seq(R):
            acc += widen(x[m, K // 4 * 4 + r]) * widen(w[n, K // 4, r % 2 * 2 + r // 2])
        y[m, n] = wrap(i16, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))
