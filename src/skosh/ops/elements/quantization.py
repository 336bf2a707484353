"""Between numbers and their quantized forms: quantize, requantize, dequantize, cast.

As TensorFlow Lite Micro (tensorflow/lite/micro/kernels/{quantize_common,dequantize,cast}.cc). A float that doesn't fit
an integer is clamped, also where quantizing divides to 2^31 and beyond, which TFLM leaves to the machine. NaN is cast to
0 and quantized to the smallest number.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.arith import requantize, wrap
from skosh.base.dtypes import DType, bool_, f32, i8, i16, i32, i64, u8, u32
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.kernel import Binary, CallExpr, Const, Expr, Select
from skosh.ir.kernel import Cast as Convert
from skosh.ir.traits import Traits
from skosh.ops.common import check_dtype, check_quant, given, multipliers, required
from skosh.ops.elements import quantization_kernels as k
from skosh.ops.elements.activation_kernels import rescaled
from skosh.ops.elements.pointwise import Meaning, every_i8, lookup_call, pointwise
from skosh.ops.elements.unary import quant_of, rescale_numbers

_PAIRS: dict[DType, tuple[DType, ...]] = {
    f32: (i8, i16), i8: (i8, u8, i16, i32), u8: (i8,), i16: (i8, i16, i32), i32: (i8, i16),
}  # fmt: skip


@dataclass(frozen=True)
class Quantize(Op):
    """y = round(x / scale) + zero point of float32, or x rescaled to the output's units. ``to``: the output's type.

    Types: float32 to int8, int16; int8 to int8, uint8, int16, int32; uint8 to int8; int16 to int8, int16, int32; int32 to
    int8, int16.
    """

    to: DType
    kind = "quantize"
    traits = Traits(elementwise=True, unary=True)
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, *_PAIRS)
        if self.to not in _PAIRS[x.dtype]:
            names = " or ".join(t.name for t in _PAIRS[x.dtype])
            raise ModelError(f"{x.dtype} must be quantized to {names}, not {self.to}")
        if x.dtype != f32:
            _check_scale(x)
        return (Type(x.shape, self.to),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        (y,) = required(outputs, 1)
        _check_scale(y)
        self.calls(inputs, outputs)

    def scaling(self, x: Tensor, y: Tensor) -> tuple[int, int]:
        """(multiplier, shift) of x.scale / y.scale."""
        multiplier, shift = multipliers(quant_of(x)[0] / quant_of(y)[0])
        return int(multiplier[0]), int(shift[0])

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        v, (scale, zero) = given(values, 0), quant_of(y)
        if x.dtype == f32:
            with np.errstate(all="ignore"):
                steps = v / np.float32(scale)
            bounded = np.fmin(np.fmax(steps, y.dtype.min - zero), y.dtype.max - zero)  # NaN: the smallest
            return ((_round_half_away(bounded) + zero).astype(y.dtype.np),)
        centered = wrap(v.astype(np.int64) - quant_of(x)[1], i32)
        moved = requantize(centered, *self.scaling(x, y)) + zero
        return (np.clip(moved, y.dtype.min, y.dtype.max).astype(y.dtype.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        (scale, zero), lo, hi = quant_of(y), y.dtype.min, y.dtype.max
        if x.dtype == f32:
            return pointwise(k.quantized, (x,), y, scale=scale, zy=zero, lo=float(lo - zero), hi=float(hi - zero))
        multiplier, shift = self.scaling(x, y)
        if (x.dtype, y.dtype) == (i8, i8):
            (table,) = self.reference(inputs, outputs, [every_i8()])
            return lookup_call(table, y.size)
        if i32 in (x.dtype, y.dtype) or shift > 13:
            numbers: dict[str, Any] = {"zx": quant_of(x)[1], "multiplier": multiplier, "shift": shift, "zy": zero}
            return pointwise(k.rescaled_i32, (x,), y, **numbers, lo=lo, hi=hi)
        if (multiplier, shift) == (1 << 30, 1):
            return pointwise(k.moved, (x,), y, by=zero - quant_of(x)[1], lo=lo, hi=hi)
        return pointwise(rescaled, (x,), y, **rescale_numbers(x, y, (multiplier, shift), lo, hi))


def _check_scale(t: Tensor) -> None:
    """A ModelError unless t has one scale. Any zero point will do, in int16 too: TFLM's int16 softmax gives -32768."""
    if t.dtype != i16:
        check_quant(t)
    if t.quant is None or len(t.quant.scales) != 1:
        raise ModelError(f'"{t.name}" must have one scale')


