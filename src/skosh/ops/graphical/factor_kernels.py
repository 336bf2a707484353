"""Factors in the kernel language: products of up to three, and what is left when one variable is summed or maximized out.

A factor is a table over some variables; the one to go comes last in all of them, so a row of N states lies together.
H * L rows are left: row (h, l) of factor a is row at_a[h] + l * step_a. ``product`` and ``total`` are a semiring's.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i32
from skosh.language import bits, from_bits, kernel, par, seq, widen, wrap


@kernel
def sum_of_1(
    a: T[P, N], at_a: I[H], y: T[H * L], *, step_a, L, zero: T, total: function
):  # fmt: skip
    """y[h, l] = the total of a's row."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        acc = zero
        for s in seq(N):
            acc = total(acc, a[row_a, s])
        y[h * L + l] = acc


@kernel
def sum_of_2(
    a: T[P, N], b: T[Q, N], at_a: I[H], at_b: I[H], y: T[H * L],
    *, step_a, step_b, L, zero: T, product: function, total: function
):  # fmt: skip
    """y[h, l] = the total of the product of two rows."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        acc = zero
        for s in seq(N):
            acc = total(acc, product(a[row_a, s], b[row_b, s]))
        y[h * L + l] = acc


@kernel
def sum_of_3(
    a: T[P, N], b: T[Q, N], c: T[R, N], at_a: I[H], at_b: I[H], at_c: I[H], y: T[H * L],
    *, step_a, step_b, step_c, L, zero: T, product: function, total: function
):  # fmt: skip
    """y[h, l] = the total of the product of three rows."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        row_c = widen(at_c[h]) + l * step_c
        acc = zero
        for s in seq(N):
            acc = total(acc, product(product(a[row_a, s], b[row_b, s]), c[row_c, s]))
        y[h * L + l] = acc


@kernel
def sum_within_1(
    a: T[P, N], at_a: I[H], span: i32[2], y: T[H * L], *, step_a, L, zero: T, total: function
):  # fmt: skip
    """y[h, l] = the total over the states of the span of a's row."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        acc = zero
        for s in seq(span[0], span[1]):
            acc = total(acc, a[row_a, s])
        y[h * L + l] = acc


@kernel
def sum_within_2(
    a: T[P, N], b: T[Q, N], at_a: I[H], at_b: I[H], span: i32[2], y: T[H * L],
    *, step_a, step_b, L, zero: T, product: function, total: function
):  # fmt: skip
    """y[h, l] = the total over the states of the span of the product of two rows."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        acc = zero
        for s in seq(span[0], span[1]):
            acc = total(acc, product(a[row_a, s], b[row_b, s]))
        y[h * L + l] = acc


@kernel
def sum_within_3(
    a: T[P, N], b: T[Q, N], c: T[R, N], at_a: I[H], at_b: I[H], at_c: I[H], span: i32[2], y: T[H * L],
    *, step_a, step_b, step_c, L, zero: T, product: function, total: function
):  # fmt: skip
    """y[h, l] = the total over the states of the span of the product of three rows."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        row_c = widen(at_c[h]) + l * step_c
        acc = zero
        for s in seq(span[0], span[1]):
            acc = total(acc, product(product(a[row_a, s], b[row_b, s]), c[row_c, s]))
        y[h * L + l] = acc


@kernel
def max_of_1(a: T[P, N], at_a: I[H], y: T[H * L], best: B[H * L], *, step_a, L):
    """y[h, l] = the largest of a's row, best[h, l] = its state, the first of several."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        largest = a[row_a, 0]
        state = 0
        for s in seq(1, N):
            value = a[row_a, s]
            if value > largest:
                largest = value
                state = s
        y[h * L + l] = largest
        best[h * L + l] = wrap(B, state)


