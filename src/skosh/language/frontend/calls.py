"""A kernel called from a kernel: its body, with the caller's buffers, numbers and names, in the place of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from skosh.ir import kernel as ir
from skosh.ir.rename import declared, fresh, renamed
from skosh.ir.simplify import simplify

View = tuple[ir.Param, tuple[ir.Expr, ...]]
"""A buffer of the caller, and the leading indices that choose a part of it."""


def inlined(callee: ir.Kernel, views: Sequence[View], numbers: Mapping[str, ir.Expr], taken: set[str]) -> ir.Body | str:
    """The statements that a call stands for; or, in words, what is wrong with it. ``taken``: names that mean something there.

    Sizes follow from the shapes where a shape is the bare size; the others are given by name.
    """
    if len(views) != len(callee.params):
        return f"{callee.name} takes {len(callee.params)} buffers, not {len(views)}"
    values = dict(numbers)
    unknown = sorted(set(values) - {v.name for v in callee.numbers})
    if unknown:
        return f'{callee.name} has no number "{unknown[0]}"'
    for p, (buffer, index) in zip(callee.params, views, strict=True):
        rest = buffer.shape[len(index) :]
        if buffer.dtype != p.dtype or len(rest) != len(p.shape):
            return f'"{p.name}" of {callee.name} is {_type(p)}, but "{buffer.name}" gives {_type(replace(buffer, shape=rest))}'
        for want, have in zip(p.shape, rest, strict=True):
            if isinstance(want, ir.Var) and want.name in callee.sizes:
                values.setdefault(want.name, have)
    missing = [v.name for v in callee.numbers if v.name not in values]
    if missing:
        return f'{callee.name} must be given "{missing[0]}"'
    for v in callee.numbers:
        if values[v.name].dtype != v.dtype:
            return f'"{v.name}" of {callee.name} is {v.dtype}, not {values[v.name].dtype}'
    for p, (buffer, index) in zip(callee.params, views, strict=True):
        for want, have in zip(p.shape, buffer.shape[len(index) :], strict=True):
            needed = simplify(ir.map_expr(want, lambda e: values.get(e.name, e) if isinstance(e, ir.Var) else e))
            if needed != simplify(have):
                return f'"{p.name}" of {callee.name} is {_type(p)}, which doesn\'t fit "{buffer.name}" {_type(buffer)}'
    return _body(callee, views, values, taken)


def issued(callee: ir.Kernel, views: Sequence[View], numbers: Mapping[str, ir.Expr], taken: set[str]) -> ir.Body | str:
    """An instruction of a custom function unit: its body as a loop of one round, marked, with the operands in locals first."""
    assert callee.custom is not None, "an instruction"
    lets: list[ir.Stmt] = []
    given: dict[str, ir.Expr] = {}
    for v in callee.numbers:
        if v.name in numbers and numbers[v.name].dtype == v.dtype:
            local = ir.Var(fresh(operand_local(callee, v.name), taken), v.dtype)
            lets.append(ir.Let(local, numbers[v.name]))
            given[v.name] = local
    body = inlined(callee, views, {**numbers, **given}, taken)
    if isinstance(body, str):
        return body
    once = fresh(f"{callee.name}_once", taken)
    return (ir.For(once, ir.Const(0), ir.Const(1), (*lets, *body), False, issue=callee.custom.where),)


def operand_local(callee: ir.Kernel, number: str) -> str:
    """How the local that holds an operand is called; a second issue in the same kernel adds a count to it."""
    return f"{callee.name}_{number}"


def _body(callee: ir.Kernel, views: Sequence[View], values: Mapping[str, ir.Expr], taken: set[str]) -> ir.Body:
    numbers = {v.name: f"{callee.name}_{v.name}" if v.name in taken else v.name for v in callee.numbers}
    names = {
        n: fresh(n, taken | set(numbers.values())) for n in sorted(declared(callee.body, loops=True)) if n in taken
    }
    body = renamed(callee.body, names)
    buffers = {p.name: view for p, view in zip(callee.params, views, strict=True)}

    def expr(e: ir.Expr) -> ir.Expr:
        if isinstance(e, ir.Load) and e.buffer in buffers:
            buffer, index = buffers[e.buffer]
            return replace(e, buffer=buffer.name, index=(*index, *e.index))
        if isinstance(e, ir.Var) and e.name in given:
            return given[e.name]
        return e

    lets: list[ir.Stmt] = []
    given: dict[str, ir.Expr] = {}
    assigned = {s.var.name for s in ir.walk(callee.body) if isinstance(s, ir.Assign)}
    for v in callee.numbers:
        value = values[v.name]
        simple = isinstance(value, ir.Const | ir.Var) or v.name in callee.sizes
        if simple and v.name not in assigned:
            given[v.name] = value
        else:
            given[v.name] = ir.Var(numbers[v.name], v.dtype)
            lets.append(ir.Let(ir.Var(numbers[v.name], v.dtype), value))
    return (*lets, *_stores(ir.map_body(body, expr), buffers, given))


def _stores(body: ir.Body, buffers: Mapping[str, View], given: Mapping[str, ir.Expr]) -> ir.Body:
    out: list[ir.Stmt] = []
    for s in body:
        match s:
            case ir.Store() if s.buffer in buffers:
                buffer, index = buffers[s.buffer]
                out.append(replace(s, buffer=buffer.name, index=(*index, *s.index)))
            case ir.Assign(var) if var.name in given:
                target = given[var.name]
                assert isinstance(target, ir.Var), "a number that the callee changes has a local of its own"
                out.append(replace(s, var=target))
            case ir.For() | ir.While():
                out.append(replace(s, body=_stores(s.body, buffers, given)))
            case ir.If():
                out.append(replace(s, then=_stores(s.then, buffers, given), other=_stores(s.other, buffers, given)))
            case _:
                out.append(s)
    return tuple(out)


def _type(p: ir.Param) -> str:
    return f"{p.dtype}[{len(p.shape)} dimensions]" if not p.shape else f"{p.dtype}[{', '.join(map(_dim, p.shape))}]"


def _dim(e: ir.Expr) -> str:
    match e:
        case ir.Var(name):
            return name
        case ir.Const(value):
            return str(value)
        case ir.Binary(op, a, b):
            return f"({_dim(a)} {op} {_dim(b)})" if op in "+-" else f"{_dim(a)} {op} {_dim(b)}"
    return "?"
