"""A kernel run on intervals instead of numbers: what can each operation reach, and where does it leave its type?

Loops are run a few times, not as often as they go: see ``Rounds.rounds``. Sound, not complete: an operation that is not
reported does not overflow for any data; one that is may or may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from skosh.base.dtypes import i16, u32
from skosh.ir.checks import halves
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.operations import NO, YES
from skosh.ir.checks.reach import Env, Finding, Unset, merged
from skosh.ir.checks.reading import Array
from skosh.ir.checks.rounds import Rounds
from skosh.ir.checks.values import Value, anything, flattened, joined
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    CallExpr,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Param,
    Return,
    Stmt,
    Store,
    Var,
    While,
)


def findings(
    kernel: Kernel,
    numbers: Mapping[str, Span],
    contents: Mapping[str, Value | None],
    constants: Mapping[str, Array] | None = None,
    axes: Sequence[For] = (),
) -> tuple[list[Finding], dict[str, Value | None]]:
    """The operations on integers that may overflow, in the order of the text; and what its buffers hold in the end.

    numbers: what sizes and scalars may be. contents: what elements of buffers may be, where it is less than their type;
    None for memory that holds nothing yet: an element that wasn't set is taken not to be read.
    constants: buffers whose every element is known, in the shape of their parameters. axes: loops that are looked at
    round by round, all at once.
    """
    run = _Run({p.name: p for p in kernel.params}, constants or {}, axes)
    env = Env({}, {})
    for v in kernel.numbers:
        if not v.dtype.is_float:
            env.names[v.name] = Value(numbers.get(v.name, iv.of(v.dtype)))
    for p in kernel.params:
        if not p.dtype.is_float:
            env.contents[p.name] = contents.get(p.name, anything(p.dtype))
    with suppress(Unset):
        run.body(kernel.body, env)
    return list(run.found.values()), env.contents


class _Run(Rounds):
    def body(self, body: Body, env: Env) -> Value | None:
        """Run; the value if it returns one."""
        for s in body:
            self.at = s if not self.inside else self.at
            match s:
                case Let(var, value) | Assign(var, value):
                    new = self.value(value, env)
                    self.set(env, var.name, new)
                case Store():
                    self.store(s, env)
                case For():
                    self.loop(s, env)
                case While():
                    self.while_loop(s, env)
                case If():
                    self.branch(s, env)
                case Assume(condition):
                    self.value(condition, env)
                    self.hold(condition, True, env)
                case Local():
                    self.params[s.name] = Param(s.name, s.dtype, s.shape, True, 1, s.memory)
                    if not s.dtype.is_float:
                        env.contents[s.name] = None
                case Return(value):
                    return self.value(value, env)
        return None

    def set(self, env: Env, name: str, new: Value | None) -> None:
        env.forget({name})
        if new is None:
            env.names.pop(name, None)
        else:
            env.names[name] = new

    def store(self, s: Store, env: Env) -> None:
        for i in s.index:
            self.value(i, env)
        new = self.value(s.value, env)
        env.forget({s.buffer})
        if s.buffer not in env.contents:
            return
        old, dtype = env.contents[s.buffer], self.params[s.buffer].dtype
        if new is None:
            new = anything(dtype)
        elif s.value.dtype != dtype:
            pair = halves.of(new) if dtype == i16 else None
            new = anything(dtype) if pair is None else Value(iv.hull(*pair))
        else:
            new = Value(self.plain(new, dtype).span, new.grown, halves.of(new) if dtype == u32 else None)
        env.contents[s.buffer] = flattened(new if old is None else joined(old, new))

    def branch(self, s: If, env: Env) -> None:
        if (tree := decisions(s)) is not None:
            sure, self.sure = self.sure, False
            for asked in tree.asked:
                self.value(asked, env)
            self.sure = sure
            self.set(env, tree.name, Value(Span(tree.least, tree.most)))
            return
        condition = self.value(s.condition, env)
        sides = []
        sure = self.sure
        for holds, part in ((True, s.then), (False, s.other)):
            if condition == (NO if holds else YES):
                continue
            here = env.copy()
            if not self.hold(s.condition, holds, here):
                continue
            self.sure = sure and condition in (YES, NO)
            with suppress(Unset):
                self.body(part, here)
                sides.append(here)
        self.sure = sure
        if sides:
            after = sides[0] if len(sides) == 1 else merged(*sides)
            env.names, env.contents, env.facts = after.names, after.contents, after.facts


@dataclass(frozen=True)
class Decisions:
    """Nested ifs that only choose a constant for one local. asked: what their conditions compare with constants, each once."""

    name: str
    least: int
    most: int
    asked: tuple[Expr, ...]


MANY = 16
"""Ifs inside each other from which on it doesn't matter which of them leads where: trees of thousands take no time then."""


def decisions(s: If) -> Decisions | None:
    """What nested ifs decide, where they do nothing but assign constants to one local; None for anything else, and for few."""
    asked: dict[tuple[Any, ...], Expr] = {}
    values: set[int] = set()
    names: set[str] = set()
    ifs = 0
    waiting: list[Stmt] = [s]
    while waiting:
        match waiting.pop():
            case If(Binary("<=" | "<", left, Const()), (then,), (other,)):
                key = _key(left)
                if key is None:
                    return None
                asked.setdefault(key, left)
                ifs += 1
                waiting += [then, other]
            case Assign(Var(name), Const(int(value))):
                names.add(name)
                values.add(value)
            case _:
                return None
    if ifs < MANY or len(names) != 1:
        return None
    return Decisions(names.pop(), min(values), max(values), tuple(asked.values()))


def _key(e: Expr) -> tuple[Any, ...] | None:
    """Tells loads at constant places apart, alone or as a function's only argument."""
    match e:
        case Load(buffer, (Const(place),)):
            return (buffer, place)
        case CallExpr(function, (Load(buffer, (Const(place),)),)):
            return (function.name, buffer, place)
    return None
