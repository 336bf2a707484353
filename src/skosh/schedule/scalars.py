"""Register buffers as scalars."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.fold import fold_body
from skosh.ir.kernel import (
    Assign,
    Assume,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Stmt,
    Store,
    Var,
    While,
    all_exprs,
    map_body,
    map_expr,
    walk,
)
from skosh.ir.rename import all_names, fresh
from skosh.ir.simplify import simplify
from skosh.ir.specialize import unwrapped
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import done


def can_registers(kernel: Kernel, buffer: str) -> Answer:
    body = fold_body(unwrapped(kernel))
    found = [s for s in walk(body) if isinstance(s, Local) and s.name == buffer]
    if not found:
        return No(f'"{buffer}" is no buffer of the kernel\'s own')
    if any(s.memory != "register" for s in found):
        return No(f'"{buffer}" isn\'t in registers')
    places = [e.index for e in all_exprs(body) if isinstance(e, Load) and e.buffer == buffer]
    places += [s.index for s in walk(body) if isinstance(s, Store) and s.buffer == buffer]
    for index in places:
        if not all(isinstance(simplify(i), Const) for i in index):
            return No(
                f'an index of "{buffer}" isn\'t a number: registers have no addresses; unroll the loops around it'
            )
    return Yes()


def registers(kernel: Kernel, buffer: str) -> Kernel:
    """A register buffer whose indices are all numbers becomes scalars.

    acc = register(i32[2])  ->  acc_0 = 0; acc_1 = 0
    acc[0] += x[k]              acc_0 += x[k]
    """
    step = f'"{buffer}" in scalars'
    act(kernel, can_registers(kernel, buffer), step)
    taken = all_names(kernel)
    return done(kernel, _scalars(fold_body(unwrapped(kernel)), buffer, {}, taken), step)


def _scalars(body: Body, buffer: str, names: dict[tuple[int, ...], Var], taken: set[str]) -> Body:
    def rule(e: Expr) -> Expr:
        return names[_place(e.index)] if isinstance(e, Load) and e.buffer == buffer else e

    out: list[Stmt] = []
    for s in body:
        match s:
            case Local(name, dtype, shape) if name == buffer:
                for place in _places(tuple(int(d.value) for d in shape if isinstance(d, Const))):
                    names[place] = Var(fresh("_".join([buffer, *map(str, place)]), taken), dtype)
                    zero = Const(0.0 if dtype.is_float else dtype.kind == "bool" and False, dtype)
                    out.append(Let(names[place], zero))
            case Store(name, index, value) if name == buffer:
                out.append(Assign(names[_place(index)], map_expr(value, rule)))
            case For() | While():
                (head,) = map_body((replace(s, body=()),), rule)
                assert isinstance(head, For | While), "a loop stays one"
                out.append(replace(head, body=_scalars(s.body, buffer, names, taken)))
            case If(condition, then, other):
                sides = _scalars(then, buffer, names, taken), _scalars(other, buffer, names, taken)
                out.append(If(map_expr(condition, rule), *sides))
            case Assume(condition):
                out.append(Assume(map_expr(condition, rule)))
            case _:
                out.extend(map_body((s,), rule))
    return tuple(out)


def _place(index: tuple[Expr, ...]) -> tuple[int, ...]:
    return tuple(int(i.value) for i in map(simplify, index) if isinstance(i, Const))


def _places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    out: list[tuple[int, ...]] = [()]
    for n in shape:
        out = [(*p, i) for p in out for i in range(n)]
    return out
