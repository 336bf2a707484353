"""A decorated function as a syntax tree, with the names it can see and the place it stands."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skosh.base.dtypes import DTYPES, DType
from skosh.base.errors import Loc


@dataclass(frozen=True, eq=False)
class Source:
    """A function's syntax tree, the names it can see, and where it stands."""

    tree: ast.FunctionDef
    names: Mapping[str, Any]
    file: str
    line: int  # of the file, for line 1 of the tree
    module: str = ""

    def loc(self, node: ast.AST) -> Loc:
        return Loc(f"{self.file}:{self.line + getattr(node, 'lineno', 1) - 1}", self.tree.name)


def source_of(function: Callable[..., Any]) -> Source:
    text = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.FunctionDef), "only functions are kernels"
    closure = inspect.getclosurevars(function)
    names = {**function.__globals__, **closure.nonlocals}
    file = inspect.getsourcefile(function) or "<unknown>"
    return Source(tree, names, file.rsplit("/", 1)[-1], function.__code__.co_firstlineno, function.__module__)


def arguments(source: Source) -> list[ast.arg]:
    return [*source.tree.args.args, *source.tree.args.kwonlyargs]


def type_name(annotation: ast.expr | None) -> str | None:
    """The name of an element type: ``i8`` of ``i8``, ``i8[N]`` and ``i8[N] @ flash``."""
    while isinstance(annotation, ast.BinOp):
        annotation = annotation.left
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return annotation.id if isinstance(annotation, ast.Name) else None


def known_type(name: str, source: Source) -> DType | None:
    if name in DTYPES:
        return DTYPES[name]
    value = source.names.get(name)
    return value if isinstance(value, DType) else None


def type_variables(source: Source) -> tuple[str, ...]:
    """What a call must bind before the kernel can be read: type variables, and parameters that are functions."""
    names = [a.arg if is_function(a) else type_name(a.annotation) for a in arguments(source)]
    return tuple(dict.fromkeys(n for n in names if n is not None and known_type(n, source) is None))


def is_function(a: ast.arg) -> bool:
    return type_name(a.annotation) == "function"


def is_buffer(a: ast.arg) -> bool:
    """Has it a shape?"""
    annotation = a.annotation
    while isinstance(annotation, ast.BinOp):
        annotation = annotation.left
    return isinstance(annotation, ast.Subscript)
