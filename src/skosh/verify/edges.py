"""Inputs at the edges, where comparisons turn and where float32 ends: what random samples never reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from skosh.ir.graph import Array, Graph
from skosh.ops.elements.comparisons import Select
from skosh.ops.moves.gather import Gather
from skosh.ops.trees.forest import Forest, ordered
from skosh.verify.samples import random_samples

SEED = 54321

TINY = np.array([0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, -1.1754942e-38, 1.1754944e-38, 1e-35, -1e-35], np.float32)
"""Zeros, the smallest and largest denormal numbers, the smallest normal one, and what LightGBM takes for zero."""

HUGE = np.array([3.4028235e38, -3.4028235e38, 1e30, -1e30, 16777217.0, -16777216.0], np.float32)

SPECIAL = {
    "tiny": TINY,
    "huge": HUGE,
    "missing": np.array([np.nan, -np.nan], np.float32),
    "infinite": np.array([np.inf, -np.inf], np.float32),
}


def edge_samples(graph: Graph, count: int, kind: str, seed: int = SEED) -> list[tuple[Array, ...]]:
    """``count`` samples of one kind: random ones, in which some elements of float inputs are numbers of that kind. None where
    no input of the graph can hold such. "thresholds": what leads a random way down a random tree, each element that is asked
    about on the way at a threshold, or right above one."""
    rng = np.random.default_rng(seed)
    ways = {name: tree for name, tree in readers(graph) if kind == "thresholds"}
    floats = {n for n in graph.inputs if graph.tensors[n].dtype.name == "f32" and "example" not in graph.notes}
    if not (ways if kind == "thresholds" else floats):
        return []
    found = []
    for sample in random_samples(graph, count, seed).inputs:
        made = []
        for name, x in zip(graph.inputs, sample, strict=True):
            y = x.copy().reshape(-1)
            if name in ways:
                ways[name].lead(y, rng)
            elif kind != "thresholds" and name in floats:
                chosen = np.flatnonzero(rng.random(y.size) < rng.choice([0.2, 0.9]))
                for i in chosen if chosen.size else rng.integers(0, y.size, 1):
                    y[i] = rng.choice(SPECIAL[kind])
            made.append(y.reshape(x.shape))
        found.append(tuple(made))
    return found


@dataclass(frozen=True, eq=False)
class Reader:
    """Trees that read an input's elements. limit: in the order of ``ops.forest.ordered``; element: [features]."""

    feature: Array
    limit: Array
    left: Array
    right: Array
    root: Array
    element: Array

    def lead(self, y: Array, rng: np.random.Generator) -> None:
        """Change y, the input flat, so that it goes a random way down one of the trees."""
        least, most = key_range(y.dtype)
        bounds: dict[int, tuple[int, int]] = {}  # feature -> lowest and highest of those that come here
        node = int(rng.choice(self.root))
        while node >= 0:
            f, limit = int(self.feature[node]), int(self.limit[node])
            low, high = bounds.get(f, (least, most))
            goes_left = limit >= high or (limit >= low and bool(rng.integers(2)))
            bounds[f] = (low, min(limit, high)) if goes_left else (max(limit + 1, low), high)
            node = int((self.left if goes_left else self.right)[node])
        for f, ends in bounds.items():
            inner = [e for e in ends if least < e < most] or list(ends)
            y[int(self.element[f])] = from_order(int(rng.choice(inner)), y.dtype)


def key_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The keys of the lowest and the highest number, infinities for floats, in the order of ``ops.forest.ordered``."""
    if dtype.kind == "f":
        low, high = ordered(np.array([-np.inf, np.inf], np.float32))
        return int(low), int(high)
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def from_order(key: int, dtype: np.dtype[Any]) -> np.generic:
    """The number that has this place in the order of ``ops.forest.ordered``."""
    if dtype.kind != "f":
        return cast(np.generic, dtype.type(key))
    bits = np.array(key, np.int32)
    return cast(np.generic, (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)[()])


def readers(graph: Graph) -> list[tuple[str, Reader]]:
    """(input, trees that read it), through a choice of columns too; of an input that several forests read, the largest."""
    found = []
    for node in graph.nodes:
        if not isinstance(node.op, Forest):
            continue
        x, columns = source_of(graph, node.inputs[0])
        feature, limit, left, right, root = (graph.tensors[node.inputs[n]].data for n in (1, 2, 3, 4, 7))
        if x not in graph.inputs or feature is None or limit is None or left is None or right is None or root is None:
            continue
        element = np.arange(graph.tensors[node.inputs[0]].shape[-1]) if columns is None else np.asarray(columns)
        found.append((x, Reader(feature, ordered(limit + 0).astype(np.int64), left, right, root, element)))
    return sorted(found, key=lambda r: len(r[1].feature))


def source_of(graph: Graph, name: str) -> tuple[str, Sequence[int] | None]:
    """(the tensor whose columns these are, which ones), through nodes that choose columns, and those that put a constant in
    the place of some elements."""
    columns: Sequence[int] | None = None
    while (node := graph.producer.get(name)) is not None:
        if isinstance(node.op, Select):
            ways = [n for n in node.inputs[1:] if not graph.tensors[n].is_constant]
            if len(ways) != 1:
                break
            name = ways[0]
        elif isinstance(node.op, Gather) and node.op.axis == 1 and (chosen := graph.tensors[node.inputs[1]].data) is not None:
            listed = chosen.reshape(-1).tolist()
            columns = listed if columns is None else [listed[c] for c in columns]
            name = node.inputs[0]
        else:
            break
    return name, columns
