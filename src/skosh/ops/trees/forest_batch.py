"""Many rows through a forest at once: for computers with caches and wide registers, where one row leaves most of them idle.

Two ways, both without a branch that data decide. Bit vectors (Lucchese, Nardini, Orlando, Perego, Tonellotto, Venturini,
"QuickScorer", SIGIR 2015): each node that sends a row right strikes out the leaves on its left, and the first leaf that is
left is the row's; a node is one comparison for as many rows as a register holds. Here nodes are in the order of the trees,
so that a tree's bits stay in registers. Steps: all rows go down a tree together, a leaf leads to itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, i32, u8, u16
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array
from skosh.ir.kernel import Function
from skosh.language import bits, call, kernel, par, seq, widen, wrap
from skosh.ops.trees.forest_constants import const, smallest

BITS = 31
"""Leaves that the bits of an i32 can stand for, the sign left alone."""

STEP = 10
"""What a step down costs for a row, in comparisons of bit vectors; measured on x86-64 with AVX2."""


@kernel
def turn(x: X[M, F], t: i32[F, M], *, order: function):
    """t[f, m] = order(x[m, f]): the rows side by side."""
    for f, m in par(F, M):
        t[f, m] = order(x[m, f])


@kernel
def exit_leaves(
    t: i32[F, M], feature: A[S], limit: i32[S], keep: i32[S], start: i32[R + 1], live: i32[M], leaf: u8[R, M]
):
    """leaf[r, m] = the leaf of tree r, from left to right, that row m comes to. keep: the leaves not on a node's left."""
    for r in seq(R):
        for m in par(M):
            live[m] = 2147483647
        for n in seq(start[r], start[r + 1]):
            f = widen(feature[n])
            bound = limit[n]
            kept = keep[n]
            for m in par(M):
                live[m] = live[m] & (kept if t[f, m] > bound else 2147483647)
        for m in par(M):
            first = live[m] & -live[m]
            leaf[r, m] = wrap(u8, (bits(f32(first)) >> 23) - 127)


@kernel
def step_down(
    x: X[M, F], feature: A[S], limit: I[S], child: B[2 * S], root: B[R], rounds: u16[R], node: i32[M], leaf: B[R, M],
    *, order: function, inner
):  # fmt: skip
    """leaf[r, m] = the leaf of tree r that row m comes to; from ``inner`` on nodes are leaves and lead to themselves."""
    for r in seq(R):
        for m in par(M):
            node[m] = widen(root[r])
        for _round in seq(widen(rounds[r])):
            for m in par(M):
                n = node[m]
                right = 1 if order(x[m, widen(feature[n])]) > widen(limit[n]) else 0
                node[m] = widen(child[2 * n + right])
        for m in par(M):
            leaf[r, m] = wrap(B, node[m] - inner)


@kernel
def step_down_sided(
    x: f32[M, F], feature: A[S], limit: i32[S], child: B[2 * S], root: B[R], rounds: u16[R], node: i32[M], leaf: B[R, M],
    *, order: function, inner
):  # fmt: skip
    """The same where values may be missing: feature[n] is twice the feature, plus 1 where NaN goes left."""
    for r in seq(R):
        for m in par(M):
            node[m] = widen(root[r])
        for _round in seq(widen(rounds[r])):
            for m in par(M):
                n = node[m]
                sided = widen(feature[n])
                right = 1 if order(x[m, sided >> 1], sided & 1) > limit[n] else 0
                node[m] = widen(child[2 * n + right])
        for m in par(M):
            leaf[r, m] = wrap(B, node[m] - inner)


@kernel
def count_votes_of_rows(leaf: B[R, M], first: i32[R], label: V[L], y: i32[M, K]):
    """y[m, k] = how many trees came to a leaf of class k with row m. Leaf l of tree r is number first[r] + l."""
    for m, k in par(M, K):
        y[m, k] = 0
    for r in seq(R):
        for m in seq(M):
            y[m, widen(label[first[r] + widen(leaf[r, m])])] += 1


@kernel
def sum_rows_of_rows(leaf: B[R, M], first: i32[R], row: N[L], value: V[W, K], bias: i32[K], y: i32[M, K]):
    """y[m] = bias + the sum over trees of value[row of the leaf]."""
    for m, k in par(M, K):
        y[m, k] = bias[k]
    for r in seq(R):
        for m in seq(M):
            w = widen(row[first[r] + widen(leaf[r, m])])
            for k in par(K):
                y[m, k] += widen(value[w, k])


@kernel
def sum_groups_of_rows(leaf: B[K * R, M], first: i32[K * R], value: V[L], bias: i32[K], acc: i32[M], y: i32[M, K]):
    """y[m, k] = bias[k] + the sum over trees of group k of their leaves' values."""
    for k in seq(K):
        for m in par(M):
            acc[m] = bias[k]
        for r in seq(R):
            at = first[k * R + r]
            for m in par(M):
                acc[m] += widen(value[at + widen(leaf[k * R + r, m])])
        for m in par(M):
            y[m, k] = acc[m]


@dataclass(frozen=True, eq=False)
class Trees:
    """A forest's constants as ``ops.forest.Forest`` has them, its limits in the order of ``order``."""

    x: DType
    features: int
    order: Function
    sums: str
    sided: bool
    feature: Array
    limit: Array
    left: Array
    right: Array
    missing: Array
    root: Array
    value: Array
    bias: Array


def batch_calls(t: Trees, rows: int, shared: bool) -> tuple[Call, ...]:
    """The kernels for so many rows. shared: several ways lead to some node."""
    found = None if shared or t.sided else bit_vectors(t)
    if found is not None and len(t.feature) <= STEP * int(_rounds(t).sum()):
        return _by_bits(t, found, rows)
    return _by_steps(t, rows)


