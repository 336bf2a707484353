"""Vector loops: par loops whose iterations a vector machine runs as lanes. How many lanes there are is not said here.

``vectorize`` marks a loop and changes nothing else, so its meaning can't change; ``varying`` says which values differ from
lane to lane; ``side_by_side`` makes the body of several vectors at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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
    Stmt,
    Var,
    While,
    map_body,
    substitute,
    walk,
    walk_expr,
)
from skosh.ir.simplify import simplify
from skosh.schedule import Answer, No, Yes, loops
from skosh.schedule.addresses import told
from skosh.schedule.rewriting import found_loops, marked


def can_vectorize(kernel: Kernel, name: str) -> Answer:
    answer = found_loops(kernel, name)
    if not answer:
        return answer
    for loop in loops(kernel, name):
        if not loop.par:
            return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
        if loop.step != 1:
            return No(f'the loop over "{name}" is already split')
        if any(isinstance(s, While) for s in walk(loop.body)):
            return No(f'the loop over "{name}" holds a while loop, which lanes would leave at different times')
        if any(isinstance(s, For) and s.vector for s in walk(loop.body)):
            return No(f'the loop over "{name}" holds a vector loop')
    return Yes()


def vectorize(kernel: Kernel, name: str, machine: str, vectors: int = 1) -> Kernel:
    """The iterations become lanes of ``machine``, ``vectors`` registers of them side by side; the body is what one lane does.

    for n in par(N): y[n] = x[n] + 1  ->  for n in par(N), lanes of avx2: y[n] = x[n] + 1
    """
    answer = can_vectorize(kernel, name)
    if isinstance(answer, No):
        raise ScheduleError(f'vectorize "{name}" is not legal: {answer.reason}', loc=kernel.loc)
    assert vectors >= 1, "a vector loop runs at least one vector"

    step = f'vectorize "{told(name)}" for {machine}' + (f", {vectors} vectors side by side" if vectors > 1 else "")
    body = marked(kernel, name, vector=machine, vectors=vectors)
    return replace(kernel, body=body, steps=(*kernel.steps, step))


# ------------------------------------------------------------------------------------------------ what differs by lane


def depends(e: Expr, names: Iterable[str]) -> bool:
    """Does the value of an expression depend on one of these variables?"""
    among = set(names)
    return any(isinstance(x, Var) and x.name in among for x in walk_expr(e))


def varying(body: Body, seeds: Iterable[str]) -> frozenset[str]:
    """The variables that differ from lane to lane, given those that do from outside: the loop variable, parameters.

    for n in lanes: acc = 0; for k in seq(K): acc += w[n, k]   ->  n, acc
    """
    found = set(seeds)
    while True:
        before = len(found)
        _spread(body, found, False)
        if len(found) == before:
            return frozenset(found)


def _spread(body: Body, found: set[str], branched: bool) -> None:
    for s in body:
        match s:
            case Let(var, value) | Assign(var, value):
                if branched or depends(value, found):
                    found.add(var.name)
            case For():
                _spread(s.body, found, branched)
            case If(condition, then, other):
                inner = branched or depends(condition, found)
                _spread(then, found, inner)
                _spread(other, found, inner)


# ------------------------------------------------------------------------------------------------ several at once


def side_by_side(body: Body, name: str, count: int, unit: Expr) -> Body:
    """The body for ``name``, name + unit, ..., name + (count - 1) unit, sharing inner loops and what is the same in all.

    acc = bias[n]; for k: acc += x[k] * w[k, n]
      ->  acc = bias[n]; acc_2 = bias[n + 8]; for k: acc += x[k] * w[k, n]; acc_2 += x[k] * w[k, n + 8]
    """
    if count == 1:
        return body
    moving = varying(body, (name,))
    local = {s.var.name for s in walk(body) if isinstance(s, Let)} & moving
    return _jam(body, name, count, unit, moving, local)


def _jam(body: Body, name: str, count: int, unit: Expr, moving: frozenset[str], local: set[str]) -> Body:
    out: list[Stmt] = []
    for s in body:
        match s:
            case Let(var) if var.name not in moving:
                out.append(s)
            case For():
                out.append(replace(s, body=_jam(s.body, name, count, unit, moving, local)))
            case If(condition, then, other) if not depends(condition, moving):
                sides = [_jam(b, name, count, unit, moving, local) for b in (then, other)]
                out.append(If(condition, sides[0], sides[1]))
            case Assign(var) if var.name not in moving:
                out.append(s)
            case _:
                out.extend(_copy((s,), name, j, unit, local)[0] for j in range(count))
    return tuple(out)


def _copy(body: Body, name: str, j: int, unit: Expr, local: set[str]) -> Body:
    if j == 0:
        return body
    new = {n: f"{n}_{j + 1}" for n in local}
    there = simplify(Binary("+", Var(name), Binary("*", Const(j), unit, i32), i32))
    moved = substitute(body, {name: there})

    def one(s: Stmt) -> Stmt:
        match s:
            case Let(var, value):
                return Let(replace(var, name=new.get(var.name, var.name)), value)
            case Assign(var, value):
                return Assign(replace(var, name=new.get(var.name, var.name)), value)
            case If(condition, then, other):
                return If(condition, tuple(map(one, then)), tuple(map(one, other)))
        return s

    renamed = map_body(moved, lambda e: replace(e, name=new[e.name]) if isinstance(e, Var) and e.name in new else e)
    return tuple(map(one, renamed))
