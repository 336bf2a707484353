"""LSTM cells in the kernel language. Gates lie in ``gates`` as [input, forget, cell, output][S]."""

from __future__ import annotations

from skosh.base.dtypes import i16, i32
from skosh.language import assume, clamp, func, kernel, par, sat, seq, widen, wrap
from skosh.language.mathf import tanh
from skosh.ops.elements.activation_kernels import logistic_f32


@func
def size_of(x: i32) -> i32:
    """|x|, for x > -2^31."""
    return -x if x < 0 else x


@func
def logistic_between(x: i32, low: i32, high: i32) -> i32:
    """2^15 / (1 + e^-x), x in units of 2^-12 / 3: on the line between two entries of the table."""
    a = size_of(x)
    line = (low << 9) + (a & 511) * (high - low)
    line = 33553408 if a >= 130560 else line
    y = (line + 512 if x >= 0 else 33554943 - line) >> 10
    assume(0 <= y <= 32767)  # the table ends at 65535
    return y


@func
def tanh_between(x: i32, low: i32, high: i32) -> i32:
    """2^15 tanh(x), x in units of 2^-12 / 3: on the line between two entries of the table."""
    a = size_of(x)
    line = (low << 8) + (a & 255) * (high - low)
    line = 16776960 if a >= 65280 else line
    y = (line - 8388480 if x >= 0 else 8388735 - line) >> 8
    assume(-32767 <= y <= 32767)
    return y


@kernel
def lstm_integer(
    x: T[ROWS, I], w: i8[4 * S, I], bias: A[4 * S], r: i8[4 * S, S], recurrent_bias: A[4 * S], scaling: i32[4, 2],
    recurrent_scaling: i32[4, 2], table: u16[256], gates: i16[4 * S], hidden: T[B, S], cell: i16[B, S], y: T[ROWS, S],
    *, rescale: function, multiply: function, STEPS, batch_rows, step_rows, mf, sf, ma, sa, mo, so, low, high,
    tanh_multiplier, tanh_half, tanh_right, zh, lo, hi
):  # fmt: skip
    """A sequence through the cells. x and y: row b * batch_rows + t * step_rows is step t of batch b."""
    for b in seq(B):
        for t in seq(STEPS):
            row = b * batch_rows + t * step_rows
            for g, s in par(4, S):
                acc = bias[g * S + s]
                for i in seq(I):
                    acc += A(widen(x[row, i]) * widen(w[g * S + s, i]))
                back = recurrent_bias[g * S + s]
                for k in seq(S):
                    back += A(widen(hidden[b, k]) * widen(r[g * S + s, k]))
                fresh = widen(sat(i16, rescale(acc, scaling[g, 0], scaling[g, 1])))
                past = widen(sat(i16, rescale(back, recurrent_scaling[g, 0], recurrent_scaling[g, 1])))
                v = clamp(fresh + past, -32768, 32767) * 3
                if g == 2:
                    p = min(size_of(v) >> 8, 254)
                    gates[g * S + s] = wrap(i16, tanh_between(v, widen(table[p]), widen(table[p + 1])))
                else:
                    p = min(size_of(v) >> 9, 254)
                    gates[g * S + s] = wrap(i16, logistic_between(v, widen(table[p]), widen(table[p + 1])))
            for s1 in par(S):
                kept = widen(sat(i16, multiply(widen(gates[S + s1]) * widen(cell[b, s1]), mf, sf)))
                added = widen(sat(i16, multiply(widen(gates[s1]) * widen(gates[2 * S + s1]), ma, sa)))
                c = clamp(kept + added, low, high)
                cell[b, s1] = wrap(i16, c)
                u = (c * tanh_multiplier + tanh_half) >> tanh_right
                q = min(size_of(u) >> 8, 254)
                squashed = tanh_between(u, widen(table[q]), widen(table[q + 1]))
                h = clamp(multiply(squashed * widen(gates[3 * S + s1]), mo, so), lo - zh, hi - zh) + zh
                hidden[b, s1] = wrap(T, h)
                y[row, s1] = wrap(T, h)


@kernel
def lstm_f32(
    x: f32[ROWS, I], w: f32[4 * S, I], bias: f32[4 * S], r: f32[4 * S, S], gates: f32[4 * S], hidden: f32[B, S],
    cell: f32[B, S], y: f32[ROWS, S], clip: f32, *, STEPS, batch_rows, step_rows
):  # fmt: skip
    """A sequence through the cells. x and y: row b * batch_rows + t * step_rows is step t of batch b."""
    for b in seq(B):
        for t in seq(STEPS):
            row = b * batch_rows + t * step_rows
            for g, s in par(4, S):
                acc = 0.0
                for i in seq(I):
                    acc += x[row, i] * w[g * S + s, i]
                back = 0.0
                for k in seq(S):
                    back += hidden[b, k] * r[g * S + s, k]
                total = acc + bias[g * S + s] + back
                if g == 2:
                    gates[g * S + s] = tanh(total)
                else:
                    gates[g * S + s] = logistic_f32(total)
            for s1 in par(S):
                c = gates[S + s1] * cell[b, s1] + gates[s1] * gates[2 * S + s1]
                c = max(min(c, clip), -clip)
                cell[b, s1] = c
                h = tanh(c) * gates[3 * S + s1]
                hidden[b, s1] = h
                y[row, s1] = h