@dataclass(frozen=True, eq=False)
class BitVectors:
    """nodes: in the order of their trees; keep: [nodes] bits; start: [trees + 1] in nodes; leaf: the leaves of all trees, from
    left to right, as the forest numbers them; first: [trees] in leaf."""

    nodes: Array
    keep: Array
    start: Array
    leaf: Array
    first: Array


def bit_vectors(t: Trees) -> BitVectors | None:
    """None where a tree has more leaves than there are bits."""
    nodes: list[int] = []
    keep: list[int] = []
    leaf: list[int] = []
    start, first = [0], []
    for root in t.root.tolist():
        first.append(len(leaf))
        waiting: list[tuple[int, bool]] = [(root, False)]
        begun: dict[int, int] = {}
        while waiting:  # from left to right: a node comes up again when its left side is done
            n, between = waiting.pop()
            if n < 0:
                leaf.append(-1 - n)
                if len(leaf) - first[-1] > BITS:
                    return None
                continue
            if not between:
                begun[n] = len(leaf) - first[-1]
                waiting += [(int(t.right[n]), False), (n, True), (int(t.left[n]), False)]
                continue
            low, high = begun[n], len(leaf) - first[-1]
            nodes.append(n)
            keep.append(((1 << BITS) - 1) & ~((1 << high) - (1 << low)))
        start.append(len(nodes))
    return BitVectors(*(np.array(a, np.int64) for a in (nodes, keep, start, leaf, first)))


def _by_bits(t: Trees, b: BitVectors, rows: int) -> tuple[Call, ...]:
    turned, leaf = Scratch(t.features * rows, i32, "turned"), Scratch(len(t.root) * rows, u8, "leaf")
    feature, limit = t.feature[b.nodes], t.limit[b.nodes]
    keep = b.keep
    if not len(b.nodes):  # only leaves: C has no empty arrays
        feature = limit = keep = np.zeros(1, np.int64)
    bound: dict[str, Any] = {
        "t": turned, "feature": const(feature, "feature"), "limit": const(limit, "limit", i32),
        "keep": const(keep, "keep", i32), "start": const(b.start, "start", i32), "live": Scratch(rows, i32, "live"),
        "leaf": leaf, "A": smallest(feature), "F": t.features, "M": rows, "S": len(feature), "R": len(t.root),
    }  # fmt: skip
    return (
        call(turn, x=In(0), t=turned, order=t.order, X=t.x, M=rows, F=t.features),
        call(exit_leaves, **bound),
        _summed(t, leaf, u8, b.leaf, b.first, rows),
    )


def _rounds(t: Trees) -> Array:
    """[trees]: the most nodes on the way down each."""
    out = np.zeros(len(t.root), np.int64)
    at = [np.unique(n[n >= 0]) for n in t.root[:, None]]
    for r, level in enumerate(at):
        while level.size:
            out[r] += 1
            below = np.concatenate([t.left[level], t.right[level]])
            level = np.unique(below[below >= 0])
    return out


def _by_steps(t: Trees, rows: int) -> tuple[Call, ...]:
    inner = len(t.feature)
    leaves = t.bias.size if t.sums == "votes" else len(t.value)
    own = np.arange(inner, inner + leaves)

    def number(c: Array) -> Array:
        return np.where(c < 0, inner - 1 - c, c)

    feature = np.concatenate([2 * t.feature + t.missing if t.sided else t.feature, np.zeros(leaves, np.int64)])
    limit = np.concatenate([t.limit, np.zeros(leaves, np.int64)])
    child = np.stack([np.concatenate([number(c), own]) for c in (t.left, t.right)], axis=1).reshape(-1)
    kind = u16 if inner + leaves <= u16.max else i32
    column = i32 if t.x == f32 else smallest(limit)
    leaf = Scratch(len(t.root) * rows, kind, "leaf")
    bound: dict[str, Any] = {
        "x": In(0), "feature": const(feature, "feature"), "limit": const(limit, "limit", column),
        "child": const(child, "child", kind), "root": const(number(t.root), "root", kind),
        "rounds": const(_rounds(t), "rounds", u16), "node": Scratch(rows, i32, "node"), "leaf": leaf, "order": t.order,
        "A": smallest(feature), "B": kind, "F": t.features, "M": rows, "S": len(feature), "R": len(t.root),
        "inner": inner,
    }  # fmt: skip
    descent = call(step_down_sided, **bound) if t.sided else call(step_down, X=t.x, I=column, **bound)
    return descent, _summed(t, leaf, kind, np.arange(leaves), np.zeros(len(t.root), np.int64), rows)


def _summed(t: Trees, leaf: Scratch, kind: DType, ids: Array, first: Array, rows: int) -> Call:
    """Sums over the leaves. ids: what the forest calls each of the leaves that first[tree] + leaf numbers."""
    common: dict[str, Any] = {
        "leaf": leaf, "first": const(first, "first", i32), "y": Out(0), "B": kind, "L": len(ids), "M": rows,
    }  # fmt: skip
    if t.sums == "votes":
        label = const(ids, "label")
        return call(count_votes_of_rows, label=label, V=smallest(ids), R=len(t.root), K=t.bias.size, **common)
    common |= {"bias": const(t.bias, "bias", i32), "K": t.bias.size, "V": smallest(t.value)}
    if t.sums == "rows":
        row, value = const(ids, "row"), const(t.value, "value")
        return call(sum_rows_of_rows, row=row, value=value, N=smallest(ids), W=len(t.value), R=len(t.root), **common)
    held = t.value[ids]
    common |= {"V": smallest(held), "value": const(held, "value"), "acc": Scratch(rows, i32, "acc")}
    return call(sum_groups_of_rows, R=len(t.root) // t.bias.size, **common)
