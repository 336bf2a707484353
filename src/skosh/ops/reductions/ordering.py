"""The largest or smallest elements along an axis, in order, and running sums and products along one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.language import call, func, kernel, par, seq, wrap
from skosh.language.vectorized import apply
from skosh.ops.common import check_dtype, required
from skosh.ops.elements.whole import product_i64, sum_i64
from skosh.ops.moves.movement import normal_axis


@kernel
def top_largest(x: T[O, A, N], values: T[O, K, N], indices: i32[O, K, N]):
    """The k-th largest of x[o, :, n] and its place, of equal ones the first place first.

    Round k looks for the best of those after the one found before: smaller, or equal and further on.
    """
    for o, n in par(O, N):
        for k in seq(K):
            best = x[o, 0, n]
            where = -1
            for a in seq(A):
                v = x[o, a, n]
                after = k == 0
                if k > 0:
                    p = values[o, k - 1, n]
                    after = v < p or (v == p and a > indices[o, k - 1, n])
                if after and (where < 0 or v > best):
                    best = v
                    where = a
            values[o, k, n] = best
            indices[o, k, n] = where


@kernel
def top_smallest(x: T[O, A, N], values: T[O, K, N], indices: i32[O, K, N]):
    """As top_largest, from the smallest."""
    for o, n in par(O, N):
        for k in seq(K):
            best = x[o, 0, n]
            where = -1
            for a in seq(A):
                v = x[o, a, n]
                after = k == 0
                if k > 0:
                    p = values[o, k - 1, n]
                    after = v > p or (v == p and a > indices[o, k - 1, n])
                if after and (where < 0 or v < best):
                    best = v
                    where = a
            values[o, k, n] = best
            indices[o, k, n] = where


@dataclass(frozen=True)
class TopK(Op):
    """(values, indices) of the ``count`` largest or smallest elements along ``axis``, best first, of equal ones the first.

    Indices are int32. Types: int8, int16, int32, int64, float32; NaN is found only where nothing else is left (index -1).
    """

    axis: int
    count: int
    largest: bool = True
    kind = "top_k"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i8, i16, i32, i64)
        axis = normal_axis(self.axis, len(x.shape))
        if not 1 <= self.count <= x.shape[axis]:
            raise ModelError(f"there must be 1 to {x.shape[axis]} elements to find, not {self.count}")
        shape = (*x.shape[:axis], self.count, *x.shape[axis + 1 :])
        return Type(shape, x.dtype), Type(shape, i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, y = required(inputs, 1)[0], required(outputs, 2)[0]
        o, a, n = self.sizes(x)
        data = np.asarray(values[0]).reshape(o, a, n)
        best, where = np.empty((o, self.count, n), data.dtype), np.empty((o, self.count, n), np.int32)
        better: Any = np.greater if self.largest else np.less
        place = np.arange(a, dtype=np.int32).reshape(1, a, 1)
        left = np.ones(data.shape, bool)
        for k in range(self.count):
            found, at = data[:, 0].copy(), np.full((o, n), -1, np.int32)
            for i in range(a):
                wins = left[:, i] & ((at < 0) | better(data[:, i], found))
                found, at = np.where(wins, data[:, i], found), np.where(wins, np.int32(i), at)
            best[:, k], where[:, k] = found, at
            bound, since = found[:, None], at[:, None]
            left = better(bound, data) | ((data == bound) & (place > since))
        return best.reshape(y.shape), where.reshape(y.shape)

    def sizes(self, x: Tensor) -> tuple[int, int, int]:
        """(outer, size of the axis, inner)."""
        axis = normal_axis(self.axis, len(x.shape))
        return math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        o, a, n = self.sizes(x)
        made = top_largest if self.largest else top_smallest
        return (call(made, x=In(0), values=Out(0), indices=Out(1), T=x.dtype, O=o, A=a, N=n, K=self.count),)


# --------------------------------------------------------------------------------------------------------------- running


@func
def running_sum_f32(a: f32, b: f32) -> f32:
    """a + b."""
    return a + b


@func
def running_product_f32(a: f32, b: f32) -> f32:
    """a * b."""
    return a * b


@func
def running_sum_i32(a: i32, b: i32) -> i32:
    """a + b, modulo 2^32."""
    return wrap(i32, i64(a) + i64(b))


@func
def running_product_i32(a: i32, b: i32) -> i32:
    """a * b, modulo 2^32."""
    return wrap(i32, i64(a) * i64(b))


@kernel
def run_along(x: T[O, A, N], y: T[O, A, N], first: T, *, merge: function, start, step, lag):
    """y[o, a, n] = x of all places up to a merged; from the end where step is -1; without place a where lag is 1."""
    for o, n in par(O, N):
        total = first
        for i in seq(A):
            a = start + i * step
            before = total
            total = merge(total, x[o, a, n])
            y[o, a, n] = before if lag == 1 else total


_RUNNING: dict[tuple[str, str], Any] = {
    ("sum", "f32"): running_sum_f32, ("product", "f32"): running_product_f32,
    ("sum", "i32"): running_sum_i32, ("product", "i32"): running_product_i32,
    ("sum", "i64"): sum_i64, ("product", "i64"): product_i64,
}  # fmt: skip


@dataclass(frozen=True)
class Running(Op):
    """Sums or products along ``axis`` of what came so far. op: "sum" or "product".

    exclusive: without the place itself; reverse: from the end. Types: int32 and int64, modulo their width, float32.
    """

    axis: int
    op: str = "sum"
    exclusive: bool = False
    reverse: bool = False
    kind = "running"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i32, i64)
        normal_axis(self.axis, len(x.shape))
        assert self.op in ("sum", "product"), f"nothing runs that is called {self.op}"
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,) = required(inputs, 1)
        rows = np.moveaxis(np.asarray(values[0]), self.axis, 0)
        merge, y = _RUNNING[self.op, x.dtype.name], np.empty_like(rows)
        total = np.full(rows.shape[1:], 0 if self.op == "sum" else 1, x.dtype.np)
        for a in range(len(rows))[:: -1 if self.reverse else 1]:
            before, total = total, apply(merge, total, rows[a])
            y[a] = before if self.exclusive else total
        return (np.ascontiguousarray(np.moveaxis(y, 0, self.axis)),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        axis = normal_axis(self.axis, len(x.shape))
        sizes = {"O": math.prod(x.shape[:axis]), "A": x.shape[axis], "N": math.prod(x.shape[axis + 1 :])}
        first: Any = {"sum": 0, "product": 1}[self.op]
        return (
            call(
                run_along, x=In(0), y=Out(0), merge=_RUNNING[self.op, x.dtype.name], T=x.dtype,
                first=float(first) if x.dtype == f32 else first, start=x.shape[axis] - 1 if self.reverse else 0,
                step=-1 if self.reverse else 1, lag=int(self.exclusive), **sizes,
            ),
        )  # fmt: skip
