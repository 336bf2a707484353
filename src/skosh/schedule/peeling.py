"""Borders apart from interiors: conditions that only matter at the ends of a loop vanish between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from skosh.base.dtypes import bool_, i32
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
    stmt_exprs,
    walk_expr,
)
from skosh.ir.known import Known, start
from skosh.ir.prove import Poly, facts_of, plus
from skosh.ir.simplify import from_polynomial, simplify
from skosh.ir.specialize import settle
from skosh.schedule.addresses import loops, means, told
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import done, plain_loops


def can_peel(kernel: Kernel, name: str) -> Answer:
    answer = plain_loops(kernel, name)
    if not answer:
        return answer
    if any(loop.step != 1 for loop in loops(kernel, name)):
        return No(f'the loop over "{name}" is already split')
    if _peeled(kernel.body, start(kernel), name) == kernel.body:
        return No(f'no condition in the loop over "{name}" is known to change along it; are its numbers bound?')
    return Yes()


def peel(kernel: Kernel, name: str) -> Kernel:
    """The loop in up to three: where conditions inside may fail at its beginning, where all hold, and the end.

    for i in par(N):                        for i in par(0, 1): f(i)
        if i >= 1 and i < N - 1: g(i)  ->   for i in par(1, N - 1): g(i); f(i)
        f(i)                                for i in par(N - 1, N): f(i)
    """
    step = f'peel "{told(name)}"'
    act(kernel, can_peel(kernel, name), step)
    made = done(kernel, _peeled(kernel.body, start(kernel), name), step)
    return settle(made)


def _peeled(body: Body, known: Known, name: str) -> Body:
    out: list[Stmt] = []
    for s in body:
        match s:
            case For() if means(name, s):
                out.extend(_parts(s, known))
            case For() | While():
                out.append(replace(s, body=_peeled(s.body, known.inside(s), name)))
            case If(condition, then, other):
                told = known.where(condition), known.where(condition, False)
                out.append(If(condition, _peeled(then, told[0], name), _peeled(other, told[1], name)))
            case _:
                out.append(s)
        known = known.after(s)
    return tuple(out)


def _parts(loop: For, known: Known) -> Body:
    """[lo, first), [first, end), [end, hi): in the middle all conditions that could be placed hold."""
    inner = known.inside(loop)
    starts: list[Expr] = []
    ends: list[Expr] = []
    for p in _conditions(loop.body, inner, _Ranges({}, frozenset())):
        bound = _threshold(p, loop.var)
        if bound is not None and bound[1] not in (starts if bound[0] else ends):
            (starts if bound[0] else ends).append(bound[1])
    if not inner.shows(loop.lo):
        return (loop,)
    first, end = loop.lo, loop.hi
    for e in starts:
        first = Binary("max", first, e, i32)
    for e in ends:
        end = Binary("min", end, e, i32)
    first = _clipped(Binary("min", first, loop.hi, i32), known) if starts else loop.lo
    end = _clipped(Binary("max", end, first, i32), known) if ends else loop.hi
    parts = [replace(loop, hi=first), replace(loop, lo=first, hi=end), replace(loop, lo=end)]
    kept = [p for p in parts if simplify(p.lo) != simplify(p.hi)]
    return (loop,) if len(kept) < 2 else tuple(kept)


def _clipped(e: Expr, known: Known) -> Expr:
    """min and max decided where they are known."""
    if isinstance(e, Binary) and e.op in ("min", "max"):
        a, b = _clipped(e.a, known), _clipped(e.b, known)
        first, second = (a, b) if e.op == "max" else (b, a)
        if known.shows(Binary("-", first, second, i32)):
            return a
        if known.shows(Binary("-", second, first, i32)):
            return b
        return Binary(e.op, a, b, i32)
    return simplify(e)


class _Ranges:
    """The loops inside: the constant range of each; ``open``: those that have none."""

    def __init__(self, known: dict[str, tuple[int, int]], open_: frozenset[str]) -> None:
        self.known, self.open = known, open_

    def within(self, loop: For) -> _Ranges:
        lo, hi = simplify(loop.lo), simplify(loop.hi)
        if isinstance(lo, Const) and isinstance(hi, Const) and loop.step == 1:
            return _Ranges({**self.known, loop.var: (int(lo.value), int(hi.value) - 1)}, self.open)
        return _Ranges(self.known, self.open | {loop.var})

    def least(self, p: Poly) -> Poly | None:
        """The smallest that p gets over the loops inside; None where that isn't known."""
        out: Poly = {}
        for m, c in p.items():
            names = [f.name for f in m if isinstance(f, Var)]
            inside = [n for n in names if n in self.known]
            if any(n in self.open or "@" in n for n in names) or len(names) < len(m) or (inside and len(m) > 1):
                return None
            if inside:
                low, high = self.known[inside[0]]
                out = plus(out, {(): c * (low if c > 0 else high)})
            else:
                out = plus(out, {m: c})
        return out


def _conditions(body: Body, known: Known, ranges: _Ranges) -> Iterator[Poly]:
    """What must be >= 0 in the middle: of conditions, and of min and max one side of which moves."""
    for s in body:
        for e in stmt_exprs(s):
            for x in walk_expr(e):
                for wanted in _wanted(x):
                    for p in facts_of(known.expand(wanted)) or []:
                        least = ranges.least(p)
                        if least is not None:
                            yield least
        match s:
            case For():
                yield from _conditions(s.body, known.inside(s), ranges.within(s))
            case While():
                yield from _conditions(s.body, known.inside(s), ranges)
            case If(condition, then, other):
                yield from (q for f in facts_of(known.expand(condition)) or [] if (q := ranges.least(f)) is not None)
                yield from _conditions(then, known, ranges)
                yield from _conditions(other, known, ranges)
        known = known.after(s)


def _wanted(e: Expr) -> Iterator[Expr]:
    match e:
        case Select(condition):
            yield condition
        case Binary("min", a, b) if e.dtype == i32:
            yield Binary("<=", a, b, bool_)
            yield Binary("<=", b, a, bool_)
        case Binary("max", a, b) if e.dtype == i32:
            yield Binary(">=", a, b, bool_)
            yield Binary(">=", b, a, bool_)


def _threshold(p: Poly, var: str) -> tuple[bool, Expr] | None:
    """a*var + b >= 0: (True, the first var that will do), or (False, the first that will not)."""
    a = p.get((Var(var),), 0)
    b = {m: c for m, c in p.items() if m != (Var(var),)}
    if not a or any(isinstance(f, Var) and f.name == var for m in b for f in m):
        return None
    size = abs(a)
    if set(b) <= {()}:
        offset = b.get((), 0)
        return (True, Const(-(offset // size))) if a > 0 else (False, Const(offset // size + 1))
    if a > 0:  # var >= ceil(-b / a); where -b < 0 the loop begins later anyhow
        return True, _quotient(plus(plus({}, b, -1), {(): size - 1}), size)
    return False, _quotient(plus(b, {(): size}), size)


def _quotient(p: Poly, by: int) -> Expr:
    return simplify(Binary("//", from_polynomial(p), Const(by), i32)) if by > 1 else from_polynomial(p)
