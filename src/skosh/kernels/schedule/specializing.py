"""Numbers that are known: bind, and what follows from loop ranges: settle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Select,
    Stmt,
    Var,
    While,
    map_body,
    map_expr,
    substitute,
)
from skosh.ir.known import Known, start
from skosh.ir.simplify import simplify
from skosh.kernels.fold import fold_body


def bind(kernel: Kernel, numbers: Mapping[str, int | float]) -> Kernel:
    """Sizes and scalars that are known become constants: the kernel is specialised for them.

    y[N * m + n] with N=64  ->  y[64 * m + n]
    """
    types = {v.name: v.dtype for v in kernel.numbers}
    unknown = set(numbers) - set(types)
    assert not unknown, f"{kernel.name} has no number {sorted(unknown)}"
    values: dict[str, Expr] = {n: Const(v, types[n]) for n, v in numbers.items()}

    def shape(e: Expr) -> Expr:
        return simplify(map_expr(e, lambda x: values.get(x.name, x) if isinstance(x, Var) else x))

    return replace(
        kernel,
        params=tuple(replace(p, shape=tuple(shape(d) for d in p.shape)) for p in kernel.params),
        sizes=tuple(s for s in kernel.sizes if s not in numbers),
        scalars=tuple(v for v in kernel.scalars if v.name not in numbers),
        body=fold_body(substitute(kernel.body, values)),
    )


def settle(kernel: Kernel) -> Kernel:
    """What loop ranges and conditions around it decide is decided: branches, selections, min and max.

    for i in par(2, 8): if i < 9: f(i)  ->  for i in par(2, 8): f(i)
    """
    return replace(kernel, body=fold_body(settled(kernel.body, start(kernel))))


def settled(body: Body, known: Known) -> Body:
    out: list[Stmt] = []
    for s in body:
        new = s
        match s:
            case If(condition, then, other):
                answer = known.decides(condition)
                if answer is not None:
                    chosen = settled(then if answer else other, known)
                    new = If(Const(answer, condition.dtype), chosen if answer else (), () if answer else chosen)
                else:
                    told = known.where(condition), known.where(condition, False)
                    new = If(_expr(condition, known), settled(then, told[0]), settled(other, told[1]))
            case For():
                lo, hi = _expr(s.lo, known), _expr(s.hi, known)
                never = known.shows(Binary("-", lo, hi, i32))
                new = replace(s, lo=lo, hi=lo if never else hi, body=() if never else settled(s.body, known.inside(s)))
            case While():
                new = replace(s, body=settled(s.body, known.inside(s)))
            case _:
                (new,) = map_body((s,), lambda e: _rule(e, known))  # noqa: B023
        out.append(new)
        known = known.after(s)
    return tuple(out)


def _expr(e: Expr, known: Known) -> Expr:
    return map_expr(e, lambda x: _rule(x, known))


def _rule(e: Expr, known: Known) -> Expr:
    match e:
        case Binary("min" | "max" as op, a, b) if e.dtype == i32:
            first, second = (a, b) if op == "max" else (b, a)
            if known.shows(Binary("-", first, second, i32)):
                return a
            if known.shows(Binary("-", second, first, i32)):
                return b
        case Select(condition, a, b):
            answer = known.decides(condition)
            if answer is not None:
                return a if answer else b
    return e
