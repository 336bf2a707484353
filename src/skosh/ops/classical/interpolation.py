"""Functions that are straight between knots: what isotonic regression makes of a score. float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.language import call, kernel, par, seq
from skosh.ops.common import check_dtype, given, required


@kernel
def interpolated(x: f32[K], at: f32[P], value: f32[P], start: i32[K + 1], y: f32[K]):
    """y[k] = the value at x[k] on the line between the two knots around it, of the knots start[k] to start[k + 1]; beyond the
    outermost, theirs."""
    for k in par(K):
        first = start[k]
        last = start[k + 1] - 1
        v = x[k]
        v = v if v > at[first] else at[first]
        v = v if v < at[last] else at[last]
        high = min(first + 1, last)
        for i in seq(first + 1, last):
            if at[i] < v:
                high = i + 1
        low = max(high - 1, first)
        step = at[high] - at[low]
        rise = value[high] - value[low]
        y[k] = value[low] + rise * ((v - at[low]) / step) if step > 0.0 else value[low]


@dataclass(frozen=True)
class Interpolated(Op):
    """y [1, K] from x [1, K]: each element by a function of its own. Inputs: x; knots [P], rising for each function, one
    function behind another; the values there [P]; starts int32 [K + 1] of the functions among them."""

    kind = "interpolated"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, at, value, start = required(inputs, 4)
        for t in (x, at, value):
            check_dtype(t, f32)
        check_dtype(start, i32)
        if x.shape[:1] != (1,) or at.shape != value.shape or start.size != x.size + 1:
            raise ModelError(f"{x.size} functions must have knots with values and {x.size + 1} starts, not {start.size}")
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, at, value, start = (given(values, i) for i in range(4))
        y = np.empty_like(x)
        for k, (first, end) in enumerate(pairwise(start.tolist())):
            knots, heights = at[first:end], value[first:end]
            v = x[0, k]
            v = v if v > knots[0] else knots[0]
            v = v if v < knots[-1] else knots[-1]
            high = min(1, len(knots) - 1)
            for i in range(1, len(knots) - 1):
                if knots[i] < v:
                    high = i + 1
            low = max(high - 1, 0)
            step, rise = knots[high] - knots[low], heights[high] - heights[low]
            y[0, k] = heights[low] + rise * ((v - knots[low]) / step) if step > 0 else heights[low]
        return (y,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, at, _, _ = required(inputs, 4)
        tables = {"at": In(1), "value": In(2), "start": In(3)}
        return (call(interpolated, x=In(0), y=Out(0), K=x.size, P=at.size, **tables),)
