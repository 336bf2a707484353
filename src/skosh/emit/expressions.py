"""Kernel expressions as C99, with no more parentheses than a careful author writes and no implicit narrowing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, i32
from skosh.ir.kernel import Binary, CallExpr, Cast, Const, Expr, Load, Param, Select, Unary, Var
from skosh.ir.layout import address

_PRECEDENCE = {
    "*": 12, "/": 12, "//": 12, "%": 12, "+": 11, "-": 11, "<<": 10, ">>": 10, "<": 9, "<=": 9, ">": 9, ">=": 9,
    "==": 8, "!=": 8, "&": 7, "^": 6, "|": 5, "and": 4, "or": 3,
}  # fmt: skip
_SPELLING = {"//": "/", "and": "&&", "or": "||"}
_TERNARY, _UNARY, _ATOM = 2, 13, 15


@dataclass(frozen=True)
class Names:
    """How the C spells things: buffers' parameters, and the functions of the unit."""

    params: Mapping[str, Param]
    function: Callable[[str], str]
    steps: Mapping[str, int] = field(default_factory=dict)  # loop variables that are multiples of their step
    sizes: frozenset[str] = frozenset()  # numbers that are at least 1
    taken: set[str] = field(default_factory=set)  # names of the function that pointers must not have; grows
    twice: frozenset[str] = frozenset()  # locals that several blocks of the function declare
    separate: bool = True  # no two buffers share memory
    narrow_int: bool = False  # C's int may have 16 bits
    aligned: str = ""  # "aligned_" where words begin at multiples of four bytes
    walks: bool = True  # reductions walk pointers
    above: Any = None  # what must stand before the function: see ``emit.assembly``


def expression(e: Expr, names: Names) -> str:
    """The C text of an expression."""
    return _text(e, names)[0]


def operand(e: Expr, names: Names, level: int) -> str:
    text, precedence = _text(e, names)
    return f"({text})" if precedence < level else text


def _text(e: Expr, names: Names) -> tuple[str, int]:
    match e:
        case Const(value, dtype):
            return literal(value, dtype)
        case Var(name):
            return name, _ATOM
        case Load(buffer, index, dtype) if dtype != names.params[buffer].dtype:
            place = expression(address(names.params[buffer], index, names.steps), names)
            return f"{names.function(f'load_{names.aligned}word')}(&{buffer}[{place}])", _ATOM
        case Load(buffer, index, dtype) if dtype.packed:
            place = expression(address(names.params[buffer], index, names.steps), names)
            return f"{names.function(f'load_{dtype.name}')}({buffer}, {place})", _ATOM
        case Load(buffer, index):
            return f"{buffer}[{expression(address(names.params[buffer], index, names.steps), names)}]", _ATOM
        case Binary(op, a, b, dtype):
            return _binary(op, a, b, dtype, names)
        case Unary("sqrt", a):
            return f"{names.function('sqrtf')}({expression(a, names)})", _ATOM
        case Unary(op, a):
            return f"{ {'-': '-', '~': '~', 'not': '!'}[op] }{operand(a, names, _UNARY + 1)}", _UNARY
        case Cast(how, a, dtype):
            return _cast(how, a, dtype, names)
        case Select(condition, a, b):
            parts = operand(condition, names, _TERNARY + 1), operand(a, names, _TERNARY + 1), operand(b, names, _TERNARY)
            return f"{parts[0]} ? {parts[1]} : {parts[2]}", _TERNARY
        case CallExpr(function, args):
            return f"{names.function(function.name)}({', '.join(expression(a, names) for a in args)})", _ATOM
    raise AssertionError(f"no C for {e!r}")


