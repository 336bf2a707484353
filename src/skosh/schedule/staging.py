"""A copy of the part of a buffer that an iteration touches: rows under a window, widened elements, accumulators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from skosh.base.dtypes import DType, bool_, i32
from skosh.ir.checks.races import race_of
from skosh.ir.kernel import (
    Binary,
    Body,
    Cast,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Load,
    Local,
    Param,
    Stmt,
    Store,
    Var,
    While,
    all_exprs,
    map_body,
    map_expr,
    stmt_exprs,
    walk,
    walk_expr,
)
from skosh.ir.known import Known, start
from skosh.ir.prove import Poly, plus, poly
from skosh.ir.rename import all_names, fresh
from skosh.ir.simplify import from_polynomial, simplify
from skosh.schedule.addresses import loops, means, told, variable
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import done, plain_loops

LARGEST = {"ram": 1 << 16, "register": 64}
"""Elements of a staged copy, by memory: what a stack, and what registers, could hold at all."""


def can_stage(
    kernel: Kernel, buffer: str, at: str, *, name: str | None = None, memory: str = "ram", dtype: DType | None = None
) -> Answer:
    made = _stage(kernel, buffer, at, name, memory, dtype)
    return made if isinstance(made, No) else Yes()


def stage(
    kernel: Kernel, buffer: str, at: str, *, name: str | None = None, memory: str = "ram", dtype: DType | None = None
) -> Kernel:
    """Copy what an iteration of the loop ``at`` touches of a buffer, work on the copy, and copy back what was written.

    for m in par(M):                           for m in par(M):
        for n in par(N):                           x_m = ram(i16[64])
            acc = 0                                for c in par(64):
            for k in seq(64):             ->           x_m[c] = i16(x[m, c])
                acc += widen(x[m, k]) * ...        for n in par(N): ... acc += widen(x_m[k]) * ...

    dtype: a wider type for the copy, where all that is read is widened anyhow. Where the part reaches outside the buffer
    (padding), only what lies inside is copied.
    """
    step = f'stage "{buffer}" at "{told(at)}" in {memory}' + (f" as {dtype}" if dtype is not None else "")
    made = _stage(kernel, buffer, at, name, memory, dtype)
    if isinstance(made, No):
        act(kernel, made, step)
    assert not isinstance(made, No), "refused above"
    return done(kernel, made, step)


@dataclass(frozen=True)
class _Window:
    """base + [low, high] in each dimension."""

    bases: tuple[Poly, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]

    @property
    def extents(self) -> tuple[int, ...]:
        return tuple(h - lo + 1 for lo, h in zip(self.lows, self.highs, strict=True))


def _stage(kernel: Kernel, buffer: str, at: str, name: str | None, memory: str, dtype: DType | None) -> Body | No:
    answer = plain_loops(kernel, at)
    if isinstance(answer, No):
        return answer
    if buffer not in kernel.buffers:
        return No(f'there is no buffer "{buffer}"')
    if memory not in LARGEST:
        return No(f'a copy may be in {" or ".join(LARGEST)}, not in "{memory}"')
    param = kernel.buffers[buffer]
    if any(isinstance(s, Local) and s.name == buffer for loop in loops(kernel, at) for s in walk(loop.body)):
        return No(f'"{buffer}" is declared inside the loop over "{at}"')
    taken = all_names(kernel)
    if name is not None and name in taken:
        return No(f'"{name}" is already a name')
    staging = _Staging(param, at, name or fresh(f"{buffer}_{variable(at)}", taken), memory, dtype or param.dtype, taken)
    made = staging.body(kernel.body, start(kernel))
    if isinstance(made, No):
        return made
    if staging.written:
        changed = replace(kernel, body=made)
        race = race_of(
            changed,
            lambda loop: loop.par and any(isinstance(s, Local) and s.name == staging.name for s in walk(loop.body)),
        )
        if race is not None:
            return No(f'copying "{buffer}" back could undo what another iteration wrote: {race.reason}')
    return made


class _Staging:
    def __init__(self, param: Param, at: str, name: str, memory: str, dtype: DType, taken: set[str]) -> None:
        self.param, self.at, self.name, self.memory, self.dtype, self.taken = param, at, name, memory, dtype, taken
        self.written = False
        self.counting: list[str] = []

    def body(self, body: Body, known: Known) -> Body | No:
        out: list[Stmt] = []
        for s in body:
            parts: list[Body | No] = []
            match s:
                case For() if means(self.at, s):
                    inner = self.loop(s, known.inside(s, steps=False))
                    if isinstance(inner, No):
                        return inner
                    out.append(replace(s, body=inner))
                case For() | While():
                    made = self.body(s.body, known.inside(s, steps=False))
                    if isinstance(made, No):
                        return made
                    out.append(replace(s, body=made))
                case If(condition, then, other):
                    parts = [self.body(then, known.where(condition)), self.body(other, known.where(condition, False))]
                    for p in parts:
                        if isinstance(p, No):
                            return p
                    out.append(If(condition, *(p for p in parts if not isinstance(p, No))))
                case _:
                    out.append(s)
            known = known.after(s)
        return tuple(out)

    def loop(self, loop: For, known: Known) -> Body | No:
        touched = list(_touched(loop.body, known, self.param.name, {}))
        if not touched:
            return No(f'"{self.param.name}" isn\'t touched in the loop over "{self.at}"')
        if any(span for _, _, span in touched):
            return No(f'"{self.param.name}" is read or written word by word')
        stores = any(isinstance(s, Store) and s.buffer == self.param.name for s in walk(loop.body))
        refused = self.conversion(loop.body, stores)
        if refused is not None:
            return refused
        window = self.window(touched)
        if isinstance(window, No):
            return window
        size = 1
        for e in window.extents:
            size *= e
        if size > LARGEST[self.memory]:
            return No(f"the part has {size} elements; {self.memory} takes {LARGEST[self.memory]} at the most")
        self.written |= stores
        declare = Local(self.name, self.dtype, tuple(Const(e) for e in window.extents), self.memory)
        work = self.redirected(loop.body, known, window)
        into = self.copy(window, known, back=False)
        return (declare, *into, *work, *(self.copy(window, known, back=True) if stores else ()))

    def conversion(self, body: Body, stores: bool) -> No | None:
        if self.dtype == self.param.dtype:
            return None
        wide = self.dtype.is_integer and self.param.dtype.is_integer and self.dtype.min <= self.param.dtype.min
        if stores or not (wide and self.param.dtype.max <= self.dtype.max):
            return No(
                f"only what is read can be kept in another type, and only in one that holds all of {self.param.dtype}"
            )
        widened = {
            id(e.a)
            for e in all_exprs(body)
            if isinstance(e, Cast) and e.how == "widen" and e.dtype.bits >= self.dtype.bits
        }
        if any(isinstance(e, Load) and e.buffer == self.param.name and id(e) not in widened for e in all_exprs(body)):
            return No(f'"{self.param.name}" is read where it isn\'t widened to {self.dtype} or more')
        return None

    def window(self, touched: list[tuple[tuple[Expr, ...], dict[str, tuple[int, int] | None], bool]]) -> _Window | No:
        bases: list[Poly] = []
        lows: list[int] = []
        highs: list[int] = []
        for d in range(len(self.param.shape)):
            first: Poly | None = None
            low = high = 0
            for index, ranges, _ in touched:
                split = _base_and_reach(index[d], ranges)
                if isinstance(split, str):
                    return No(f'an index of "{self.param.name}" {split}')
                base, least, most = split
                if first is None:
                    first, low, high = base, least, most
                    continue
                apart = plus(base, first, -1)
                if set(apart) - {()}:
                    return No(f'the indices of "{self.param.name}" lie apart by what isn\'t a number')
                low, high = min(low, least + apart.get((), 0)), max(high, most + apart.get((), 0))
            assert first is not None, "something is touched"
            bases.append(first)
            lows.append(low)
            highs.append(high)
        return _Window(tuple(bases), tuple(lows), tuple(highs))

    def redirected(self, body: Body, known: Known, window: _Window) -> Body:
        """The body with the copy in the buffer's place."""

        def place(index: tuple[Expr, ...], known: Known) -> tuple[Expr, ...]:
            return tuple(
                from_polynomial(plus(plus(poly(known.expand(i)), b, -1), {(): lo}, -1))
                for i, b, lo in zip(index, window.bases, window.lows, strict=True)
            )

        def expr(e: Expr, known: Known) -> Expr:
            return map_expr(e, lambda x: rule(x, known))

        def rule(e: Expr, known: Known) -> Expr:
            if isinstance(e, Load) and e.buffer == self.param.name:
                return Load(self.name, place(e.index, known), self.dtype)
            if isinstance(e, Cast) and e.how == "widen" and e.a.dtype == e.dtype:
                return e.a
            return e

        def statements(body: Body, known: Known) -> Body:
            out: list[Stmt] = []
            for s in body:
                match s:
                    case Store(buffer, index, value) if buffer == self.param.name:
                        out.append(Store(self.name, place(index, known), expr(value, known)))
                    case For():
                        within = statements(s.body, known.inside(s, steps=False))
                        out.append(replace(s, lo=expr(s.lo, known), hi=expr(s.hi, known), body=within))
                    case While():
                        inside = known.inside(s, steps=False)
                        head = known.forget(s.body)
                        condition = expr(s.condition, head)
                        out.append(While(condition, expr(s.most, known), statements(s.body, inside)))
                    case If(condition, then, other):
                        told = known.where(condition), known.where(condition, False)
                        out.append(If(expr(condition, known), statements(then, told[0]), statements(other, told[1])))
                    case _:
                        here = known
                        out.extend(map_body((s,), lambda e: rule(e, here)))  # noqa: B023
                known = known.after(s)
            return tuple(out)

        return statements(body, known)

    def counters(self, window: _Window) -> list[str]:
        """What counts the copied elements, dimension by dimension; the same on the way in and out."""
        if not self.counting:
            several = sum(e > 1 for e in window.extents) > 1
            self.counting = [
                fresh(f"c{d}" if several else "c", self.taken) if e > 1 else "" for d, e in enumerate(window.extents)
            ]
        return self.counting

    def copy(self, window: _Window, known: Known, *, back: bool) -> Body:
        """Loops that copy the part, guarded where it may reach outside the buffer."""
        counters = self.counters(window)
        there: list[Expr] = []
        here: list[Expr] = []
        guards: list[Expr] = []
        for c, base, low, extent, size in zip(
            counters, window.bases, window.lows, window.extents, self.param.shape, strict=True
        ):
            start_ = from_polynomial(plus(base, {(): low}))
            counter: Expr = Var(c) if extent > 1 else Const(0)
            at = simplify(Binary("+", start_, counter, i32))
            here.append(counter)
            there.append(at)
            last = Binary("+", start_, Const(extent - 1), i32)
            if not known.shows(start_):
                guards.append(Binary(">=", at, Const(0), bool_))
            if not known.shows(Binary("-", Binary("-", size, last, i32), Const(1), i32)):
                guards.append(Binary("<", at, size, bool_))
        if back:
            body: Body = (Store(self.param.name, tuple(there), Load(self.name, tuple(here), self.dtype)),)
        else:
            value: Expr = Load(self.param.name, tuple(there), self.param.dtype)
            value = Cast("widen", value, self.dtype) if self.dtype != self.param.dtype else value
            body = (Store(self.name, tuple(here), value),)
        if guards:
            condition = guards[0]
            for g in guards[1:]:
                condition = Binary("and", condition, g, bool_)
            body = (If(condition, body),)
        for c, extent in zip(reversed(counters), reversed(window.extents), strict=True):
            if extent > 1:
                body = (For(c, Const(0), Const(extent), body, True),)
        return body


