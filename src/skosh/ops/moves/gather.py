"""Operators that pick elements by index: gather, gather_nd.

In TFLite Micro: micro/kernels/gather.cc, gather_nd.cc. There an index outside the tensor reads foreign memory or fails;
here it is clamped to the nearest valid one, so that the C is safe whatever comes in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import SAME, Traits
from skosh.language import assume, call, clamp, kernel, par, seq, wrap
from skosh.ops.common import check_dtype, required
from skosh.ops.moves.movement import normal_axis


@kernel
def gather(x: T[B, O, A, N], index: I[B, J], y: T[B, O, J, N]):
    """y[b, o, j, :] = x[b, o, index[b, j], :], the index clamped to [0, A)."""
    for b, o, j in par(B, O, J):
        k = wrap(i32, clamp(index[b, j], 0, I(A - 1)))
        for n in par(N):
            y[b, o, j, n] = x[b, o, k, n]


@kernel
def gather_from_end(x: T[B, O, A, N], index: I[B, J], y: T[B, O, J, N]):
    """y[b, o, j, :] = x[b, o, index[b, j], :], where a negative index counts from the end; then clamped to [0, A)."""
    for b, o, j in par(B, O, J):
        at = wrap(i32, clamp(index[b, j], I(0 - A), I(A - 1)))
        k = at + A if at < 0 else at
        for n in par(N):
            y[b, o, j, n] = x[b, o, k, n]


@kernel
def gather_nd_from_end(x: T[X, N], index: i32[J, K], dims: i32[K], y: T[J, N]):
    """As gather_nd, where a negative coordinate counts from the end."""
    for j in par(J):
        row = 0
        for k in seq(K):
            assume(0 <= row < X and 0 < dims[k] <= X)
            at = clamp(index[j, k], 0 - dims[k], dims[k] - 1)
            row = row * dims[k] + (at + dims[k] if at < 0 else at)
        assume(0 <= row < X)
        for n in par(N):
            y[j, n] = x[row, n]


@kernel
def gather_nd(x: T[X, N], index: i32[J, K], dims: i32[K], y: T[J, N]):
    """y[j, :] = x[row, :], where index[j, :] are the coordinates of the row in dims, each clamped to [0, dims[k])."""
    for j in par(J):
        row = 0
        for k in seq(K):
            assume(0 <= row < X and 0 < dims[k] <= X)
            row = row * dims[k] + clamp(index[j, k], 0, dims[k] - 1)
        assume(0 <= row < X)
        for n in par(N):
            y[j, n] = x[row, n]


@dataclass(frozen=True)
class Gather(Op):
    """Slices of x along ``axis``, picked by the indices of input 1; the first ``batch_dims`` axes of both go together.

    y[..., j..., rest] = x[..., index[..., j...], rest]. Output shape: x.shape[:axis] + index.shape[batch_dims:] +
    x.shape[axis + 1:]. from_end: a negative index counts from the end of the axis, as in ONNX.
    """

    axis: int = 0
    batch_dims: int = 0
    from_end: bool = False
    kind = "gather"
    traits = Traits(int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, index = required(inputs, 2)
        check_dtype(index, i32, i64)
        axis, batch = self.normal(x, index)
        return (Type((*x.shape[:axis], *index.shape[batch:], *x.shape[axis + 1 :]), x.dtype),)

    def normal(self, x: Tensor, index: Tensor) -> tuple[int, int]:
        """(axis, batch_dims), both counted from the front."""
        axis = normal_axis(self.axis, len(x.shape))
        batch = self.batch_dims + (len(index.shape) if self.batch_dims < 0 else 0)
        if not 0 <= batch <= min(axis, len(index.shape)) or x.shape[:batch] != index.shape[:batch]:
            raise ModelError(
                f"the first {batch} axes of {x.shape} and {index.shape} must agree, and come before axis {axis}"
            )
        return axis, batch

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x, index), (y,) = required(inputs, 2), required(outputs, 1)
        b, o, a, n, j = self.sizes(x, index)
        data = np.asarray(values[0]).reshape(b, o, a, n)
        given = np.asarray(values[1]).reshape(b, j)
        picked = np.clip(np.where(given < 0, given + a, given) if self.from_end else given, 0, a - 1)
        return (np.stack([data[i][:, picked[i]] for i in range(b)]).reshape(y.shape),)

    def sizes(self, x: Tensor, index: Tensor) -> tuple[int, int, int, int, int]:
        """(batches, outer, size of the axis, inner, indices in a batch)."""
        axis, batch = self.normal(x, index)
        return (
            math.prod(x.shape[:batch]),
            math.prod(x.shape[batch:axis]),
            x.shape[axis],
            math.prod(x.shape[axis + 1 :]),
            math.prod(index.shape[batch:]),
        )

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, index = required(inputs, 2)
        b, o, a, n, j = self.sizes(x, index)
        made = gather_from_end if self.from_end else gather
        return (call(made, x=In(0), index=In(1), y=Out(0), T=x.dtype, I=index.dtype, B=b, O=o, A=a, N=n, J=j),)


@dataclass(frozen=True)
class GatherNd(Op):
    """y[j..., rest] = x[index[j..., 0], index[j..., 1], ..., rest]: the last axis of the index holds coordinates.

    from_end: a negative coordinate counts from the end of its axis, as in ONNX.
    """

    from_end: bool = False
    kind = "gather_nd"
    traits = Traits(int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, index = required(inputs, 2)
        check_dtype(index, i32)
        if not index.shape or not 1 <= index.shape[-1] <= len(x.shape):
            raise ModelError(f"the last axis of {index.shape} must hold 1 to {len(x.shape)} coordinates")
        return (Type((*index.shape[:-1], *x.shape[index.shape[-1] :]), x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, index = np.asarray(values[0]), np.asarray(values[1])
        if self.from_end:
            index = np.where(index < 0, index + np.asarray(x.shape[: index.shape[-1]]), index)
        return (x[tuple(np.clip(index[..., k], 0, x.shape[k] - 1) for k in range(index.shape[-1]))],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, index = required(inputs, 2)
        k = index.shape[-1]
        dims = np.array(x.shape[:k], dtype=np.int32)
        sizes = {"X": math.prod(x.shape[:k]), "N": math.prod(x.shape[k:]), "J": index.size // k, "K": k}
        made = gather_nd_from_end if self.from_end else gather_nd
        return (call(made, x=In(0), index=In(1), dims=Const(dims, "dims"), y=Out(0), T=x.dtype, **sizes),)
