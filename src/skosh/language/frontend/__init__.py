"""From Python syntax to the Kernel language, with every type made explicit. Errors name the user's own line."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from skosh.base.dtypes import DType, i32
from skosh.base.errors import Loc, ScheduleError
from skosh.ir import kernel as ir
from skosh.language.frontend.source import Source, arguments, is_buffer, is_function, source_of, type_variables
from skosh.language.frontend.statements import Instance, Statements

__all__ = ["Places", "Source", "read_function", "read_kernel", "source_of", "type_variables"]


class Places:
    """Where the user wrote a statement or an expression of a kernel."""

    def __init__(self, known: Mapping[int, tuple[object, ast.AST]], source: Source) -> None:
        self.known, self.source = known, source

    def loc(self, part: object) -> Loc:
        return self.source.loc(self.known[id(part)][1] if id(part) in self.known else self.source.tree)


def _no_kernel(_thing: Any, _bound: Mapping[str, DType | ir.Function]) -> None:
    return None


def read_function(source: Source) -> ir.Function:
    """A scalar function: numbers in, one number out by a ``return`` at the end."""
    reader = Statements(source, {})
    params = tuple(ir.Var(a.arg, reader.dtype(a.annotation)) for a in arguments(source))
    reader.scope.update({p.name: p for p in params})
    returns = reader.dtype(source.tree.returns)
    body = reader.body(_after_doc(source.tree))
    if not body or not isinstance(body[-1], ir.Return):
        reader.fail(source.tree, "a function must end with return")
    if body[-1].value.dtype != returns:
        reader.fail(source.tree, f"the function must return {returns}, not {body[-1].value.dtype}")
    return ir.Function(source.tree.name, params, returns, body, ast.get_docstring(source.tree) or "")


def read_kernel(
    source: Source, bound: Mapping[str, DType | ir.Function], instance: Instance = _no_kernel
) -> tuple[ir.Kernel, Places]:
    """A kernel, for these bindings of its type variables and functions, and where each part of it was written.

    instance: finds the kernel that a name stands for, where a kernel calls another.
    """
    types = {n: v for n, v in bound.items() if isinstance(v, DType)}
    definition = ir.Definition(source, tuple(sorted(types.items(), key=lambda item: item[0])))
    source = replace(source, names={**source.names, **{n: v for n, v in bound.items() if isinstance(v, ir.Function)}})
    missing = [t for t in type_variables(source) if t not in bound]
    if missing:
        raise ScheduleError(f'"{missing[0]}" of kernel {source.tree.name} must be bound', loc=source.loc(source.tree))
    names = {n.id for n in ast.walk(source.tree) if isinstance(n, ast.Name)} | {a.arg for a in arguments(source)}
    reader = Statements(source, types, instance=instance, taken=names)
    scalars = [a for a in arguments(source) if not is_buffer(a) and not is_function(a)]
    for a in scalars:
        reader.scope[a.arg] = ir.Var(a.arg, reader.dtype(a.annotation) if a.annotation else i32)
    sizes: dict[str, None] = {}
    for a in arguments(source):
        if is_buffer(a):
            reader.declare_buffer(a, sizes)
    body = reader.body(_after_doc(source.tree))
    body = (*reader.unit_state.values(), *body)
    written = {s.buffer for s in ir.walk(body) if isinstance(s, ir.Store)}
    params = tuple(replace(p, written=p.name in written) for p in reader.buffers.values())
    name = "_".join([source.tree.name, *(t.name for t in types.values())])
    made = ir.Kernel(
        name,
        params,
        tuple(sizes),
        tuple(ir.Var(a.arg, reader.scope[a.arg].dtype) for a in scalars),
        body,
        ast.get_docstring(source.tree) or "",
        loc=source.loc(source.tree),
        definition=definition,
    )
    return made, Places(reader.places, source)


def _after_doc(tree: ast.FunctionDef) -> list[ast.stmt]:
    return tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