@kernel
def max_of_2(
    a: T[P, N], b: T[Q, N], at_a: I[H], at_b: I[H], y: T[H * L], best: B[H * L], *, step_a, step_b, L, product: function
):
    """y[h, l] = the largest product of two rows, best[h, l] = its state, the first of several."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        largest = product(a[row_a, 0], b[row_b, 0])
        state = 0
        for s in seq(1, N):
            value = product(a[row_a, s], b[row_b, s])
            if value > largest:
                largest = value
                state = s
        y[h * L + l] = largest
        best[h * L + l] = wrap(B, state)


@kernel
def max_of_3(
    a: T[P, N], b: T[Q, N], c: T[R, N], at_a: I[H], at_b: I[H], at_c: I[H], y: T[H * L], best: B[H * L],
    *, step_a, step_b, step_c, L, product: function
):  # fmt: skip
    """y[h, l] = the largest product of three rows, best[h, l] = its state, the first of several."""
    for h, l in par(H, L):
        row_a = widen(at_a[h]) + l * step_a
        row_b = widen(at_b[h]) + l * step_b
        row_c = widen(at_c[h]) + l * step_c
        largest = product(product(a[row_a, 0], b[row_b, 0]), c[row_c, 0])
        state = 0
        for s in seq(1, N):
            value = product(product(a[row_a, s], b[row_b, s]), c[row_c, s])
            if value > largest:
                largest = value
                state = s
        y[h * L + l] = largest
        best[h * L + l] = wrap(B, state)


@kernel
def scale_to_one(y: f32[N]):
    """y times a power of two, exact, such that its largest element is in [1, 2): small numbers never get lost on the way."""
    largest = 0.0
    for i in seq(N):
        largest = max(largest, y[i])
    exponent = min(bits(largest) >> 23, 253)
    if largest > 0.0 and exponent != 127:
        factor = from_bits((254 - exponent) << 23)
        for i in par(N):
            y[i] = y[i] * factor


@kernel
def read_evidence(evidence: i32[E], states: i32[E], span: i32[E, 2], status: i32[1], *, missing, bad):
    """span[e] = the states [from, to) that the evidence leaves to variable e: one, or all when it was not observed (-1).

    status = bad when a number is no state; -1 is one only where missing is 1.
    """
    found = 0
    for e in seq(E):
        state = evidence[e]
        if state >= 0 and state < states[e]:
            span[e, 0] = state
            span[e, 1] = state + 1
        else:
            span[e, 0] = 0
            span[e, 1] = states[e]
            if state != -1 or missing == 0:
                found = bad
    status[0] = found


@kernel
def condition(table: T[R, L], span: i32[E, 2], which: i32[K], states: i32[K], y: T[L]):
    """y = the row of the table that the observed states of K variables name, the last one counting fastest."""
    row = 0
    for k in seq(K):
        row = row * states[k] + span[which[k], 0]
    for l in par(L):
        y[l] = table[row, l]


@kernel
def normalize(
    p: T[N], status: i32[1], y: f32[N], after: i32[1],
    *, zero: T, nothing: T, nan: f32, impossible, total: function, ratio: function
):  # fmt: skip
    """y = p over its total. Where that is nothing, or the status already tells of something, y is NaN."""
    acc = zero
    for n in seq(N):
        acc = total(acc, p[n])
    found = status[0]
    if found == 0 and acc <= nothing:
        found = impossible
    after[0] = found
    if found == 0:
        for n in par(N):
            y[n] = ratio(p[n], acc)
    else:
        for n in par(N):
            y[n] = nan


@kernel
def back_track(best: B[N], states: i32[Q], which: i32[K], stride: i32[K], out: i32[Q], *, place):
    """out = states, with states[place] the best one given those that were decided before."""
    row = 0
    for k in seq(K):
        row += states[which[k]] * stride[k]
    for q in par(Q):
        out[q] = states[q]
    out[place] = widen(best[row])


@kernel
def decide(states: i32[Q], value: T[1], status: i32[1], y: i32[Q], after: i32[1], *, nothing: T, impossible):
    """y = states, or -1 where even the best value is nothing or the status tells of something."""
    found = status[0]
    if found == 0 and value[0] <= nothing:
        found = impossible
    for q in par(Q):
        y[q] = states[q] if found == 0 else -1
    after[0] = found
