"""Weighted medians of a few values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import Traits
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_dtype, given, required


@kernel
def weighted_median(x: T[M, N], weight: i32[N], y: T[M], *, half):
    """y[m] = the smallest of the values of row m that has half of all weight in it and in the values below."""
    for m in par(M):
        best = x[m, 0]
        found = 0
        for n in seq(N):
            value = x[m, n]
            if found == 0 or value < best:
                below = 0
                for k in seq(N):
                    if x[m, k] <= value:
                        below += weight[k]
                if below >= half:
                    best = value
                    found = 1
        y[m] = best


@dataclass(frozen=True)
class WeightedMedian(Op):
    """y [M, 1] from x [M, N], float32 or int32: the smallest value of a row for which the weights of it and of all that are
    not larger make at least half of the total.

    weights: N integers >= 0 with a sum in [1, 2^31). In AdaBoost.R2, the prediction (Drucker 1997).
    """

    weights: tuple[int, ...]
    kind = "weighted_median"
    traits = Traits(rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32, i32)
        if len(x.shape) != 2 or x.shape[1] != len(self.weights):
            raise ModelError(f"{len(self.weights)} weights must have as many values in a row, not {list(x.shape)}")
        if min(self.weights) < 0 or not 1 <= sum(self.weights) < 1 << 31:
            raise ModelError("weights must be at least 0, and their sum from 1 to 2^31 - 1")
        return (Type((x.shape[0], 1), x.dtype),)

    @property
    def half(self) -> int:
        """Half of all weight, rounded up."""
        return (sum(self.weights) + 1) // 2

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        below = ((x[:, None, :] <= x[:, :, None]) * np.array(self.weights, np.int64)).sum(axis=2)
        most = np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).max
        at = np.where(below >= self.half, x, x.dtype.type(most)).argmin(axis=1)  # NaN is never enough
        at = np.where((below >= self.half).any(axis=1), at, 0)
        return (x[np.arange(len(x)), at][:, None],)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 1)[0].size

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        weight = Const(np.array(self.weights, np.int32), "weight")
        sizes = {"M": x.shape[0], "N": x.shape[1], "half": self.half}
        return (call(weighted_median, x=In(0), weight=weight, y=Out(0), T=x.dtype, **sizes),)
