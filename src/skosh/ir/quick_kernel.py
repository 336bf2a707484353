"""Run a kernel as a Python program made from it: some twenty times as fast as ``interpret_kernel``, and less strict.

Places outside a buffer, unset elements and division by zero stop it, as they stop the interpreter. Integers of 32 and more
bits with a sign are not looked at: they grow, where the interpreter stops. It serves to hold a schedule against its kernel
on few rounds of each loop: ``rounds`` says which of them are run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.ir.graph import Array
from skosh.ir.interpret_kernel import Trap
from skosh.ir.kernel import (
    Assign,
    Assume,
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Param,
    Return,
    Select,
    Stmt,
    Store,
    Unary,
    Var,
    While,
)

Rounds = Callable[[For, int, int], Sequence[int]]
"""(loop, lo, hi) -> the values of its variable that are run, in order."""


def all_rounds(loop: For, lo: int, hi: int) -> Sequence[int]:
    return range(lo, hi, loop.step)


def run_quick(
    kernel: Kernel,
    buffers: Mapping[str, Array],
    numbers: Mapping[str, int | float],
    *,
    rounds: Rounds = all_rounds,
    unset: int | None = None,
) -> None:
    """Run in place, as ``run_kernel`` does. Trap: the kernel does what the language forbids.

    unset: what the kernel's own buffers hold at first; with None, reading it is forbidden.
    """
    program, loops = _program(kernel)
    lists = {n: _list(buffers[n]) for n in (p.name for p in kernel.params)}
    given = [v.dtype.np.type(numbers[v.name]) if v.dtype.is_float else int(numbers[v.name]) for v in kernel.numbers]
    with np.errstate(all="ignore"):
        try:
            program(*lists.values(), *given, lambda i, lo, hi: rounds(loops[i], lo, hi), unset)
        except (TypeError, IndexError, ZeroDivisionError) as error:  # None is an element that nothing has set
            raise Trap(f"{kernel.name}: {error}") from error
    for p in kernel.params:
        if p.written:
            _back(lists[p.name], buffers[p.name])


def _list(data: Array) -> Any:
    return data.copy() if data.dtype.kind == "f" else data.tolist()


def _back(values: Any, data: Array) -> None:
    data[:] = values if data.dtype.kind in "fb" else np.array(values, np.int64 if data.dtype != np.uint64 else data.dtype)


# ------------------------------------------------------------------------------------------------ what programs call


def _outside(buffer: str) -> int:
    raise Trap(f"an index is outside {buffer}")


def _broken() -> None:
    raise Trap("an assumption of the kernel doesn't hold, or a while loop runs too often")


def _divide(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _shifted(a: int, b: int, bits: int, left: bool) -> int:
    if not 0 <= b < bits:
        raise Trap(f"shift by {b} of {bits} bits")
    return a << b if left else a >> b


def _word(data: list[int], at: int, size: int) -> int:
    bits, mask = 8 * size, (1 << 8 * size) - 1
    if at + 4 // size > len(data):
        raise Trap("a word reaches beyond its buffer")
    return sum((data[at + j] & mask) << bits * j for j in range(4 // size))


def _set_word(data: list[int], at: int, value: int, size: int, signed: bool) -> None:
    bits = 8 * size
    if at + 4 // size > len(data):
        raise Trap("a word reaches beyond its buffer")
    for j in range(4 // size):
        part = value >> bits * j & ((1 << bits) - 1)
        data[at + j] = part - (1 << bits) if signed and part >> (bits - 1) else part


def _nibble(data: list[int], at: int, signed: bool) -> int:
    part = data[at // 2] >> 4 * (at % 2) & 15
    return part - 16 if signed and part > 7 else part


def _set_nibble(data: list[int], at: int, value: int, signed: bool) -> None:
    half = 4 * (at % 2)
    byte = data[at // 2] & ~(15 << half) & 255 | (value & 15) << half
    data[at // 2] = byte - 256 if signed and byte > 127 else byte


def _truncated(x: Any, lo: int, hi: int) -> int:
    if not math.isfinite(x) or not lo <= int(x) <= hi:
        raise Trap(f"{x} has no value of the type")
    return int(x)


def _bits(x: Any) -> Any:
    return int(np.float32(x).view(np.int32)) if isinstance(x, np.floating) else np.array([x], np.int32).view(np.float32)[0]


# ------------------------------------------------------------------------------------------------ kernel -> Python


@cache
def _program(kernel: Kernel) -> tuple[Callable[..., None], tuple[For, ...]]:
    writer = _Writer({p.name: p for p in kernel.params})
    names = [*(f"b_{p.name}" for p in kernel.params), *(f"v_{v.name}" for v in kernel.numbers)]
    lines = [f"def program({', '.join([*names, 'rounds', 'unset'])}):"]
    for p in kernel.params:
        lines += [f"    {_side(p.name, d)} = {writer.expr(e)}" for d, e in enumerate(p.shape)]
    lines += writer.body(kernel.body, 1) or ["    pass"]
    exec(compile("\n".join(lines), f"<{kernel.name}>", "exec"), writer.scope)
    return writer.scope["program"], tuple(writer.loops)


def _side(buffer: str, dimension: int) -> str:
    return f"d_{buffer}_{dimension}"


class _Writer:
    def __init__(self, params: dict[str, Param]) -> None:
        self.params, self.loops, self.temporaries = params, list[For](), 0
        self.functions: dict[Function, str] = {}
        self.scope: dict[str, Any] = {
            "outside": _outside, "broken": _broken, "divide": _divide, "shifted": _shifted, "word": _word,
            "set_word": _set_word, "nibble": _nibble, "set_nibble": _set_nibble, "truncated": _truncated, "bits": _bits,
            "np": np, "sqrt": np.sqrt,
        }  # fmt: skip

    def body(self, body: Body, depth: int) -> list[str]:
        pad, out = "    " * depth, list[str]()
        for s in body:
            out += [pad + line for line in self.statement(s)]
        return out

    def block(self, body: Body) -> list[str]:
        return self.body(body, 1) or ["    pass"]

    def statement(self, s: Stmt) -> list[str]:
        match s:
            case Let(var, value) | Assign(var, value):
                return [f"v_{var.name} = {self.expr(value)}"]
            case Store(buffer, index, value):
                return [self.store(self.params[buffer], index, value)]
            case For():
                self.loops.append(s)
                given = f"{len(self.loops) - 1}, {self.expr(s.lo)}, {self.expr(s.hi)}"
                return [f"for v_{s.var} in rounds({given}):", *self.block(s.body)]
            case While(condition, most, body):
                self.temporaries += 1
                left = f"t_{self.temporaries}"
                return [
                    f"{left} = {self.expr(most)}",
                    f"while {self.expr(condition)}:",
                    f"    if {left} <= 0: broken()",
                    f"    {left} -= 1",
                    *self.block(body),
                ]
            case If(condition, then, other):
                lines = [f"if {self.expr(condition)}:", *self.block(then)]
                return [*lines, "else:", *self.block(other)] if other else lines
            case Return(value):
                return [f"return {self.expr(value)}"]
            case Local(name, dtype, shape, memory):
                self.params[name] = Param(name, dtype, shape, True)
                sides = [f"{_side(name, d)} = {self.expr(e)}" for d, e in enumerate(shape)]
                first = "0" if memory == "unit" else "unset"
                return [*sides, f"b_{name} = [{first}] * ({' * '.join(_side(name, d) for d in range(len(shape)))})"]
            case Assume(condition):
                return [f"if not {self.expr(condition)}: broken()"]
        raise AssertionError(f"unknown statement {s!r}")

    def store(self, p: Param, index: tuple[Expr, ...], value: Expr) -> str:
        at, new, signed = self.place(p, index), self.expr(value), p.dtype.kind == "int"
        if p.dtype.packed:
            return f"set_nibble(b_{p.name}, {at}, {new}, {signed})"
        if value.dtype != p.dtype:
            return f"set_word(b_{p.name}, {at}, {new}, {p.dtype.bytes}, {signed})"
        return f"b_{p.name}[{at}] = {new}"

    def place(self, p: Param, index: tuple[Expr, ...]) -> str:
        """Each index is looked at for itself, as the interpreter does."""
        sides = [_side(p.name, d) for d in range(len(index))]
        checked = []
        for e, side in zip(index, sides, strict=True):
            self.temporaries += 1
            i = f"t_{self.temporaries}"
            checked.append(f"({i} if 0 <= ({i} := {self.expr(e)}) < {side} else outside({p.name!r}))")
        if p.tile > 1:
            self.temporaries += 1
            row, rest = f"t_{self.temporaries}", " * ".join(sides[1:]) or "1"
            inner = _flat(checked[1:], sides[1:]) if checked[1:] else "0"
            return f"((({row} := {checked[0]}) // {p.tile} * ({rest}) + {inner}) * {p.tile} + {row} % {p.tile})"
        return _flat(checked, sides)

    def expr(self, e: Expr) -> str:
        match e:
            case Const(value, dtype):
                return self.constant(value, dtype)
            case Var(name):
                return f"v_{name}"
            case Load(buffer, index, dtype):
                p, at = self.params[buffer], self.place(self.params[buffer], index)
                if dtype != p.dtype:
                    return f"word(b_{buffer}, {at}, {p.dtype.bytes})"
                return f"nibble(b_{buffer}, {at}, {dtype.kind == 'int'})" if dtype.packed else f"b_{buffer}[{at}]"
            case Binary():
                return self.binary(e)
            case Unary("not", a):
                return f"(not {self.expr(a)})"
            case Unary("sqrt", a):
                return f"sqrt({self.expr(a)})"
            case Unary(op, a, dtype):
                return self.within(f"({op}{self.expr(a)})", dtype)
            case Cast(how, a, dtype):
                return self.cast(how, self.expr(a), dtype)
            case Select(condition, a, b):
                return f"({self.expr(a)} if {self.expr(condition)} else {self.expr(b)})"
            case CallExpr(function, args):
                return f"{self.function(function)}({', '.join(map(self.expr, args))})"
        raise AssertionError(f"unknown expression {e!r}")

    def constant(self, value: int | float | bool, dtype: DType) -> str:
        if not dtype.is_float:
            return f"({value!r})"
        name = f"c_{len(self.scope)}"
        self.scope[name] = dtype.np.type(value)
        return name

    def binary(self, e: Binary) -> str:
        a, b, op = self.expr(e.a), self.expr(e.b), e.op
        if op in ("min", "max"):
            self.temporaries += 2
            x, y = f"t_{self.temporaries}", f"t_{self.temporaries - 1}"
            return f"({x} if ({x} := {a}) {'<' if op == 'min' else '>'} ({y} := {b}) else {y})"
        if op in ("//", "%") and not e.dtype.is_float:
            self.temporaries += 2
            x, y = f"t_{self.temporaries}", f"t_{self.temporaries - 1}"
            if op == "//":
                return f"divide({a}, {b})"
            return f"(({x} := {a}) - ({y} := {b}) * divide({x}, {y}))"
        if op in ("<<", ">>"):
            return self.within(f"shifted({a}, {b}, {e.dtype.bits}, {op == '<<'})", e.dtype, wraps=op == "<<")
        made = f"({a} {op} {b})"
        return self.within(made, e.dtype) if op in "+-*^" and e.dtype.kind == "uint" else made

    def within(self, made: str, dtype: DType, *, wraps: bool = False) -> str:
        """Unsigned values modulo 2^bits; signed ones only where the language says that they wrap."""
        if dtype.kind == "uint":
            return f"({made} & {(1 << dtype.bits) - 1})"
        if dtype.kind == "int" and wraps:
            half = 1 << (dtype.bits - 1)
            return f"(({made} + {half} & {2 * half - 1}) - {half})"
        return made

    def cast(self, how: str, a: str, dtype: DType) -> str:
        if how == "widen":
            return f"int({a})" if dtype.is_integer else a
        if how == "wrap":
            return self.within(f"int({a})", dtype, wraps=True)
        if how == "bits":
            return f"bits({a})"
        if dtype.is_float:
            return f"np.{np.dtype(dtype.np).name}({a})"
        return f"truncated({a}, {dtype.min}, {dtype.max})"

    def function(self, function: Function) -> str:
        if function not in self.functions:
            name = f"f_{len(self.functions)}_{function.name}"
            self.functions[function] = name
            inner = _Writer({})
            inner.scope, inner.functions = self.scope, self.functions
            params = ", ".join(f"v_{p.name}" for p in function.params)
            lines = [f"def {name}({params}):", *inner.body(function.body, 1)]
            text = "\n".join(lines)
            assert not inner.loops or "rounds(" in text, "a function's loops run whole"
            exec(compile(text.replace("rounds(", f"{name}_rounds("), f"<{function.name}>", "exec"), self.scope)
            loops = tuple(inner.loops)
            self.scope[f"{name}_rounds"] = lambda i, lo, hi: all_rounds(loops[i], lo, hi)
        return self.functions[function]


def _flat(indices: Sequence[str], sides: Sequence[str]) -> str:
    made = ""
    for i, side in zip(indices, sides, strict=True):
        made = f"({made} * {side} + {i})" if made else i
    return made or "0"



