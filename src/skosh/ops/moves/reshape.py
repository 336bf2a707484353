"""Reshape: the same bytes under another shape. TFLite's RESHAPE, SQUEEZE and EXPAND_DIMS are all this one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.errors import ModelError
from skosh.ir.call import Call, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import SAME, Traits
from skosh.language import call, kernel, par
from skosh.ops.common import required


@kernel
def copy(x: T[N], y: T[N]):
    """y = x."""
    for i in par(N):
        y[i] = x[i]


@dataclass(frozen=True)
class Reshape(Op):
    """y = x read as ``shape``, in row-major order. It costs nothing: no bytes move."""

    shape: tuple[int, ...]
    kind = "reshape"
    traits = Traits(monotone=True, int8=SAME, int16=True)
    view = True

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        if math.prod(self.shape) != x.size:
            raise ModelError(f"a reshape of {x.shape} to {self.shape} must keep the number of elements")
        return (Type(self.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.asarray(values[0]).reshape(self.shape),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        """A copy, for the rare view that must have memory of its own."""
        (y,) = required(outputs, 1)
        return (call(copy, x=In(0), y=Out(0), N=y.size, T=y.dtype),)


@dataclass(frozen=True)
class Copy(Op):
    """y = x, in memory of its own: a constant that is an output, a state that takes another tensor's value."""

    kind = "copy"
    traits = Traits(monotone=True, int8=SAME, int16=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.array(values[0]),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (y,) = required(outputs, 1)
        return (call(copy, x=In(0), y=Out(0), N=y.size, T=y.dtype),)
