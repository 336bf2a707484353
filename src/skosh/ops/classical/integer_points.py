"""Distances of a row to fixed points in whole numbers: exact sums, the nearest of many, and functions of distances by table.

int16 features are taken inside [-reach, reach], so that no sum of squares leaves 32 bits; int8 and uint8 can't.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import i16, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, clamp, func, kernel, par, seq, widen, wrap
from skosh.ops.classical.distances import METRICS
from skosh.ops.classical.integer_scores import one_row
from skosh.ops.classical.neighbors import push
from skosh.ops.common import check_dtype, given, required

MOST = i32.max
TABLE_BITS = 8  # 256 steps between the ends of a table, and as many between two of its entries
CURVE = 1 << TABLE_BITS
BLOCKS = (8, 6, 7, 5, 9, 10, 4)  # features between two looks at the distance so far: what divides a row is best


@func
def squared(d: i32) -> i32:
    return d * d


@func
def magnitude(d: i32) -> i32:
    return -d if d < 0 else d


@func
def between(a: i32, b: i32, part: i32) -> i32:
    """a + (b - a) * part / 256."""
    return a + (((b - a) * part) >> 8)


@kernel
def kept_inside(x: X[K], y: X[K], *, reach):
    """y = x inside [-reach, reach]."""
    for k in par(K):
        y[k] = wrap(X, clamp(widen(x[k]), -reach, reach))


@kernel
def integer_distances(x: X[K], c: X[N, K], y: i32[N], *, term: function):
    """y[n] = sum over k of term(x[k] - c[n, k])."""
    for n in par(N):
        acc = 0
        for k in seq(K):
            acc += term(widen(x[k]) - widen(c[n, k]))
        y[n] = acc


@kernel
def integer_nearest(x: X[K], c: X[N, K], index: i32[J], distance: i32[J], *, term: function, B, D, most):
    """The J nearest points in a heap with the farthest first; D: its depth. A sum only grows, so a point that is already
    too far after some blocks of B features is left there."""
    for j in par(J):
        distance[j] = most
        index[j] = 0
    for n in seq(N):
        farthest = distance[0]
        acc = 0
        for b in seq(K // B):
            if acc < farthest:
                for k in seq(B):
                    acc += term(widen(x[b * B + k]) - widen(c[n, b * B + k]))
        for left in seq(K // B * B, K):  # by another name: schedules unroll the loop over k whole
            acc += term(widen(x[left]) - widen(c[n, left]))
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
def distance_curves(x: X[K], c: X[N, K], table: i16[T], y: i16[N], *, span, right, multiplier, down):
    """y[n] = table at the squared distance of x to c[n], between its entries on straight lines."""
    for n in par(N):
        acc = 0
        for k in seq(K):
            d = widen(x[k]) - widen(c[n, k])
            acc += d * d
        u = ((clamp(acc, 0, span) >> right) * multiplier) >> down
        y[n] = wrap(i16, between(widen(table[u >> 8]), widen(table[(u >> 8) + 1]), u & 255))


@kernel
def product_curves(x: X[K], c: X[N, K], table: i16[T], y: i16[N], *, low, span, right, multiplier, down):
    """y[n] = table at the product of x and c[n], between its entries on straight lines."""
    for n in par(N):
        acc = 0
        for k in seq(K):
            acc += widen(x[k]) * widen(c[n, k])
        u = (((clamp(acc, low, low + span) - low) >> right) * multiplier) >> down
        y[n] = wrap(i16, between(widen(table[u >> 8]), widen(table[(u >> 8) + 1]), u & 255))


def reach_of(features: int) -> int:
    """The largest int16 R for which a sum of ``features`` squares of numbers up to 2 R fits 32 bits."""
    return int(min(i16.max, np.sqrt(MOST / features) // 2))


@dataclass(frozen=True)
class Points(Op):
    """What operators share that compare x [1, K] with points [N, K] of its type: int8, uint8 or int16."""

    def check(self, inputs: Operands, count: int = 2) -> tuple[Tensor, ...]:
        x, c, *more = required(inputs, count)
        one_row(x, c)
        if x.dtype != i16 and x.size * 255**2 > MOST:
            raise ModelError(f"rows must have at most {MOST // 255**2} features, not {x.size}")
        if x.dtype == i16 and c.data is not None and np.abs(c.data.astype(np.int64)).max() > reach_of(x.size):
            raise ModelError(f"points of {x.size} int16 features must lie in [-{reach_of(x.size)}, {reach_of(x.size)}]")
        return x, c, *more

    def row(self, x: Array) -> Array:
        """x as int64, inside what is reached."""
        wide = x.astype(np.int64)
        reach = reach_of(x.size)
        return np.clip(wide, -reach, reach) if x.dtype == np.int16 else wide

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        points = inputs[1]
        assert points is not None, "checked by infer"
        return points.size


def inside(x: Tensor) -> tuple[tuple[Call, ...], In | Scratch]:
    """The call that brings int16 features inside what is reached, if one is needed, and where they are then."""
    if x.dtype != i16:
        return (), In(0)
    kept = Scratch(x.size, x.dtype, "kept")
    return (call(kept_inside, x=In(0), y=kept, X=x.dtype, K=x.size, reach=reach_of(x.size)),), kept


@dataclass(frozen=True)
class IntegerDistances(Points):
    """y [1, N] int32: squared Euclidean or Manhattan distances of x to all points."""

    metric: str = "squared_euclidean"
    kind = "integer_distances"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.metric in METRICS, f"no metric is called {self.metric}"
        _, c = self.check(inputs)
        return (Type((1, c.shape[0]), i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (distances(self.row(given(values, 0)), given(values, 1), self.metric)[None].astype(np.int32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c = required(inputs, 2)
        before, row = inside(x)
        sizes = dict(zip("NK", c.shape, strict=True))
        return (
            *before,
            call(integer_distances, x=row, c=In(1), y=Out(0), X=x.dtype, term=_term(self.metric), **sizes),
        )


@dataclass(frozen=True)
class IntegerNearest(Points):
    """(index [1, count], distance [1, count]), both int32, of the nearest points to x, in no order.

    Of points as far as the last one, those stay that ``ops.neighbors.Nearest`` keeps.
    """

    count: int = 1
    metric: str = "squared_euclidean"
    kind = "integer_nearest"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.metric in METRICS, f"no metric is called {self.metric}"
        _, c = self.check(inputs)
        if not 1 <= self.count <= c.shape[0]:
            raise ModelError(f"one row must ask for 1 to {c.shape[0]} points, not for {self.count}")
        return (Type((1, self.count), i32),) * 2

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        heap = [(MOST, 0)] * self.count
        for n, distance in enumerate(distances(self.row(given(values, 0)), given(values, 1), self.metric).tolist()):
            if distance < heap[0][0]:
                push(heap, distance, n)
        return np.array([[n for _, n in heap]], np.int32), np.array([[d for d, _ in heap]], np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c = required(inputs, 2)
        before, row = inside(x)
        sizes: dict[str, Any] = {**dict(zip("NK", c.shape, strict=True)), "J": self.count}
        sizes |= {"B": block_of(x.size), "D": self.count.bit_length() - 1, "most": MOST, "X": x.dtype}
        found = call(integer_nearest, x=row, c=In(1), index=Out(0), distance=Out(1), term=_term(self.metric), **sizes)
        return (*before, found)


@dataclass(frozen=True)
class Curves(Points):
    """y [1, N] int16: a function of the squared distance ("distance") or the product of x and each point, by table [258].

    The sum less ``low``, inside [0, span], is brought to 16 bits: ((sum >> right) * multiplier) >> down. Its high 8 bits say
    between which two entries it lies, the low 8 bits where between them.
    """

    of: str
    low: int
    span: int
    right: int
    multiplier: int
    down: int
    kind = "curves"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.of in ("distance", "product"), f"no curve is of a {self.of}"
        _, c, table = self.check(inputs, 3)
        check_dtype(table, i16)
        top = ((self.span >> self.right) * self.multiplier) >> self.down
        whole = (self.span >> self.right) * self.multiplier <= MOST and self.low + self.span <= MOST
        if not (whole and table.shape == (CURVE + 2,) and 0 <= top >> 8 <= CURVE):
            raise ModelError(f"a span of {self.span} must reach the last of {CURVE + 2} entries, not {top / 256:g}")
        if self.of == "distance" and self.low != 0:
            raise ModelError("a curve of distances must begin at 0")
        return (Type((1, c.shape[0]), i16),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, c, table = self.row(given(values, 0)), given(values, 1), given(values, 2).astype(np.int64)
        sums = distances(x, c, "squared_euclidean") if self.of == "distance" else c.astype(np.int64) @ x[0]
        t = np.clip(sums - self.low, 0, self.span) >> self.right
        u = (t * self.multiplier) >> self.down
        a, b = table[u >> 8], table[(u >> 8) + 1]
        return ((a + (((b - a) * (u & 255)) >> 8))[None].astype(np.int16),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c, table = required(inputs, 3)
        before, row = inside(x)
        bound: dict[str, Any] = {**dict(zip("NK", c.shape, strict=True)), "T": table.size, "X": x.dtype}
        bound |= {n: getattr(self, n) for n in ("span", "right", "multiplier", "down")}
        bound |= {"x": row, "c": In(1), "table": In(2), "y": Out(0)}
        made = call(distance_curves, **bound) if self.of == "distance" else call(product_curves, low=self.low, **bound)
        return (*before, made)


def distances(x: Array, points: Array, metric: str) -> Array:
    """[N] int64: exact distances of x [1, K] to points [N, K]."""
    d = x.astype(np.int64) - points.astype(np.int64)
    return np.asarray((np.abs(d) if metric == "manhattan" else d * d).sum(axis=1))


def block_of(features: int) -> int:
    """How many features between two looks."""
    return next((b for b in BLOCKS if features % b == 0), min(BLOCKS[0], features))


def _term(metric: str) -> Any:
    return magnitude if metric == "manhattan" else squared


def curve_scaling(span: int) -> tuple[int, int, int]:
    """(right, multiplier, down): sums up to ``span`` brought to [0, 65536], without leaving 32 bits on the way."""
    right = max(0, span.bit_length() - 16)
    most = max(span >> right, 1)
    down = 0
    while ((65536 << (down + 1)) // most) < 1 << 15 and down < 30:
        down += 1
    return right, (65536 << down) // most, down
