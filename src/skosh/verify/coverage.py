"""``Watch``: what the samples reach in a model, so that "identical on 20 samples" says how much of it they tried.

leaves        of decision trees: an edge that ends in a leaf, taken by a sample
saturations   ends of the clamp of each integer layer, reached by an element; only those that intervals don't exclude
branches      the two sides of each choice between values
unvaried      layers whose output was the same for every sample, though intervals don't say that it is a constant
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.ir.graph import Array, Graph, Node
from skosh.ops.common import activation_range
from skosh.ops.elements.comparisons import Select
from skosh.ops.trees.forest import Forest, ordered
from skosh.optimize.ranges import value_ranges

Goal = tuple[str, str, int]
"""(kind, tensor or node, which)."""


@dataclass(frozen=True)
class Coverage:
    """(reached, of how many) of each kind; kinds that a model has none of are (0, 0). layers: of the model, as compiled, that
    were compared one by one, on ``traced`` of the samples. outputs: of the model. unvaried: names of tensors."""

    outputs: int
    layers: int
    traced: int
    leaves: tuple[int, int]
    saturations: tuple[int, int]
    branches: tuple[int, int]
    unvaried: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        kinds = {"leaves": self.leaves, "saturations": self.saturations, "branches": self.branches}
        counted = {kind: {"reached": got, "of": all_} for kind, (got, all_) in kinds.items()}
        plain = {"outputs": self.outputs, "layers": self.layers, "traced_samples": self.traced}
        return {**plain, **counted, "unvaried": list(self.unvaried)}

    @property
    def reached(self) -> str:
        """ "60 of 64 leaves, 3 of 4 saturations"; empty where there is nothing of the kind."""
        kinds = {"leaves": self.leaves, "saturations": self.saturations, "branches": self.branches}
        return ", ".join(f"{got:,} of {all_:,} {kind}" for kind, (got, all_) in kinds.items() if all_)


class Watch:
    """Sees the values of runs of the reference, one after another. O(values) each, no run of its own."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.runs = 0
        self.goals = frozenset(_goals(graph))
        self.reached: set[Goal] = set()
        self.clamps = {g[1] for g in self.goals if g[0] == "saturations"}
        self.first: dict[str, Array] = {}
        self.same: set[str] = set()

    @property
    def complete(self) -> bool:
        return self.goals <= self.reached and not self.same

    def see(self, values: Mapping[str, Array]) -> bool:
        """Whether these values reach something new, or vary what did not."""
        before = len(self.reached), len(self.same)
        for node in self.graph.nodes:
            if isinstance(node.op, Forest):
                self.reached |= _leaves(node, values) & self.goals
            elif isinstance(node.op, Select):
                condition = values[node.inputs[0]]
                sides = {("branches", node.outputs[0], int(side)) for side in np.unique(condition).tolist()}
                self.reached |= sides & self.goals
            for name in node.outputs:
                if name in self.clamps:
                    low, high = _clamp(self.graph, node)
                    y = values[name]
                    if y.size:
                        ends = {("saturations", name, e) for e, end in ((0, low), (1, high)) if (y == end).any()}
                        self.reached |= ends & self.goals
        if self.runs == 0:
            self.first = {n: values[n] for node in self.graph.nodes for n in node.outputs}
            # a status is the same as long as all is well
            told = self.graph.outputs[-1:] if self.graph.status is not None else ()
            self.same = {n for n, a in self.first.items() if a.size and n not in told and not _constant(self.graph, n)}
        else:
            self.same -= {n for n in self.same if self.first[n].tobytes() != values[n].tobytes()}
        self.runs += 1
        return self.runs == 1 or (len(self.reached), len(self.same)) != before

    def coverage(self, layers: int, traced: int) -> Coverage:
        def of(kind: str) -> tuple[int, int]:
            return sum(g[0] == kind for g in self.reached), sum(g[0] == kind for g in self.goals)

        made = [n for node in self.graph.nodes for n in node.outputs] if self.runs > 1 else []
        unvaried = tuple(n for n in made if n in self.same)
        return Coverage(
            len(self.graph.outputs), layers, traced, of("leaves"), of("saturations"), of("branches"), unvaried
        )


def _goals(graph: Graph) -> set[Goal]:
    goals: set[Goal] = set()
    for node in graph.nodes:
        if isinstance(node.op, Forest):
            left, right = (graph.tensors[node.inputs[n]].data for n in (3, 4))
            for side, children in enumerate((left, right)):
                if children is not None:
                    goals |= {("leaves", node.outputs[0], 2 * int(n) + side) for n in np.flatnonzero(children < 0)}
        elif isinstance(node.op, Select) and not graph.tensors[node.inputs[0]].is_constant:
            goals |= {("branches", node.outputs[0], side) for side in (0, 1)}
        elif _requantizes(graph, node):
            name, (low, high) = node.outputs[0], _clamp(graph, node)
            possible = value_ranges(graph).get(name)
            if possible is not None and low < high:
                goals |= {("saturations", name, 0)} if possible.lo.min(initial=high) <= low else set()
                goals |= {("saturations", name, 1)} if possible.hi.max(initial=low) >= high else set()
    return goals


def _requantizes(graph: Graph, node: Node) -> bool:
    y = graph.tensors[node.outputs[0]]
    return hasattr(node.op, "activation") and y.dtype.name in ("i8", "i16", "u8") and y.quant is not None and y.size > 0


def _clamp(graph: Graph, node: Node) -> tuple[int, int]:
    y = graph.tensors[node.outputs[0]]
    low, high = activation_range(getattr(node.op, "activation"), y.quant, y.dtype)  # noqa: B009
    return int(low), int(high)


def _constant(graph: Graph, name: str) -> bool:
    """Whether intervals, or the lack of anything that varies, say that no input changes it."""
    if _reads_nothing(graph, name):
        return True
    if graph.tensors[name].dtype.is_float:
        return False
    known = value_ranges(graph).get(name)
    return known is not None and bool(known.known.all())


def _reads_nothing(graph: Graph, name: str) -> bool:
    node = graph.producer[name]
    return all(not n or graph.tensors[n].is_constant for n in node.inputs)


def _leaves(node: Node, values: Mapping[str, Array]) -> set[Goal]:
    """The edges to leaves that the rows of this run take: twice the node, and 1 for its right side."""
    x, feature, limit, left, right, missing, root = (values[node.inputs[n]] for n in (0, 1, 2, 3, 4, 5, 7))
    if not feature.size:
        return set()
    assert isinstance(node.op, Forest), "asked of forests"
    x_order, limit_order = ordered(x), ordered(limit + 0)
    at = np.broadcast_to(root, (len(x), root.size)).copy()
    rows = np.arange(len(x))[:, None]
    edge = np.full(at.shape, -1)
    while (at >= 0).any():
        here = np.maximum(at, 0)
        goes_left = x_order[rows, feature[here]] <= limit_order[here]
        if node.op.sided:
            goes_left = np.where(np.isnan(x[rows, feature[here]]), missing[here], goes_left)
        edge = np.where(at < 0, edge, 2 * here + ~goes_left)
        at = np.where(at < 0, at, np.where(goes_left, left[here], right[here]))
    return {("leaves", node.outputs[0], int(e)) for e in np.unique(edge) if e >= 0}
