"""Expressions of a kernel that is run on intervals: loads, conditions and what they narrow, functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.dtypes import DType, bool_, i16
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.operations import EITHER, NO, OPPOSITE, YES, Operations, wide
from skosh.ir.checks.reach import Env, Unset
from skosh.ir.checks.values import Value, anything, exactly, joined
from skosh.ir.kernel import (
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Load,
    Param,
    Select,
    Unary,
    Var,
    all_exprs,
    walk_expr,
)

Array = npt.NDArray[Any]
SPLIT = 32  # as many counts of a shift are looked at one by one


class Reading(Operations):
    """constants: buffers whose elements are known. axes: loops all of whose rounds are looked at at once."""

    def __init__(self, params: dict[str, Param], constants: Mapping[str, Array], axes: Sequence[For]) -> None:
        super().__init__()
        self.params, self.constants = params, constants
        self.axes = {id(loop): i for i, loop in enumerate(axes)}
        self.boxes: dict[tuple[Any, ...], Span] = {}

    def body(self, body: Body, env: Env) -> Value | None:
        raise NotImplementedError

    def value(self, e: Expr, env: Env) -> Value | None:
        """What an integer or a condition may be; None for floats."""
        match e:
            case Var(name):
                return env.names.get(name) if not e.dtype.is_float else None
            case Const(value, dtype):
                return None if dtype.is_float else exactly(int(value))
            case Binary("and" | "or" as op, a, b):
                return self.both(op, a, b, env)
        out = self.made(e, env)
        if out is not None and env.facts and e in env.facts:
            return Value(iv.cut(out.span, env.facts[e]), out.grown, out.halves)
        return out

    def made(self, e: Expr, env: Env) -> Value | None:
        match e:
            case Load():
                return self.load(e, env)
            case Binary(op, a, b, dtype):
                x, y = self.value(a, env), self.value(b, env)
                self.facts = env.facts
                return self.binary(e, op, x, y, dtype)
            case Unary(op, a, dtype):
                x = self.value(a, env)
                if x is None or dtype.is_float:
                    return None
                if op == "not":
                    return Value(Span(1 - x.span.hi, 1 - x.span.lo))
                if op == "~":
                    x = self.plain(x, dtype)
                    return self.wrapped(Value(Span(~x.span.hi, ~x.span.lo)), dtype)
                return self.inside_type(e, Value(Span(-x.span.hi, -x.span.lo)), dtype)
            case Cast(how, a, dtype):
                x = self.value(a, env)
                if dtype.is_float:
                    return None
                if x is None or how in ("bits", "convert"):
                    return anything(dtype)
                return self.cast(how, x, a.dtype, dtype)
            case Select(condition, a, b, dtype):
                return self.select(condition, a, b, dtype, env)
            case CallExpr(function, args, dtype):
                return self.call(function, [self.value(a, env) for a in args], dtype)
        raise AssertionError(f"unknown expression {e!r}")

    def both(self, op: str, a: Expr, b: Expr, env: Env) -> Value:
        x = self.value(a, env) or EITHER
        settled = NO if op == "and" else YES
        if x == settled:
            return settled
        here = env.copy()
        if not self.hold(a, op == "and", here):
            return settled
        sure, self.sure = self.sure, self.sure and x in (YES, NO)
        y = self.value(b, here) or EITHER
        self.sure = sure
        if x in (YES, NO):
            return y
        return settled if y == settled else EITHER

    def select(self, condition: Expr, a: Expr, b: Expr, dtype: DType, env: Env) -> Value | None:
        """One of the two; in C both may be computed, but only by operations that can't fault, so each is looked at alone."""
        c = self.value(condition, env) or EITHER
        sides: list[Value | None] = []
        sure = self.sure
        for holds, part in ((True, a), (False, b)):
            if c == (NO if holds else YES):
                continue
            here = env.copy()
            if self.hold(condition, holds, here):
                self.sure = sure and c in (YES, NO)
                sides.append(self.value(part, here))
        self.sure = sure
        if dtype.is_float or any(v is None for v in sides) or not sides:
            return None if dtype.is_float else anything(dtype)
        first, *others = (v for v in sides if v is not None)
        return joined(first, others[0]) if others else first

    def load(self, e: Load, env: Env) -> Value | None:
        index = [self.value(i, env) for i in e.index]
        if e.dtype.is_float:
            return None
        param = self.params[e.buffer]
        held = env.contents.get(e.buffer, anything(param.dtype))
        if held is None:
            raise Unset
        if e.dtype != param.dtype:
            return Value(iv.of(e.dtype), None, (held.span, held.span) if param.dtype == i16 else None)
        known = self.constants.get(e.buffer)
        if known is None or param.written or param.tile > 1 or any(i is None for i in index):
            return held
        box = self.box(e.buffer, known, [i.span for i in index if i is not None])
        return Value(iv.flat(box) if wide(e.dtype) else box)

    def box(self, buffer: str, data: Array, index: list[Span]) -> Span:
        """The least and the largest of the elements that an index may mean."""
        exact = [iv.single(i) for i in index]
        if any(type(i.lo) is not int or type(i.hi) is not int for i in index):
            if not all(exact):
                index = [i if ok else Span(0, n - 1) for i, ok, n in zip(index, exact, data.shape, strict=True)]
            keep = [k for k, ok in enumerate(exact) if ok]
            rest = tuple(k for k, ok in enumerate(exact) if not ok)
            ends = [data.min(axis=rest), data.max(axis=rest)] if rest else [data, data]
            where = tuple(np.clip(index[k].lo, 0, data.shape[k] - 1) for k in keep)
            lo, hi = (np.asarray(end)[where].astype(np.int64) for end in ends)
            return Span(lo, hi)
        key = (buffer, *index)
        if key not in self.boxes:
            part = data[tuple(slice(max(0, i.lo), i.hi + 1) for i in index)]
            self.boxes[key] = Span(int(part.min()), int(part.max())) if part.size else Span(0, 0)
        return self.boxes[key]

    # ------------------------------------------------------------------------------------------------ functions

    def call(self, function: Function, args: list[Value | None], dtype: DType) -> Value | None:
        """A function, on intervals. Counts of shifts are looked at one by one where there are few."""
        for i, p in enumerate(function.params):
            v = args[i]
            if v is not None and p.name in _counts(function):
                span = iv.flat(v.span)
                if 0 < span.hi - span.lo <= SPLIT and v.grown is None:
                    return self.counted(function, args, i, span, dtype)
        names = {p.name: v for p, v in zip(function.params, args, strict=True) if v is not None}
        inside, self.inside = self.inside, self.inside or function.name
        out = self.body(function.body, Env(names, {}))
        self.inside = inside
        return None if dtype.is_float else out or anything(dtype)

    def counted(self, function: Function, args: list[Value | None], i: int, counts: Span, dtype: DType) -> Value | None:
        out: Value | None = None
        sure, self.sure = self.sure, False  # none of them is the one for certain
        for n in range(counts.lo, counts.hi + 1):
            one = self.call(function, [*args[:i], exactly(n), *args[i + 1 :]], dtype)
            if one is None:
                break
            out = one if out is None else joined(out, one)
        self.sure = sure
        return out

    # ------------------------------------------------------------------------------------------------ conditions

    def hold(self, condition: Expr, holds: bool, env: Env) -> bool:
        """Narrow what is known to where a condition holds, or doesn't; False where it can't be."""
        match condition:
            case Unary("not", a):
                return self.hold(a, not holds, env)
            case Binary("and" | "or" as op, a, b):
                if (op == "and") == holds:
                    return self.hold(a, holds, env) and self.hold(b, holds, env)
                return True
            case Binary(op, a, b) if op in OPPOSITE and not a.dtype.is_float:
                op = op if holds else OPPOSITE[op]
                x, y = self.again(a, env), self.again(b, env)
                if x is None or y is None:
                    return True
                x, y = self.plain(x, a.dtype), self.plain(y, b.dtype)
                if op == "!=" and isinstance(b, Const):
                    env.facts[Binary("!=", a, b, bool_)] = Span(1, 1)
                left, right = _narrowed(op, x.span, y.span)
                return self.narrow(a, x, left, env) and self.narrow(b, y, right, env)
            case Const(value):
                return bool(value) == holds
            case Var(name) if name in env.names:
                wanted = YES if holds else NO
                if env.names[name] == (NO if holds else YES):
                    return False
                env.names[name] = wanted
        return True

    def again(self, e: Expr, env: Env) -> Value | None:
        """A value that was looked at before: what there was to be said has been said."""
        found, self.found = self.found, {}
        out = self.value(e, env)
        self.found = found
        return out

    def narrow(self, e: Expr, v: Value, to: Span, env: Env) -> bool:
        if iv.high(to.hi - to.lo) < 0:
            return False
        if iv.low(to.hi - to.lo) < 0:  # in some rounds: there, what was known stays
            to = iv.cut(to, v.span)
        elif iv.within(v.span, to):
            return True
        if isinstance(e, Var):
            env.names[e.name] = Value(to, v.grown, v.halves)
        elif not isinstance(e, Const):
            env.facts[e] = to
        return True


