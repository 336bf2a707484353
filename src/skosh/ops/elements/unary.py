"""What functions of one tensor share: int8 by a table of 256, floats by a scalar function, both made from one reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from skosh.base.arith import quantize_multiplier, requantize, round_half_away
from skosh.base.dtypes import DType, f32, i8, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import Traits
from skosh.language.vectorized import apply
from skosh.ops.common import check_dtype, check_quant, given, required
from skosh.ops.elements.pointwise import every_i8, lookup_call, pointwise


@dataclass(frozen=True)
class Unary(Op):
    """y[i] = f(x[i]), of the same type."""

    inplace = ((0, 0),)
    traits = Traits(elementwise=True, unary=True)
    types: ClassVar[tuple[DType, ...]] = (f32,)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, *self.types)
        if x.dtype == i8 or (x.dtype == i16 and x.quant is not None):
            check_quant(x)
        return (Type(x.shape, x.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        """A ModelError when the scales don't fit the operator."""
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        if x.dtype == i8 or (x.dtype == i16 and x.quant is not None):
            check_quant(y)
            self.calls(inputs, outputs)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        with np.errstate(all="ignore"):
            result = self.meaning(x, y, given(values, 0))
        return (np.asarray(result).astype(y.dtype.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        if x.dtype == i8:
            (table,) = self.reference(inputs, outputs, [every_i8()])
            return lookup_call(table, y.size)
        return self.wide_calls(x, y)

    def meaning(self, x: Tensor, y: Tensor, v: Array) -> Array:
        """The output's values from the input's."""
        raise NotImplementedError(type(self).__name__)

    def wide_calls(self, x: Tensor, y: Tensor) -> tuple[Call, ...]:
        """The calls for every type but int8."""
        raise NotImplementedError(type(self).__name__)


def quant_of(t: Tensor) -> tuple[float, int]:
    """(scale, zero point) of a tensor that has one of each."""
    assert t.quant is not None, "checked by infer"
    return t.quant.scale, t.quant.zero_point


def ratio(x: Tensor, y: Tensor) -> tuple[int, int]:
    """(multiplier, shift) of x.scale / y.scale, in double."""
    return factor(quant_of(x)[0] / quant_of(y)[0])


def factor(real: float) -> tuple[int, int]:
    """(multiplier, shift) of a real factor; a ModelError when it is beyond what 32 bits can do."""
    if not abs(real) < 2.0**14:
        raise ModelError(f"the scales must not differ by a factor of {real:g}", hint="quantize again")
    return quantize_multiplier(real)


def rescale(x: Tensor, y: Tensor, v: Array, scaling: tuple[int, int]) -> Array:
    """v from x's units to y's, not yet clamped."""
    return requantize(v.astype(np.int64) - quant_of(x)[1], *scaling) + quant_of(y)[1]


def rescale_numbers(x: Tensor, y: Tensor, scaling: tuple[int, int], lo: int, hi: int) -> dict[str, Any]:
    """The numbers of the ``rescaled`` kernel function for inputs of at most 17 bits, zero point included."""
    multiplier, shift = scaling
    if shift < -30:
        multiplier, shift = 0, 0
    left, right = max(shift, 0), max(-shift, 0)
    return {
        "zx": quant_of(x)[1],
        "left": left,
        "multiplier": multiplier,
        "right": right,
        "zy": quant_of(y)[1],
        "lo": lo,
        "hi": hi,
    }


def tabulated(x: Tensor, y: Tensor, v: Array, function: Callable[[Array], Array]) -> Array:
    """An int8 function by way of floats: y.zero + round(function(x.scale * (v - x.zero)) * (1 / y.scale)), in float32.

    tensorflow/lite/kernels/internal/common.h, LUTPopulate. ``function``: float32 to float32.
    """
    (sx, zx), (sy, zy) = quant_of(x), quant_of(y)
    real = np.float32(sx) * (v.astype(np.int64) - zx).astype(np.float32)
    steps = function(real).astype(np.float32) * (np.float32(1) / np.float32(sy))
    moved = round_half_away(steps).astype(np.float32) + np.float32(zy)
    return np.asarray(np.clip(np.trunc(np.nan_to_num(moved, nan=0.0)), i8.min, i8.max))


def rounded(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """A function of double precision as one of float32, rounded correctly: what tables are made from."""
    return lambda v: np.asarray(function(v.astype(np.float64))).astype(np.float32)


def float_calls(function: Any, x: Tensor, y: Tensor, **numbers: Any) -> tuple[Call, ...]:
    return pointwise(function, (x,), y, **numbers)


def float_values(function: Any, v: Array, *numbers: float) -> Array:
    """The scalar function on each element: the same bits as the kernel's."""
    return apply(function, v, *(np.float32(n) for n in numbers))
