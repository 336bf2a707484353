"""Trees as tables in which a child is a byte: nodes are numbered within their tree, and one loop goes down all trees and
adds up what it finds.

A byte below ``leaves`` is a leaf: a class where leaves are votes, else the number of one among those of its tree. From
there on it is a node of the tree. So a node takes a byte for each child, whatever the forest's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, bool_, f32, i32, u8
from skosh.ir.call import Call, In, Out
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
from skosh.ops.trees.forest_constants import const, smallest

BYTE = 256
Columns = dict[str, tuple[Array, DType | None]]
_NODE, _AT, _ROOT = Var("node"), Var("at"), Var("r")


@dataclass(frozen=True, eq=False)
class Tables:
    """A forest whose ``limit`` is in the order of ``order``. tree: [nodes], the one that each node is of, ascending.

    column: the type in which limits are kept; shared: (distinct limits, which of them each node has), or None.
    """

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
    tree: Array
    column: DType
    shared: tuple[Array, Array] | None
    deepest: int


def local_calls(t: Tables) -> tuple[Call, ...] | None:
    """One kernel for the whole forest; None where some tree is too large for bytes."""
    counts = np.bincount(t.tree, minlength=len(t.root))
    if t.sums == "votes":
        ids, leaves, held, first_leaf = None, len(t.bias), 0, None
    else:
        ids, first_leaf = _leaves_of_trees(t)
        held, leaves = len(ids), int(np.diff(np.append(first_leaf, len(ids))).max())
    if leaves + counts.max(initial=0) > BYTE:
        return None
    start = np.cumsum(counts) - counts
    local = np.arange(len(t.tree)) - start[t.tree] + leaves

    def child(c: Array, tree: Array) -> Array:
        if t.sums == "votes":
            leaf = -1 - c
        else:
            assert ids is not None and first_leaf is not None, "leaves of trees are numbered"
            leaf = _place_of(ids, first_leaf, -1 - c, tree)
        return np.where(c < 0, leaf, local[np.maximum(c, 0)] if len(local) else 0)

    every = np.arange(len(t.root))
    data: Columns = {
        "feature": (2 * t.feature + t.missing if t.sided else t.feature, None),
        "limit": (t.limit, t.column) if t.shared is None else (t.shared[0], t.column),
        "left": (child(t.left, t.tree), u8), "right": (child(t.right, t.tree), u8),
        "root": (child(t.root, every), u8), "first": (start, None),
    }  # fmt: skip
    if t.shared is not None:
        data["which"] = t.shared[1], u8
    if ids is not None and first_leaf is not None:
        data["value"] = t.value[ids], None
        data["first_leaf"] = first_leaf, None
        data["bias"] = t.bias, i32
    constants: dict[str, Any] = {}
    types = {}
    for name, (values, dtype) in data.items():
        filled = values if values.size else np.zeros(1, np.int64)
        types[name] = dtype or smallest(filled)
        constants[name] = const(filled, name, types[name])
    made = _kernel(t, types, leaves, held, {n: len(c.data) for n, c in constants.items()})
    return (Call(made, {"x": In(0), **constants, "y": Out(0)}),)


def _leaves_of_trees(t: Tables) -> tuple[Array, Array]:
    """(the leaf of the forest that each number of a tree's leaves is, tree after tree; the first number of each tree)."""
    tree = np.concatenate([t.tree, t.tree, np.arange(len(t.root))])
    child = np.concatenate([t.left, t.right, t.root])
    ends = child < 0
    pairs = np.unique(np.stack([tree[ends], -1 - child[ends]], axis=1), axis=0)
    return pairs[:, 1], np.searchsorted(pairs[:, 0], np.arange(len(t.root)))


def _place_of(ids: Array, first: Array, leaf: Array, tree: Array) -> Array:
    """The number, within its tree, of a leaf of the forest; ids ascend within each tree."""
    owner = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(ids))))
    width = int(ids.max()) + 1
    wanted = tree * width + np.clip(leaf, 0, width - 1)
    return np.asarray(np.searchsorted(owner * width + ids, wanted) - first[tree])


