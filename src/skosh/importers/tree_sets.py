"""Splits on categories as splits on numbers: "x is one of these" is a search among ranges.

A node that asks for a set becomes a balanced tree of limits over the ranges between which the answer changes, so that no
kernel knows of sets. Nodes below it are then reached by several ways; the table of a Forest holds them once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.trees import Tree
from skosh.ir.graph import Array


@dataclass(frozen=True)
class Ranges:
    """x goes left where ``left`` says so of the range that it is in: x <= bounds[0], then bounds[0] < x <= bounds[1], and so
    on, the last one above all bounds. bounds ascend; one more ``left`` than bounds. nan_left: NaN goes left."""

    bounds: tuple[float, ...]
    left: tuple[bool, ...]
    nan_left: bool


def below(x: float, dtype: type[np.floating] = np.float64) -> float:
    """The largest number of the type that is less than x."""
    return float(np.nextafter(dtype(x), dtype(-np.inf)))


def ranges_of(points: Iterable[tuple[float, float, bool]], elsewhere: bool, nan_left: bool) -> Ranges:
    """Left as each point (low, high, left) says for low < x <= high, ``elsewhere`` beyond. Points ascend."""
    bounds: list[float] = []
    left = [elsewhere]
    for low, high, value in points:
        if low >= high:
            continue
        if bounds and low < bounds[-1]:
            raise ModelError("categories must ascend")
        for bound, following in ((low, value), (high, elsewhere)):
            if bounds and bounds[-1] == bound:
                left[-1] = following
            else:
                bounds.append(bound)
                left.append(following)
    kept = [i for i in range(len(bounds)) if left[i] != left[i + 1]]
    return Ranges(tuple(bounds[i] for i in kept), (left[0], *(left[i + 1] for i in kept)), nan_left)


def whole_numbers(categories: Iterable[int], *, left: bool, nan_left: bool, from_below: bool = False) -> Ranges:
    """x, cut off to a whole number, goes to the side ``left`` where it is one of the categories. from_below: what lies
    between -1 and 0 counts as 0, else as no category; and float32 has to tell them apart."""
    points = []
    for c in sorted({int(c) for c in categories}):
        if not 0 <= c < 1 << 24:
            raise ModelError(f"a category must be a whole number from 0 to 2^24 - 1, not {c}")
        low = -1.0 if c == 0 and from_below else below(c, np.float32)
        points.append((low, below(c + 1, np.float32), left))
    return ranges_of(points, not left, nan_left)


def with_ranges(tree: Tree, sets: Mapping[int, Ranges]) -> Tree:
    """The tree with the search for each node of ``sets`` in that node's place; what it needs more stands behind."""
    if not sets:
        return tree
    columns = {name: list(getattr(tree, name)) for name in ("feature", "limit", "left", "right", "missing", "visits")}

    def put(node: int | None, like: int, limit: float, left: int, right: int, missing: bool) -> int:
        if node is None:
            node = len(columns["feature"])
            for column in columns.values():
                column.append(column[like])
        for name, value in (("limit", limit), ("left", left), ("right", right), ("missing", missing)):
            columns[name][node] = value
        return node

    for node, r in sets.items():
        sides = [int(tree.left[node]) if goes else int(tree.right[node]) for goes in r.left]
        nan_first = r.nan_left == r.left[0]

        def grow(lo: int, hi: int, place: int | None, *, node: int = node, r: Ranges = r, sides: list[int] = sides,
                 nan_first: bool = nan_first) -> int:  # fmt: skip
            if lo == hi:
                return sides[lo]
            middle = (lo + hi) // 2
            a, b = grow(lo, middle, None), grow(middle + 1, hi, None)
            return put(place, node, r.bounds[middle], a, b, nan_first)

        last = len(r.bounds)
        if last and (nan_first or r.nan_left == r.left[-1]):
            grow(0, last, node)
        else:  # NaN goes where no end of the search leads
            nan = int(tree.left[node]) if r.nan_left else int(tree.right[node])
            put(node, node, np.inf, grow(0, last, None), nan, False)
    more = len(columns["feature"]) - len(tree.feature)
    value = np.concatenate([tree.value, np.zeros((more, tree.value.shape[1]))])
    made: dict[str, Array] = {n: np.array(c, dtype=getattr(tree, n).dtype) for n, c in columns.items()}
    return replace(tree, value=value, **made)
