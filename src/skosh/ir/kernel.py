"""The Kernel language: loops that say whether their iterations are independent, loads, stores, arithmetic of stated width.

Types are exact and never convert by themselves. Arithmetic is on i32, i64, u32, u64, f32 and f64; narrow types are only
stored, loaded and cast. ``+ - *`` on signed integers must not overflow: the interpreter stops when one does, and the C
is plain. Where overflow is meant, ``wrap`` and unsigned types say so. Sizes and scalars are parameters too; a kernel
bound to numbers is specialised, one with free parameters is shared by layers of several shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from skosh.base.dtypes import DType, i32
from skosh.base.errors import NOWHERE, Loc


class Expr:
    """A value; ``dtype`` is its type."""

    dtype: DType


@dataclass(frozen=True)
class Const(Expr):
    value: int | float | bool
    dtype: DType = i32


@dataclass(frozen=True)
class Var(Expr):
    """A loop variable, a local scalar, a size or a scalar parameter."""

    name: str
    dtype: DType = i32


@dataclass(frozen=True)
class Load(Expr):
    """An element; or, when dtype is u32 and the buffer is narrower, a word: the bytes from that element on, little-endian."""

    buffer: str
    index: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True)
class Binary(Expr):
    """op: + - * // % << >> & | ^ min max (operands and result of one type), == != < <= > >= (bool), and or (bool).

    // and % are C's: they truncate, and for sizes both sides are >= 0. / is for floats. >> on signed types is arithmetic.
    """

    op: str
    a: Expr
    b: Expr
    dtype: DType


@dataclass(frozen=True)
class Unary(Expr):
    """op: - ~ not sqrt (f32, correctly rounded)."""

    op: str
    a: Expr
    dtype: DType


@dataclass(frozen=True)
class Cast(Expr):
    """how: "widen" (every value fits), "wrap" (modulo 2^bits), "convert" (integer to float, or float to integer
    toward zero), "bits" (f32 as the i32 of the same bits, and back)."""

    how: str
    a: Expr
    dtype: DType


@dataclass(frozen=True)
class Select(Expr):
    """``a if condition else b``; both sides may be computed, so neither may fault."""

    condition: Expr
    a: Expr
    b: Expr
    dtype: DType


@dataclass(frozen=True)
class CallExpr(Expr):
    """A scalar function of the language applied to scalars."""

    function: Function
    args: tuple[Expr, ...]
    dtype: DType


class Stmt:
    """Something done."""


Body = tuple[Stmt, ...]


@dataclass(frozen=True)
class Let(Stmt):
    """A new local scalar."""

    var: Var
    value: Expr


@dataclass(frozen=True)
class Assign(Stmt):
    """A new value for a local scalar."""

    var: Var
    value: Expr


@dataclass(frozen=True)
class Store(Stmt):
    """Sets an element; or, when value is u32 and the buffer is narrower, the four bytes from that element on."""

    buffer: str
    index: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True)
class For(Stmt):
    """for var in [lo, hi). par: the iterations are independent, in any order or at once; otherwise they are ordered.

    threads: a par loop whose iterations a machine with several cores may share out. vector: a par loop whose iterations
    are lanes of the vector machine of that name (``targets.simd``), several ``vectors`` side by side; the body says what
    one lane does. assembly: the loop is written in the assembly of that machine (``emit.thumb``), the body beside it in C.
    function: a sum that is a call where there is a function for it (``kernels.row_sums``), the body beside it.
    issue: one round, which is an instruction of a custom function unit ("module:NAME", see ``Custom``), the body beside it.
    nth: which of the loops that the kernel was written with over this variable; copies that steps make keep it.
    """

    var: str
    lo: Expr
    hi: Expr
    body: Body
    par: bool
    step: int = 1
    threads: bool = False
    vector: str = ""
    vectors: int = 1
    assembly: str = ""
    function: bool = False
    issue: str = ""
    nth: int = 1


@dataclass(frozen=True)
class While(Stmt):
    """while condition: body, ``most`` rounds at the most. The bound is a promise: the interpreter stops where it is broken,
    the C doesn't count."""

    condition: Expr
    most: Expr
    body: Body


@dataclass(frozen=True)
class If(Stmt):
    condition: Expr
    then: Body
    other: Body = ()


