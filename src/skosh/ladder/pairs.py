"""Products of int8 two at a time: panels of pairs of int16, which most machines multiply and add in one instruction."""

from __future__ import annotations

from dataclasses import replace

from skosh.base.dtypes import bool_, i8, i32, u32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Kernel,
    Load,
    Select,
    Stmt,
    Store,
    Var,
    map_expr,
    walk,
)
from skosh.ir.simplify import simplify
from skosh.language.dots import dot_pairs, halfwords
from skosh.schedule import Answer, No, Yes, loops


def can_pair(kernel: Kernel, name: str) -> Answer:
    found = loops(kernel, name)
    if len(found) != 1 or found[0].step != 1 or found[0].lo != Const(0):
        return No(f'there must be one loop over "{name}", from 0, in steps of 1')
    match found[0].body:
        case (Assign(var, Binary("+", a, Binary("*", Cast("widen", Load() as x), Cast("widen", Load() as y)))),) if (
            a == var
        ):
            pass
        case _:
            return No(f'the loop over "{name}" must hold one sum of products of widened elements and nothing else')
    for e in (x, y):
        if e.dtype != i8 or e.index.count(Var(name)) != 1:
            return No(f'"{e.buffer}" must be read at [..., {name}, ...], and be i8')
        stores = [s for s in walk(kernel.body) if isinstance(s, Store) and s.buffer == e.buffer]
        if len(stores) != 1 or not isinstance(stores[0].value, Load):
            return No(f'"{e.buffer}" must be a panel, which one loop fills')
    return Yes()


def pair(kernel: Kernel, name: str) -> Kernel:
    """Two rounds of a sum of products in one: panels hold pairs of int16, the later one above. An odd end gets a zero.

    No sum may overflow, in any order: |c| + K 2^14 < 2^31.

    a_panel[k] = a[k]                                 a_panel[k // 2] = halfwords(a[k], a[k + 1])  for every other k
    sum += widen(a_panel[k]) * widen(b_panel[k])  ->  sum = dot_pairs(sum, a_panel[k], b_panel[k])  for half as many k
    """
    step = f'two rounds of "{name}" in one, as pairs of int16'
    answer = can_pair(kernel, name)
    if isinstance(answer, No):
        raise ScheduleError(f"{step}: not legal: {answer.reason}", loc=kernel.loc)
    (loop,) = loops(kernel, name)
    (update,) = loop.body
    assert isinstance(update, Assign) and isinstance(update.value, Binary), "can_pair looked"
    panels = [e for e in _loads(update.value.b) if isinstance(e, Load)]
    place = {e.buffer: e.index.index(Var(name)) for e in panels}
    rounds = simplify(Binary("//", Binary("+", loop.hi, Const(1), i32), Const(2), i32))
    words: list[Expr] = [Load(e.buffer, e.index, u32) for e in panels]
    paired = replace(loop, hi=rounds, body=(Assign(update.var, CallExpr(dot_pairs, (update.var, *words), i32)),))

    def one(s: Stmt) -> Body:
        if s == loop:
            return (paired,)
        if isinstance(s, For):
            copied = [x for x in walk(s.body) if isinstance(x, Store) and x.buffer in place]
            if copied and copied[0].index[place[copied[0].buffer]] == Var(s.var):
                return (replace(s, step=2, body=tuple(_fill(x, s, place) for x in s.body)),)
            return (replace(s, body=tuple(new for x in s.body for new in one(x))),)
        return (s,)

    params = tuple(
        replace(
            p,
            dtype=u32,
            shape=tuple(_halved(d) if axis == place[p.name] else d for axis, d in enumerate(p.shape)),
        )
        if p.name in place
        else p
        for p in kernel.params
    )
    body = tuple(new for s in kernel.body for new in one(s))
    return replace(kernel, params=params, body=body, steps=(*kernel.steps, step))


def _loads(e: Expr) -> list[Expr]:
    assert isinstance(e, Binary) and isinstance(e.a, Cast) and isinstance(e.b, Cast), "can_pair looked"
    return [e.a.a, e.b.a]


def _halved(d: Expr) -> Expr:
    return simplify(Binary("//", Binary("+", d, Const(1), i32), Const(2), i32))


def _fill(s: Stmt, along: For, place: dict[str, int]) -> Stmt:
    """The copy of one element as that of a pair."""
    if isinstance(s, For):
        return replace(s, body=tuple(_fill(x, along, place) for x in s.body))
    assert isinstance(s, Store) and isinstance(s.value, Load), "a panel's copy is loops and one store"
    source, k = s.value, Var(along.var)
    later = simplify(Binary("+", k, Const(1), i32))
    low: Expr = Cast("widen", source, i32)
    if isinstance(along.hi, Const) and int(along.hi.value) % 2 == 0:
        high: Expr = Cast("widen", _at(source, k.name, later), i32)
    else:
        last = simplify(Binary("-", along.hi, Const(1), i32))
        read = Cast("widen", _at(source, k.name, Binary("min", later, last, i32)), i32)
        high = Select(Binary("<", later, along.hi, bool_), read, Const(0), i32)
    index = tuple(Binary("//", i, Const(2), i32) if axis == place[s.buffer] else i for axis, i in enumerate(s.index))
    return Store(s.buffer, index, CallExpr(halfwords, (low, high), u32))


def _at(load: Load, name: str, value: Expr) -> Load:
    def put(e: Expr) -> Expr:
        return value if isinstance(e, Var) and e.name == name else e

    return replace(load, index=tuple(map_expr(i, put) for i in load.index))
