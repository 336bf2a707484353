"""Arithmetic on two tensors that broadcast to each other: add, subtract, multiply, divide, maximum, minimum, (a - b)^2.

Quantized: both inputs are brought to a common scale with enough bits below the point, combined, and requantized, in the
integers of TensorFlow Lite Micro's kernels (tensorflow/lite/micro/kernels/{add,sub,mul,div,squared_difference}_common.cc
and kernels/internal/reference). int32 is taken modulo 2^32 and never quantized. Division by zero, which TFLM leaves
undefined for integers, gives the largest or the smallest number, and 0 for 0 / 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from skosh.base.arith import Ints, quantize_multiplier, requantize, wrap
from skosh.base.dtypes import DType, f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.base.fixedpoint import quotient
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import FREE, SAME, Traits
from skosh.ops.common import (
    activation_range,
    broadcast_shape,
    check_dtype,
    check_quant,
    check_same_dtype,
    given,
    required,
)
from skosh.ops.elements import elementwise_kernels as k
from skosh.ops.elements.pointwise import choose, pointwise

Scaling = tuple[int, int]
"""(multiplier, shift): a factor multiplier * 2^(shift - 31)."""


@dataclass(frozen=True)
class Binary(Op):
    """What the operators of this file share: two inputs of one type, an output of their broadcast shape."""

    inplace = ((0, 0), (1, 0))
    traits = Traits(elementwise=True)
    types: ClassVar[tuple[DType, ...]] = (i8, i16, i32, f32)
    quantized: ClassVar[bool] = True  # whether int8 and int16 need scales

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b = required(inputs, 2)
        check_dtype(a, *self.types)
        check_same_dtype(a, b)
        if self.quantized:
            check_quant(a, b)
        return (Type(broadcast_shape(a.shape, b.shape), a.dtype),)

    def check_outputs(self, inputs: Operands, outputs: Operands) -> None:
        """A ModelError when the scales can't be rescaled to each other."""
        (y,) = required(outputs, 1)
        if self.quantized and y.dtype in (i8, i16):
            check_quant(y)
            self.calls(inputs, outputs)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        a, b, y = _operands(inputs, outputs)
        xa, xb = np.broadcast_arrays(given(values, 0), given(values, 1))
        with np.errstate(all="ignore"):
            result = self.meaning(a, b, y, xa, xb)
        return (result.astype(y.dtype.np),)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        """The output's values from the inputs', already broadcast."""
        raise NotImplementedError(type(self).__name__)


def _operands(inputs: Operands, outputs: Operands) -> tuple[Tensor, Tensor, Tensor]:
    (a, b), (y,) = required(inputs, 2), required(outputs, 1)
    return a, b, y