@dataclass(frozen=True)
class Local(Stmt):
    """A buffer of the kernel's own, alive to the end of the block it stands in. Its elements are junk until they are set.

    memory: "ram" (an array), "register" (few elements, which a machine should hold in registers), or "unit" (the state of a
    custom function unit: zeros at first).
    """

    name: str
    dtype: DType
    shape: tuple[Expr, ...]
    memory: str = "ram"


@dataclass(frozen=True)
class Assume(Stmt):
    """A promise about numbers and data that the kernel relies on: the interpreter stops where it is broken, the C has none."""

    condition: Expr


@dataclass(frozen=True)
class Return(Stmt):
    """Ends a Function; the last statement of its body."""

    value: Expr


@dataclass(frozen=True)
class Param:
    """A buffer parameter: ``shape`` in sizes of the kernel. ``tile``: dimension 0 is re-laid in blocks of so many rows,

    so that element (i, j...) lies at ((i // tile) * rest + j...) * tile + i % tile; data is padded to whole blocks.
    ``memory``: "" is wherever the caller keeps it, "flash" can't be written.
    """

    name: str
    dtype: DType
    shape: tuple[Expr, ...]
    written: bool = False
    tile: int = 1
    memory: str = ""


@dataclass(frozen=True)
class Instruction:
    """A machine's own spelling of a function: a C expression with ``{parameter}`` places, usable where ``macro`` is defined.

    The function's body says what the instruction means, and is the C for every other machine. ``asm``: the instruction
    itself, for loops that are written in assembly; ``c`` may be empty where the body is already what compilers need.
    """

    c: str = ""
    macro: str = ""  # "__ARM_FEATURE_DSP"
    header: str = ""  # "arm_acle.h"
    asm: str = ""  # "smlad {out}, {a}, {b}, {acc}"


@dataclass(frozen=True)
class Custom:
    """What makes a kernel an instruction of a custom function unit. Its numbers are the operands, at most two of 32 bits;
    its buffers are the unit's state, by name; the buffer called ``out``, where there is one, is its result.

    ``unit`` names the unit, ``number`` is the function id (funct3 in the lower three bits, funct7 above), ``latency`` the
    most cycles from issue to response that its hardware may take, None where that depends on state; ``where`` is the
    module and the name to find it by.
    """

    unit: str
    number: int
    latency: int | None = None
    where: str = ""

    @property
    def macro(self) -> str:
        """Defined where the C may use the unit."""
        return f"SKOSH_CFU_{self.unit.upper()}"


@dataclass(frozen=True)
class Function:
    """A scalar function, emitted as ``static inline``."""

    name: str
    params: tuple[Var, ...]
    returns: DType
    body: Body
    doc: str = ""
    instruction: Instruction | None = None


@dataclass(frozen=True, eq=False)
class Definition:
    """What a kernel was made from: the function that its author wrote, and the types that stand for its type variables.

    Whatever rewrites a kernel leaves it, so that kernels are told apart by what they are, never by what they are called.
    """

    source: object
    types: tuple[tuple[str, DType], ...] = ()

    def of(self, other: Definition) -> bool:
        """Is this ``other``, or ``other`` for certain types?"""
        return self.source is other.source and (not other.types or self.types == other.types)


@dataclass(frozen=True)
class Kernel:
    """A procedure over buffers. ``sizes``: i32 parameters named in shapes; ``scalars``: the other numbers it takes.

    ``steps`` tells the schedule that made it, one line each: part of its identity and of the comment in the C.
    """

    name: str
    params: tuple[Param, ...]
    sizes: tuple[str, ...]
    scalars: tuple[Var, ...]
    body: Body
    doc: str = ""
    steps: tuple[str, ...] = ()
    loc: Loc = field(default=NOWHERE, compare=False)
    definition: Definition | None = field(default=None, compare=False, repr=False)
    custom: Custom | None = field(default=None, compare=False)

    def param(self, name: str) -> Param:
        return next(p for p in self.params if p.name == name)

    @property
    def buffers(self) -> dict[str, Param]:
        """Everything that has elements, by name: parameters, and the buffers it declares for itself."""
        own = {s.name: Param(s.name, s.dtype, s.shape, True, 1, s.memory) for s in walk(self.body) if isinstance(s, Local)}
        return {**{p.name: p for p in self.params}, **own}

    @property
    def numbers(self) -> tuple[Var, ...]:
        """Everything that a call binds to a number: sizes, then scalars."""
        return (*(Var(s) for s in self.sizes), *self.scalars)


