"""What is known at a place in a kernel: the ranges of loops, the conditions around it, what locals stand for.

Everything is said in names that never change: a local that is assigned again gets a new name for its new value.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Stmt,
    Store,
    Var,
    While,
    map_expr,
    walk,
    walk_expr,
)
from skosh.ir.prove import Poly, always, decide, facts_of, plus, poly

LARGEST = 48  # nodes of an expression that stands for a local; beyond, the local keeps a name
_numbers = itertools.count()


@dataclass(frozen=True)
class Known:
    """``values``: what locals stand for. ``facts``: polynomials that are >= 0. ``sizes``: at least 1. ``written``: buffers."""

    values: Mapping[str, Expr]
    facts: tuple[Poly, ...]
    sizes: frozenset[str]
    written: frozenset[str]

    # ------------------------------------------------------------------------------------------------ questions

    def expand(self, e: Expr) -> Expr:
        """The expression in names that never change; an element that may change is a new name."""

        def rule(x: Expr) -> Expr:
            if isinstance(x, Var):
                return self.values.get(x.name, x)
            if isinstance(x, Load) and x.buffer in self.written:
                return _new(x.buffer, x)
            return x

        return map_expr(e, rule)

    def decides(self, condition: Expr) -> bool | None:
        """Does a condition always hold here, or never?"""
        return decide(self.expand(condition), list(self.facts), self.sizes)

    def shows(self, e: Expr) -> bool:
        """Is an i32 expression always >= 0 here?"""
        return always(poly(self.expand(e)), list(self.facts), self.sizes)

    # ------------------------------------------------------------------------------------------------ going on

    def where(self, condition: Expr, holds: bool = True) -> Known:
        """Inside a branch."""
        found = facts_of(self.expand(condition), holds)
        return replace(self, facts=(*self.facts, *found)) if found else self

    def after(self, s: Stmt) -> Known:
        """Past a statement."""
        match s:
            case Let(var, value) | Assign(var, value):
                return self.named(var, value)
            case Assume(condition):
                return self.where(condition)
            case For() | While() | If():
                return self.forget((s,))
        return self

    def named(self, var: Var, value: Expr) -> Known:
        full = self.expand(value)
        if sum(1 for _ in walk_expr(full)) <= LARGEST:
            return replace(self, values={**self.values, var.name: full})
        fresh = _new(var.name, var)
        facts = list(self.facts)
        while isinstance(full, Binary) and full.op in ("min", "max") and full.dtype == i32:
            sign = 1 if full.op == "min" else -1
            if sum(1 for _ in walk_expr(full.b)) <= LARGEST:
                facts.append(plus({}, plus(poly(full.b), poly(fresh), -1), sign))
            full = full.a
            if (
                sign == 1 and isinstance(full, Binary) and full.op == "max"
            ):  # a clamp: low <= high is the author's business
                facts.extend(_floor(full, fresh, facts[-1]))
                break
        return replace(self, values={**self.values, var.name: fresh}, facts=tuple(facts))

    def forget(self, body: Body) -> Known:
        """Locals that a body assigns stand for something new."""
        changed = {s.var for s in walk(body) if isinstance(s, Assign)}
        return replace(self, values={**self.values, **{v.name: _new(v.name, v) for v in changed}}) if changed else self

    def inside(self, loop: For | While, *, steps: bool = True) -> Known:
        """In any round of a loop. steps: a variable that goes by more than one is said as a multiple of its step."""
        known = self.forget(loop.body)
        if isinstance(loop, While):
            return known.where(loop.condition)
        lo, hi = self.expand(loop.lo), self.expand(loop.hi)
        var: Expr = Var(loop.var)
        facts = []
        if steps and loop.step > 1:
            round_ = _new(loop.var, Var(loop.var))
            facts.append(poly(round_))
            var = Binary("+", lo, Binary("*", Const(loop.step), round_, i32), i32)
        facts.append(plus(poly(var), poly(lo), -1))
        facts.append(plus(plus(poly(hi), poly(var), -1), {(): -1}))
        facts.append(plus(plus(poly(hi), poly(lo), -1), {(): -1}))  # in a round, there is one
        values = (
            {**known.values, loop.var: var}
            if loop.step > 1
            else {n: v for n, v in known.values.items() if n != loop.var}
        )
        return replace(known, values=values, facts=(*self.facts, *(f for f in facts if any(f))))


def start(kernel: Kernel) -> Known:
    """What is known where a kernel begins."""
    written = {s.buffer for s in walk(kernel.body) if isinstance(s, Store)}
    return Known({}, (), frozenset(kernel.sizes), frozenset(written))


def _new(name: str, like: Expr) -> Var:
    return Var(f"{name}@{next(_numbers)}", like.dtype)


def _floor(e: Binary, fresh: Var, ceiling: Poly) -> list[Poly]:
    """max(x, low) under a min: the local is >= low if low is a number that the ceiling leaves room for."""
    high = plus(ceiling, poly(fresh))
    if isinstance(e.b, Const) and set(high) <= {()} and high.get((), 0) >= int(e.b.value):
        return [plus(poly(fresh), poly(e.b), -1)]
    return []