@dataclass(frozen=True)
class Add(Binary):
    """y = a + b, then the activation. int32 takes none. open: float infinities stay; else they become finite, as in TFLM."""

    activation: str = "none"
    open: bool = False
    kind = "add"
    traits = Traits(elementwise=True, curve=True, rowwise=True, int8=FREE, int16=True)
    sign: ClassVar[int] = 1

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (out,) = super().infer(inputs)
        if out.dtype == i32 and self.activation != "none" and self.sign > 0:
            raise ModelError(
                f"an addition of i32 can't have the activation {self.activation}, which TFLM ignores",
                hint="put the activation in a node of its own",
            )
        return (out,)

    def scaling(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[int, tuple[Scaling, Scaling, Scaling]]:
        """Bits below the point, and the factors of a, b and the output."""
        left = 15 if y.dtype == i16 else 20
        twice = 2.0 * max(_scale(a), _scale(b))
        out = _fraction(twice / ((1 << left) * _scale(y)))
        return left, (_fraction(_scale(a) / twice), _fraction(_scale(b) / twice), out)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        if y.dtype == f32:
            return _clamped(xa + xb if self.sign > 0 else xa - xb, self)
        if y.dtype == i32:
            raw = xa.astype(np.int64) + self.sign * xb.astype(np.int64)
            return np.clip(wrap(raw, i32), *_i32_range(self.activation))
        left, (fa, fb, fy) = self.scaling(a, b, y)
        raw = requantize(_centered(a, xa) << left, *fa) + self.sign * requantize(_centered(b, xb) << left, *fb)
        return _finished(requantize(raw, *fy), y, self.activation)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b, y = _operands(inputs, outputs)
        if y.dtype == f32:
            if self.open and self.activation == "none":
                return pointwise(k.open_sum_f32 if self.sign > 0 else k.open_difference_f32, (a, b), y)
            lo, hi = activation_range(self.activation, None, f32)
            return pointwise(k.sum_f32 if self.sign > 0 else k.difference_f32, (a, b), y, lo=lo, hi=hi)
        if y.dtype == i32 and self.sign > 0:
            return pointwise(k.sum_i32, (a, b), y)
        if y.dtype == i32:
            lo, hi = _i32_range(self.activation)
            return pointwise(k.difference_i32, (a, b), y, lo=lo, hi=hi)
        left, (fa, fb, fy) = self.scaling(a, b, y)
        lo, hi = activation_range(self.activation, y.quant, y.dtype)
        out = dict(zip(("multiplier", "right"), _right(fy), strict=True)) | {"zy": _zero(y), "lo": lo, "hi": hi}
        unit = 1 << (left - 1)  # what the larger scale's factor, which is a half, leaves of the left shift
        if fa == fb:
            c = -unit * (_zero(a) + self.sign * _zero(b))
            return pointwise(k.sum_of_one_scale, (a, b), y, ua=unit, ub=self.sign * unit, c=c, **out)
        turned = _scale(a) < _scale(b)
        large, small, mine = (b, a, self.sign * unit) if turned else (a, b, unit)
        mb, rb = _right(fa if turned else fb)
        return pointwise(
            k.sum_of_two_scales, (a, b), y, take=(1, 0) if turned else (0, 1), za=_zero(large), zb=_zero(small),
            unit=mine, sign=1 if turned else self.sign, left=left, mb=mb, rb=rb, **out,
        )  # fmt: skip


@dataclass(frozen=True)
class Sub(Add):
    """y = a - b, then the activation."""

    kind = "sub"
    sign = -1


@dataclass(frozen=True)
class Mul(Binary):
    """y = a * b, then the activation. open: float infinities stay; else they become finite, as in TFLM."""

    activation: str = "none"
    open: bool = False
    kind = "mul"
    traits = Traits(elementwise=True, curve=True, rowwise=True, int8=FREE, int16=True)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        if y.dtype == f32:
            return _clamped(xa * xb, self)
        if y.dtype == i32:
            return np.clip(wrap(xa.astype(np.int64) * xb.astype(np.int64), i32), *_i32_range(self.activation))
        product = _centered(a, xa) * _centered(b, xb)
        return _finished(requantize(product, *_product_scaling(a, b, y)), y, self.activation)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b, y = _operands(inputs, outputs)
        if y.dtype == f32:
            if self.open and self.activation == "none":
                return pointwise(k.open_product_f32, (a, b), y)
            lo, hi = activation_range(self.activation, None, f32)
            return pointwise(k.product_f32, (a, b), y, lo=lo, hi=hi)
        if y.dtype == i32:
            lo, hi = _i32_range(self.activation)
            return pointwise(k.product_i32, (a, b), y, lo=lo, hi=hi)
        lo, hi = activation_range(self.activation, y.quant, y.dtype)
        multiplier, shift = _product_scaling(a, b, y)
        if y.dtype == i16:
            return pointwise(k.product_i16, (a, b), y, multiplier=multiplier, shift=shift, lo=lo, hi=hi)
        _check_left(shift, 13)
        multiplier, right = _right((multiplier, min(shift, 0)))
        return pointwise(
            k.product_i8, (a, b), y, za=_zero(a), zb=_zero(b), left=max(shift, 0), multiplier=multiplier, right=right,
            zy=_zero(y), lo=lo, hi=hi,
        )  # fmt: skip


@dataclass(frozen=True)
class Div(Binary):
    """y = a / b, then the activation; int32 toward zero. open: float infinities stay; else they become finite."""

    activation: str = "none"
    open: bool = False
    kind = "div"
    traits = Traits(elementwise=True, curve=True, rowwise=True, int8=FREE)
    types = (i8, i32, f32)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        if y.dtype == f32:
            return _clamped(xa / xb, self)
        if y.dtype == i32:
            return np.clip(_truncated_quotient(xa.astype(np.int64), xb.astype(np.int64)), *_i32_range(self.activation))
        return _finished(quotient(_centered(a, xa), _centered(b, xb), *_quotient_scaling(a, b, y)), y, self.activation)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b, y = _operands(inputs, outputs)
        if y.dtype == f32:
            if self.open and self.activation == "none":
                return pointwise(k.open_quotient_f32, (a, b), y)
            lo, hi = activation_range(self.activation, None, f32)
            return pointwise(k.quotient_f32, (a, b), y, lo=lo, hi=hi)
        if y.dtype == i32:
            lo, hi = _i32_range(self.activation)
            return pointwise(k.quotient_i32, (a, b), y, lo=lo, hi=hi)
        lo, hi = activation_range(self.activation, y.quant, y.dtype)
        multiplier, shift = _quotient_scaling(a, b, y)
        _check_left(shift, 23)
        return pointwise(
            k.quotient_i8,
            (a, b),
            y,
            za=_zero(a),
            zb=_zero(b),
            multiplier=multiplier,
            shift=shift,
            zy=_zero(y),
            lo=lo,
            hi=hi,
        )


@dataclass(frozen=True)
class SquaredDifference(Binary):
    """y = (a - b)^2."""

    kind = "squared_difference"
    traits = Traits(elementwise=True, curve=True, int8=FREE, int16=True)

    def scaling(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[int, tuple[Scaling, Scaling, Scaling]]:
        """Bits below the point, and the factors of a, b and the squared difference."""
        left = 0 if y.dtype == i16 else 7
        twice = 2.0 * max(_scale(a), _scale(b))
        unit = float(np.float32(1 << (2 * left)) * np.float32(_scale(y)))
        out = quantize_multiplier(twice * twice / unit)
        return left, (_fraction(_scale(a) / twice), _fraction(_scale(b) / twice), out)

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        if y.dtype == f32:
            return np.asarray(np.square(xa - xb))
        if y.dtype == i32:
            d = wrap(xa.astype(np.int64) - xb.astype(np.int64), i32)
            return wrap(d * d, i32)
        left, (fa, fb, fy) = self.scaling(a, b, y)
        d = requantize(_centered(a, xa) << left, *fa) - requantize(_centered(b, xb) << left, *fb)
        return _finished(requantize(d * d, *fy), y, "none")

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b, y = _operands(inputs, outputs)
        if y.dtype in (f32, i32):
            return pointwise(k.square_of_difference_f32 if y.dtype == f32 else k.square_of_difference_i32, (a, b), y)
        left, (fa, fb, (multiplier, shift)) = self.scaling(a, b, y)
        _check_left(shift, 30)
        (ma, ra), (mb, rb) = _right(fa), _right(fb)
        return pointwise(
            k.square_of_difference, (a, b), y, za=_zero(a), zb=_zero(b), left=left, ma=ma, ra=ra, mb=mb, rb=rb,
            multiplier=multiplier, shift=shift, zy=_zero(y), lo=y.dtype.min, hi=y.dtype.max,
        )  # fmt: skip


@dataclass(frozen=True)
class Maximum(Binary):
    """y = a if a > b else b. Quantized numbers are compared as they are, as TFLM does: their scales must agree."""

    kind = "maximum"
    traits = Traits(elementwise=True, curve=True, int8=SAME, int16=True)
    types = (i8, i16, i32, i64, f32)
    quantized = False
    word: ClassVar[str] = ">"

    def meaning(self, a: Tensor, b: Tensor, y: Tensor, xa: Array, xb: Array) -> Array:
        return np.where(xa > xb if self.word == ">" else xa < xb, xa, xb)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        a, b, y = _operands(inputs, outputs)
        return pointwise(choose(self.kind, self.word, a.dtype), (a, b), y)


@dataclass(frozen=True)
class Minimum(Maximum):
    """y = a if a < b else b. Quantized numbers are compared as they are, as TFLM does: their scales must agree."""

    kind = "minimum"
    word = "<"


# ------------------------------------------------------------------------------------------------------------- arithmetic


def _scale(t: Tensor) -> float:
    assert t.quant is not None, "checked by infer"
    return t.quant.scale


def _zero(t: Tensor) -> int:
    assert t.quant is not None, "checked by infer"
    return t.quant.zero_point


def _centered(t: Tensor, x: Array) -> Ints:
    return x.astype(np.int64) - _zero(t)


def _finished(scaled: Ints, y: Tensor, activation: str) -> Array:
    return np.clip(scaled + _zero(y), *activation_range(activation, y.quant, y.dtype))


def _clamped(x: Array, op: Add | Mul | Div) -> Array:
    """float32 clamped as C does it: NaN stays NaN, a negative zero stays negative, infinities become finite."""
    if op.open and op.activation == "none":
        return x
    lo, hi = (np.float32(bound) for bound in activation_range(op.activation, None, f32))
    above = np.where(lo > x, lo, x)
    return np.where(hi < above, hi, above)


def _i32_range(activation: str) -> tuple[int, int]:
    """What a fused activation clamps unquantized int32 to."""
    lo, hi = {"none": (i32.min, i32.max), "relu": (0, i32.max), "relu6": (0, 6), "relu_n1_to_1": (-1, 1)}[activation]
    return lo, hi


def _fraction(real: float) -> Scaling:
    """A factor that must be below 1, or a ModelError."""
    multiplier, shift = quantize_multiplier(real)
    if real >= 1.0 or shift > 0:
        raise ModelError("the output's scale must not be 2^19 times smaller than the inputs'", hint="quantize again")
    return multiplier, shift


def _right(scaling: Scaling) -> tuple[int, int]:
    """(multiplier, right shift) for ``scale_down``. Beyond 30 the result is 0, as it is with 30 and half the multiplier."""
    multiplier, shift = scaling
    assert shift <= 0, "only factors below 1"
    return (multiplier, -shift) if -shift <= 30 else (0, 30)


def _check_left(shift: int, limit: int) -> None:
    if shift > limit:
        raise ModelError(f"the inputs' scales must not give the output a factor of 2^{shift}", hint="quantize again")


def _product_scaling(a: Tensor, b: Tensor, y: Tensor) -> Scaling:
    return quantize_multiplier(_scale(a) * _scale(b) / _scale(y))


def _quotient_scaling(a: Tensor, b: Tensor, y: Tensor) -> Scaling:
    return quantize_multiplier(_scale(a) / (_scale(b) * _scale(y)))


def _truncated_quotient(a: Ints, b: Ints) -> Ints:
    quotient = np.abs(a) // np.maximum(np.abs(b), 1) * np.sign(a) * np.sign(b)
    by_zero = np.where(a > 0, i32.max, np.where(a < 0, i32.min, 0))
    return np.where(b == 0, by_zero, wrap(quotient, i32))
