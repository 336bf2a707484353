"""Division of int32 toward minus infinity, and its rest: TFLite's FLOOR_DIV and FLOOR_MOD (kernels/floor_div.cc, floor_mod.cc).

Division by zero, for which TFLite gives no answer, is 0 with a rest of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from skosh.base.arith import wrap as wrapped
from skosh.base.dtypes import i32
from skosh.ir.call import Call
from skosh.ir.graph import Array, Operands, Tensor
from skosh.language import func, wrap
from skosh.ops.common import required
from skosh.ops.elements.elementwise import Binary
from skosh.ops.elements.pointwise import pointwise


@func
def floor_quotient(a: i32, b: i32) -> i32:
    """The largest integer that is at most a / b; -2^31 / -1 wraps."""
    y = 0
    if b == -1:
        y = wrap(i32, -i64(a))
    elif b != 0:
        y = a // b
        rest = a - y * b
        if (rest != 0) and ((rest < 0) != (b < 0)):
            y = y - 1
    return y


@func
def floor_rest(a: i32, b: i32) -> i32:
    """a - b * floor(a / b): its sign is that of b."""
    y = 0
    if (b != 0) and (b != -1):
        y = a - a // b * b
        if (y != 0) and ((y < 0) != (b < 0)):
            y = y + b
    return y


@dataclass(frozen=True)
class FloorDiv(Binary):
    """y = floor(a / b) of int32."""

    kind = "floor_div"
    types = (i32,)
    quantized = False
    function: ClassVar[Any] = floor_quotient

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        required(outputs, 1)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        x, z = xa.astype(np.int64), xb.astype(np.int64)
        return np.where(z == 0, 0, wrapped(np.floor_divide(x, np.where(z == 0, 1, z)), i32))

    def calls(self, inputs: Operands, outputs: Operands) -> Sequence[Call]:
        a, b = required(inputs, 2)
        (y,) = required(outputs, 1)
        return pointwise(self.function, (a, b), y)


@dataclass(frozen=True)
class FloorMod(FloorDiv):
    """y = a - b * floor(a / b) of int32."""

    kind = "floor_mod"
    function: ClassVar[Any] = floor_rest

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        x, z = xa.astype(np.int64), xb.astype(np.int64)
        return np.where(z == 0, 0, np.mod(x, np.where(z == 0, 1, z)))
