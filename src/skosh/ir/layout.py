"""Where elements lie: the flat position of an indexed element, and what numbers such positions depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping

from skosh.base.dtypes import i32
from skosh.ir.kernel import (
    Assume,
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Load,
    Param,
    Store,
    Var,
    While,
    stmt_exprs,
    walk_expr,
)
from skosh.ir.simplify import from_polynomial, polynomial, simplify


def address(param: Param, index: tuple[Expr, ...], steps: Mapping[str, int]) -> Expr:
    """The flat position of an element, simplified: row-major, or in blocks of ``tile`` rows."""
    inner: Expr = Const(0)
    rest: Expr = Const(1)
    for i, n in zip(index[1:], param.shape[1:], strict=True):
        inner = _sum(_product(inner, n), i)
        rest = _product(rest, n)
    if param.tile == 1:
        return simplify(_sum(_product(index[0], rest), inner))
    tile = Const(param.tile)
    start, within = _block(index[0], param.tile, steps)
    return simplify(_sum(_sum(_product(start, rest), _product(inner, tile)), within))


def _block(row: Expr, tile: int, steps: Mapping[str, int]) -> tuple[Expr, Expr]:
    """(first row of the block, row within it): n + 2 with n a multiple of 4 is row 2 of the block that starts at n."""
    terms = polynomial(row)
    within = terms.get((), 0)
    whole = all(c * _known_factor(m, steps) % tile == 0 for m, c in terms.items() if m)
    if whole and within >= 0:
        block = within // tile * tile
        return from_polynomial({**{m: c for m, c in terms.items() if m}, (): block}), Const(within - block)
    number = Const(tile)
    return _product(Binary("//", row, number, i32), number), Binary("%", row, number, i32)


def _known_factor(monomial: tuple[Expr, ...], steps: Mapping[str, int]) -> int:
    return math.prod(steps.get(f.name, 1) for f in monomial if isinstance(f, Var))


def _sum(a: Expr, b: Expr) -> Expr:
    return Binary("+", a, b, i32)


def _product(a: Expr, b: Expr) -> Expr:
    return Binary("*", a, b, i32)


def used_numbers(kernel: Kernel) -> tuple[Var, ...]:
    """The numbers that the kernel's code depends on: those in its body, and those that element positions are made of."""
    params = kernel.buffers
    names: set[str] = set()

    def note(e: Expr) -> None:
        names.update(x.name for x in walk_expr(e) if isinstance(x, Var))

    def value(e: Expr, steps: Mapping[str, int]) -> None:
        for x in walk_expr(e):
            if isinstance(x, Load):
                note(address(params[x.buffer], x.index, steps))
            elif isinstance(x, Var):
                names.add(x.name)

    def body(statements: Body, steps: Mapping[str, int]) -> None:
        for s in statements:
            if isinstance(s, Store):
                note(address(params[s.buffer], s.index, steps))
                value(s.value, steps)
                continue
            if isinstance(s, While):  # its bound is a promise, not code
                value(s.condition, steps)
                body(s.body, steps)
                continue
            if isinstance(s, Assume):
                continue
            for e in stmt_exprs(s):
                value(e, steps)
            if isinstance(s, For):
                body(s.body, with_step(s, steps))
            elif isinstance(s, If):
                body(s.then, steps)
                body(s.other, steps)

    body(kernel.body, {})
    return tuple(v for v in kernel.numbers if v.name in names)


def with_step(loop: For, steps: Mapping[str, int]) -> Mapping[str, int]:
    """Loop variables known to be multiples of something, inside ``loop``."""
    whole = loop.step > 1 and isinstance(loop.lo, Const) and int(loop.lo.value) % loop.step == 0
    return {**steps, loop.var: loop.step} if whole else steps
