"""A scalar function of the kernel language applied to whole numpy arrays: the twin that references use.

Lane by lane it is ``ir.interpret_kernel.run_function``: the same operations in the same order, each rounded, and the
same refusals. A branch runs only on the lanes that take it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32, i32
from skosh.ir.graph import Array
from skosh.ir.interpret_kernel import Trap
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    Function,
    If,
    Let,
    Return,
    Select,
    Unary,
    Var,
)

Scope = dict[str, Array]

_HOLD = {"i32": np.int64, "u32": np.uint64}
"""What 32-bit integers are computed in, so that an overflow shows (i32) or is cut off (u32). 64-bit ones: themselves."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
    "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "&": np.bitwise_and, "|": np.bitwise_or,
    "^": np.bitwise_xor,
}  # fmt: skip


def apply(function: Function, *args: Any) -> Array:
    """function(*args) for each lane of the broadcast arguments; the result has the function's type."""
    given = np.broadcast_arrays(*(np.asarray(a, dtype=p.dtype.np) for a, p in zip(args, function.params, strict=True)))
    lanes = [a.reshape(-1).astype(_held(p.dtype)) for a, p in zip(given, function.params, strict=True)]
    with np.errstate(all="ignore"):
        out = _apply(function, lanes, given[0].size)
    return out.astype(function.returns.np).reshape(given[0].shape)


def _held(dtype: DType) -> Any:
    return _HOLD.get(dtype.name, dtype.np)


def _apply(function: Function, args: list[Array], lanes: int) -> Array:
    scope = {p.name: a for p, a in zip(function.params, args, strict=True)}
    returned = _body(function.body, scope, lanes)
    assert returned is not None, f"{function.name} ended without return"
    return returned


def _body(body: Body, scope: Scope, lanes: int) -> Array | None:
    for stmt in body:
        match stmt:
            case Let(var, value) | Assign(var, value):
                scope[var.name] = _value(value, scope, lanes)
            case If(condition, then, other):
                taken = _value(condition, scope, lanes)
                for branch, chosen in ((then, taken), (other, ~taken)):
                    _branch(branch, scope, np.flatnonzero(chosen))
            case Return(value):
                return _value(value, scope, lanes)
            case Assume(condition):
                assert np.all(_value(condition, scope, lanes)), "an assumption of the function doesn't hold"
            case _:
                raise AssertionError(f"a function to vectorize has no {type(stmt).__name__}")
    return None


def _branch(body: Body, scope: Scope, chosen: Array) -> None:
    """The branch on the lanes ``chosen``; what it assigned goes back to them, what it declared is gone."""
    if not body or not chosen.size:
        return
    inner = {name: value[chosen] for name, value in scope.items()}
    _body(body, inner, chosen.size)
    for stmt_name in scope:
        merged = scope[stmt_name].copy()
        merged[chosen] = inner[stmt_name]
        scope[stmt_name] = merged


def _value(e: Expr, scope: Scope, lanes: int) -> Array:
    match e:
        case Const(value, dtype):
            return np.full(lanes, value, dtype=_held(dtype))
        case Var(name):
            return scope[name]
        case Binary(op, a, b, dtype):
            return _binary(op, _value(a, scope, lanes), _value(b, scope, lanes), dtype)
        case Unary("not", a):
            return ~_value(a, scope, lanes)
        case Unary("sqrt", a):
            return np.asarray(np.sqrt(_value(a, scope, lanes)))
        case Unary("-", a, dtype):
            return _fit(-_value(a, scope, lanes), dtype)
        case Unary("~", a, dtype):
            return _fit(~_value(a, scope, lanes), dtype)
        case Cast(how, a, dtype):
            return _cast(how, _value(a, scope, lanes), a.dtype, dtype)
        case Select(condition, a, b):
            return np.where(_value(condition, scope, lanes), _value(a, scope, lanes), _value(b, scope, lanes))
        case CallExpr(function, args):
            return _apply(function, [_value(a, scope, lanes) for a in args], lanes)
    raise AssertionError(f"no vector form of {e!r}")


def _binary(op: str, a: Array, b: Array, dtype: DType) -> Array:
    if op in _COMPARE:
        return np.asarray(_COMPARE[op](a, b))
    if op in ("min", "max"):  # as in C, so that NaN behaves the same everywhere
        return np.where(a < b if op == "min" else a > b, a, b)
    if op in _ARITHMETIC:
        return _fit(np.asarray(_ARITHMETIC[op](a, b)), dtype)
    if op in ("<<", ">>"):
        count = b.astype(a.dtype)
        shifted = np.left_shift(a, count) if op == "<<" else np.right_shift(a, count)
        return shifted if op == ">>" else _cut(shifted, dtype)
    if op in ("//", "%") and dtype.is_integer:
        return _fit(_truncated(op, a, b), dtype)
    raise AssertionError(f"no vector form of {op}")


def _truncated(op: str, a: Array, b: Array) -> Array:
    """Quotient toward zero, or the remainder, of a's sign, that belongs to it."""
    if np.any(b == 0):
        raise Trap("a division by zero")
    rest = np.fmod(a, b)
    return rest if op == "%" else (a - rest) // b


def _fit(x: Array, dtype: DType) -> Array:
    """Unsigned results wrap; a signed one that doesn't fit is a Trap (of 32 bits; 64-bit ones are taken on trust)."""
    if dtype.name == "i32" and x.size and (x.min() < dtype.min or x.max() > dtype.max):
        raise Trap(f"a value overflows {dtype}")
    return _cut(x, dtype) if dtype.kind == "uint" else x


def _cut(x: Array, dtype: DType) -> Array:
    """x modulo 2^bits."""
    if dtype.bits == 64 or not dtype.is_integer:
        return x
    low = np.asarray(x).astype(np.int64) & ((1 << dtype.bits) - 1)
    if dtype.kind == "int":
        low = low - ((low >> (dtype.bits - 1)) << dtype.bits)
    return low.astype(_held(dtype))


def _cast(how: str, x: Array, source: DType, target: DType) -> Array:
    if how == "bits" and source == f32:
        return np.ascontiguousarray(x, dtype=np.float32).view(np.int32).astype(_held(i32))
    if how == "bits":
        return x.astype(np.int32).view(np.float32)
    if how == "convert" and target.is_integer:
        if not np.all(np.isfinite(x)):
            raise Trap(f"a value is not finite and can't be {target}")
        return _fit(np.trunc(x).astype(np.float64).astype(_held(target)), target)
    if how == "wrap":
        return _cut(x.astype(_held(target)) if target.bits == 64 else x, target)
    return x.astype(_held(target))
