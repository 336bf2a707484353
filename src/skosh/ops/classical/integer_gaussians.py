"""Log-densities of Gaussians in whole numbers: naive Bayes, quadratic discriminants, mixtures.

Distances in standard deviations have 6 bits behind the point, and so have the scores, in nats. A distance is cut off where
squares of all features together would leave 32 bits, far beyond what is likely of any class.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np

from skosh.base.dtypes import DType, i8, i16, i32, u16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, clamp, kernel, par, seq, widen
from skosh.ops.classical.integer_scores import FEATURES
from skosh.ops.common import check_dtype, given, required

POINT = 6  # bits behind the point of distances and scores
MANTISSA = 11  # bits of a factor; above them is by how much its products are shifted to the right


@kernel
def integer_gaussians(x: X[K], c: i16[N, K], w: u16[N, K], bias: i32[N], y: i32[N], *, unit, most):
    """y[n] = bias[n] - sum over k of z^2 / 64, z = (x[k] unit - c[n, k]) times the factor w[n, k], kept in [-most, most]."""
    for n in par(N):
        acc = bias[n]
        for k in seq(K):
            d = widen(x[k]) * unit - widen(c[n, k])
            factor = widen(w[n, k])
            z = clamp((d * (factor & 2047)) >> (factor >> 11), -most, most)
            acc -= (z * z) >> 6
        y[n] = acc


@kernel
def integer_quadratics(
    x: X[K], c: i16[N, K], w: i16[(N - 1) * P + L], right: i8[(N - 1) * Q + R], bias: i32[N], y: i32[N], z: i32[K],
    *, R, P, Q, L, unit, most
):  # fmt: skip
    """y[n] = bias[n] - |W z|^2 / 64, z = x unit - c[n]; row r of W begins at column r, its sums are shifted by right."""
    for n in seq(N):
        for k in par(K):
            z[k] = widen(x[k]) * unit - widen(c[n, k])
        acc = bias[n]
        at = n * P
        for r in seq(R):
            total = 0
            for k in seq(r, K):
                total += z[k] * widen(w[at + (k - r)])
            at += K - r
            total = clamp(total >> widen(right[n * Q + r]), -most, most)
            acc -= (total * total) >> 6
        y[n] = acc


def most_of(terms: int) -> int:
    """The largest distance, 6 bits behind its point, of which ``terms`` squares stay below 2^30."""
    return min(i16.max, isqrt(((1 << 30) // terms) << POINT))


@dataclass(frozen=True)
class IntegerGaussians(Op):
    """y [1, N] int32, 64 nats each: bias [N] - sum of ((x - mean) * factor)^2.

    x [1, K]: int8, uint8 or int16. Means [N, K] int16 in 1 / unit of x's steps. Factors [N, K] uint16: an 11-bit number,
    divided by 2 to the power of the upper 5 bits.
    """

    unit: int
    kind = "integer_gaussians"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, c, w, bias = required(inputs, 4)
        check_row(x, c, bias, self.unit)
        check_dtype(w, u16)
        if w.shape != c.shape:
            raise ModelError(f"factors must have the means' shape {list(c.shape)}, not {list(w.shape)}")
        return (Type((1, c.shape[0]), i32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, c, w, bias = (given(values, i).astype(np.int64) for i in range(4))
        most = most_of(x.size)
        z = np.clip(((x * self.unit - c) * (w & ((1 << MANTISSA) - 1))) >> (w >> MANTISSA), -most, most)
        return ((bias - ((z * z) >> POINT).sum(axis=1))[None].astype(np.int32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 4)[1].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c, _, _ = required(inputs, 4)
        sizes = dict(zip("NK", c.shape, strict=True)) | {"unit": self.unit, "most": most_of(x.size)}
        return (call(integer_gaussians, x=In(0), c=In(1), w=In(2), bias=In(3), y=Out(0), X=x.dtype, **sizes),)


@dataclass(frozen=True)
class IntegerQuadratics(Op):
    """y [1, N] int32, 64 nats each: bias [N] - |W_n (x - mean_n)|^2.

    Means as in ``IntegerGaussians``. The rows of W int16 behind one another, without what is left of the diagonal: [N, L] or
    [1, L] for all; right [N, rows] or [1, rows] int8: by how much the sums of each row are shifted.
    """

    rows: int
    unit: int
    kind = "integer_quadratics"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, c, w, right, bias = required(inputs, 5)
        check_row(x, c, bias, self.unit)
        check_dtype(w, i16)
        check_dtype(right, i8)
        length = self.rows * x.size - self.rows * (self.rows - 1) // 2
        many = w.shape[:1]
        if many not in ((1,), c.shape[:1]) or w.shape != (*many, length) or right.shape != (*many, self.rows):
            raise ModelError(
                f"triangles of {self.rows} rows must have {length} elements each, not shape {list(w.shape)}"
            )
        return (Type((1, c.shape[0]), i32),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        x, c, w, _, _ = required(inputs, 5)
        if w.data is None or c.data is None:
            return
        if np.any(row_bounds(w.data, self.rows, x.size) * farthest(x.dtype, self.unit, c.data) > i32.max):
            raise ModelError("sums of a triangle's rows must stay below 2^31")

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, c, w, right, bias = (given(values, i).astype(np.int64) for i in range(5))
        most, out = most_of(self.rows), []
        for n, center in enumerate(c):
            z, acc, at = x[0] * self.unit - center, bias[n], 0
            for r in range(self.rows):
                row = w[n % len(w)][at : at + x.size - r]
                at += len(row)
                total = np.clip(int(z[r:] @ row) >> int(right[n % len(w), r]), -most, most)
                acc -= (total * total) >> POINT
            out.append(acc)
        return (np.array([out], np.int32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 5)[1].shape[0] * required(inputs, 5)[2].shape[1]

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, c, w, _, _ = required(inputs, 5)
        (n, k), (many, length) = c.shape, w.shape
        own = many == n
        sizes = {"N": n, "K": k, "R": self.rows, "L": length, "P": length if own else 0, "Q": self.rows if own else 0}
        sizes |= {"unit": self.unit, "most": most_of(self.rows)}
        z = Scratch(k, i32, "difference")
        bound = {"x": In(0), "c": In(1), "w": In(2), "right": In(3), "bias": In(4), "y": Out(0), "z": z, "X": x.dtype}
        return (call(integer_quadratics, **bound, **sizes),)


def farthest(x: DType, unit: int, means: Array) -> int:
    """The largest |x unit - mean|, whatever x of that type."""
    return int(max(x.max * unit - int(means.min()), int(means.max()) - x.min * unit))


def check_row(x: Tensor, c: Tensor, bias: Tensor, unit: int) -> None:
    """x [1, K] of features, c [N, K] int16, bias [N] int32, and differences that leave 11 bits for a factor."""
    check_dtype(x, *FEATURES)
    check_dtype(c, i16)
    check_dtype(bias, i32)
    if len(c.shape) != 2 or x.shape != (1, c.shape[1]) or bias.shape != c.shape[:1]:
        raise ModelError(f"means must be [N, {x.size}] and biases [N], not {list(c.shape)} and {list(bias.shape)}")
    if not 1 <= unit <= 128 or max(-x.dtype.min, x.dtype.max) * unit + i16.max >= 1 << (31 - MANTISSA):
        raise ModelError(f"a step of {x.dtype} must not be cut into {unit}: products would leave 32 bits")


def row_bounds(w: Array, rows: int, columns: int) -> Array:
    """[triangles, rows]: the sums of the magnitudes of each row of packed triangles."""
    ends = np.cumsum([0, *(columns - r for r in range(rows))])
    wide = np.abs(w.astype(np.int64))
    return np.stack([wide[:, a:b].sum(axis=1) for a, b in pairwise(ends)], axis=1)
