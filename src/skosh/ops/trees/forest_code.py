"""Trees as nested ifs: a kernel written by a program, one statement a node, in the same language as all others.

It computes where each tree's way leads as far as the nodes that are written out go: to a leaf, or to a node at which
the table goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from skosh.base.dtypes import DType, bool_, f32, i32, u8
from skosh.ir.graph import Array
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    If,
    Kernel,
    Let,
    Load,
    Param,
    Stmt,
    Store,
    Var,
    While,
)

_NODE = Var("node")

DEEPEST = 60
"""Ifs inside each other: C99 compilers must take 127 nested blocks."""


def written_out(left: Array, right: Array, root: Array, visits: Array, count: int) -> Array:
    """[nodes]: which ones become ifs: ``count`` of the most visited, each with all that lie above it."""
    chosen = np.zeros(len(left), bool)
    level, rounds = root[root >= 0], 0
    rank = np.empty(len(left), np.int64)
    rank[np.lexsort((np.arange(len(left)), -visits))] = np.arange(len(left))
    while level.size and rounds < DEEPEST:
        level = level[rank[level] < count]
        chosen[level] = True
        below = np.concatenate([left[level], right[level]])
        level, rounds = below[below >= 0], rounds + 1
    return chosen


@dataclass(frozen=True, eq=False)
class Nodes:
    """What becomes code. feature, limit (in the order of ``order``), left, right: [nodes]; root: [trees]."""

    x: DType
    features: int
    order: Function
    feature: Array
    limit: Array
    left: Array
    right: Array
    root: Array

    def way(self, n: int, end: Callable[[int], int | None]) -> Body:
        """From node n on: ``node`` becomes what ``end`` says of a child at which the ifs end (None: they go on)."""
        value = end(n)
        if value is not None:
            return (Assign(_NODE, Const(value)),)
        feature: Expr = Load("x", (Const(int(self.feature[n])),), self.x)
        test = Binary("<=", CallExpr(self.order, (feature,), i32), Const(int(self.limit[n])), bool_)
        return (If(test, self.way(int(self.left[n]), end), self.way(int(self.right[n]), end)),)

    def kernel(self, name: str, out: Param, before: Body, after: Callable[[int], Body], end: Callable[[int], int | None],
               doc: str) -> Kernel:  # fmt: skip
        """The ways of all trees, one after the other, ``after`` each what is done with ``node``."""
        body: list[Stmt] = [*before]
        for r, n in enumerate(self.root.tolist()):
            body.append(Let(_NODE, Const(0)) if r == 0 else Assign(_NODE, Const(0)))
            body += [*self.way(n, end), *after(r)]
        rule = " Left where x <= limit" + (", both as bits." if self.x == f32 else ".")
        x = Param("x", self.x, (Const(self.features),))
        return Kernel(f"{name}_{self.x.name}", (x, out), (), (), tuple(body), doc + rule)


def branch_kernel(nodes: Nodes, chosen: Array, place: Array, child: DType) -> Kernel:
    """start[r] = the node of the table with which tree r goes on, or -1 - leaf; the leaf itself where there is no table.

    chosen: [nodes] that are written out; place: [nodes] the number of the others in the table.
    """

    def end(n: int) -> int | None:
        if n < 0:
            return -1 - n if chosen.all() else n
        return None if chosen[n] else int(place[n])

    def store(r: int) -> Body:
        return (Store("start", (Const(r),), _NODE if child == i32 else Cast("wrap", _NODE, child)),)

    out = Param("start", child, (Const(len(nodes.root)),), written=True)
    what = (
        "the leaf of tree r" if chosen.all() else "where tree r leads: -1 - l is leaf l, others are nodes of the table"
    )
    return nodes.kernel("branch", out, (), store, end, f"start[r] = {what}.")


def voting_kernel(nodes: Nodes, classes: int) -> Kernel:
    """y[k] = how many trees vote for class k."""
    zero = For("k", Const(0), Const(classes), (Store("y", (Var("k"),), Const(0)),), par=True)
    more = Binary("+", Load("y", (_NODE,), i32), Const(1), i32)
    out = Param("y", i32, (Const(classes),), written=True)
    return nodes.kernel(
        "vote", out, (zero,), lambda r: (Store("y", (_NODE,), more),), _leaf, "y[k] = votes for class k."
    )


def adding_kernel(nodes: Nodes, value: Array, bias: Array) -> Kernel:
    """y[k] = bias[k] + the values of the leaves that the trees of group k come to. value: [leaves]; bias: [K]."""
    acc, each = Var("acc"), len(nodes.root) // len(bias)

    def after(r: int) -> Body:
        add = Assign(acc, Binary("+", acc, _NODE, i32))
        if (r + 1) % each:
            return (add,)
        k = r // each
        done = Store("y", (Const(k),), acc)
        return (add, done, Assign(acc, Const(int(bias[k + 1])))) if k + 1 < len(bias) else (add, done)

    out = Param("y", i32, (Const(len(bias)),), written=True)
    start = Let(acc, Const(int(bias[0])))
    doc = "y[k] = the sum of what the leaves of group k hold."
    return nodes.kernel("add", out, (start,), after, lambda n: None if n >= 0 else int(value[-1 - n]), doc)


@dataclass(frozen=True, eq=False)
class Rest:
    """The nodes that stay a table, tree after tree. first, depth: [trees], the number of a tree's first one, and how many
    lie above each other; child, limit: types of the table's columns. listed: how many limits there are, if nodes share them
    and name theirs; 0: each node has its own."""

    count: int
    first: Array
    depth: Array
    feature: DType
    limit: DType
    child: DType
    listed: int = 0


def mixed_voting_kernel(nodes: Nodes, chosen: Array, place: Array, rest: Rest, classes: int) -> Kernel:
    """y[k] = how many trees vote for class k: where the ifs of a tree end above its leaves, a loop goes on in the table.

    ``node`` is a class, or ``classes`` plus the number of a node among those of its tree in the table: small numbers, so
    that they fit a byte.
    """
    tree = np.repeat(
        np.arange(len(nodes.root)), np.diff(np.append(rest.first, rest.count))
    )  # of each node in the table
    local = np.arange(rest.count) - rest.first[tree] + classes

    def end(n: int) -> int | None:
        if n < 0:
            return -1 - n
        return None if chosen[n] else int(local[place[n]])

    def column(name: str, at: Expr, dtype: DType) -> Expr:
        loaded = Load(name, (at,), dtype)
        return loaded if dtype == i32 else Cast("widen", loaded, i32)

    def after(r: int) -> Body:
        vote = Store("y", (_NODE,), Binary("+", Load("y", (_NODE,), i32), Const(1), i32))
        if not rest.depth[r]:
            return (vote,)
        at = Binary("+", _NODE, Const(int(rest.first[r]) - classes), i32)
        feature = Load("x", (column("feature", at, rest.feature),), nodes.x)
        limit = column("limit", column("which", at, u8) if rest.listed else at, rest.limit)
        test = Binary("<=", CallExpr(nodes.order, (feature,), i32), limit, bool_)
        left, right = (Assign(_NODE, column(side, at, rest.child)) for side in ("left", "right"))
        inside = Binary(">=", _NODE, Const(classes), bool_)
        return (While(inside, Const(int(rest.depth[r])), (If(test, (left,), (right,)),)), vote)

    size = (Const(rest.count),)
    columns = [Param("feature", rest.feature, size), Param("left", rest.child, size), Param("right", rest.child, size)]
    if rest.listed:
        columns += [Param("which", u8, size), Param("limit", rest.limit, (Const(rest.listed),))]
    else:
        columns.append(Param("limit", rest.limit, size))
    zero = For("k", Const(0), Const(classes), (Store("y", (Var("k"),), Const(0)),), par=True)
    out = Param("y", i32, (Const(classes),), written=True)
    doc = f"y[k] = votes for class k. From {classes} on, node is one of the table."
    made = nodes.kernel("vote_mixed", out, (zero,), after, end, doc)
    return replace(made, params=(made.params[0], *columns, out))


def _leaf(n: int) -> int | None:
    return None if n >= 0 else -1 - n