# ------------------------------------------------------------------------------------------------ walking and rewriting


@cache
def expression_fields(kind: type) -> tuple[tuple[str, bool], ...]:
    """(name, is it a tuple) of the fields of an expression or a statement that hold expressions, in their order."""
    found = {"Expr": False, "tuple[Expr, ...]": True}
    return tuple((f.name, found[str(f.type)]) for f in fields(kind) if str(f.type) in found)


def children(node: Expr) -> Iterator[Expr]:
    """The expressions directly inside an expression."""
    for name, several in expression_fields(type(node)):  # type: ignore[arg-type]
        if several:
            yield from getattr(node, name)
        else:
            yield getattr(node, name)


def walk_expr(node: Expr) -> Iterator[Expr]:
    """The expression and everything inside it, outer before inner."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        inside = list(children(found))
        inside.reverse()
        waiting += inside


def stmt_exprs(stmt: Stmt) -> Iterator[Expr]:
    """The expressions directly inside a statement, not those of nested statements."""
    for name, several in expression_fields(type(stmt)):  # type: ignore[arg-type]
        if several:
            yield from getattr(stmt, name)
        else:
            yield getattr(stmt, name)


def walk(body: Body) -> Iterator[Stmt]:
    """Every statement, outer before inner."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, For | While):
            yield from walk(stmt.body)
        elif isinstance(stmt, If):
            yield from walk(stmt.then)
            yield from walk(stmt.other)


def all_exprs(body: Body) -> Iterator[Expr]:
    for stmt in walk(body):
        for expr in stmt_exprs(stmt):
            yield from walk_expr(expr)


def map_expr(node: Expr, rule: Callable[[Expr], Expr]) -> Expr:
    """Rebuild bottom-up, with ``rule`` applied to each expression after its parts."""
    changes: dict[str, Any] = {}
    for name, several in expression_fields(type(node)):  # type: ignore[arg-type]
        value = getattr(node, name)
        if several:
            parts = tuple([map_expr(v, rule) for v in value])
            if any(new is not old for new, old in zip(parts, value, strict=True)):
                changes[name] = parts
        elif (new := map_expr(value, rule)) is not value:
            changes[name] = new
    return rule(replace(node, **changes) if changes else node)  # type: ignore[type-var]


def map_body(body: Body, rule: Callable[[Expr], Expr]) -> Body:
    """Rebuild every expression of a body. Variables that are assigned are not touched: see ``rename``."""

    def one(stmt: Stmt) -> Stmt:
        match stmt:
            case Let(var, value):
                return Let(var, map_expr(value, rule))
            case Assign(var, value):
                return Assign(var, map_expr(value, rule))
            case Store(buffer, index, value):
                return Store(buffer, tuple(map_expr(i, rule) for i in index), map_expr(value, rule))
            case For():
                return replace(
                    stmt, lo=map_expr(stmt.lo, rule), hi=map_expr(stmt.hi, rule), body=map_body(stmt.body, rule)
                )
            case While(condition, most, inner):
                return While(map_expr(condition, rule), map_expr(most, rule), map_body(inner, rule))
            case If(condition, then, other):
                return If(map_expr(condition, rule), map_body(then, rule), map_body(other, rule))
            case Return(value):
                return Return(map_expr(value, rule))
            case Local():
                return replace(stmt, shape=tuple(map_expr(d, rule) for d in stmt.shape))
            case Assume(condition):
                return Assume(map_expr(condition, rule))
        raise AssertionError(f"unknown statement {stmt!r}")

    return tuple(one(s) for s in body)


def substitute(body: Body, values: Mapping[str, Expr]) -> Body:
    """Variables replaced by expressions."""
    return map_body(body, lambda e: values.get(e.name, e) if isinstance(e, Var) else e)


def functions(kernel: Kernel | Function) -> tuple[Function, ...]:
    """The scalar functions a kernel calls, each after those it calls itself."""
    found: dict[str, Function] = {}

    def visit(body: Body) -> None:
        for expr in all_exprs(body):
            if isinstance(expr, CallExpr) and expr.function.name not in found:
                visit(expr.function.body)
                found[expr.function.name] = expr.function

    visit(kernel.body)
    return tuple(found.values())
