"""Numbers that stand for categories: codes of known ones, sums of table rows; and products of features. float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, seq, trunc
from skosh.ops.common import check_dtype, given, required


@kernel
def encode(x: f32[F], known: f32[N], start: i32[F + 1], y: f32[F], unknown: f32):
    """y[f] = the place of x[f] among the known values of feature f, from 0."""
    for f in par(F):
        code = unknown
        for n in seq(start[f], start[f + 1]):
            if x[f] == known[n]:
                code = f32(n - start[f])
        y[f] = code


@kernel
def add_rows(x: f32[F], table: f32[N, C], start: i32[F + 1], bias: f32[C], y: f32[C]):
    """y = bias + for each feature f the row trunc(x[f]) of its part of the table; beyond it, its first or last row."""
    for c in par(C):
        y[c] = 0.0
    for f in seq(F):
        last = f32(start[f + 1] - start[f] - 1)
        v = x[f] if x[f] > 0.0 else 0.0
        row = start[f] + trunc(i32, v if v < last else last)
        for c in par(C):
            y[c] += table[row, c]
    for c in par(C):
        y[c] += bias[c]


@kernel
def products(x: f32[F], left: i32[N], right: i32[N], y: f32[N]):
    """y[n] = y[left] * x[right]; an index below 0 stands for 1."""
    for n in seq(N):
        a = 1.0
        if left[n] >= 0:
            a = y[left[n]]
        b = 1.0
        if right[n] >= 0:
            b = x[right[n]]
        y[n] = a * b


@dataclass(frozen=True)
class Encode(Op):
    """y [1, F]: the place of x[f] among the known values of feature f, from 0; ``unknown`` for what is none of them.

    The second input [N] holds the known values of all features, ``counts`` of each.
    """

    counts: tuple[int, ...]
    unknown: float
    kind = "encode"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, known = required(inputs, 2)
        check_parts(x.shape, self.counts, known.shape[0])
        check_dtype(x, f32)
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, known, start = given(values, 0), given(values, 1), starts(self.counts)
        out = np.full(x.shape, self.unknown, np.float32)
        for f, v in enumerate(x[0]):
            (found,) = np.nonzero(known[start[f] : start[f + 1]] == v)
            out[0, f] = found[-1] if len(found) else out[0, f]
        return (out,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, known = required(inputs, 2)
        start = Const(starts(self.counts), "start")
        unknown = float(np.float32(self.unknown))
        return (call(encode, x=In(0), known=In(1), start=start, y=Out(0), unknown=unknown, F=x.size, N=known.size),)


@dataclass(frozen=True)
class AddRows(Op):
    """y [1, C] = bias [C] + for each feature the row trunc(x[f]) of its part of the table [N, C], ``counts`` rows each.

    Beyond its part, the first or last row of it; NaN counts as 0.
    """

    counts: tuple[int, ...]
    kind = "add_rows"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, table, bias = required(inputs, 3)
        check_parts(x.shape, self.counts, table.shape[0])
        check_dtype(x, f32)
        if bias.shape != table.shape[1:]:
            raise ModelError(
                f"a bias must have the {table.shape[1]} columns of the table, not shape {list(bias.shape)}"
            )
        return (Type((1, table.shape[1]), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, table, bias = given(values, 0)[0], given(values, 1), given(values, 2)
        start = starts(self.counts)
        total = np.zeros(table.shape[1], np.float32)
        for f, count in enumerate(self.counts):
            v = np.clip(np.nan_to_num(x[f], nan=0.0), 0, count - 1)
            total += table[start[f] + int(v)]
        return ((total + bias)[None],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, table, _ = required(inputs, 3)
        sizes = {"F": x.size, "N": table.shape[0], "C": table.shape[1]}
        start = Const(starts(self.counts), "start")
        return (call(add_rows, x=In(0), table=In(1), bias=In(2), start=start, y=Out(0), **sizes),)


@dataclass(frozen=True)
class Products(Op):
    """y [1, N], y[n] = y[left[n]] * x[right[n]] for x [1, F]: monomials, each an earlier one times a feature. -1: 1."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    kind = "products"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        if any(not -1 <= a < n for n, a in enumerate(self.left)) or any(not -1 <= b < x.size for b in self.right):
            raise ModelError(f"each product must be an earlier one times one of {x.size} features")
        return (Type((1, len(self.left)), f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, one = given(values, 0)[0], np.float32(1)
        y: list[np.float32] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for a, b in zip(self.left, self.right, strict=True):
                y.append((y[a] if a >= 0 else one) * (x[b] if b >= 0 else one))
        return (np.array([y], np.float32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return len(self.left)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        left, right = (Const(np.array(v, np.int32), name) for v, name in ((self.left, "left"), (self.right, "right")))
        return (call(products, x=In(0), left=left, right=right, y=Out(0), F=x.size, N=len(self.left)),)


def check_parts(shape: tuple[int, ...], counts: tuple[int, ...], total: int) -> None:
    """A ModelError unless there is one count for each feature of a row, and they make up the total."""
    if shape != (1, len(counts)) or sum(counts) != total or min(counts, default=0) < 1:
        raise ModelError(f"{len(counts)} features with {sum(counts)} values must be one row, not shape {list(shape)}")


def starts(counts: tuple[int, ...]) -> Array:
    """[len(counts) + 1] int32: where each part begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
