"""Distances of rows to fixed points, float32: nearest centroids, radial kernels, Gaussian densities.

Differences are taken before they are squared: |x|^2 - 2 x.c + |c|^2 would cancel. Sums run in the order of k, one rounding
a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import Traits
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_dtype, check_rank, given, required

INF = float("inf")
METRICS = ("squared_euclidean", "manhattan")


@kernel
def squared_distances(x: f32[M, K], c: f32[N, K], y: f32[M, N]):
    """y[m, n] = sum over k of (x[m, k] - c[n, k])^2."""
    for m, n in par(M, N):
        acc = 0.0
        for k in seq(K):
            d = x[m, k] - c[n, k]
            acc += d * d
        y[m, n] = acc


@kernel
def scaled_squared_distances(x: f32[M, K], c: f32[N, K], w: f32[N, K], y: f32[M, N]):
    """y[m, n] = sum over k of ((x[m, k] - c[n, k]) * w[n, k])^2."""
    for m, n in par(M, N):
        acc = 0.0
        for k in seq(K):
            d = (x[m, k] - c[n, k]) * w[n, k]
            acc += d * d
        y[m, n] = acc


@kernel
def relative_distances(x: f32[M, K], c: f32[N, K], w: f32[N, K], y: f32[M, N], low: f32[N]):
    """Scaled squared distances less a number that is about the smallest. Sums are kept in two parts, acc + low, so that
    large terms which several points share leave the small differences between them whole (Dekker's fast two-sum)."""
    for m in seq(M):
        least = INF
        for n in seq(N):
            acc = 0.0
            rest = 0.0
            for k in seq(K):
                d = (x[m, k] - c[n, k]) * w[n, k]
                term = d * d
                total = acc + term
                if term > acc:
                    rest += acc - (total - term)
                else:
                    rest += term - (total - acc)
                acc = total
            y[m, n] = acc
            low[n] = rest
            least = acc if acc < least else least
        for n in seq(N):
            y[m, n] = (y[m, n] - least) + low[n]


@kernel
def manhattan_distances(x: f32[M, K], c: f32[N, K], y: f32[M, N]):
    """y[m, n] = sum over k of |x[m, k] - c[n, k]|."""
    for m, n in par(M, N):
        acc = 0.0
        for k in seq(K):
            d = x[m, k] - c[n, k]
            acc += -d if d < 0.0 else d
        y[m, n] = acc


@kernel
def triangular_quadratics(x: f32[M, K], c: f32[N, K], w: f32[(N - 1) * P + L], y: f32[M, N], z: f32[K], *, R, P, L):
    """y[m, n] = |W z|^2, z = x[m] - c[n]; row r of W begins at column r. W is one for all n (P = 0), or of each."""
    for m, n in seq(M, N):
        for k in par(K):
            z[k] = x[m, k] - c[n, k]
        total = 0.0
        at = n * P
        for r in seq(R):
            acc = 0.0
            for k in seq(r, K):
                acc += z[k] * w[at + (k - r)]
            at += K - r
            total += acc * acc
        y[m, n] = total


@dataclass(frozen=True)
class Distances(Op):
    """y[m, n]: the distance of row m of x [M, K] to point n of [N, K]. "squared_euclidean" or "manhattan".

    A third input [N, K] of factors scales each difference of squared Euclidean distances first: ((x - c) * w)^2.
    relative: all less one number, about the smallest in the row, and more exact: for what only asks for differences.
    """

    metric: str = "squared_euclidean"
    relative: bool = False
    kind = "distances"
    traits = Traits(classical=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert self.metric in METRICS, f"no metric is called {self.metric}"
        x, *points = operands(inputs)
        check_points(inputs, len(points))
        if len(points) == 2 and self.metric != "squared_euclidean":
            raise ModelError(f"only squared Euclidean distances can be scaled, not {self.metric} ones")
        assert not self.relative or len(points) == 2, "relative distances are scaled ones"
        return (Type((x.shape[0], points[0].shape[0]), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        with np.errstate(over="ignore", invalid="ignore"):
            d = given(values, 0)[:, None, :] - given(values, 1)[None]
            d = d * given(values, 2)[None] if len(values) == 3 else d
            terms = np.abs(d) if self.metric == "manhattan" else d * d
            if not self.relative:
                return (sum_in_order(terms),)
            high, low = sum_in_two(terms)
            return ((high - np.fmin.reduce(high, axis=-1, initial=np.float32(np.inf), keepdims=True)) + low,)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, points, *_ = operands(inputs)
        return x.shape[0] * points.size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, points, *factors = operands(inputs)
        bound: dict[str, Any] = {"x": In(0), "c": In(1), "y": Out(0), "M": x.shape[0]}
        bound |= dict(zip("NK", points.shape, strict=True))
        if self.relative:
            low = Scratch(points.shape[0], f32, "low")
            return (call(relative_distances, w=In(2), low=low, **bound),)
        if factors:
            return (call(scaled_squared_distances, w=In(2), **bound),)
        return (call(manhattan_distances if self.metric == "manhattan" else squared_distances, **bound),)


@dataclass(frozen=True)
class TriangularQuadratics(Op):
    """y[m, n] = |W_n (x[m] - c_n)|^2: squared Mahalanobis distances.

    Inputs: x [M, K]; c [N, K]; the rows of W behind one another, without what is left of the diagonal: [N, L], or [1, L]
    when all share one. ``rows`` of W, so L = rows * K - rows * (rows - 1) / 2.
    """

    rows: int
    kind = "triangular_quadratics"
    traits = Traits(classical=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, c, w = required(inputs, 3)
        check_points((x, c), 1)
        check_dtype(w, f32)
        length = self.length(c.shape[1])
        if w.shape not in ((c.shape[0], length), (1, length)) or not 1 <= self.rows <= c.shape[1]:
            raise ModelError(
                f"triangles of {self.rows} rows must have {length} elements each, not shape {list(w.shape)}"
            )
        return (Type((x.shape[0], c.shape[0]), f32),)

    def length(self, columns: int) -> int:
        """Elements of a triangle."""
        return self.rows * columns - self.rows * (self.rows - 1) // 2

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, c, w = given(values, 0), given(values, 1), given(values, 2)
        out = np.zeros((len(x), len(c)), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for n, center in enumerate(c):
                z, at = x - center, 0
                for r in range(self.rows):
                    row = w[n % len(w)][at : at + c.shape[1] - r]
                    acc = sum_in_order(z[:, r:] * row)
                    out[:, n] += acc * acc
                    at += len(row)
        return (out,)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, c, _ = required(inputs, 3)
        return x.shape[0] * c.shape[0] * self.length(c.shape[1])

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c, w = required(inputs, 3)
        (n, k), length = c.shape, w.shape[1]
        sizes = {"M": x.shape[0], "N": n, "K": k, "R": self.rows, "L": length, "P": length if w.shape[0] == n else 0}
        z = Scratch(k, f32, "difference")
        return (call(triangular_quadratics, x=In(0), c=In(1), w=In(2), y=Out(0), z=z, **sizes),)


def operands(inputs: Operands) -> tuple[Tensor, ...]:
    """x, points, and perhaps factors."""
    return required(inputs, 3 if len(inputs) == 3 else 2)


def check_points(inputs: Operands, count: int) -> None:
    """x [M, K], then ``count`` tensors [N, K] of one shape, all float32; a ModelError when they are not."""
    x, *points = required(inputs, 1 + count)
    for t in (x, *points):
        check_dtype(t, f32)
        check_rank(t, 2)
        if t.shape[1] != x.shape[1]:
            raise ModelError(f"rows of {x.shape[1]} elements must meet points as long, not {t.shape[1]}")
    if len({t.shape for t in points}) > 1:
        raise ModelError(f"factors must have the points' shape {list(points[0].shape)}, not {list(points[1].shape)}")


def sum_in_order(terms: Array) -> Array:
    """The sum along the last axis from left to right, rounded to float32 at each step."""
    return np.asarray(np.add.accumulate(terms, axis=-1, dtype=np.float32)[..., -1])


def sum_in_two(terms: Array) -> tuple[Array, Array]:
    """(the sum along the last axis as ``sum_in_order``, what its roundings lost), for terms that are not negative."""
    acc = np.zeros(terms.shape[:-1], np.float32)
    rest = np.zeros(terms.shape[:-1], np.float32)
    for k in range(terms.shape[-1]):
        term = terms[..., k]
        total = acc + term
        rest = rest + np.where(term > acc, acc - (total - term), term - (total - acc))
        acc = total
    return acc, rest
