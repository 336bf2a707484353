"""Numbers that are known: bind, and what follows from loop ranges: settle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from skosh.base.dtypes import i32
from skosh.ir.fold import fold, fold_body
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Local,
    Select,
    Stmt,
    Var,
    While,
    map_body,
    map_expr,
    substitute,
    walk,
)
from skosh.ir.known import Known, start
from skosh.ir.rename import all_names, fresh, renamed
from skosh.ir.simplify import simplify


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
        doc=_with_values(kernel.doc, numbers),
    )


def _with_values(doc: str, numbers: Mapping[str, int | float]) -> str:
    """The text, and the values of those numbers that it speaks of: their names are in it alone from now on."""
    told = [f"{n} = {v}" for n, v in numbers.items() if re.search(rf"\b{n}\b", doc) and isinstance(v, int)]
    return f"{doc}\nHere {', '.join(told)}." if told else doc


def settle(kernel: Kernel) -> Kernel:
    """What loop ranges and conditions around it decide is decided: branches, selections, min and max.

    for i in par(2, 8): if i < 9: f(i)  ->  for i in par(2, 8): f(i)
    """
    body = fold_body(settled(unwrapped(kernel), start(kernel)))
    plain = fold_body(_without_constants(body, {s.var.name for s in walk(body) if isinstance(s, Assign)}))
    made = replace(kernel, body=plain)
    return made if plain == body else settle(made)


def unwrap(kernel: Kernel) -> Kernel:
    """Loops of one round become what is in them.

    for t in par(1): y[t] = x[t]  ->  y[0] = x[0]
    """
    return replace(kernel, body=fold_body(unwrapped(kernel)))


def _without_constants(body: Body, assigned: set[str]) -> Body:
    """Locals that are numbers become the numbers."""
    out: list[Stmt] = []
    for i, s in enumerate(body):
        match s:
            case Let(var, Const() as value) if var.name not in assigned:
                return (*out, *_without_constants(substitute(body[i + 1 :], {var.name: value}), assigned))
            case For() | While():
                out.append(replace(s, body=_without_constants(s.body, assigned)))
            case If(condition, then, other):
                out.append(If(condition, *(_without_constants(b, assigned) for b in (then, other))))
            case _:
                out.append(s)
    return tuple(out)


def settled(body: Body, known: Known) -> Body:
    out: list[Stmt] = []
    for s in body:
        new = s
        match s:
            case If(condition, then, other):
                left = _condition(condition, known)
                told = known.where(condition), known.where(condition, False)
                sides = [settled(b, t) for b, t in zip((then, other), told, strict=True)]
                if isinstance(left, Const):
                    sides[0 if not left.value else 1] = ()
                new = If(left, sides[0], sides[1])
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


def _condition(e: Expr, known: Known) -> Expr:
    """What is left to ask of a condition: the parts that nothing decides."""
    answer = known.decides(e)
    if answer is not None:
        return Const(answer, e.dtype)
    if isinstance(e, Binary) and e.op in ("and", "or"):
        return fold(replace(e, a=_condition(e.a, known), b=_condition(e.b, known.where(e.a, e.op == "and"))))
    return _expr(e, known)


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


def unwrapped(kernel: Kernel) -> Body:
    """Loops of one round without the loop; locals that the block around them may have too get names of their own.

    for k in seq(0, 4, 4): a = x[k]; y[k] = a  ->  a = x[0]; y[0] = a
    """
    names = [s.var.name for s in walk(kernel.body) if isinstance(s, Let)]
    names += [s.name for s in walk(kernel.body) if isinstance(s, Local)]
    return _unwrapped(kernel.body, {n for n in names if names.count(n) > 1}, all_names(kernel))


def _unwrapped(body: Body, twice: set[str], taken: set[str]) -> Body:
    out: list[Stmt] = []
    for s in body:
        match s:
            case For(lo=Const(value=lo), hi=Const(value=hi)) if (
                0 < int(hi) - int(lo) <= s.step and not s.vector and not s.threads
            ):
                inside = _unwrapped(substitute(s.body, {s.var: s.lo}), twice, taken)
                own = {x.var.name for x in inside if isinstance(x, Let)} | {
                    x.name for x in inside if isinstance(x, Local)
                }
                out.extend(renamed(inside, {n: fresh(n, taken) for n in sorted(own & twice)}))
            case For() | While():
                out.append(replace(s, body=_unwrapped(s.body, twice, taken)))
            case If(condition, then, other):
                out.append(If(condition, _unwrapped(then, twice, taken), _unwrapped(other, twice, taken)))
            case _:
                out.append(s)
    return tuple(out)
