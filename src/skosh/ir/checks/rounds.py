"""Loops of a kernel that is run on intervals: a few passes stand for all rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.reach import Env, Unset
from skosh.ir.checks.reading import Reading
from skosh.ir.checks.values import Grown, Value, flattened, joined, moved
from skosh.ir.kernel import Assign, Const, For, Stmt, Store, While, all_exprs, walk

MOST_PASSES = 4  # of a loop, until what it begins a round with no longer grows; then any value of the type is taken
FEW_ROUNDS = 16  # so many can be looked at one after another


class Rounds(Reading):
    def loop(self, s: For, env: Env) -> None:
        lo, hi = self.value(s.lo, env), self.value(s.hi, env)
        assert lo is not None and hi is not None, "bounds are integers"
        first, end = lo.span, hi.span
        shortest, longest = iv.low(end.lo) - iv.high(first.hi), iv.high(end.hi) - iv.low(first.lo)
        rounds = Span(max(0, -(-shortest // s.step)), max(0, -(-longest // s.step)))
        if rounds.hi == 0:
            return
        axis = self.axes.get(id(s))
        if axis is not None and rounds.lo == rounds.hi:
            shape = [1] * len(self.axes)
            shape[axis] = rounds.hi
            numbers = (int(first.lo) + s.step * np.arange(rounds.hi, dtype=np.int64)).reshape(shape)
            var = Value(Span(numbers, numbers))
        else:
            axis = None
            var = Value(Span(iv.low(first.lo), iv.high(end.hi) - 1))
        self.rounds(s, s.var, var, rounds, axis, s.par, env, lambda here: True)

    def while_loop(self, s: While, env: Env) -> None:
        most = self.value(s.most, env)
        assert most is not None, "a number of rounds is an integer"
        rounds = Span(0, max(0, iv.high(most.span.hi)))

        def begin(here: Env) -> bool:
            self.value(s.condition, here)
            return self.hold(s.condition, True, here)

        self.rounds(s, "", None, rounds, None, False, env, begin)
        self.value(s.condition, env)
        self.hold(s.condition, False, env)

    def rounds(
        self,
        s: For | While,
        var: str,
        number: Value | None,
        rounds: Span,
        axis: int | None,
        par: bool,
        env: Env,
        begin: Callable[[Env], bool],
    ) -> None:
        """All rounds of a loop, by a guess at what a round begins with that is then shown to hold for every one.

        From what a round adds (``Grown``) follows what the last one begins with; a round that begins with anything up
        to that must not add more. Pass a covers the first a + 1 rounds in any case, which is enough where there are few.
        par: no round sees what another one stores, so that buffers are as before the loop.
        """
        if rounds.hi < 1:
            return  # it never runs, and leaves all as it was
        env.forget({var})
        changed = {a.var.name for a in walk(s.body) if isinstance(a, Assign)} & set(env.names)
        stored = {a.buffer for a in walk(s.body) if isinstance(a, Store)} & set(env.contents)
        env.forget(changed | stored)
        kept = changed | (set() if par else stored)
        entry = {n: _of(env, n) for n in kept}
        heads = {n: None if v is None else v.span for n, v in entry.items()}
        pairs = {n: None if v is None else v.halves for n, v in entry.items()}
        sure, self.sure = self.sure, self.sure and rounds.lo > 0
        final = rounds.hi - 1 if rounds.hi <= FEW_ROUNDS else MOST_PASSES
        narrowed = False
        attempt = -1
        while True:
            attempt += not narrowed
            here = env.copy()
            for n, span in heads.items():
                if span is not None:
                    _put(here, n, Value(span, Grown(_base(n, s), Span(0, 0)), pairs[n]))
            if number is not None:
                here.names[var] = number
            found, self.found = self.found, dict(self.found)
            before = here.copy()
            try:
                if begin(here):
                    self.body(s.body, here)
            except Unset:
                here = before
            if not kept:
                break
            after = {n: _of(here, n) for n in kept}
            wanted = {n: self.head(entry[n], after[n], _base(n, s), rounds, axis) for n in kept}
            more = [n for n in kept if not _covers(heads[n], wanted[n])]
            lanes = {n: _lanes(entry[n], after[n]) for n in kept}
            guessed = attempt == final and rounds.hi > FEW_ROUNDS
            if guessed and not narrowed and any(not _covers(wanted[n], heads[n]) for n in kept):
                narrowed, self.found = True, found
                heads = {n: heads[n] if wanted[n] is None else wanted[n] for n in kept}
                continue
            if attempt == final or (not more and lanes == pairs):
                break
            self.found = found  # a guess that didn't hold
            last = rounds.hi > FEW_ROUNDS and attempt == final - 1
            for n in kept:
                heads[n] = iv.of(self.type_of(n, s)) if last else _hull(heads[n], wanted[n])
                if attempt == 1 and n in more:
                    heads[n] = _raised(heads[n], s)
                pairs[n] = None if last else lanes[n]
        self.sure = sure
        for n in kept:
            self.leave(n, entry[n], after[n], s, rounds, axis, env)
        if par:
            for n in stored:
                new, old = here.contents[n], env.contents[n]
                if new is not None:
                    env.contents[n] = flattened(new if rounds.lo > 0 or old is None else joined(old, new))

    def type_of(self, name: str, s: For | While) -> DType:
        if name in self.params:
            return self.params[name].dtype
        return next(a.var.dtype for a in walk(s.body) if isinstance(a, Assign) and a.var.name == name)

    def head(
        self, entry: Value | None, after: Value | None, base: str, rounds: Span, axis: int | None
    ) -> Span | None:
        """What a round may begin with, if each does what the one that was looked at did."""
        if after is None:
            return None
        if entry is None:
            return _level(after.span, axis)
        g = after.grown
        if g is None or g.base != base:
            return iv.hull(entry.span, _level(after.span, axis))
        start = entry.span if g.rest is None else iv.hull(entry.span, _level(g.rest, axis))
        step = Span(iv.least(g.by.lo, 0), iv.most(g.by.hi, 0))
        return iv.plus(start, _sum(step, Span(0, max(0, rounds.hi - 1)), axis))

    def leave(
        self,
        n: str,
        entry: Value | None,
        after: Value | None,
        s: For | While,
        rounds: Span,
        axis: int | None,
        env: Env,
    ) -> None:
        """What a name is after the loop."""
        if after is None:
            return
        g = after.grown
        if entry is None or g is None or g.base != _base(n, s):
            new = Value(_level(after.span, axis), None, after.halves)
            _put(env, n, new if rounds.lo > 0 or entry is None else joined(entry, new))
            return
        by = _sum(g.by, rounds, axis)
        if g.rest is None:
            reached = iv.plus(entry.span, by)
            grown = moved(entry, by, reached).grown
        else:
            by = _sum(Span(iv.least(g.by.lo, 0), iv.most(g.by.hi, 0)), Span(0, rounds.hi), axis)
            rest = _level(g.rest, axis)
            reached = iv.plus(iv.hull(entry.span, rest), by)
            start = joined(entry, Value(rest)) if entry.grown is not None else entry
            grown = moved(start, by, reached).grown
        if self.type_of(n, s).kind == "uint":
            _put(env, n, Value(reached, grown, _lanes(entry, after)))
            return
        type_ = iv.of(self.type_of(n, s))
        if self.sure and rounds.lo > 0 and iv.apart(reached, type_):
            self.certainly(n, s, reached)
        _put(env, n, Value(iv.cut(reached, type_), grown))

    def certainly(self, name: str, s: For | While, reached: Span) -> None:
        """What a loop adds up is too much in the end, whatever the data."""
        own = {id(a) for a in walk(s.body) if isinstance(a, Assign) and a.var.name == name}
        for key, f in self.found.items():
            if id(f.at) in own and f.what == "overflow":
                self.found[key] = replace(f, certain=True, span=iv.flat(reached))


def _raised(s: Span | None, loop: For | While) -> Span | None:
    """What grows by factors stops near a number that the loop compares it with: on to the next one."""
    if s is None or not all(type(e) is int for e in s):
        return s
    numbers = [int(e.value) for e in all_exprs(loop.body) if isinstance(e, Const) and e.dtype.is_integer]
    return Span(max((n for n in numbers if n <= s.lo), default=s.lo), min((n for n in numbers if n >= s.hi), default=s.hi))


def _base(name: str, s: Stmt) -> str:
    return f"{name}<{id(s)}>"


def _covers(a: Span | None, b: Span | None) -> bool:
    return b is None or (a is not None and iv.within(b, a))


def _hull(a: Span | None, b: Span | None) -> Span | None:
    return b if a is None else a if b is None else iv.hull(a, b)


def _lanes(entry: Value | None, after: Value | None) -> tuple[Span, Span] | None:
    """The halves of what a round may begin with."""
    if entry is None or after is None:
        return (after or Value(Span(0, 0))).halves
    return joined(entry, after).halves


def _of(env: Env, name: str) -> Value | None:
    return env.names[name] if name in env.names else env.contents[name]


def _put(env: Env, name: str, v: Value) -> None:
    (env.names if name in env.names else env.contents)[name] = v


def _sum(by: Span, rounds: Span, axis: int | None) -> Span:
    """What so many rounds add; along an axis, each adds its own."""
    if axis is None:
        return iv.product(by, rounds)

    def one(end: Any) -> Any:
        if type(end) is int or end.shape[axis] == 1:
            return end * rounds.hi
        return end.sum(axis=axis, keepdims=True)

    return Span(one(by.lo), one(by.hi))


def _level(s: Span, axis: int | None) -> Span:
    """The same for all rounds along an axis."""
    if axis is None:
        return s

    def one(end: Any, pick: Any) -> Any:
        return end if type(end) is int else pick(end, axis=axis, keepdims=True)

    return Span(one(s.lo, np.min), one(s.hi, np.max))
