"""Decision trees, however many: the way down each, and integer sums over the leaves.

Comparisons are exact on integers. float32 numbers have the order of their bits once the lower 31 bits of negative ones
are flipped, so no core needs floats to compare; where no limit is negative the bits serve as they are. Leaves hold
integers (votes, or fixed point with a step that the importer chooses), so a sum doesn't depend on its order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, bool_, f32, i8, i16, i32, u8
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.kernel import Function
from skosh.ir.traits import Traits
from skosh.language import call
from skosh.ops.common import check_constant, check_dtype, given, required
from skosh.ops.trees import forest_kernels as k
from skosh.ops.trees.forest_batch import Trees, batch_calls
from skosh.ops.trees.forest_code import (
    Nodes,
    Rest,
    adding_kernel,
    branch_kernel,
    mixed_voting_kernel,
    voting_kernel,
    written_out,
)
from skosh.ops.trees.forest_constants import const, smallest
from skosh.ops.trees.forest_local import Tables, local_calls

SUMS = ("votes", "rows", "groups")
AUTO = -1
"""``inline`` that leaves the choice to the target and the aim; until then it is a table."""
SHARED_LIMITS = 256  # limits that a u8 can number


@dataclass(frozen=True)
class Forest(Op):
    """y[m, k] = bias[k] + the sum over trees of what their leaves hold for k and row m. int32.

    inline: how many nodes become code, the most visited first; the others stay a table. AUTO: ``lower.forest_forms`` says.
    Not where ``sided``, and not where several ways lead to a node.

    Inputs: x [M, features] f32, i8, u8 or i16; then constants, one entry a node of all trees: feature i32 [S]; limit [S]
    (f32 for floats, else i32: left where x <= limit); left, right i32 [S] (a node, or -1 - leaf); missing bool [S] (NaN
    goes left); visits i32 [S] (samples that came by in fitting: a hint, no meaning); then root i32 [R] (a node, or
    -1 - leaf), value i32 (see below) and bias i32 [K].

    sums: "votes": leaf k is a vote for class k, value is empty [0]; "rows": value is [leaves, K]; "groups": value is
    [leaves] and the trees are K groups of equal size, one group after the other.
    sided: NaN goes where ``missing`` says. Otherwise NaN has the order of its bits: beyond the infinity of its sign.
    """

    sums: str
    sided: bool = False
    inline: int = 0
    kind = "forest"
    traits = Traits(rowwise=True)

    def __post_init__(self) -> None:
        assert self.sums in SUMS, f"no forest sums {self.sums}"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, *constants = required(inputs, 10)
        check_dtype(x, f32, i8, u8, i16)
        for t, dtype in zip(constants, _types(x.dtype), strict=True):
            check_constant(t)
            check_dtype(t, dtype)
        if len(x.shape) != 2:
            raise ModelError(f"a forest takes rows of features, not {x.shape}")
        if self.sided and x.dtype != f32:
            raise ModelError("integers can't be missing", hint="leave the option missing out")
        self._check_nodes(x, *(_data(t) for t in constants))
        return (Type((x.shape[0], constants[-1].size), i32),)

    def _check_nodes(
        self, x: Tensor, feature: Array, limit: Array, left: Array, right: Array, missing: Array, visits: Array,
        root: Array, value: Array, bias: Array,
    ) -> None:  # fmt: skip
        if not len(feature) == len(limit) == len(left) == len(right) == len(missing) == len(visits):
            raise ModelError("every node must have a feature, a limit and two children")
        if root.size == 0:
            raise ModelError("a forest must have at least one tree")
        if np.isnan(limit).any():
            raise ModelError("a limit must be a number, not NaN")
        if feature.size and not 0 <= feature.min() <= feature.max() < x.shape[1]:
            raise ModelError(f"a feature must be in [0, {x.shape[1]}), not {feature.max()}")
        leaves = bias.size if self.sums == "votes" else len(value)
        if self.sums == "votes" and (value.size or bias.any()):
            raise ModelError("votes begin at 0 and count 1 each")
        if self.sums == "rows" and value.shape[1:] != bias.shape:
            raise ModelError(f"a leaf must hold {bias.size} values, not {value.shape[1:]}")
        if self.sums == "groups" and root.size % bias.size:
            raise ModelError(f"{root.size} trees can't be {bias.size} groups of equal size")
        for children in (left, right, root):
            if children.size and not -leaves <= children.min() <= children.max() < len(feature):
                raise ModelError("every child must be a node or a leaf")
        levels = _levels(left, right, root)
        if self.sums == "votes":
            return
        for column in np.abs(value.astype(np.int64).reshape(len(value), -1)).T:
            if _largest_sum(column, left, right, root, levels) + int(np.abs(bias).max()) >= 1 << 31:
                raise ModelError("the sums over all trees must fit 32 bits", hint="choose a larger step")

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, feature, limit, left, right, missing, _, root, value, bias = (given(values, n) for n in range(10))
        at = np.broadcast_to(root, (len(x), root.size)).copy()
        x_order, limit_order = ordered(x), ordered(limit + 0)
        rows = np.arange(len(x))[:, None]
        while (at >= 0).any():
            node = np.maximum(at, 0)
            goes_left = x_order[rows, feature[node]] <= limit_order[node] if feature.size else at < 0
            if self.sided:
                goes_left = np.where(np.isnan(x[rows, feature[node]]), missing[node], goes_left)
            at = np.where(at < 0, at, np.where(goes_left, left[node], right[node]))
        leaf = -1 - at
        if self.sums == "votes":
            votes = (leaf[:, :, None] == np.arange(bias.size)).sum(axis=1) + bias
            return (votes.astype(np.int32),)
        held = value[leaf] if self.sums == "rows" else value[leaf].reshape(len(x), bias.size, -1).swapaxes(1, 2)
        return ((held.sum(axis=1, dtype=np.int64) + bias).astype(np.int32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, *constants = required(inputs, 10)
        feature, limit, left, right, missing, visits, root, value, bias = map(_data, constants)
        order = ordered(limit + 0)
        shared = several_ways(left, right, root)
        if x.shape[0] > 1:
            function: Any = k.sided_bits if self.sided else _order(x, order)
            what = feature, order, left, right, missing, root, value, bias
            return batch_calls(Trees(x.dtype, x.shape[1], function, self.sums, self.sided, *what), x.shape[0], shared)
        table_only = self.sided or shared
        code = np.zeros(len(left), bool) if table_only else written_out(left, right, root, visits, self.inline)
        if not code.any() and code.size:
            local = self._local(x, feature, order, left, right, missing, root, value, bias)
            if local is not None:
                return local
        place = np.cumsum(~code) - 1  # of a node in the table
        child = smallest(np.append(place, 0), -1 - np.arange(bias.size if self.sums == "votes" else len(value)))
        leaf = Scratch(root.size, child, "leaf")
        made: list[Call] = []
        start: Any = const(root, "root", child)
        if code.any():
            nodes = Nodes(x.dtype, x.shape[1], _order(x, order), feature, order, left, right, root)
            if code.all() and self.sums == "votes":
                return (Call(voting_kernel(nodes, bias.size), {"x": In(0), "y": Out(0)}),)
            if code.all() and self.sums == "groups" and smallest(value).bits <= 16:
                return (Call(adding_kernel(nodes, value, bias), {"x": In(0), "y": Out(0)}),)
            if self.sums == "votes":
                return (self._mixed_votes(x, nodes, code, place, missing, bias.size),)
            start = leaf if code.all() else Scratch(root.size, child, "start")
            made.append(Call(branch_kernel(nodes, code, place, child), {"x": In(0), "start": start}))
        if not code.all() or not code.size:
            table = [_never_empty(a[~code]) for a in (feature, order, left, right, missing)]
            made.append(self._descent(x, table, place, code, child, start, leaf, root.size))
        return (*made, self._sums(root, value, bias, leaf, child))

    def _local(
        self, x: Tensor, feature: Array, order: Array, left: Array, right: Array, missing: Array, root: Array,
        value: Array, bias: Array,
    ) -> tuple[Call, ...] | None:  # fmt: skip
        """The table with a byte for each child, where its trees are small enough."""
        tree = _tree_of(left, right, root)
        if (np.diff(tree) < 0).any():
            return None
        function: Any = k.sided_bits if self.sided else _order(x, order)
        distinct, which, column = (order, None, i32) if self.sided else _shared_limits(order, x.dtype)
        shared = None if which is None else (distinct, which)
        return local_calls(
            Tables(
                x.dtype, x.shape[1], function, self.sums, self.sided, feature, order, left, right, missing, root, value,
                bias, tree, column, shared, depth(left, right, root),
            )
        )  # fmt: skip

    def _mixed_votes(self, x: Tensor, nodes: Nodes, code: Array, place: Array, missing: Array, classes: int) -> Call:
        """One kernel: each tree's ifs, then a loop over what is left of it."""
        tree = _tree_of(nodes.left, nodes.right, nodes.root)
        counts = np.bincount(tree[~code], minlength=len(nodes.root))
        first = np.cumsum(counts) - counts
        child = smallest(np.array([classes + counts.max() - 1]))
        local = place - first[tree] + classes
        left, right = (np.where(c < 0, -1 - c, local[np.maximum(c, 0)])[~code] for c in (nodes.left, nodes.right))
        feature, limit = nodes.feature[~code], nodes.limit[~code]
        distinct, which, column = _shared_limits(limit, x.dtype)
        deep = _depths(nodes.left, nodes.right, ~code, tree, len(nodes.root))
        listed = 0 if which is None else len(distinct)
        rest = Rest(len(feature), first, deep, smallest(feature), column, child, listed)
        bound: dict[str, Any] = {
            "x": In(0), "y": Out(0), "feature": const(feature, "feature"), "left": const(left, "left", child),
            "right": const(right, "right", child), "limit": const(distinct, "limit", column),
        }  # fmt: skip
        if which is not None:
            bound["which"] = const(which, "which", u8)
        return Call(mixed_voting_kernel(nodes, code, place, rest, classes), bound)

    def _descent(
        self,
        x: Tensor,
        table: Sequence[Array],
        place: Array,
        code: Array,
        child: DType,
        start: Any,
        leaf: Scratch,
        trees: int,
    ) -> Call:
        feature, limit, left, right, missing = table
        left, right = (np.where(c < 0, c, place[np.maximum(c, 0)]) if place.size else c for c in (left, right))
        if self.sided:
            feature = 2 * feature + missing
        tree: dict[str, Any] = {
            "x": In(0), "leaf": leaf, "A": smallest(feature), "B": child, "feature": const(feature, "feature"),
            "left": const(left, "left", child), "right": const(right, "right", child), "root": start,
            "F": x.shape[1], "S": len(feature), "R": trees, "D": depth(left, right, np.arange(int((~code).sum()))),
        }  # fmt: skip
        if self.sided:
            return call(k.descend_sided, limit=const(limit, "limit", i32), order=k.sided_bits, **tree)
        distinct, which, column = _shared_limits(limit, x.dtype)
        tree |= {"X": x.dtype, "I": column, "order": _order(x, limit), "limit": const(distinct, "limit", column)}
        if which is not None:
            return call(k.descend_listed, which=const(which, "which", u8), V=len(distinct), **tree)
        return call(k.descend, **tree)

    def _sums(self, root: Array, value: Array, bias: Array, leaf: Scratch, child: DType) -> Call:
        sizes = {"K": bias.size, "R": root.size}
        if self.sums == "votes":
            return call(k.count_votes, leaf=leaf, y=Out(0), B=child, **sizes)
        held = smallest(value)
        common: dict[str, Any] = {
            "leaf": leaf, "value": const(value, "value", held), "bias": const(bias, "bias", i32), "y": Out(0),
            "B": child, "V": held, "L": len(value),
        }  # fmt: skip
        if self.sums == "rows":
            return call(k.sum_rows, **common, **sizes)
        return call(k.sum_groups, **common, K=bias.size, R=root.size // bias.size)


def _largest_sum(held: Array, left: Array, right: Array, root: Array, levels: list[Array]) -> int:
    """The sum over trees of the largest number that one of its leaves holds. held: [leaves], not negative."""
    largest = np.zeros(len(left), np.int64)  # that a leaf below each node holds

    def of(children: Array) -> Array:
        inner = largest[np.maximum(children, 0)] if len(largest) else 0
        return np.where(children < 0, held[np.maximum(-1 - children, 0)], inner)

    for level in reversed(levels):
        largest[level] = np.maximum(of(left[level]), of(right[level]))
    return int(of(root).sum())


def _types(x: DType) -> tuple[DType, ...]:
    """Of the constants, in order."""
    return i32, f32 if x == f32 else i32, i32, i32, bool_, i32, i32, i32, i32


def _shared_limits(limit: Array, x: DType) -> tuple[Array, Array | None, DType]:
    """(limits, which of them each node has, their type), or each node's own limit and None where that takes no more."""
    column = i32 if x == f32 else smallest(limit)
    distinct, which = np.unique(limit, return_inverse=True)
    if len(distinct) <= SHARED_LIMITS and len(distinct) * column.bytes + len(limit) < len(limit) * column.bytes:
        return distinct, which, column
    return limit, None, column


def _order(x: Tensor, limit: Array) -> Function:
    """What makes an integer of a feature, for comparisons with these limits."""
    if x.dtype != f32:
        function: object = getattr(k, f"integer_{x.dtype.name}")
    else:
        function = k.raw_bits if limit.min(initial=0) >= 0 else k.ordered_bits
    assert isinstance(function, Function), "a function of the kernel language"
    return function


def ordered(x: Array) -> Array:
    """Integers as they are; float32 as i32 of the same order: bits, the lower 31 of negative numbers flipped."""
    if x.dtype != np.float32:
        return x.astype(np.int32)
    b = np.ascontiguousarray(x).view(np.int32)
    return np.asarray(b ^ ((b >> 31) & np.int32(k.LARGEST)))


def _tree_of(left: Array, right: Array, root: Array) -> Array:
    """[nodes]: the tree that each one is of, where only one way leads to it."""
    found = np.zeros(len(left), np.int64)
    found[root[root >= 0]] = np.flatnonzero(root >= 0)
    for level in _levels(left, right, root):
        for side in (left, right):
            inner = level[side[level] >= 0]
            found[side[inner]] = found[inner]
    return found


def _depths(left: Array, right: Array, chosen: Array, tree: Array, trees: int) -> Array:
    """[trees]: the most chosen nodes on a way down. What lies below a chosen node is chosen."""
    tops = chosen.copy()
    for side in (left, right):
        inner = np.flatnonzero(chosen & (side >= 0))
        tops[side[inner]] = False
    out = np.zeros(trees, np.int64)
    for number, level in enumerate(_levels(left, right, np.flatnonzero(tops)), 1):
        out[tree[level]] = number
    return out


def depth(left: Array, right: Array, root: Array) -> int:
    """The most nodes on the way from a root to a leaf."""
    return len(_levels(left, right, root))


def several_ways(left: Array, right: Array, root: Array) -> bool:
    """Does more than one way lead to some node? As nested ifs it would be written out for each."""
    children = np.concatenate([left, right, root])
    return bool(np.bincount(children[children >= 0], minlength=1).max() > 1)


def _levels(left: Array, right: Array, root: Array) -> list[Array]:
    """Nodes by how far they are from a root, once each time. ModelError where a way never ends."""
    found: list[Array] = []
    level = np.unique(root[root >= 0])
    while level.size:
        found.append(level)
        if len(found) > len(left):
            raise ModelError("the ways down a tree must end in leaves, but one goes in a circle")
        below = np.concatenate([left[level], right[level]])
        level = np.unique(below[below >= 0])
    return found


def _data(t: Tensor) -> Array:
    assert t.data is not None, "checked to be constant"
    return t.data


def _never_empty(values: Array) -> Array:
    return values if values.size else np.full(1, -1 if values.dtype == np.int32 else 0, values.dtype)
