"""``reaching_samples``: what a model is tried on where a person gives a count: random inputs, corners, ways down trees, and
inputs that a small search found to reach what those before it didn't.

    0       random                          as ``random_samples`` makes it
    1 .. 4  corners                         alternating extremes, all at the highest, all at the lowest, alternating otherwise
    then    one in two for a model of trees each element that is asked about on the way to leaves that none before reached,
                                            at a threshold or right above one
            one in four for small networks  what raises the coverage, found by changing the inputs before it
    rest    random

As many samples as asked for: a share of the random ones makes room. The same graph and count give the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from skosh.ir.graph import Array, Graph, Tensor, macs
from skosh.ir.interpret_graph import run_graph
from skosh.verify.coverage import Watch
from skosh.verify.edges import Reader, from_order, key_range, readers
from skosh.verify.ends import DEVIATIONS, ends
from skosh.verify.samples import Samples, random_samples

SEED = 777
SEARCHED_MACS = 1_000_000
"""Larger networks are not searched: each try is a run of the reference."""

Inputs = tuple[Array, ...]
Ends = dict[str, tuple[Array, Array]]


def reaching_samples(graph: Graph, count: int) -> Samples:
    """``count`` samples, the first of them random. Only random ones where inputs are no numbers (``notes["example"]``)."""
    plain = random_samples(graph, count)
    if count < 2 or graph.notes.example is not None:
        return plain
    bounds = ends(graph)
    scaled = [_in_range(graph, x, bounds) for x in plain.inputs]
    made = [scaled[0], *corners(graph, bounds)][:count]
    rest = count - len(made)
    trees = [(name, r) for name, r in readers(graph) if len(r.feature)]
    if trees:
        made += tree_samples(graph, scaled[len(made) :], trees, (rest + 1) // 2)
    elif not graph.states and 0 < macs(graph) <= SEARCHED_MACS:
        made += searched(graph, made, bounds, rest // 4)
    return Samples(tuple(made + scaled[len(made) :]))


def _in_range(graph: Graph, x: Inputs, bounds: Ends) -> Inputs:
    """Standard normal floats moved to where the model's input lies; what isn't float stays."""
    moved = []
    for name, a in zip(graph.inputs, x, strict=True):
        low, high = bounds[name]
        if graph.tensors[name].dtype.is_float and not (np.all(low == -DEVIATIONS) and np.all(high == DEVIATIONS)):
            middle, step = (low.astype(np.float64) + high) / 2, (high.astype(np.float64) - low) / (2 * DEVIATIONS)
            a = (middle + step * a).astype(a.dtype)
        moved.append(a)
    return tuple(moved)


def corners(graph: Graph, bounds: Ends) -> list[Inputs]:
    """Alternating extremes along every axis, all at the highest, all at the lowest, alternating from element to element."""
    made = []
    for kind in range(4):
        sample = []
        for name in graph.inputs:
            low, high = bounds[name]
            if kind == 0:
                up = np.indices(low.shape).sum(axis=0) % 2 == 0
            elif kind == 3:
                up = (np.arange(low.size) % 2 == 1).reshape(low.shape)
            else:
                up = np.full(low.shape, kind == 1)
            sample.append(np.where(up, high, low).astype(low.dtype))
        made.append(tuple(sample))
    return made


# ------------------------------------------------------------------------------------------------------------------ trees


def tree_samples(graph: Graph, start: list[Inputs], trees: list[tuple[str, Reader]], count: int) -> list[Inputs]:
    """The first ``count`` of ``start``, each led to as many leaves as its elements allow that none before was led to."""
    rng = np.random.default_rng(SEED)
    keys = {name: key_range(graph.tensors[name].dtype.np) for name, _ in trees}
    ways = [(name, reader, list(_ways(reader, keys[name]))) for name, reader in trees]
    made = []
    for x in start[:count]:
        changed = {name: a.copy() for name, a in zip(graph.inputs, x, strict=True)}
        for k, (name, reader, open_ways) in enumerate(ways):
            y = changed[name].reshape(-1)
            taken, left = _compatible(open_ways)
            ways[k] = (name, reader, left if left else list(_ways(reader, keys[name])))
            for f, box in taken.items():
                inner = [key for key in box if key not in keys[name]] or list(box)
                y[int(reader.element[f])] = from_order(int(rng.choice(inner)), y.dtype)
        made.append(tuple(changed[name] for name in graph.inputs))
    return made


MOST_WAYS = 4096
"""So many leaves are aimed at; of a larger forest the same number in each tree."""

Box = dict[int, tuple[int, int]]
"""Feature -> lowest and highest key (``ops.trees.forest.ordered``) that goes the way."""


def _ways(trees: Reader, keys: tuple[int, int]) -> Iterator[Box]:
    """The way to each leaf, one tree after another; a leaf to which no number leads has none."""
    for root in trees.root.tolist():
        yield from islice(_ways_down(trees, root, keys), max(1, MOST_WAYS // len(trees.root)))


def _ways_down(trees: Reader, root: int, keys: tuple[int, int]) -> Iterator[Box]:
    waiting: list[tuple[int, Box]] = [(root, {})]
    while waiting:
        node, box = waiting.pop()
        if node < 0:
            if box:
                yield box
            continue
        f, limit = int(trees.feature[node]), int(trees.limit[node])
        low, high = box.get(f, keys)
        if limit < high:
            waiting.append((int(trees.right[node]), {**box, f: (max(low, limit + 1), high)}))
        if limit >= low:
            waiting.append((int(trees.left[node]), {**box, f: (low, min(high, limit))}))


def _compatible(ways: list[Box]) -> tuple[Box, list[Box]]:
    """(the box that as many of the ways have in common as can be taken one after another, the ways left)."""
    box: Box = {}
    left = []
    for way in ways:
        both = {f: (max(box[f][0], ends[0]), min(box[f][1], ends[1])) if f in box else ends for f, ends in way.items()}
        if all(low <= high for low, high in both.values()):
            box.update(both)
        else:
            left.append(way)
    return box, left


# --------------------------------------------------------------------------------------------------------------- networks


def searched(graph: Graph, begun: list[Inputs], bounds: Ends, count: int) -> list[Inputs]:
    """Up to ``count`` inputs, each of which reaches what none before did, out of three times as many that are tried."""
    if count <= 0:
        return []
    rng, watch = np.random.default_rng(SEED), Watch(graph)
    for x in begun:
        watch.see(run_graph(graph, x).values)
    found: list[Inputs] = []
    for tries in range(3 * count):
        if len(found) == count or watch.complete:
            break
        base = (begun + found)[int(rng.integers(len(begun) + len(found)))]
        x = tuple(_changed(rng, graph.tensors[n], a, bounds[n], tries % 3) for n, a in zip(graph.inputs, base, strict=True))
        if watch.see(run_graph(graph, x).values):
            found.append(x)
    return found


def _changed(rng: np.random.Generator, t: Tensor, a: Array, bound: tuple[Array, Array], how: int) -> Array:
    """a with a block at one end (0), with a random half of its elements at random ends (1), or mirrored in its range (2)."""
    low, high = bound
    flat = np.arange(a.size).reshape(a.shape)
    if how == 0:
        first, size = int(rng.integers(a.size)), max(1, a.size // 4)
        return np.where((flat >= first) & (flat < first + size), high if rng.integers(2) else low, a).astype(a.dtype)
    if how == 1:
        ended = np.where(rng.random(a.shape) < 0.5, high, low)
        return np.where(rng.random(a.shape) < 0.5, ended, a).astype(a.dtype)
    if t.dtype.kind == "bool":
        return np.logical_not(a)
    if t.dtype.is_float:
        return (low.astype(np.float64) + high - a).astype(a.dtype)
    mirrored: Array = (low.astype(object) + high.astype(object) - a.astype(object)).astype(a.dtype)
    return mirrored
