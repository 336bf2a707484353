"""Comparisons, logic and choice, element by element over tensors that broadcast to each other.

Comparisons of int8 follow TensorFlow Lite Micro (tensorflow/lite/micro/kernels/comparisons.cc): each side becomes an
integer, 256 * scale * (q - zero point) rounded, and these are compared; so what differs by less than 1/256 may be equal.
int16, which TFLM has no working kernel for, is compared as it is and must have one scale on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from skosh.base.arith import Ints, quantize_multiplier, requantize
from skosh.base.dtypes import bool_, f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.kernel import Binary, Unary
from skosh.ir.traits import FREE, SAME, Traits
from skosh.language import func
from skosh.ops.common import broadcast_shape, check_dtype, check_quant, check_same_dtype, given, required
from skosh.ops.elements.elementwise_kernels import scale_down
from skosh.ops.elements.pointwise import Meaning, compare, pointwise, select

LEFT_SHIFT = 8  # bits below the point of a scaled int8
FARTHEST = i32.max


@func
def difference_between(
    a: i32, b: i32, za: i32, zb: i32, left_a: i32, ma: i32, ra: i32, left_b: i32, mb: i32, rb: i32, lo: i32, hi: i32
) -> bool:
    """y = lo <= a - b <= hi, both sides scaled and rounded to 1/256."""
    d = scale_down((a - za) << left_a, ma, ra) - scale_down((b - zb) << left_b, mb, rb)
    return lo <= d and d <= hi


@func
def difference_elsewhere(
    a: i32, b: i32, za: i32, zb: i32, left_a: i32, ma: i32, ra: i32, left_b: i32, mb: i32, rb: i32
) -> bool:
    """y = a != b, both sides scaled and rounded to 1/256."""
    return scale_down((a - za) << left_a, ma, ra) != scale_down((b - zb) << left_b, mb, rb)


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_DIFFERENCES = {
    "==": (0, 0), "<": (-FARTHEST, -1), "<=": (-FARTHEST, 0), ">": (1, FARTHEST), ">=": (0, FARTHEST),
}  # fmt: skip
"""Where a - b lies when ``a op b``."""

_WORDS = {"==": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}


@dataclass(frozen=True)
class Compare(Op):
    """y = a op b, a bool. ``op``: == != < <= > >=. Types: int8, int16, int32, int64, float32; == and != bool too."""

    op: str
    kind = "compare"
    traits = Traits(elementwise=True, curve=True, rowwise=True, int8=FREE)

    def __post_init__(self) -> None:
        assert self.op in _COMPARE, f"no comparison is called {self.op}"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b = required(inputs, 2)
        check_dtype(a, i8, i16, i32, i64, f32, *((bool_,) if self.op in ("==", "!=") else ()))
        check_same_dtype(a, b)
        if a.dtype == i8:
            check_quant(a, b)
            for t in (a, b):
                if _scaling(t)[0] > 22:
                    raise ModelError(f'"{t.name}" must have a scale below 2^14 to be compared')
        if a.dtype == i16 and a.quant != b.quant:
            raise ModelError("i16 tensors must have the same scale to be compared", hint="requantize one of them first")
        return (Type(broadcast_shape(a.shape, b.shape), bool_),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        a, b = required(inputs, 2)
        xa, xb = given(values, 0), given(values, 1)
        if a.dtype == i8:
            xa, xb = _scaled(a, xa), _scaled(b, xb)
        return (np.asarray(_COMPARE[self.op](xa, xb), dtype=bool),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (a, b), (y,) = required(inputs, 2), required(outputs, 1)
        if a.dtype != i8:
            if self.op in (">", ">="):  # a > b is b < a
                turned = {">": "<", ">=": "<="}[self.op]
                return pointwise(compare(_WORDS[turned], turned, a.dtype), (a, b), y, take=(1, 0))
            return pointwise(compare(_WORDS[self.op], self.op, a.dtype), (a, b), y)
        assert a.quant is not None and b.quant is not None, "checked by infer"
        (left_a, ma, ra), (left_b, mb, rb) = _scaling(a), _scaling(b)
        numbers: dict[str, Any] = {"za": a.quant.zero_point, "zb": b.quant.zero_point, "left_a": left_a, "ma": ma, "ra": ra,
                   "left_b": left_b, "mb": mb, "rb": rb}  # fmt: skip
        if self.op == "!=":
            return pointwise(difference_elsewhere, (a, b), y, **numbers)
        lo, hi = _DIFFERENCES[self.op]
        return pointwise(difference_between, (a, b), y, **numbers, lo=lo, hi=hi)


def _scaling(t: Tensor) -> tuple[int, int, int]:
    """(left, multiplier, right) of 256 * scale. A factor below 2^-30 makes every int8 0, as a shift by 30 does."""
    assert t.quant is not None, "checked by infer"
    multiplier, shift = quantize_multiplier(t.quant.scale)
    return LEFT_SHIFT + max(shift, 0), multiplier if shift >= -30 else 0, min(max(-shift, 0), 30)


def _scaled(t: Tensor, x: Array) -> Ints:
    assert t.quant is not None, "checked by infer"
    multiplier, shift = quantize_multiplier(t.quant.scale)
    return requantize((x.astype(np.int64) - t.quant.zero_point) << LEFT_SHIFT, multiplier, shift)


# ----------------------------------------------------------------------------------------------------------------- logic


@dataclass(frozen=True)
class Logical(Op):
    """y = a and b, or a or b, of bools. ``op``: "and", "or"."""

    op: str
    kind = "logical"
    traits = Traits(elementwise=True, curve=True)
    inplace = ((0, 0), (1, 0))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b = required(inputs, 2)
        check_dtype(a, bool_)
        check_dtype(b, bool_)
        return (Type(broadcast_shape(a.shape, b.shape), bool_),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        word = np.logical_and if self.op == "and" else np.logical_or
        return (np.asarray(word(given(values, 0), given(values, 1))),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (a, b), (y,) = required(inputs, 2), required(outputs, 1)
        return pointwise(_LOGICAL[self.op], (a, b), y)


_LOGICAL = {
    "and": Meaning("logical_and", (bool_, bool_), (), lambda v: Binary("and", v[0], v[1], bool_), "y = a and b."),
    "or": Meaning("logical_or", (bool_, bool_), (), lambda v: Binary("or", v[0], v[1], bool_), "y = a or b."),
}
_NOT = Meaning("logical_not", (bool_,), (), lambda v: Unary("not", v[0], bool_), "y = not a.")


@dataclass(frozen=True)
class LogicalNot(Op):
    """y = not x."""

    kind = "logical_not"
    traits = Traits(elementwise=True, unary=True, curve=True)
    inplace: ClassVar[tuple[tuple[int, int], ...]] = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, bool_)
        return (Type(x.shape, bool_),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.asarray(np.logical_not(given(values, 0))),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,), (y,) = required(inputs, 1), required(outputs, 1)
        return pointwise(_NOT, (x,), y)


@dataclass(frozen=True)
class Select(Op):
    """y = b if a else c, for a bool a; all three broadcast. Quantized numbers are moved as they are: one scale for all."""

    kind = "select"
    traits = Traits(elementwise=True, curve=True, rowwise=True, int8=SAME, int16=True)
    inplace = ((1, 0), (2, 0))

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b, c = required(inputs, 3)
        check_dtype(a, bool_)
        check_same_dtype(b, c)
        return (Type(broadcast_shape(a.shape, b.shape, c.shape), b.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (np.where(given(values, 0), given(values, 1), given(values, 2)),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (a, b, c), (y,) = required(inputs, 3), required(outputs, 1)
        return pointwise(select(b.dtype), (a, b, c), y)
