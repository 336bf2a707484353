"""What is the same in every iteration, computed once before the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Select,
    Stmt,
    Store,
    Unary,
    Var,
    While,
    map_body,
    stmt_exprs,
    walk,
    walk_expr,
)
from skosh.ir.known import Known, start
from skosh.ir.rename import all_names, declared, fresh, renamed
from skosh.schedule.addresses import means, told
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import depends, done, plain_loops

_ONE = Const(1)


def can_hoist(kernel: Kernel, name: str) -> Answer:
    answer = plain_loops(kernel, name)
    if not answer:
        return answer
    if _all(kernel, name) == kernel.body:
        return No(
            f'nothing in the loop over "{name}" is the same in every iteration, and safe to compute where it may not run'
        )
    return Yes()


def hoist(kernel: Kernel, name: str) -> Kernel:
    """Locals and loads that no iteration changes, before the loop.

    for n in par(N):                        row = m * K
        row = m * K                    ->   first = x[row]
        y[n] = x[row] * w[n]                for n in par(N): y[n] = first * w[n]
    """
    step = f'hoist out of "{told(name)}"'
    act(kernel, can_hoist(kernel, name), step)
    return done(kernel, _all(kernel, name), step)


def _all(kernel: Kernel, name: str) -> Body:
    names = [s.var.name for s in walk(kernel.body) if isinstance(s, Let)]
    return _hoisted(kernel.body, start(kernel), name, all_names(kernel), lambda n: names.count(n) > 1)


def _hoisted(body: Body, known: Known, name: str, taken: set[str], twice: Callable[[str], bool]) -> Body:
    out: list[Stmt] = []
    for s in body:
        match s:
            case For() if means(name, s):
                out.extend(_out_of(s, known, taken, twice))
            case For() | While():
                out.append(replace(s, body=_hoisted(s.body, known.inside(s), name, taken, twice)))
            case If(condition, then, other):
                told = known.where(condition), known.where(condition, False)
                out.append(
                    If(
                        condition,
                        _hoisted(then, told[0], name, taken, twice),
                        _hoisted(other, told[1], name, taken, twice),
                    )
                )
            case _:
                out.append(s)
        known = known.after(s)
    return tuple(out)


def _out_of(loop: For, known: Known, taken: set[str], twice: Callable[[str], bool]) -> Body:
    runs = known.shows(Binary("-", Binary("-", loop.hi, loop.lo, loop.hi.dtype), _ONE, loop.hi.dtype))
    assigned = {s.var.name for s in walk(loop.body) if isinstance(s, Assign)}
    changing = {loop.var, *assigned, *declared(loop.body, loops=True)}
    stored = {s.buffer for s in walk(loop.body) if isinstance(s, Store)} | {
        s.name for s in walk(loop.body) if isinstance(s, Local)
    }
    before: list[Stmt] = []
    inside: list[Stmt] = []
    once: dict[Load, Var] = {}
    again: dict[str, str] = {}  # names that the block around it may have too
    for s in loop.body:
        if (
            isinstance(s, Let)
            and s.var.name not in assigned
            and _same(s.value, changing, stored)
            and (runs or _safe(s.value))
        ):
            changing.discard(s.var.name)
            before.append(s)
            if twice(s.var.name):
                again[s.var.name] = fresh(s.var.name, taken)
        else:
            inside.append(s)

    def rule(e: Expr) -> Expr:
        if isinstance(e, Load) and _same(e, changing, stored):
            if e not in once:
                once[e] = Var(fresh(f"{e.buffer}_{loop.var}", taken), e.dtype)
            return once[e]
        return e

    # what every round runs; of "a and b", b may not
    certain = tuple(s for s in inside if isinstance(s, Let | Assign | Store) and not _branches(s))
    if runs and certain:
        done_ = {id(s): map_body((s,), rule)[0] for s in certain}
        inside = [done_.get(id(s), s) for s in inside]
    loads = [Let(var, load) for load, var in once.items()]
    return renamed((*before, *loads, replace(loop, body=tuple(inside))), again)


def _branches(s: Stmt) -> bool:
    return any(isinstance(x, Binary) and x.op in ("and", "or") for e in stmt_exprs(s) for x in walk_expr(e))


def _same(e: Expr, changing: set[str], stored: set[str]) -> bool:
    return not depends((e,), changing | stored)


def _safe(e: Expr) -> bool:
    """Can't fault, whatever its operands: a loop that doesn't run would not have computed it."""
    for x in walk_expr(e):
        match x:
            case Load() | CallExpr() | Select():
                return False
            case Binary(op, dtype=dtype) if op in ("//", "%", "<<", ">>") or (op in "+-*" and dtype.kind == "int"):
                return False
            case Unary("-", dtype=dtype) if dtype.kind == "int":
                return False
            case Cast("convert", dtype=dtype) if dtype.is_integer:
                return False
    return True
