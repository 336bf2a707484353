"""Do the iterations of a par loop keep out of each other's way? Shown, or not shown and then refused.

For two rounds p and p + d, d >= 1, one of which stores: the positions must differ in some dimension, whatever the loops
inside are at. That is: idx(p + d) - idx(p) >= 1, or <= -1, from what is known in both rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from skosh.base.dtypes import i32
from skosh.ir.checks.accesses import Access, accesses
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
    Load,
    Local,
    Stmt,
    Var,
    While,
    map_expr,
    walk,
    walk_expr,
)
from skosh.ir.known import Known, start
from skosh.ir.prove import Poly, always, plus, poly, product

MEETS = "<d>"


@dataclass(frozen=True, eq=False)
class Race:
    """Two rounds of ``loop`` may meet: at an element of ``buffer``, or in the local ``buffer``. ``at``: where it is written.

    ``hangs_on``: "numbers" that are not known yet, "data", or nothing: then the rounds do meet, or can't be told apart.
    """

    loop: For
    buffer: str
    at: Stmt | Expr
    other: Stmt | Expr
    local: bool = False
    hangs_on: str = ""

    @property
    def reason(self) -> str:
        head = f'the loop over "{self.loop.var}" is par, but '
        if self.local:
            return f'{head}its rounds share the local "{self.buffer}", which each of them changes'
        what = "write" if self.at is self.other or isinstance(self.other, Stmt) else "read"
        return f'{head}one round may write an element of "{self.buffer}" that another may {what}'


def races(kernel: Kernel) -> Iterator[Race]:
    """What can't be shown to be free of races, loop by loop."""
    yield from _inside(kernel, kernel.body, start(kernel), lambda loop: loop.par)


def race_of(kernel: Kernel, chosen: Callable[[For], bool]) -> Race | None:
    """The first race of the loops that ``chosen`` picks, taken as if they were par."""
    return next(_inside(kernel, kernel.body, start(kernel), chosen), None)


def _inside(kernel: Kernel, body: Body, known: Known, chosen: Callable[[For], bool]) -> Iterator[Race]:
    for s in body:
        match s:
            case For():
                if chosen(s):
                    yield from _loop(kernel, s, known)
                yield from _inside(kernel, s.body, known.inside(s), chosen)
            case While():
                yield from _inside(kernel, s.body, known.inside(s), chosen)
            case If(condition, then, other):
                yield from _inside(kernel, then, known.where(condition), chosen)
                yield from _inside(kernel, other, known.where(condition, False), chosen)
        known = known.after(s)


def _loop(kernel: Kernel, loop: For, outside: Known) -> Iterator[Race]:
    own = {s.var.name for s in walk(loop.body) if isinstance(s, Let)}
    for s in walk(loop.body):
        if isinstance(s, Assign) and s.var.name not in own:
            yield Race(loop, s.var.name, s, s, local=True)
            return
    if outside.shows(Binary("-", Binary("+", loop.lo, Const(loop.step), i32), loop.hi, i32)):
        return  # there is one round at the most
    inner = outside.inside(loop)
    private = {s.name for s in walk(loop.body) if isinstance(s, Local)}
    found = [a for a in accesses(loop.body, inner, kernel.buffers) if a.buffer not in private]
    rounds = _Rounds.of(kernel, loop, outside, inner)
    told: set[str] = set()
    for i, a in enumerate(found):
        for b in found[i:]:
            if a.buffer != b.buffer or not (a.stored or b.stored) or a.buffer in told:
                continue
            if not (rounds.apart(a, b) and (a is b or rounds.apart(b, a))):
                told.add(a.buffer)
                first, second = (a, b) if a.stored else (b, a)
                yield Race(loop, a.buffer, first.at, second.at, hangs_on=_hangs_on(kernel, a, b))


def _hangs_on(kernel: Kernel, a: Access, b: Access) -> str:
    parts = [x for i in (*a.index, *b.index) for x in walk_expr(i)]
    if any(isinstance(x, Load) for x in parts) or any(isinstance(x, Var) and "@" in x.name for x in parts):
        return "data"
    numbers = {v.name for v in kernel.numbers}
    return "numbers" if any(isinstance(x, Var) and x.name in numbers for x in parts) else ""


@dataclass(frozen=True)
class _Rounds:
    """``number``: the name that counts a loop's rounds. ``fixed``: names that mean the same in all of them."""

    number: str
    fixed: frozenset[str]
    outside: Known

    @staticmethod
    def of(kernel: Kernel, loop: For, outside: Known, inner: Known) -> _Rounds:
        number = loop.var
        if loop.step > 1:
            number = next(v.name for v in _variables(inner.values[loop.var]) if v.name.startswith(f"{loop.var}@"))
        fixed = {v.name for v in kernel.numbers} | {
            f.name for p in outside.facts for m in p for x in m for f in _variables(x)
        }
        fixed |= {v.name for e in outside.values.values() for v in _variables(e)}
        return _Rounds(number, frozenset(fixed), outside)

    def apart(self, first: Access, second: Access) -> bool:
        """``first`` in one round, ``second`` in a later one: never the same element."""
        count = len(self.outside.facts)
        facts: list[Poly] = [
            *first.known.facts,
            *(self.later(f) for f in second.known.facts[count:]),
            {(Var(MEETS),): 1, (): -1},
        ]
        for place, (x, y) in enumerate(zip(first.index, second.index, strict=True), start=1):
            ahead = plus(self.later(poly(y)), poly(x), -1)
            room = max(first.span, second.span) if place == len(first.index) else 1
            if any(always(plus(side, {(): -room}), facts, self.outside.sizes) for side in (ahead, plus({}, ahead, -1))):
                return True
        return False

    def later(self, p: Poly) -> Poly:
        """The same in a later round: the loop is <d> rounds further, what changes inside has names of its own."""

        def rule(x: Expr) -> Expr:
            if isinstance(x, Var) and x.name == self.number:
                return Binary("+", x, Var(MEETS), i32)
            return Var(f"{x.name}'", x.dtype) if isinstance(x, Var) and x.name not in self.fixed else x

        out: Poly = {}
        for m, c in p.items():
            term: Poly = {(): c}
            for f in m:
                term = product(term, poly(map_expr(f, rule)))
            out = plus(out, term)
        return out


def _variables(e: Expr) -> Iterator[Var]:
    return (x for x in walk_expr(e) if isinstance(x, Var))
