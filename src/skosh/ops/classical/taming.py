"""Rows that are too far out for float32 to square: pulled towards the origin, in their own direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import bits, call, from_bits, func, kernel, par, seq
from skosh.language.vectorized import apply
from skosh.ops.common import check_dtype, check_rank, given, required


@func
def pull(size: f32, limit: i32, inside: i32) -> f32:
    """A power of two that brings ``size`` to between 2^inside and twice that, if it is 2^limit or more; else 1."""
    exponent = (bits(size) >> 23) - 127
    return from_bits(min(max(127 + inside - min(exponent, 127), 1), 254) * 8388608) if exponent >= limit else 1.0


@kernel
def tamed(x: f32[M, K], y: f32[M, K], *, limit, inside):
    """y[m] = x[m] times a power of two, such that no element is 2^limit or more: 1 for rows that have none such."""
    for m in par(M):
        size = 0.0
        for k in seq(K):
            v = -x[m, k] if x[m, k] < 0.0 else x[m, k]
            size = v if v > size else size
        factor = pull(size, limit, inside)
        for k in par(K):
            y[m, k] = x[m, k] * factor


@dataclass(frozen=True)
class Tamed(Op):
    """Rows x [M, K] in which some element is 2^limit or more in size, times a power of two: the largest is then in
    [2^inside, 2^(inside + 1)). All other rows as they are. -60 <= inside <= limit <= 126."""

    limit: int
    inside: int
    kind = "tamed"
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        assert -60 <= self.inside <= self.limit <= 126, "powers of two that float32 has"
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        check_rank(x, 2)
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        size = np.fmax.reduce(np.abs(x), axis=1, initial=np.float32(0))
        factor = apply(pull, size, np.int32(self.limit), np.int32(self.inside))
        return (x * factor[:, None],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        sizes = {"M": x.shape[0], "K": x.shape[1], "limit": self.limit, "inside": self.inside}
        return (call(tamed, x=In(0), y=Out(0), **sizes),)
