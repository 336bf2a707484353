"""Sums of float32 along rows: ordered loops that add products, or squares of differences, of neighbours in memory.

Machines without an FPU have a function for each that does the whole loop. The mark changes nothing in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skosh.base.dtypes import f32
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    CallExpr,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Return,
    Stmt,
    Var,
    While,
    map_expr,
    walk,
)
from skosh.ir.simplify import polynomial
from skosh.schedule.lanes import depends

DOT = "dot"
SQUARED_DISTANCE = "squared_distance"


@dataclass(frozen=True)
class RowSum:
    """total += a * b (DOT), or (a - b)^2 (SQUARED_DISTANCE), element by element."""

    what: str
    total: Var
    a: Load
    b: Load


def row_sum(loop: For) -> RowSum | None:
    """The sum that a loop is, if it is one and nothing else."""
    if loop.par or loop.step != 1:
        return None
    match loop.body:
        case (Assign(total, Binary("+", Var() as before, Binary("*", Load() as a, Load() as b))),):
            found = RowSum(DOT, total, a, b)
        case (
            Let(d, Binary("-", Load() as a, Load() as b)),
            Assign(total, Binary("+", Var() as before, Binary("*", Var() as one, Var() as other))),
        ) if one == other == d:
            found = RowSum(SQUARED_DISTANCE, total, a, b)
        case (
            Assign(
                total, Binary("+", Var() as before, CallExpr(function, (Binary("-", Load() as a, Load() as b),)))
            ),
        ) if _squares(function.params, function.body):
            found = RowSum(SQUARED_DISTANCE, total, a, b)
        case _:
            return None
    floats = total.dtype == a.dtype == b.dtype == f32
    return found if floats and before == total and all(_neighbours(x, loop.var) for x in (a, b)) else None


def _squares(params: tuple[Var, ...], body: Body) -> bool:
    """Does a function give the square of its parameter?"""
    return len(params) == 1 and body == (Return(Binary("*", params[0], params[0], f32)),)


def _neighbours(load: Load, name: str) -> bool:
    """Is the last index the loop variable, or its sum with what doesn't depend on it?"""
    *outer, last = load.index
    terms = polynomial(last)
    moving = [factors for factors in terms if any(depends(f, (name,)) for f in factors)]
    return moving == [(Var(name),)] and terms[Var(name),] == 1 and not any(depends(e, (name,)) for e in outer)


def sum_by_function(kernel: Kernel) -> Kernel:
    """Every loop that is such a sum becomes a call where a machine has the function; its C stays beside it.

    for k in seq(K): acc += x[k] * w[k]  ->  for k in seq(K, function=True): acc += x[k] * w[k]
    """

    def marked(body: Body) -> Body:
        return tuple(_marked(s) for s in body)

    def _marked(s: Stmt) -> Stmt:
        match s:
            case For() if row_sum(s) is not None:
                return replace(s, function=True)
            case For() | While():
                return replace(s, body=marked(s.body))
            case If(condition, then, other):
                return If(condition, marked(then), marked(other))
        return s

    body = marked(kernel.body)
    names = dict.fromkeys(s.var for s in walk(body) if isinstance(s, For) and s.function)
    return replace(kernel, body=body, steps=(*kernel.steps, *(f'sum over "{name}" by a function' for name in names)))


def start(load: Load, loop: For) -> tuple[Expr, ...]:
    """The index of the first element that the loop reads."""
    return tuple(map_expr(i, lambda e: loop.lo if e == Var(loop.var) else e) for i in load.index)
