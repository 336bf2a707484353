"""Kernels cut into launches: the outer ``par`` loops are work items, of which a device runs as many at once as it can.

    for oh, ow in par(OH, OW):        ->  OH * OW * N work items;  oh = item // (OW * N), ow = item // N % OW, n = item % N
        row = oh * stride_h - top         one work item: row = ..., acc = ..., y[oh, ow, n] = ...
        for n in par(N):
            acc = ...

What a kernel does one after another at its top level are several launches, one after another. A kernel whose parts share more
than numbers is one work item: right, and slow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    Const,
    Expr,
    For,
    Kernel,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    Var,
    stmt_exprs,
    walk,
    walk_expr,
)
from skosh.ir.simplify import simplify, value_of

ITEM = Var("skosh_item", i32)
"""The number of a work item."""


@dataclass(frozen=True)
class Launch:
    """What one work item does, and how many there are: the product of ``counts`` (1 where there are none)."""

    kernel: Kernel
    counts: tuple[Expr, ...]

    def items(self, numbers: Mapping[str, int | float]) -> int:
        """How many work items, for a call with these numbers."""
        found = [value_of(c, numbers) for c in self.counts]
        assert None not in found, f"a loop of {self.kernel.name} has bounds that no number binds"
        return prod(max(0, n) for n in found if n is not None)


def launches(kernel: Kernel) -> tuple[Launch, ...]:
    """The launches that do what the kernel does, in their order."""
    parts = _parts(kernel)
    if parts is None:
        return in_order(kernel)
    shared, rest = parts
    return tuple(_spread(kernel, shared, s) for whole in rest for s in _apart(whole))


def in_order(kernel: Kernel) -> tuple[Launch, ...]:
    """The kernel as one work item: for calls whose buffers overlap, where the order of iterations matters."""
    return (Launch(kernel, ()),)


def _parts(kernel: Kernel) -> tuple[Body, tuple[Stmt, ...]] | None:
    """(numbers that all parts compute for themselves, the parts); None where parts share more than numbers."""
    changed = {s.var.name for s in walk(kernel.body) if isinstance(s, Assign)}
    stored = {s.buffer for s in walk(kernel.body) if isinstance(s, Store)}
    shared: list[Stmt] = []
    rest: list[Stmt] = []
    for s in kernel.body:
        match s:
            case Local():
                return None
            case Let(var, what):
                loads = {e.buffer for e in walk_expr(what) if isinstance(e, Load)}
                if var.name in changed or loads & stored or rest:
                    return None
                shared.append(s)
            case Assign():
                return None
            case Assume():
                shared.append(s)
            case _:
                rest.append(s)
    return tuple(shared), tuple(rest)


def _apart(s: Stmt) -> tuple[Stmt, ...]:
    """par loops with several par loops in a round, as one loop for each: no round sees what another one does.

        for m in par(M): a(m); b(m)   ->   for m in par(M): a(m);   for m in par(M): b(m)
    """
    if not isinstance(s, For) or not s.par:
        return (s,)
    loops = tuple(x for x in s.body if isinstance(x, For))
    numbers = tuple(x for x in s.body if isinstance(x, Let | Assume))
    changed = {x.var.name for x in walk(s.body) if isinstance(x, Assign)}
    stored = {x.buffer for x in walk(s.body) if isinstance(x, Store)}
    loads = {e.buffer for x in numbers for top in stmt_exprs(x) for e in walk_expr(top) if isinstance(e, Load)}
    settled = not changed & {x.var.name for x in numbers if isinstance(x, Let)} and not loads & stored
    if len(loops) + len(numbers) < len(s.body) or not all(x.par for x in loops) or not loops or not settled:
        return (s,)
    return tuple(replace(s, body=(*numbers, part)) for loop in loops for part in _apart(loop))


def _spread(kernel: Kernel, shared: Body, s: Stmt) -> Launch:
    """A statement, as far as its outer loops go: these are perfectly nested, with nothing but numbers between them."""
    loops: list[For] = []
    before: list[Stmt] = list(shared)
    inside: set[str] = {v.var.name for v in shared if isinstance(v, Let)}
    body: Body = (s,)
    while (found := _nested(body, inside)) is not None:
        numbers, loop = found
        before += [*numbers, loop]
        loops.append(loop)
        inside |= {v.var.name for v in numbers if isinstance(v, Let)} | {loop.var}
        body = loop.body
    if not loops:
        return Launch(replace(kernel, body=(*shared, s)), ())
    counts = tuple(_count(loop) for loop in loops)
    made: list[Stmt] = []
    k = 0
    for step in before:
        if isinstance(step, For):
            made.append(Let(Var(step.var, i32), _place(step, k, counts)))
            k += 1
        else:
            made.append(step)
    return Launch(replace(kernel, body=(*made, *body)), counts)


def _nested(body: Body, inside: set[str]) -> tuple[Body, For] | None:
    """(numbers, a par loop after them that ends the body), where the loop's bounds hang on nothing inside the launch."""
    *numbers, last = body
    if not isinstance(last, For) or not last.par or not all(isinstance(s, Let | Assume) for s in numbers):
        return None
    changed = {s.var.name for s in walk(last.body) if isinstance(s, Assign)}
    own = inside | {s.var.name for s in numbers if isinstance(s, Let)}
    if changed & own:
        return None
    bounds = [e for end in (last.lo, last.hi) for e in walk_expr(end)]
    if any(isinstance(e, Load) or (isinstance(e, Var) and e.name in own) for e in bounds):
        return None
    return tuple(numbers), last


def _count(loop: For) -> Expr:
    span: Expr = Binary("-", loop.hi, loop.lo, i32)
    if loop.step != 1:
        span = Binary("//", Binary("+", span, Const(loop.step - 1), i32), Const(loop.step), i32)
    return simplify(span)


def _place(loop: For, k: int, counts: tuple[Expr, ...]) -> Expr:
    """The loop's variable, from the number of the work item."""
    after: Expr = Const(1)
    for c in counts[k + 1 :]:
        after = Binary("*", after, c, i32)
    at: Expr = ITEM if k == len(counts) - 1 else Binary("//", ITEM, simplify(after), i32)
    if k > 0:
        at = Binary("%", at, counts[k], i32)
    return simplify(Binary("+", loop.lo, Binary("*", Const(loop.step), at, i32), i32))


def keeps_places(kernel: Kernel, a: str, b: str) -> bool:
    """Are buffers ``a`` and ``b`` only touched at equal places of equal types, so that they may lie on each other?"""
    pa, pb = kernel.param(a), kernel.param(b)
    if pa.dtype != pb.dtype or pa.shape != pb.shape or pa.tile != pb.tile:
        return False
    places = {s.index for s in walk(kernel.body) if isinstance(s, Store) and s.buffer in (a, b)}
    for s in walk(kernel.body):
        for top in stmt_exprs(s):
            places |= {e.index for e in walk_expr(top) if isinstance(e, Load) and e.buffer in (a, b)}
    return len(places) == 1


