"""The way down a tree, and the sums over the leaves that trees come to.

A node is a place in arrays: feature, limit (what the feature is compared with), left and right child. A child >= 0 is a
node, -1 - l is leaf l. Comparisons are between integers: ``order`` maps a feature to an i32 of the same order.
"""

from __future__ import annotations

from skosh.base.dtypes import f32, i8, i16, i32, u8
from skosh.language import bits, bounded, func, kernel, par, seq, widen, wrap

LARGEST = 2147483647
SMALLEST = -2147483648


@func
def raw_bits(x: f32) -> i32:
    """x as an integer that compares with the bits of numbers >= 0 as x does with the numbers."""
    return bits(x)


@func
def ordered_bits(x: f32) -> i32:
    """x as an integer of the same order: the lower 31 bits of negative numbers flipped."""
    b = bits(x)
    return b ^ ((b >> 31) & LARGEST)


@func
def sided_bits(x: f32, side: i32) -> i32:
    """ordered_bits(x); for NaN what goes left (side 1) or right (side 0) whatever it is compared with."""
    b = bits(x)
    key = b ^ ((b >> 31) & LARGEST)
    if (b & LARGEST) > 2139095040:
        key = SMALLEST if side > 0 else LARGEST
    return key


@func
def integer_i8(x: i8) -> i32:
    return widen(x)


@func
def integer_u8(x: u8) -> i32:
    return widen(x)


@func
def integer_i16(x: i16) -> i32:
    return widen(x)


@kernel
def descend(
    x: X[F], feature: A[S], limit: I[S], left: B[S], right: B[S], root: B[R], leaf: B[R], *, order: function, D
):
    """leaf[r] = the leaf that tree r, at most D nodes deep, comes to: left where order(x[feature]) <= limit."""
    for r in par(R):
        node = widen(root[r])
        while bounded(node >= 0, D):
            if order(x[widen(feature[node])]) <= widen(limit[node]):
                node = widen(left[node])
            else:
                node = widen(right[node])
        leaf[r] = wrap(B, -1 - node)


@kernel
def descend_listed(
    x: X[F], feature: A[S], which: u8[S], limit: I[V], left: B[S], right: B[S], root: B[R], leaf: B[R],
    *, order: function, D
):  # fmt: skip
    """The same with limits that many nodes share: node n compares with limit[which[n]]."""
    for r in par(R):
        node = widen(root[r])
        while bounded(node >= 0, D):
            if order(x[widen(feature[node])]) <= widen(limit[widen(which[node])]):
                node = widen(left[node])
            else:
                node = widen(right[node])
        leaf[r] = wrap(B, -1 - node)


@kernel
def descend_sided(
    x: f32[F], feature: A[S], limit: i32[S], left: B[S], right: B[S], root: B[R], leaf: B[R], *, order: function, D
):
    """The same where values may be missing (NaN): feature[n] is twice the feature, plus 1 where NaN goes left."""
    for r in par(R):
        node = widen(root[r])
        while bounded(node >= 0, D):
            sided = widen(feature[node])
            if order(x[sided >> 1], sided & 1) <= limit[node]:
                node = widen(left[node])
            else:
                node = widen(right[node])
        leaf[r] = wrap(B, -1 - node)


@kernel
def count_votes(leaf: B[R], y: i32[K]):
    """y[k] = how many trees came to leaf k: leaves are classes here."""
    for k in par(K):
        y[k] = 0
    for r in seq(R):
        y[widen(leaf[r])] += 1


@kernel
def sum_rows(leaf: B[R], value: V[L, K], bias: i32[K], y: i32[K]):
    """y[k] = bias[k] + sum over trees r of value[leaf[r], k]."""
    for k in par(K):
        acc = bias[k]
        for r in seq(R):
            acc += widen(value[widen(leaf[r]), k])
        y[k] = acc


@kernel
def sum_groups(leaf: B[K * R], value: V[L], bias: i32[K], y: i32[K]):
    """y[k] = bias[k] + sum over trees r of group k of value[leaf[k, r]]."""
    for k in par(K):
        acc = bias[k]
        for r in seq(R):
            acc += widen(value[widen(leaf[k * R + r])])
        y[k] = acc
