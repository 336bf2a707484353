"""Reductions walk pointers: what a C author writes instead of recomputing an index in the innermost loop.

    for (k = 0; k < K; k++)             const int8_t *w_k = &w[K * n];
        acc += x[k] * w[K * n + k];  -> for (const int8_t *x_k = x; x_k < &x[K]; x_k++, w_k++)
                                            acc += x_k[0] * w_k[0];

It also frees registers: neither the counter nor the bases stay alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from skosh.base.dtypes import i32
from skosh.emit.expressions import Names, expression
from skosh.ir.kernel import (
    Assign,
    Binary,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Param,
    Store,
    Var,
    While,
    all_exprs,
    map_body,
    walk,
)
from skosh.ir.layout import address
from skosh.ir.simplify import Polynomial, from_polynomial, polynomial, simplify


@dataclass(frozen=True)
class Pointer:
    """name walks over ``buffer``, from the element ``start`` on, ``step`` elements a round; loads see it as a buffer."""

    name: str
    buffer: str
    start: Expr  # address with the loop variable at 0, constant part left out
    step: Expr  # per unit of the loop variable


@dataclass(frozen=True)
class Walk:
    """A loop rewritten. ``control``: the pointer that ends the loop, when the variable has no other use."""

    pointers: tuple[Pointer, ...]
    loop: For
    params: Mapping[str, Param]
    control: Pointer | None


def walk_pointers(loop: For, names: Names) -> Walk | None:
    """The loop with pointers instead of indices; None where that would not help: it writes memory, branches or nests."""
    if any(isinstance(s, For | Store | If | While) for s in walk(loop.body)):
        return None
    changing = {s.var.name for s in walk(loop.body) if isinstance(s, Let | Assign)} | {loop.var}
    found: dict[tuple[str, Expr, Expr], Pointer] = {}

    def rule(e: Expr) -> Expr:
        if not isinstance(e, Load) or e.dtype.packed:
            return e
        split = _split(polynomial(address(names.params[e.buffer], e.index, names.steps)), loop.var, changing)
        if split is None:
            return e
        start, step, constant = split
        key = (e.buffer, start, step)
        if key not in found:
            found[key] = Pointer(_fresh(f"{e.buffer}_{loop.var}", names.taken), e.buffer, start, step)
        return Load(found[key].name, (Const(constant),), e.dtype)

    body = map_body(loop.body, rule)
    if not found:
        return None
    params = {p.name: Param(p.name, names.params[p.buffer].dtype, (Const(0),)) for p in found.values()}
    used = any(isinstance(e, Var) and e.name == loop.var for e in all_exprs(body))
    forward = [p for p in found.values() if _is_positive(p.step, names)]  # a stride of 0 would never reach the end
    ordered = sorted(forward, key=lambda p: (not isinstance(p.step, Const), repr(p.step)))
    control = ordered[0] if ordered and not used else None
    return Walk(tuple(found.values()), replace(loop, body=body), params, control)


def _is_positive(step: Expr, names: Names) -> bool:
    """Known to be: a sum of products of sizes. Strides and other scalars may be 0 or negative."""
    return all(
        c > 0 and all(isinstance(f, Var) and f.name in names.sizes for f in m) for m, c in polynomial(step).items()
    )


def _fresh(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}{count}"
    taken.add(candidate)
    return candidate


def _split(p: Polynomial, var: str, changing: set[str]) -> tuple[Expr, Expr, int] | None:
    """(start, step, constant) of an address that is start + step * var + constant, start and step not changing inside."""
    step: dict[tuple[Expr, ...], int] = {}
    start: dict[tuple[Expr, ...], int] = {}
    for m, c in p.items():
        names = [f.name if isinstance(f, Var) else "" for f in m]
        if names.count(var) == 1:
            step[tuple(f for f in m if not (isinstance(f, Var) and f.name == var))] = c
        elif m:
            start[m] = c
    rest = [f for m in (*step, *start) for f in m]
    if not step or any(not isinstance(f, Var) or f.name in changing for f in rest):
        return None
    return from_polynomial(start), from_polynomial(step), p.get((), 0)


def pointer_at(pointer: Pointer, position: Expr, names: Names) -> str:
    """C for the pointer's place when the loop variable has the value ``position``."""
    where = simplify(Binary("+", pointer.start, Binary("*", pointer.step, position, i32), i32))
    return pointer.buffer if where == Const(0) else f"&{pointer.buffer}[{expression(where, names)}]"


def advance(pointer: Pointer, rounds: int, names: Names) -> str:
    """C that moves the pointer on by ``rounds`` units of the loop variable."""
    by = simplify(Binary("*", pointer.step, Const(rounds), i32))
    return f"{pointer.name}++" if by == Const(1) else f"{pointer.name} += {expression(by, names)}"