def _binary(op: str, a: Expr, b: Expr, dtype: DType, names: Names) -> tuple[str, int]:
    if op == "min" and isinstance(a, Binary) and a.op == "max":  # clamp(x, lo, hi), as the author wrote it
        parts = ", ".join(expression(x, names) for x in (a.a, a.b, b))
        return f"{names.function(f'clamp_{dtype.name}')}({parts})", _ATOM
    if op in ("min", "max"):
        return f"{names.function(f'{op}_{dtype.name}')}({expression(a, names)}, {expression(b, names)})", _ATOM
    if dtype.name == "u32" and (known := _word(op, a, b)) is not None:
        return literal(known, dtype)
    if op in ("<=", "<", ">", ">=") and _is_bits(a) and isinstance(b, Const) and b.dtype == i32:
        text = f"{operand(a, names, _PRECEDENCE[op])} {op} {literal(b.value, i32)[0]} /* {float_of_bits(int(b.value))} */"
        return text, _PRECEDENCE[op]
    if op == "<<" and dtype.kind == "int":  # C leaves a left shift of a negative number undefined
        shifted = f"(u{dtype.c}){operand(a, names, _UNARY)} << {operand(b, names, _UNARY)}"
        if isinstance(a, Const) and isinstance(b, Const):
            return literal(int(a.value) << int(b.value), dtype)
        if isinstance(a, Const) and a.value == 1 and dtype == i32 and not names.narrow_int:
            return f"1 << {operand(b, names, _UNARY)}", _PRECEDENCE["<<"]
        return f"({dtype.c})({shifted})", _UNARY
    if op == "*" and isinstance(b, Const) and b.value == 1:
        return _text(a, names)
    if op == "+" and isinstance(b, Const) and dtype.kind == "int" and -(1 << 31) < b.value < 0:
        op, b = "-", Const(-b.value, b.dtype)
    level = _PRECEDENCE[op]
    left_level, right_level = level, level + 1
    mixes = {"<<", ">>", "&", "|", "^"}
    if op in mixes:  # the reader (and -Wparentheses) wants arithmetic inside shifts and masks bracketed
        left_level = right_level = _UNARY
    if op in ("==", "!=", "<", "<=", ">", ">="):  # comparisons of comparisons too
        left_level = right_level = max(level, _PRECEDENCE["<"]) + 1
    if op in ("and", "or") and isinstance(a, Binary) and a.op in ("and", "or") and a.op != op:
        left_level = _UNARY
    if op in ("and", "or") and isinstance(b, Binary) and b.op in ("and", "or") and b.op != op:
        right_level = _UNARY
    text = f"{operand(a, names, left_level)} {_SPELLING.get(op, op)} {operand(b, names, right_level)}"
    if dtype.kind == "uint" and dtype.bits < 32:
        raise AssertionError("arithmetic on narrow types is refused by the frontend")
    return text, level


def _word(op: str, a: Expr, b: Expr) -> int | None:
    """The value of an expression of unsigned words that are all known."""
    if isinstance(a, Binary) and a.dtype.name == "u32":
        inner = _word(a.op, a.a, a.b)
    else:
        inner = int(a.value) if isinstance(a, Const) else None
    if inner is None or not isinstance(b, Const) or op not in ("&", "|", "+", "*"):
        return None
    other = int(b.value)
    return {"&": inner & other, "|": inner | other, "+": inner + other, "*": inner * other}[op] & 0xFFFFFFFF


def _is_bits(e: Expr) -> bool:
    """Is it a float32 as an integer of the same order? Functions that make one are called something_bits."""
    return isinstance(e, CallExpr) and e.function.name.endswith("_bits") and e.function.returns == i32


def float_of_bits(order: int) -> str:
    """The float32 whose place in the order of integers this is, in the fewest digits."""
    bits = order if order >= 0 else order ^ 0x7FFFFFFF
    return str(np.int32(bits).view(np.float32))


def _cast(how: str, a: Expr, dtype: DType, names: Names) -> tuple[str, int]:
    inner = operand(a, names, _UNARY)
    if how == "bits":
        return f"{names.function('bits_of_f32' if dtype == i32 else 'f32_of_bits')}({expression(a, names)})", _ATOM
    if how == "widen" and dtype == i32 and isinstance(a, Load) and a.dtype.bits < 32 and not names.narrow_int:
        return _text(a, names)  # C promotes to int by itself, and int is at least as wide as int32_t's users assume here
    return f"({dtype.c}){inner}", _UNARY


def literal(value: int | float | bool, dtype: DType) -> tuple[str, int]:
    """A constant that reads back exactly."""
    if dtype.kind == "bool":
        return ("true" if value else "false"), _ATOM
    if dtype.is_float:
        return float_literal(float(value), dtype)
    number = int(value)
    if dtype == i32 and number == dtype.min:
        return "INT32_MIN", _ATOM
    if dtype.name == "i64":
        if number == dtype.min:
            return "INT64_MIN", _ATOM
        return f"INT64_C({number})", _ATOM
    if dtype.name == "u64":
        return f"UINT64_C({number})", _ATOM
    if dtype.name == "u32":
        return f"{number}u", _ATOM
    return str(number), _ATOM if number >= 0 else _UNARY


def float_literal(value: float, dtype: DType) -> tuple[str, int]:
    if math.isnan(value):
        return "NAN", _ATOM
    if math.isinf(value):
        return ("INFINITY", _ATOM) if value > 0 else ("-INFINITY", _UNARY)
    if dtype == f32:
        text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
        short = np.format_float_positional(np.float32(value), unique=True, trim="0")
        text = short if len(short) <= len(text) + 2 else text
        text += "f"
    else:
        text = repr(value) if any(c in repr(value) for c in ".en") else f"{value!r}.0"
    return text, _ATOM if value >= 0 and not text.startswith("-") else _UNARY
