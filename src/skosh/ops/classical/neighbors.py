"""The nearest of many fixed points, and what they say. float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32, u8, u16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import Traits
from skosh.language import call, func, kernel, par, seq, sqrt
from skosh.ops.classical.distances import METRICS, check_points, sum_in_order
from skosh.ops.common import check_dtype, check_rank, given, required

INF = float("inf")
BLOCK = 8  # features between two looks at whether a point can still be among the nearest


@func
def square_of(d: f32) -> f32:
    return d * d


@func
def size_of(d: f32) -> f32:
    return -d if d < 0.0 else d


@kernel
def nearest(x: f32[K], c: f32[N, K], index: i32[J], distance: f32[J], *, term: function, B, D):
    """The J nearest points in a heap with the farthest first; D: its depth. A sum only grows, so a point that is already
    too far after some blocks of B features is left there."""
    for j in par(J):
        distance[j] = INF
        index[j] = 0
    for n in seq(N):
        farthest = distance[0]
        acc = 0.0
        for b in seq((K + B - 1) // B):
            if acc < farthest:
                for k in seq(b * B, min(b * B + B, K)):
                    acc += term(x[k] - c[n, k])
        if acc < farthest:
            place = 0
            for _level in seq(D):
                child = 2 * place + 1
                if child < J:
                    if child + 1 < J and distance[child + 1] > distance[child]:
                        child += 1
                    if distance[child] > acc:
                        distance[place] = distance[child]
                        index[place] = index[child]
                        place = child
            distance[place] = acc
            index[place] = n


@kernel
def inverse_weights(distance: f32[J], y: f32[J], *, S):
    """y = 1 / distance (S: of its square root); where some distance is 0, those weigh 1 and all others nothing."""
    zeros = 0
    for j in seq(J):
        if distance[j] == 0.0:
            zeros += 1
    for j in seq(J):
        d = distance[j]
        if S != 0:
            d = sqrt(d)
        w = 1.0 / d if zeros == 0 else 0.0
        y[j] = 1.0 if distance[j] == 0.0 else w


@kernel
def count_votes(label: T[J], y: f32[C]):
    """y[c] = how many labels are c."""
    for c in par(C):
        y[c] = 0.0
    for j in seq(J):
        y[i32(label[j])] += 1.0


@kernel
def weigh_votes(label: T[J], weight: f32[J], y: f32[C]):
    """y[c] = the weights of the labels that are c, added in order."""
    for c in par(C):
        y[c] = 0.0
    for j in seq(J):
        y[i32(label[j])] += weight[j]


@dataclass(frozen=True)
class Nearest(Op):
    """(index [1, count] int32, distance [1, count]) of the nearest points to x [1, K] among [N, K], in no order.

    Of points as far as the last one, those stay that scikit-learn's brute force keeps: its heap (sklearn/utils/_heap.pyx)
    takes points in order and lets in what is nearer than its farthest.
    """

    count: int
    metric: str = "squared_euclidean"
    kind = "nearest"
    traits = Traits(classical=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.metric in METRICS, f"no metric is called {self.metric}"
        x, points = required(inputs, 2)
        check_points(inputs, 1)
        if x.shape[0] != 1 or not 1 <= self.count <= points.shape[0]:
            raise ModelError(f"one row must ask for 1 to {points.shape[0]} points, not {x.shape[0]} for {self.count}")
        return (Type((1, self.count), i32), Type((1, self.count), f32))

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        with np.errstate(over="ignore", invalid="ignore"):
            d = given(values, 0) - given(values, 1)
            distances = sum_in_order(np.abs(d) if self.metric == "manhattan" else d * d)
        heap = [(np.float32(np.inf), 0)] * self.count
        for n, distance in enumerate(distances):
            if distance < heap[0][0]:
                push(heap, distance, n)
        index, kept = np.array([n for _, n in heap], np.int32), np.array([d for d, _ in heap], np.float32)
        return index[None], kept[None]

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 2, len(inputs))[1].size  # a tree's tables follow, and cost nothing themselves

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        _, points = required(inputs, 2)
        n, k = points.shape
        term: Any = size_of if self.metric == "manhattan" else square_of
        sizes = {"N": n, "K": k, "J": self.count, "B": BLOCK, "D": self.count.bit_length() - 1}
        return (call(nearest, x=In(0), c=In(1), index=Out(0), distance=Out(1), term=term, **sizes),)


def push(heap: list[tuple[Any, int]], distance: Any, n: int) -> None:
    """Put (distance, n) in place of the farthest, which is first; what is below stays in order of a heap."""
    place = 0
    while (child := 2 * place + 1) < len(heap):
        if child + 1 < len(heap) and heap[child + 1][0] > heap[child][0]:
            child += 1
        if not heap[child][0] > distance:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = (distance, n)


@dataclass(frozen=True)
class InverseWeights(Op):
    """y = 1 / distance; where some distance is 0, those weigh 1 and all others nothing. root: of the square root of x."""

    root: bool = False
    kind = "inverse_weights"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        if np.any(x == 0):
            return ((x == 0).astype(np.float32),)
        with np.errstate(all="ignore"):
            return (np.float32(1) / (np.sqrt(x) if self.root else x),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        return (call(inverse_weights, distance=In(0), y=Out(0), J=x.size, S=int(self.root)),)


@dataclass(frozen=True)
class Votes(Op):
    """y [1, classes]: how often each class stands among the labels [1, J], or with a second input the sum of their weights."""

    classes: int
    kind = "votes"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        labels, *weights = required(inputs, 1, 2) if len(inputs) == 1 else required(inputs, 2)
        check_dtype(labels, u8, u16, i32)
        for t in (labels, *weights):
            check_rank(t, 2)
            if t.shape != (1, labels.size):
                raise ModelError(f"labels and weights must be one row, not shape {list(t.shape)}")
        return (Type((1, self.classes), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        out = np.zeros((1, self.classes), np.float32)
        np.add.at(out[0], given(values, 0)[0], given(values, 1)[0] if len(values) == 2 else np.float32(1))
        return (out,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        labels = inputs[0]
        assert labels is not None, "checked by infer"
        bound: dict[str, Any] = {"label": In(0), "y": Out(0), "T": labels.dtype, "J": labels.size, "C": self.classes}
        return (call(count_votes, **bound) if len(inputs) == 1 else call(weigh_votes, weight=In(1), **bound),)
