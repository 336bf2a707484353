"""Operators that put elements where indices say: ONNX's ScatterND, and through it ScatterElements and TensorScatter.

An index counts from the end where it is negative; one outside the tensor is clamped to its nearest element, so that the C is
safe whatever comes in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import assume, call, clamp, func, kernel, par, seq
from skosh.ops.common import check_dtype, check_same_dtype, required


@func
def added_f32(a: f32, b: f32) -> f32:
    """a + b."""
    return a + b


@func
def multiplied_f32(a: f32, b: f32) -> f32:
    """a * b."""
    return a * b


@func
def larger_f32(a: f32, b: f32) -> f32:
    """The larger."""
    return b if b > a else a


@func
def smaller_f32(a: f32, b: f32) -> f32:
    """The smaller."""
    return b if b < a else a


@kernel
def put_rows(x: T[X, N], index: i32[J, K], updates: T[J, N], dims: i32[K], y: T[X, N]):
    """y = x, then y[index[j, :], :] = updates[j, :], one j after the other."""
    for i, n in par(X, N):
        y[i, n] = x[i, n]
    for j in seq(J):
        row = 0
        for k in seq(K):
            assume(0 <= row < X and 0 < dims[k] <= X)
            at = clamp(index[j, k], 0 - dims[k], dims[k] - 1)
            row = row * dims[k] + (at + dims[k] if at < 0 else at)
        assume(0 <= row < X)
        for n in par(N):
            y[row, n] = updates[j, n]


@kernel
def merge_rows(x: f32[X, N], index: i32[J, K], updates: f32[J, N], dims: i32[K], y: f32[X, N], *, merge: function):
    """y = x, then y[index[j, :], :] = merge(itself, updates[j, :]), one j after the other."""
    for i, n in par(X, N):
        y[i, n] = x[i, n]
    for j in seq(J):
        row = 0
        for k in seq(K):
            assume(0 <= row < X and 0 < dims[k] <= X)
            at = clamp(index[j, k], 0 - dims[k], dims[k] - 1)
            row = row * dims[k] + (at + dims[k] if at < 0 else at)
        assume(0 <= row < X)
        for n in par(N):
            y[row, n] = merge(y[row, n], updates[j, n])


_MERGES: dict[str, tuple[Any, Any]] = {
    "add": (added_f32, np.add), "mul": (multiplied_f32, np.multiply),
    "max": (larger_f32, lambda a, b: np.where(b > a, b, a)), "min": (smaller_f32, lambda a, b: np.where(b < a, b, a)),
}  # fmt: skip


@dataclass(frozen=True)
class ScatterNd(Op):
    """y = x with y[index[j..., 0], index[j..., 1], ..., rest] = updates[j..., rest]: of equal places the last one stays.

    Inputs: x, index (int32, its last axis holds coordinates), updates. reduction: "none", or "add", "mul", "max", "min" with
    what is there, of float32.
    """

    reduction: str = "none"
    kind = "scatter_nd"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, index, updates = required(inputs, 3)
        check_dtype(index, i32)
        check_same_dtype(x, updates)
        if self.reduction != "none":
            check_dtype(x, f32)
            if self.reduction not in _MERGES:
                raise ModelError(f'reduction must be none, {", ".join(_MERGES)}, not "{self.reduction}"')
        if not index.shape or not 1 <= index.shape[-1] <= len(x.shape):
            raise ModelError(f"the last axis of {index.shape} must hold 1 to {len(x.shape)} coordinates")
        wanted = (*index.shape[:-1], *x.shape[index.shape[-1] :])
        if updates.shape != wanted:
            raise ModelError(f"the updates must have shape {wanted}, not {updates.shape}")
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, index, updates = (np.asarray(v) for v in values)
        count = index.shape[-1]
        dims = np.asarray(x.shape[:count])
        places = np.where(index < 0, index + dims, index)
        rows = np.ravel_multi_index(tuple(np.clip(places[..., k], 0, dims[k] - 1) for k in range(count)), tuple(dims))
        y = x.reshape(math.prod(x.shape[:count]), -1).copy()
        for row, update in zip(rows.reshape(-1), updates.reshape(rows.size, -1), strict=True):
            y[row] = update if self.reduction == "none" else _MERGES[self.reduction][1](y[row], update)
        return (y.reshape(x.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, index, _ = required(inputs, 3)
        k = index.shape[-1]
        dims = Const(np.array(x.shape[:k], dtype=np.int32), "dims")
        sizes = {"X": math.prod(x.shape[:k]), "N": math.prod(x.shape[k:]), "J": index.size // k, "K": k}
        buffers = {"x": In(0), "index": In(1), "updates": In(2), "dims": dims, "y": Out(0)}
        if self.reduction == "none":
            return (call(put_rows, T=x.dtype, **buffers, **sizes),)
        return (call(merge_rows, merge=_MERGES[self.reduction][0], **buffers, **sizes),)
