"""Schedules: rewrites of a kernel's loops that never change what it computes.

Each step asks first (``can_...`` answers Yes or No with the reason), documents itself before -> after, and returns a
new kernel whose ``steps`` tell its history.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from skosh.base.dtypes import i32
from skosh.base.errors import ScheduleError
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
    Return,
    Stmt,
    Var,
    While,
    map_body,
    substitute,
    walk,
    walk_expr,
)
from skosh.ir.simplify import simplify
from skosh.kernels.fold import fold_body


@dataclass(frozen=True)
class Yes:
    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class No:
    reason: str

    def __bool__(self) -> bool:
        return False


Answer = Yes | No


def loops(kernel: Kernel, name: str) -> tuple[For, ...]:
    """The loops over ``name``: one in most kernels, several once a step has copied their surroundings."""
    return tuple(s for s in walk(kernel.body) if isinstance(s, For) and s.var == name)


def _act(kernel: Kernel, answer: Answer, step: str) -> None:
    if isinstance(answer, No):
        raise ScheduleError(f"{step} is not legal: {answer.reason}", loc=kernel.loc)


def _rewrite(body: Body, name: str, rule: Callable[[For], Body]) -> Body:
    """Replace each loop over ``name`` by what ``rule`` makes of it."""
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For) and s.var == name:
            out.extend(rule(s))
        elif isinstance(s, For | While):
            out.append(replace(s, body=_rewrite(s.body, name, rule)))
        elif isinstance(s, If):
            out.append(If(s.condition, _rewrite(s.then, name, rule), _rewrite(s.other, name, rule)))
        else:
            out.append(s)
    return tuple(out)


# ------------------------------------------------------------------------------------------------ bind


def bind(kernel: Kernel, numbers: Mapping[str, int | float]) -> Kernel:
    """Sizes and scalars that are known become constants: the kernel is specialised for them.

    y[N * m + n] with N=64  ->  y[64 * m + n]
    """
    types = {v.name: v.dtype for v in kernel.numbers}
    unknown = set(numbers) - set(types)
    assert not unknown, f"{kernel.name} has no number {sorted(unknown)}"
    values: dict[str, Expr] = {n: Const(v, types[n]) for n, v in numbers.items()}

    def shape(e: Expr) -> Expr:
        return simplify(map_body((Return(e),), lambda x: values.get(x.name, x) if isinstance(x, Var) else x)[0].value)  # type: ignore[attr-defined]

    return replace(
        kernel,
        params=tuple(replace(p, shape=tuple(shape(d) for d in p.shape)) for p in kernel.params),
        sizes=tuple(s for s in kernel.sizes if s not in numbers),
        scalars=tuple(v for v in kernel.scalars if v.name not in numbers),
        body=fold_body(substitute(kernel.body, values)),
    )


# ------------------------------------------------------------------------------------------------ unroll


def can_unroll(kernel: Kernel, name: str) -> Answer:
    found = loops(kernel, name)
    if not found:
        return No(f'there is no loop over "{name}"')
    if any(loop.step != 1 for loop in found):
        return No(f'the loop over "{name}" is already split')
    return Yes()


def unroll(kernel: Kernel, name: str, factor: int, *, exact: bool = False) -> Kernel:
    """Repeat the body ``factor`` times a round; what is left over keeps a loop of its own, unless ``exact``.

    for k in seq(K): f(k)  ->  for k in seq(0, K // 4 * 4, step 4): f(k); f(k+1); f(k+2); f(k+3)
                               for k in seq(K // 4 * 4, K): f(k)
    """
    _act(kernel, can_unroll(kernel, name), f'unroll "{name}" by {factor}')

    def rule(loop: For) -> Body:
        copies: list[Stmt] = []
        for j in range(factor):
            shifted = simplify(Binary("+", Var(name), Const(j), i32))
            copies.extend(_renamed(substitute(loop.body, {name: shifted}), name, j, _local_names(loop.body)))
        return _with_rest(loop, factor, exact, tuple(copies))

    return _done(kernel, _rewrite(kernel.body, name, rule), f'unroll "{name}" by {factor}')


def _with_rest(loop: For, factor: int, exact: bool, body: Body) -> Body:
    trips = simplify(Binary("-", loop.hi, loop.lo, i32))
    whole = simplify(Binary("-", loop.hi, Binary("%", trips, Const(factor), i32), i32))
    if exact or whole == simplify(loop.hi):
        return (replace(loop, body=body, step=factor),)
    return (replace(loop, hi=whole, body=body, step=factor), replace(loop, lo=whole))


def _done(kernel: Kernel, body: Body, step: str) -> Kernel:
    return replace(kernel, body=fold_body(body), steps=(*kernel.steps, step))


def _local_names(body: Body) -> set[str]:
    return {s.var.name for s in walk(body) if isinstance(s, Let)}


def _renamed(body: Body, loop: str, copy: int, names: set[str]) -> Body:
    """The body with its local scalars given names of their own: acc -> acc_n1. Copy 0 keeps its names."""
    if copy == 0 or not names:
        return body
    new = {n: f"{n}_{loop}{copy}" for n in names}

    def one(s: Stmt) -> Stmt:
        match s:
            case Let(var, value):
                return Let(replace(var, name=new[var.name]), value)
            case Assign(var, value):
                return Assign(replace(var, name=new.get(var.name, var.name)), value)
            case For() | While():
                return replace(s, body=tuple(one(x) for x in s.body))
            case If(condition, then, other):
                return If(condition, tuple(one(x) for x in then), tuple(one(x) for x in other))
        return s

    named = map_body(body, lambda e: replace(e, name=new[e.name]) if isinstance(e, Var) and e.name in new else e)
    return tuple(one(s) for s in named)


# ------------------------------------------------------------------------------------------------ unroll and jam


def can_unroll_and_jam(kernel: Kernel, name: str) -> Answer:
    answer = can_unroll(kernel, name)
    if not answer:
        return answer
    if not all(loop.par for loop in loops(kernel, name)):
        return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
    return Yes()


def unroll_and_jam(kernel: Kernel, name: str, factor: int, *, exact: bool = False) -> Kernel:
    """A register tile: ``factor`` iterations of a par loop side by side, sharing the loops inside.

    for n in par(N):              for n in par(0, N, step 2):
        acc = 0                       acc = 0; acc_n1 = 0
        for k in seq(K):      ->      for k in seq(K):
            acc += w[n, k]                acc += w[n, k]; acc_n1 += w[n+1, k]
    """
    _act(kernel, can_unroll_and_jam(kernel, name), f'unroll and jam "{name}" by {factor}')

    def rule(loop: For) -> Body:
        moving = {name}
        return _with_rest(loop, factor, exact, _jam(loop.body, name, factor, moving, _local_names(loop.body)))

    return _done(kernel, _rewrite(kernel.body, name, rule), f'unroll and jam "{name}" by {factor}')


def _depends(expressions: Sequence[Expr], moving: set[str]) -> bool:
    return any(isinstance(x, Var) and x.name in moving for e in expressions for x in walk_expr(e))


def _jam(body: Body, name: str, factor: int, moving: set[str], local: set[str]) -> Body:
    """``moving``: variables whose value differs from copy to copy; it grows as locals that depend on them appear."""
    out: list[Stmt] = []
    for s in body:
        match s:
            case Let(var, value):
                if not _depends((value,), moving) and not _assigned(body, var.name):
                    out.append(s)  # the same in every copy: once
                    continue
                moving.add(var.name)
                out.extend(_copies((s,), name, factor, moving & local))
            case For() if not _depends((s.lo, s.hi), moving):
                out.append(replace(s, body=_jam(s.body, name, factor, moving, local)))
            case If(condition, then, other) if not _depends((condition,), moving):
                jammed = tuple(_jam(b, name, factor, moving, local) for b in (then, other))
                out.append(If(condition, jammed[0], jammed[1]))
            case _:
                inner = _local_names((s,))
                out.extend(_copies((s,), name, factor, (moving & local) | inner))
    return tuple(out)


def _assigned(body: Body, name: str) -> bool:
    return any(isinstance(s, Assign) and s.var.name == name for s in walk(body))


def _copies(body: Body, name: str, factor: int, names: set[str]) -> Body:
    out: list[Stmt] = []
    for j in range(factor):
        shifted = simplify(Binary("+", Var(name), Const(j), i32))
        out.extend(_renamed(substitute(body, {name: shifted}), name, j, names))
    return tuple(out)


# ------------------------------------------------------------------------------------------------ pack


def can_pack(kernel: Kernel, buffer: str) -> Answer:
    param = kernel.param(buffer)
    if param.written:
        return No(f'"{buffer}" is written; only constants are re-laid at compile time')
    if len(param.shape) < 2:
        return No(f'"{buffer}" has one dimension')
    return Yes()


def pack(kernel: Kernel, buffer: str, rows: int) -> Kernel:
    """Re-lay a constant in blocks of rows, so that the rows of a register tile lie side by side.

    w[n, k] at n * K + k  ->  at (n // 4 * K + k) * 4 + n % 4
    """
    _act(kernel, can_pack(kernel, buffer), f'pack "{buffer}" by {rows} rows')
    params = tuple(replace(p, tile=rows) if p.name == buffer else p for p in kernel.params)
    return replace(kernel, params=params, steps=(*kernel.steps, f'pack "{buffer}" by {rows} rows'))
