"""New names for what a body declares: local scalars, loop variables and buffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from skosh.ir.kernel import (
    Assign,
    Body,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    Var,
    While,
    all_exprs,
    map_body,
    walk,
)

__all__ = ["declared", "fresh", "renamed"]


def declared(body: Body, *, loops: bool = False) -> set[str]:
    """The names of local scalars and buffers that a body declares, and of its loop variables if asked for."""
    found = {s.var.name for s in walk(body) if isinstance(s, Let)} | {
        s.name for s in walk(body) if isinstance(s, Local)
    }
    return found | {s.var for s in walk(body) if isinstance(s, For)} if loops else found


def renamed(body: Body, names: Mapping[str, str]) -> Body:
    """The body with these scalars, loop variables and buffers called otherwise."""
    if not names:
        return body

    def expr(e: Expr) -> Expr:
        if isinstance(e, Var) and e.name in names:
            return replace(e, name=names[e.name])
        if isinstance(e, Load) and e.buffer in names:
            return replace(e, buffer=names[e.buffer])
        return e

    def one(s: Stmt) -> Stmt:
        match s:
            case Let(var) | Assign(var):
                return replace(s, var=replace(var, name=names.get(var.name, var.name)))
            case Store():
                return replace(s, buffer=names.get(s.buffer, s.buffer))
            case Local():
                return replace(s, name=names.get(s.name, s.name))
            case For():
                return replace(s, var=names.get(s.var, s.var), body=tuple(one(x) for x in s.body))
            case While():
                return replace(s, body=tuple(one(x) for x in s.body))
            case If(condition, then, other):
                return If(condition, tuple(one(x) for x in then), tuple(one(x) for x in other))
        return s

    return tuple(one(s) for s in map_body(body, expr))


def fresh(name: str, taken: set[str]) -> str:
    """``name``, or the first of name2, name3... that is not taken; it is taken from then on."""
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}{count}"
    taken.add(candidate)
    return candidate


def names_in(body: Body) -> set[str]:
    """Every name that a body uses or declares."""
    used = {e.name for e in all_exprs(body) if isinstance(e, Var)} | {
        e.buffer for e in all_exprs(body) if isinstance(e, Load)
    }
    return used | {s.buffer for s in walk(body) if isinstance(s, Store)} | declared(body, loops=True)


def all_names(kernel: Kernel) -> set[str]:
    return names_in(kernel.body) | {p.name for p in kernel.params} | {v.name for v in kernel.numbers}
