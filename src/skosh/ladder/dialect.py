"""Kernels as plain loops of another language: what Python and Java have in common, and what not.

Buffers are flat arrays. Only what loops over arithmetic need is spoken here; a kernel with more is an assertion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skosh.base.dtypes import DType, i32
from skosh.ir.kernel import (
    Assign,
    Binary,
    Body,
    Cast,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Param,
    Stmt,
    Store,
    Unary,
    Var,
)
from skosh.ir.layout import address
from skosh.ir.simplify import simplify

INDENT = "    "
_LEVEL = {"*": 5, "/": 5, "+": 4, "-": 4, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 2, "!=": 2, "and": 1, "or": 0}
_ATOM = 9


@dataclass(frozen=True)
class Dialect:
    """A language of loops. ``block``: what opens and closes one; ``end``: what ends a statement."""

    loop: Callable[[str, str, str, int], str]  # variable, from, to, step
    declare: Callable[[str, DType], str]
    literal: Callable[[Const], str]
    convert: Callable[[DType, DType, str], str | None]  # from, to, text; None where nothing need be said
    words: Mapping[str, str]
    block: tuple[str, str]
    end: str

    def body(self, body: Body, params: Mapping[str, Param], depth: int) -> list[str]:
        """The lines of some statements."""
        return [line for s in body for line in self._stmt(s, params, depth)]

    def _stmt(self, s: Stmt, params: Mapping[str, Param], depth: int) -> list[str]:
        pad = INDENT * depth
        match s:
            case Let(var, value):
                return [f"{pad}{self.declare(var.name, var.dtype)} = {self.text(value, params)}{self.end}"]
            case Assign(var, value):
                return [f"{pad}{var.name} = {self.text(value, params)}{self.end}"]
            case Store(buffer, index, value):
                target = Load(buffer, index, params[buffer].dtype)
                place = self.text(target, params)
                if isinstance(value, Binary) and value.op == "+" and value.a == target:
                    return [f"{pad}{place} += {self.text(value.b, params)}{self.end}"]
                return [f"{pad}{place} = {self.text(value, params)}{self.end}"]
            case For():
                low, high = self.text(simplify(s.lo), params), self.text(simplify(s.hi), params)
                return self._block(pad, self.loop(s.var, low, high, s.step), s.body, params, depth)
            case If(condition, then, other):
                head = f"if {self._bracketed(condition, params)}"
                lines = self._block(pad, head, then, params, depth)
                return lines + (self._block(pad, "else", other, params, depth) if other else [])
        raise AssertionError(f"no plain loop says {s!r}")

    def _block(self, pad: str, head: str, body: Body, params: Mapping[str, Param], depth: int) -> list[str]:
        opens, closes = self.block
        return [f"{pad}{head}{opens}", *self.body(body, params, depth + 1), *([pad + closes] if closes else [])]

    def _bracketed(self, e: Expr, params: Mapping[str, Param]) -> str:
        return f"({self.text(e, params)})" if self.block[1] else self.text(e, params)

    def text(self, e: Expr, params: Mapping[str, Param]) -> str:
        """An expression."""
        return self._text(e, params)[0]

    def _text(self, e: Expr, params: Mapping[str, Param]) -> tuple[str, int]:
        match e:
            case Const():
                return self.literal(e), _ATOM
            case Var(name):
                return name, _ATOM
            case Load(buffer, index):
                return f"{buffer}[{self.text(address(params[buffer], index, {}), params)}]", _ATOM
            case Binary(op, a, b) if op in _LEVEL:
                level = _LEVEL[op]
                left, right = self._operand(a, params, level), self._operand(b, params, level + 1)
                return f"{left} {self.words.get(op, op)} {right}", level
            case Unary("-", a):
                return f"-{self._operand(a, params, _ATOM)}", 6
            case Cast("widen" | "convert" as how, a, dtype) if how == "widen" or dtype.is_float:
                inner = self._operand(a, params, _ATOM)
                said = self.convert(a.dtype, dtype, inner)
                return (said, 6) if said is not None else self._text(a, params)
        raise AssertionError(f"no plain loop says {e!r}")

    def _operand(self, e: Expr, params: Mapping[str, Param], level: int) -> str:
        text, own = self._text(e, params)
        return f"({text})" if own < level else text


def _python_loop(var: str, low: str, high: str, step: int) -> str:
    bounds = [*([low] if low != "0" or step != 1 else []), high, *([str(step)] if step != 1 else [])]
    return f"for {var} in range({', '.join(bounds)})"


def _java_loop(var: str, low: str, high: str, step: int) -> str:
    moves = f"{var}++" if step == 1 else f"{var} += {step}"
    return f"for (int {var} = {low}; {var} < {high}; {moves})"


JAVA_TYPES = {"i8": "byte", "i16": "short", "i32": "int", "i64": "long", "f32": "float", "f64": "double"}


def _java_literal(c: Const) -> str:
    return f"{c.value!r}f" if c.dtype.name == "f32" else f"{c.value}L" if c.dtype.name == "i64" else repr(c.value)


PYTHON = Dialect(
    loop=_python_loop,
    declare=lambda name, dtype: name,
    literal=lambda c: repr(c.value),
    convert=lambda source, target, text: f"float({text})" if target.is_float and source.is_integer else None,
    words={},
    block=(":", ""),
    end="",
)

JAVA = Dialect(
    loop=_java_loop,
    declare=lambda name, dtype: f"{JAVA_TYPES[dtype.name]} {name}",
    literal=_java_literal,
    convert=lambda source, target, text: None if target == i32 else f"({JAVA_TYPES[target.name]}) {text}",
    words={"and": "&&", "or": "||"},
    block=(" {", "}"),
    end=";",
)


def python_text(kernel: Kernel) -> str:
    """The kernel as a Python function over flat lists. Python's own numbers: floats are f64, integers never overflow.

    def matmul(a, b, c, M, K, N):
        for i in range(M): ...
    """
    names = [*(p.name for p in kernel.params), *(v.name for v in kernel.numbers)]
    lines = PYTHON.body(kernel.body, {p.name: p for p in kernel.params}, 1)
    doc = f'{INDENT}"""{kernel.doc}"""'
    return "\n".join([f"def {kernel.name}({', '.join(names)}):", doc, *lines]) + "\n"


def java_text(kernel: Kernel) -> str:
    """The kernel as a static Java method over arrays."""
    params = [f"{JAVA_TYPES[p.dtype.name]}[] {p.name}" for p in kernel.params]
    params += [f"{JAVA_TYPES[v.dtype.name]} {v.name}" for v in kernel.numbers]
    lines = JAVA.body(kernel.body, {p.name: p for p in kernel.params}, 2)
    head = f"{INDENT}/** {kernel.doc} */\n{INDENT}static void {kernel.name}({', '.join(params)}) {{"
    return "\n".join([head, *lines, INDENT + "}"]) + "\n"
