"""Where features become integers: each is stretched and moved by numbers of its own, rounded, and kept inside a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, f32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, trunc, wrap
from skosh.ops.classical.integer_scores import FEATURES
from skosh.ops.common import check_dtype, given, required


@kernel
def integer_features(x: f32[K], scale: f32[K], offset: f32[K], y: Y[K], top: f32, *, low):
    """y[k] = low + x[k] * scale[k] + offset[k], which has 1/2 in it, rounded down, inside [low, low + top]; NaN gives low."""
    for k in par(K):
        y[k] = wrap(Y, low + trunc(i32, min(max(x[k] * scale[k] + offset[k], 0.0), top)))


@dataclass(frozen=True)
class IntegerFeatures(Op):
    """y [1, K] = round(x * scale + offset) inside [low, high]. x [1, K], scale [K]: float32.

    The third input [K] is offset + 1/2 - low, so that rounding is cutting off. to: int8, uint8 or int16.
    """

    to: DType
    low: int
    high: int
    kind = "integer_features"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, scale, offset = required(inputs, 3)
        for t in (x, scale, offset):
            check_dtype(t, f32)
        if x.shape != (1, x.size) or scale.shape != (x.size,) or offset.shape != (x.size,):
            raise ModelError(f"a row must meet as many scales and offsets, not {list(x.shape)} and {list(scale.shape)}")
        if self.to not in FEATURES or not self.to.min <= self.low < self.high <= self.to.max:
            raise ModelError(f"features must become integers of int8, uint8 or int16, not {self.to}")
        return (Type(x.shape, self.to),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, scale, offset = given(values, 0), given(values, 1), given(values, 2)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = x * scale + offset
        inside = np.fmin(np.fmax(moved, np.float32(0)), np.float32(self.high - self.low))
        return ((np.trunc(inside).astype(np.int64) + self.low).astype(self.to.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _, _ = required(inputs, 3)
        numbers = {"K": x.size, "low": self.low, "top": float(self.high - self.low)}
        return (call(integer_features, x=In(0), scale=In(1), offset=In(2), y=Out(0), Y=self.to, **numbers),)