def _touched(
    body: Body, known: Known, buffer: str, ranges: dict[str, tuple[int, int] | None]
) -> Iterator[tuple[tuple[Expr, ...], dict[str, tuple[int, int] | None], bool]]:
    """(index in names that never change, the ranges of loops inside, is it a word?) of each access."""
    for s in body:
        before = known.forget(s.body) if isinstance(s, While) else known
        if isinstance(s, Store) and s.buffer == buffer:
            yield tuple(known.expand(i) for i in s.index), ranges, False
        for e in stmt_exprs(s):
            for x in walk_expr(e):
                if isinstance(x, Load) and x.buffer == buffer:
                    yield (
                        tuple(before.expand(i) for i in x.index),
                        ranges,
                        x.dtype.bits == 32 and x.dtype.kind == "uint",
                    )
        match s:
            case For():
                lo, hi = simplify(s.lo), simplify(s.hi)
                span: tuple[int, int] | None = None
                if isinstance(lo, Const) and isinstance(hi, Const):
                    rounds = max(-(-(int(hi.value) - int(lo.value)) // s.step), 1)
                    span = int(lo.value), int(lo.value) + (rounds - 1) * s.step
                yield from _touched(s.body, known.inside(s, steps=False), buffer, {**ranges, s.var: span})
            case While():
                yield from _touched(s.body, known.inside(s, steps=False), buffer, ranges)
            case If(condition, then, other):
                yield from _touched(then, known.where(condition), buffer, ranges)
                yield from _touched(other, known.where(condition, False), buffer, ranges)
        known = known.after(s)


def _base_and_reach(index: Expr, ranges: dict[str, tuple[int, int] | None]) -> tuple[Poly, int, int] | str:
    """(what doesn't move inside, the least and the most that is added); in words, why that can't be said."""
    base: Poly = {}
    low = high = 0
    for m, c in poly(index).items():
        variables = [v for f in m for v in walk_expr(f) if isinstance(v, Var)]
        if any(isinstance(x, Load) for f in m for x in walk_expr(f)) or any("@" in v.name for v in variables):
            return "hangs on data, or on a local that changes"
        inside = [v.name for v in variables if v.name in ranges]
        if not inside:
            if m:
                base = plus(base, {m: c})
            else:
                low, high = low + c, high + c
            continue
        span = ranges[inside[0]]
        if len(m) > 1 or not isinstance(m[0], Var):
            return f'isn\'t a number times "{inside[0]}"; are the sizes bound?'
        if span is None:
            return f'moves with "{inside[0]}", whose range isn\'t two numbers; are the sizes bound?'
        low += c * (span[0] if c > 0 else span[1])
        high += c * (span[1] if c > 0 else span[0])
    return base, low, high