def _kernel(t: Tables, types: dict[str, DType], leaves: int, held: int, sizes: dict[str, int]) -> Kernel:
    """y[k] = bias[k] + the sum over all trees of what their leaves hold for k."""

    def column(name: str, at: Expr) -> Expr:
        loaded = Load(name, (at,), types[name])
        return loaded if types[name] == i32 else Cast("widen", loaded, i32)

    def plus(a: Expr, b: Expr) -> Expr:
        return Binary("+", a, b, i32)

    def way(r: Expr) -> Body:
        """``node`` becomes the leaf that tree r comes to."""
        feature, limit = column("feature", _AT), column("limit", column("which", _AT) if t.shared else _AT)
        x = Load("x", (Binary(">>", feature, Const(1), i32) if t.sided else feature,), t.x)
        args: tuple[Expr, ...] = (x, Binary("&", feature, Const(1), i32)) if t.sided else (x,)
        test = Binary("<=", CallExpr(t.order, args, i32), limit, bool_)
        turns = If(test, (Assign(_NODE, column("left", _AT)),), (Assign(_NODE, column("right", _AT)),))
        step: Body = (Let(_AT, plus(Var("base"), _NODE)), turns)
        base = Let(Var("base"), Binary("-", column("first", r), Const(leaves), i32))
        loop = While(Binary(">=", _NODE, Const(leaves), bool_), Const(t.deepest), step)
        return (Let(_NODE, column("root", r)), base, loop)

    classes, trees = Const(len(t.bias)), Const(len(t.root))
    body: tuple[Stmt, ...]
    if t.sums == "votes":
        vote = Store("y", (_NODE,), plus(Load("y", (_NODE,), i32), Const(1)))
        body = (
            For("k", Const(0), classes, (Store("y", (Var("k"),), Const(0)),), par=True),
            For("r", Const(0), trees, (*way(_ROOT), vote), par=False),
        )
    elif t.sums == "groups":
        acc, each = Var("acc"), len(t.root) // len(t.bias)
        number = plus(Binary("*", Var("k"), Const(each), i32), _ROOT) if len(t.bias) > 1 else _ROOT
        held_there = column("value", plus(column("first_leaf", Var("t")), _NODE))
        add = Assign(acc, plus(acc, held_there))
        inner = For("r", Const(0), Const(each), (Let(Var("t"), number), *way(Var("t")), add), par=False)
        store = Store("y", (Var("k"),), acc)
        body = (For("k", Const(0), classes, (Let(acc, column("bias", Var("k"))), inner, store), par=False),)
    else:
        k, row = Var("k"), Let(Var("row"), plus(column("first_leaf", _ROOT), _NODE))
        loaded = Load("value", (Var("row"), k), types["value"])
        more = plus(Load("y", (k,), i32), loaded if types["value"] == i32 else Cast("widen", loaded, i32))
        body = (
            For("k", Const(0), classes, (Store("y", (k,), column("bias", k)),), par=True),
            For("r", Const(0), trees, (*way(_ROOT), row,
                For("k", Const(0), classes, (Store("y", (k,), more),), par=True)), par=False),
        )  # fmt: skip

    def shape(name: str) -> tuple[Expr, ...]:
        return (Const(held), classes) if name == "value" and t.sums == "rows" else (Const(sizes[name]),)

    columns = tuple(Param(name, dtype, shape(name)) for name, dtype in types.items())
    x, out = Param("x", t.x, (Const(t.features),)), Param("y", i32, (classes,), written=True)
    rule = "Left where x <= limit" + (", both as integers of the same order" if t.x == f32 else "")
    what = "votes for class k" if t.sums == "votes" else "bias[k] + the sum of what the trees' leaves hold for k"
    doc = f"y[k] = {what}. {rule}. A child below {leaves} is a leaf, {leaves} is the tree's first node."
    name = f"forest_{t.sums}" + ("_sided" if t.sided else "_listed" if t.shared else "")
    return Kernel(f"{name}_{t.x.name}", (x, *columns, out), (), (), body, doc)
