"""The nearest of many fixed points by a tree over them: fewer distances, and of equally near points the same ones as the
library that made the tree, because it takes them in the same order. float32.

scikit-learn's trees (sklearn/neighbors/_binary_tree.pxi.tp, _query_single_depthfirst): node n has children 2 n + 1 and
2 n + 2; the one with the smaller lower bound is searched first; a node is left out when its bound is above the farthest
neighbour so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Operands, Type
from skosh.language import bounded, call, kernel, par, seq, sqrt
from skosh.ops.classical.distances import check_points, sum_in_order
from skosh.ops.classical.neighbors import BLOCK, INF, Nearest, push, size_of, square_of
from skosh.ops.common import check_dtype, given, required

SLACK = 1e-5
"""Of the lower bounds of balls, whose centers and radii are rounded: what is this much nearer may still be inside."""


@kernel
def nearest_in_tree(
    x: f32[K], c: f32[N, K], low: f32[W, K], high: f32[W, H], span: i32[W, 2], index: i32[J], distance: f32[J],
    waiting: i32[L], bound: f32[L], near: f32[2],
    *, term: function, B, D, BALLS, ROOT, slack: f32
):  # fmt: skip
    """The J nearest points in a heap with the farthest first; D: its depth. Points of node w: span[w, 0] to span[w, 1].

    Boxes: from low to high. Balls (BALLS = 1): low is the center, high[w, 0] the radius. ROOT: distances are squares.
    L: nodes that wait at most, each with its lower bound; B: features between two looks at a point.
    """
    for j in par(J):
        distance[j] = INF
        index[j] = 0
    waiting[0] = 0
    bound[0] = 0.0
    held = 1
    while bounded(held > 0, W):
        held -= 1
        node = waiting[held]
        if bound[held] - bound[held] * slack <= distance[0]:
            child = 2 * node + 1
            if child >= W:
                for n in seq(span[node, 0], span[node, 1]):
                    farthest = distance[0]
                    acc = 0.0
                    for b in seq((K + B - 1) // B):
                        if acc < farthest:
                            for k in seq(b * B, min(b * B + B, K)):
                                acc += term(x[k] - c[n, k])
                    if acc < farthest:
                        place = 0
                        for _level in seq(D):
                            below = 2 * place + 1
                            if below < J:
                                if below + 1 < J and distance[below + 1] > distance[below]:
                                    below += 1
                                if distance[below] > acc:
                                    distance[place] = distance[below]
                                    index[place] = index[below]
                                    place = below
                        distance[place] = acc
                        index[place] = n
            else:
                for side in seq(2):
                    acc = 0.0
                    for k in seq(K):
                        d = x[k] - low[child + side, k]
                        if BALLS == 0:
                            d = d if d < 0.0 else 0.0
                            over = x[k] - high[child + side, k]
                            d = over if over > 0.0 else d
                        acc += term(d)
                    if BALLS != 0:
                        if ROOT != 0:
                            acc = sqrt(acc)
                        acc = acc - high[child + side, 0]
                        acc = acc if acc > 0.0 else 0.0
                        if ROOT != 0:
                            acc = acc * acc
                    near[side] = acc
                first = 0 if near[0] <= near[1] else 1
                waiting[held] = child + 1 - first
                bound[held] = near[1 - first]
                waiting[held + 1] = child + first
                bound[held + 1] = near[first]
                held += 2


@dataclass(frozen=True)
class NearestInTree(Nearest):
    """``Nearest`` by a tree: of equally near points those that its order meets first.

    Inputs: x [1, K]; points [N, K] in the tree's order; low [W, K] and high [W, K], the boxes of its W nodes, or centers and
    radii [W, 1] of ``balls``; spans int32 [W, 2], the points of each node. Indices are in the tree's order.
    """

    balls: bool = False
    kind = "nearest_in_tree"

    @staticmethod
    def levels(nodes: int) -> int:
        """Of a tree whose leaves all lie on the last level."""
        return (nodes + 1).bit_length() - 1

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, points, low, high, span = required(inputs, 5)
        found = super().infer((x, points))
        check_points((x, low), 1)
        check_dtype(high, f32)
        check_dtype(span, i32)
        nodes = low.shape[0]
        if (nodes + 1) & nodes or span.shape != (nodes, 2) or high.shape != (nodes, 1 if self.balls else x.shape[1]):
            raise ModelError(f"a tree must have 1, 3, 7, 15 ... nodes, each with its bounds and points, not {nodes}")
        return found

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, points, low, high, span = (given(values, i) for i in range(5))
        balls, manhattan = self.balls, self.metric == "manhattan"
        slack = np.float32(SLACK if balls else 0)

        def length(d: Array) -> Array:
            with np.errstate(over="ignore", invalid="ignore"):
                return sum_in_order(np.abs(d) if manhattan else d * d)

        bounds = length(x - low if balls else np.where(x > high, x - high, np.where(x < low, x - low, np.float32(0))))
        if balls:
            bounds = np.maximum((bounds if manhattan else np.sqrt(bounds)) - high[:, 0], np.float32(0))
            bounds = bounds if manhattan else bounds * bounds
        bounds[0] = 0
        distances = length(x - points)
        heap: list[tuple[Any, int]] = [(np.float32(np.inf), 0)] * self.count
        waiting = [0]
        while waiting:
            node = waiting.pop()
            if not bounds[node] - bounds[node] * slack <= heap[0][0]:
                continue
            left, right = 2 * node + 1, 2 * node + 2
            if left < len(low):
                waiting += [right, left] if bounds[left] <= bounds[right] else [left, right]
                continue
            for n in range(span[node, 0], span[node, 1]):
                if distances[n] < heap[0][0]:
                    push(heap, distances[n], n)
        index, kept = np.array([n for _, n in heap], np.int32), np.array([d for d, _ in heap], np.float32)
        return index[None], kept[None]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        _, points, low, high, _ = required(inputs, 5)
        n, k = points.shape
        nodes, manhattan, balls = low.shape[0], self.metric == "manhattan", self.balls
        depth = self.levels(nodes) + 1
        sizes: dict[str, Any] = {"N": n, "K": k, "J": self.count, "B": BLOCK, "D": self.count.bit_length() - 1}
        sizes |= {"W": nodes, "H": high.shape[1], "L": depth, "BALLS": int(balls), "ROOT": int(not manhattan)}
        scratch = {"waiting": Scratch(depth, i32, "waiting"), "bound": Scratch(depth, f32, "bound")}
        scratch["near"] = Scratch(2, f32, "near")
        tables = {"c": In(1), "low": In(2), "high": In(3), "span": In(4)}
        term: Any = size_of if manhattan else square_of
        slack = float(np.float32(SLACK)) if balls else 0.0
        return (call(nearest_in_tree, x=In(0), index=Out(0), distance=Out(1), term=term, slack=slack,
                     **tables, **scratch, **sizes),)  # fmt: skip
