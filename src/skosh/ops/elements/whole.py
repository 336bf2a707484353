"""Arithmetic and logic on whole numbers without a scale: int32 and int64, modulo 2^32 and 2^64.

ONNX's Add ... Mod, BitShift and Bitwise of integers. Narrower types are widened before and cut off afterwards, by casts around
the node. Division by zero, which ONNX leaves open, gives 0, as does a remainder by zero; a shift by more than the type's width
leaves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import i32, i64, u32, u64
from skosh.base.errors import ModelError
from skosh.ir.call import Call
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import Traits
from skosh.language import func, wrap
from skosh.language.vectorized import apply
from skosh.ops.common import broadcast_shape, check_dtype, check_same_dtype, given, required
from skosh.ops.elements.pointwise import pointwise

# ---------------------------------------------------------------------------------------------------------------- int32


@func
def divided_i32(a: i32, b: i32) -> i32:
    """a / b toward zero."""
    y = 0
    if b == -1:
        y = wrap(i32, -i64(a))
    elif b != 0:
        y = a // b
    return y


@func
def remainder_i32(a: i32, b: i32) -> i32:
    """a - b * (a / b toward zero): of a's sign."""
    y = 0
    if b != 0 and b != -1:
        y = a % b
    return y


@func
def modulo_i32(a: i32, b: i32) -> i32:
    """a - b * floor(a / b): of b's sign."""
    y = 0
    if b != 0 and b != -1:
        y = a % b
        if y != 0 and (y < 0) != (b < 0):
            y = y + b
    return y


@func
def left_i32(a: i32, b: i32) -> i32:
    """a * 2^b."""
    y = 0
    if b >= 0 and b < 32:
        y = wrap(i32, u32(wrap(u32, a)) << b)
    return y


@func
def right_i32(a: i32, b: i32) -> i32:
    """floor(a / 2^b)."""
    y = -1 if a < 0 else 0
    if b >= 0 and b < 32:
        y = a >> b
    return y


@func
def and_i32(a: i32, b: i32) -> i32:
    """The bits that both have."""
    return a & b


@func
def or_i32(a: i32, b: i32) -> i32:
    """The bits that either has."""
    return a | b


@func
def xor_i32(a: i32, b: i32) -> i32:
    """The bits that one of them has."""
    return a ^ b


# ---------------------------------------------------------------------------------------------------------------- int64


@func
def sum_i64(a: i64, b: i64) -> i64:
    """a + b."""
    return wrap(i64, wrap(u64, a) + wrap(u64, b))


@func
def difference_i64(a: i64, b: i64) -> i64:
    """a - b."""
    return wrap(i64, wrap(u64, a) - wrap(u64, b))


@func
def product_i64(a: i64, b: i64) -> i64:
    """a * b."""
    return wrap(i64, wrap(u64, a) * wrap(u64, b))


@func
def divided_i64(a: i64, b: i64) -> i64:
    """a / b toward zero."""
    y = i64(0)
    if b == i64(-1):
        y = wrap(i64, u64(0) - wrap(u64, a))
    elif b != i64(0):
        y = a // b
    return y


@func
def remainder_i64(a: i64, b: i64) -> i64:
    """a - b * (a / b toward zero): of a's sign."""
    y = i64(0)
    if b != i64(0) and b != i64(-1):
        y = a % b
    return y


@func
def modulo_i64(a: i64, b: i64) -> i64:
    """a - b * floor(a / b): of b's sign."""
    y = i64(0)
    if b != i64(0) and b != i64(-1):
        y = a % b
        if y != i64(0) and (y < i64(0)) != (b < i64(0)):
            y = y + b
    return y


@func
def left_i64(a: i64, b: i64) -> i64:
    """a * 2^b."""
    y = i64(0)
    if b >= i64(0) and b < i64(64):
        y = wrap(i64, wrap(u64, a) << wrap(i32, b))
    return y


@func
def right_i64(a: i64, b: i64) -> i64:
    """floor(a / 2^b)."""
    y = i64(-1) if a < i64(0) else i64(0)
    if b >= i64(0) and b < i64(64):
        y = a >> wrap(i32, b)
    return y


@func
def and_i64(a: i64, b: i64) -> i64:
    """The bits that both have."""
    return a & b


@func
def or_i64(a: i64, b: i64) -> i64:
    """The bits that either has."""
    return a | b


@func
def xor_i64(a: i64, b: i64) -> i64:
    """The bits that one of them has."""
    return a ^ b


_FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "add": (None, sum_i64), "sub": (None, difference_i64), "mul": (None, product_i64),
    "div": (divided_i32, divided_i64), "remainder": (remainder_i32, remainder_i64), "modulo": (modulo_i32, modulo_i64),
    "left": (left_i32, left_i64), "right": (right_i32, right_i64),
    "and": (and_i32, and_i64), "or": (or_i32, or_i64), "xor": (xor_i32, xor_i64),
}  # fmt: skip


@dataclass(frozen=True)
class Whole(Op):
    """y = a op b of whole numbers. op: add, sub, mul (int64 only: int32 has operators of its own), div (toward zero),
    remainder (of a's sign), modulo (of b's), left, right, and, or, xor."""

    op: str
    kind = "whole"
    traits = Traits()
    inplace = ((0, 0), (1, 0))

    def __post_init__(self) -> None:
        assert self.op in _FUNCTIONS, f"no arithmetic is called {self.op}"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        a, b = required(inputs, 2)
        check_dtype(a, i32, i64)
        check_same_dtype(a, b)
        if _FUNCTIONS[self.op][a.dtype == i64] is None:
            raise ModelError(f"{self.op} of {a.dtype} is an operator of its own")
        return (Type(broadcast_shape(a.shape, b.shape), a.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        function = _FUNCTIONS[self.op][required(inputs, 2)[0].dtype == i64]
        return (np.asarray(apply(function, given(values, 0), given(values, 1))),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (a, b), (y,) = required(inputs, 2), required(outputs, 1)
        return pointwise(_FUNCTIONS[self.op][a.dtype == i64], (a, b), y)