def _narrowed(op: str, a: Span, b: Span) -> tuple[Span, Span]:
    """Two numbers of which ``op`` holds."""
    match op:
        case "<":
            return Span(a.lo, iv.least(a.hi, b.hi - 1)), Span(iv.most(b.lo, a.lo + 1), b.hi)
        case "<=":
            return Span(a.lo, iv.least(a.hi, b.hi)), Span(iv.most(b.lo, a.lo), b.hi)
        case ">" | ">=":
            right, left = _narrowed({">": "<", ">=": "<="}[op], b, a)
            return left, right
        case "==":
            both = Span(iv.most(a.lo, b.lo), iv.least(a.hi, b.hi))
            return both, both
    if type(b.lo) is int and b.lo == b.hi and type(a.lo) is int:  # not that one, if it is an end
        a = Span(a.lo + (a.lo == b.lo), a.hi - (a.hi == b.lo))
    return a, b


def _counts(function: Function) -> frozenset[str]:
    """The parameters that count shifts."""
    key = id(function)
    if key not in _COUNTS:
        shifts = [e.b for e in all_exprs(function.body) if isinstance(e, Binary) and e.op in ("<<", ">>")]
        names = {x.name for e in shifts for x in walk_expr(e) if isinstance(x, Var)}
        _COUNTS[key] = (function, frozenset(names & {p.name for p in function.params}))
    return _COUNTS[key][1]


_COUNTS: dict[int, tuple[Function, frozenset[str]]] = {}
