"""What is known at compile time, done at compile time: constant indices, conditions, and loops of one round or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from skosh.ir.kernel import (
    Binary,
    Body,
    Cast,
    Const,
    Expr,
    For,
    If,
    Let,
    Select,
    Stmt,
    Unary,
    While,
    map_body,
    map_expr,
    substitute,
)
from skosh.ir.simplify import fold_i32, simplify

_COMPARE = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def fold_body(body: Body) -> Body:
    """An equal body with constants folded, from the leaves up."""
    return tuple(new for s in map_body(body, _fold) for new in _statement(s))


def fold(e: Expr) -> Expr:
    return map_expr(e, _fold)


def _statement(s: Stmt) -> Body:
    match s:
        case If(Const(value=value), then, other):
            return tuple(new for x in (then if value else other) for new in _statement(x))
        case If(condition, then, other):
            return (If(condition, _inside(then), _inside(other)),)
        case While(condition, most, body):
            never = isinstance(condition, Const) and not condition.value
            return () if never else (While(condition, simplify(most), _inside(body)),)
        case For():
            lo, hi, body = simplify(s.lo), simplify(s.hi), _inside(s.body)
            if not body:
                return ()
            if isinstance(lo, Const) and isinstance(hi, Const):
                rounds = -(-(int(hi.value) - int(lo.value)) // s.step)
                if rounds <= 0:
                    return ()
                if rounds == 1 and not s.issue and not _declares(body):
                    return fold_body(substitute(body, {s.var: lo}))
            return (replace(s, lo=lo, hi=hi, body=body),)
    return (s,)


def _declares(body: Body) -> bool:
    """Locals of an unwrapped loop would spill into the scope around it."""
    return any(isinstance(s, Let) for s in body)


def _inside(body: Body) -> Body:
    return tuple(new for s in body for new in _statement(s))


def _fold(e: Expr) -> Expr:
    match e:
        case Binary("and", Const(value=value), b):
            return b if value else Const(False, e.dtype)
        case Binary("and", a, Const(value=value)):
            return a if value else Const(False, e.dtype)
        case Binary("and") if _contradicts(e):
            return Const(False, e.dtype)
        case Binary("or", Const(value=value), b):
            return Const(True, e.dtype) if value else b
        case Binary("or", a, Const(value=False)):
            return a
        case Binary(op, Const(value=a), Const(value=b)) if op in _COMPARE:
            return Const(_COMPARE[op](a, b), e.dtype)
        case Unary("not", Const(value=value)):
            return Const(not value, e.dtype)
        case Unary("-", Const(value=value), dtype) if dtype.is_float or (dtype.kind == "int" and -int(value) <= dtype.max):
            return Const(-value, dtype)
        case Select(Const(value=value), a, b):
            return a if value else b
        case Cast("widen" | "wrap", Const(value=value), dtype) if dtype.is_integer and dtype.min <= value <= dtype.max:
            return Const(int(value), dtype)
        case Binary(dtype=dtype) if dtype.name == "i32":
            return fold_i32(e)
    return e



def _contradicts(condition: Expr) -> bool:
    """Does it ask one integer to be at least a constant and at most a smaller one? So a window never fits a smaller image."""
    low: dict[Expr, int] = {}
    high: dict[Expr, int] = {}
    for what, op, bound in _bounds(condition):
        if op in (">", ">="):
            low[what] = max(low.get(what, bound), bound + (op == ">"))
        else:
            high[what] = min(high.get(what, bound), bound - (op == "<"))
    return any(least > high.get(what, least) for what, least in low.items())


def _bounds(condition: Expr) -> Iterator[tuple[Expr, str, int]]:
    """(integer, comparison, constant) of everything that must hold."""
    match condition:
        case Binary("and", a, b):
            yield from _bounds(a)
            yield from _bounds(b)
        case Binary(op, a, Const(value=value)) if op in _MIRRORED and a.dtype.is_integer:
            yield a, op, int(value)
        case Binary(op, Const(value=value), b) if op in _MIRRORED and b.dtype.is_integer:
            yield b, _MIRRORED[op], int(value)


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