def _round_half_away(x: Array) -> Array:
    """float32 of moderate size to the nearest int64, ties away from zero."""
    whole = np.trunc(x)
    return (whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0)).astype(np.int64)


@dataclass(frozen=True)
class Dequantize(Op):
    """y = scale * (x - zero point), float32. Types: int8, int16, uint8."""

    kind = "dequantize"
    traits = Traits(elementwise=True, unary=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i8, i16, u8)
        _check_scale(x)
        return (Type(x.shape, f32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        (x,) = required(inputs, 1)
        scale, zero = quant_of(x)
        return ((given(values, 0).astype(np.int64) - zero).astype(np.float32) * np.float32(scale),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        scale, zero = quant_of(x)
        return pointwise(k.dequantized, (x,), y, zx=zero, scale=scale)


# ------------------------------------------------------------------------------------------------------------------ cast

_CASTABLE = (bool_, i8, u8, i16, i32, u32, i64, f32)


@dataclass(frozen=True)
class Cast(Op):
    """y = x in another type: floats toward zero and clamped, integers cut off, bools as 0 and 1, all but 0 as true."""

    to: DType
    kind = "cast"
    traits = Traits(elementwise=True, unary=True, rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, *_CASTABLE)
        if self.to not in _CASTABLE:
            raise ModelError(f"a cast must be to {' or '.join(t.name for t in _CASTABLE)}, not {self.to}")
        return (Type(x.shape, self.to),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        v, to = given(values, 0), self.to
        if to == bool_:
            return (np.asarray(v != 0),)
        if to == f32 or v.dtype != np.float32:
            return (v.astype(to.np),)
        top = np.nextafter(np.float32(to.max), np.float32(0)) if to.bits >= 32 else np.float32(to.max)
        whole = np.trunc(np.nan_to_num(np.clip(v, np.float32(to.min), top), nan=0.0)).astype(np.int64)
        return (np.where(v > top, to.max, whole).astype(to.np),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        return pointwise(cast(x.dtype, y.dtype), (x,), y)


@functools.cache
def cast(source: DType, to: DType) -> Meaning:
    """A cast as a meaning of one element."""
    loaded = source if source in (bool_, u32, i64, f32) else i32

    def build(values: tuple[Expr, ...]) -> Expr:
        (x,) = values
        if to == bool_:
            zero = Const(0.0 if source == f32 else 0, loaded)
            return x if source == bool_ else Binary("!=", x, zero, bool_)
        if source == bool_:
            wide = to if to in (u32, i64, f32) else i32
            return Select(x, Const(1.0 if wide == f32 else 1, wide), Const(0.0 if wide == f32 else 0, wide), wide)
        if source == f32 and to != f32:
            function: Any = {u32: k.truncated_u32, i64: k.truncated_i64}.get(to, k.truncated_i32)
            x = CallExpr(function, (x,), function.returns)
            if to.bits < 32:
                low, high = Const(to.min), Const(to.max)
                x = Binary("min", Binary("max", x, low, i32), high, i32)
        return convert(x, to)

    return Meaning(f"cast_{source.name}_to_{to.name}", (loaded,), (), build, f"y = x as {to.name}.")


def convert(x: Expr, to: DType) -> Expr:
    """An integer or float expression in another type, cut off where it doesn't fit."""
    if x.dtype == to:
        return x
    if to == f32:
        return Convert("convert", x, to)
    fits = to.min <= x.dtype.min and x.dtype.max <= to.max
    return Convert("widen" if fits else "wrap", x, to)
