"""Run a Kernel as it is written: slow, obvious, and strict. The specification that every C and every schedule follows.

It stops where C would have undefined behaviour: signed overflow, an index out of bounds, a shift out of range, division
by zero. ``par`` loops run in an order that the caller may shuffle, so that a race shows.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, f32
from skosh.ir.graph import Array
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
    Store,
    Unary,
    Var,
    While,
)

Number = Any  # int, bool, np.float32 or np.float64


class Trap(AssertionError):
    """The kernel did what the language forbids: our fault, never the user's."""


def run_kernel(
    kernel: Kernel, buffers: Mapping[str, Array], numbers: Mapping[str, int | float], *, shuffle: random.Random | None = None
) -> None:
    """Run in place. buffers: flat arrays of the parameters' types, at least as large as their shapes say."""
    scope: dict[str, Number] = {v.name: _number(numbers[v.name], v.dtype) for v in kernel.numbers}
    machine = _Machine(kernel, buffers, shuffle)
    with np.errstate(all="ignore"):
        machine.shapes = {p.name: tuple(machine.value(d, scope) for d in p.shape) for p in kernel.params}
        for p in kernel.params:
            need = math.prod(machine.shapes[p.name])
            if p.tile > 1:
                rows, *rest = machine.shapes[p.name]
                need = -(-rows // p.tile) * p.tile * math.prod(rest)
            need = -(-need // 2) if p.dtype.packed else need
            got = buffers[p.name]
            assert got.ndim == 1 and got.dtype == p.dtype.np, f"{p.name} must be a flat {p.dtype} array, not {got.dtype}"
            assert got.size >= need, f"{p.name} must hold {need} elements, not {got.size}"
        machine.body(kernel.body, scope)


def run_function(function: Function, *args: Number) -> Number:
    """One application of a scalar function."""
    machine = _Machine(None, {}, None)
    with np.errstate(all="ignore"):
        return machine.apply(function, [_number(a, p.dtype) for a, p in zip(args, function.params, strict=True)])


def _number(value: Any, dtype: DType) -> Number:
    if dtype.is_float:
        return dtype.np.type(value)
    if dtype.kind == "bool":
        return bool(value)
    value = int(value)
    if not dtype.min <= value <= dtype.max:
        raise Trap(f"{value} overflows {dtype}")
    return value


class _Returned(Exception):
    def __init__(self, value: Number) -> None:
        self.value = value


class _Machine:
    def __init__(self, kernel: Kernel | None, buffers: Mapping[str, Array], shuffle: random.Random | None) -> None:
        self.params = {p.name: p for p in kernel.params} if kernel else {}
        self.buffers, self.shuffle = dict(buffers), shuffle
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.unset: dict[str, Array] = {}  # which elements of the kernel's own buffers hold nothing yet

    # ------------------------------------------------------------------------------------------------ statements

    def body(self, body: Body, scope: dict[str, Number]) -> None:
        mine: list[str] = []
        for stmt in body:
            match stmt:
                case Let(var, value):
                    scope[var.name] = self.value(value, scope)
                    mine.append(var.name)
                case Assign(var, value):
                    scope[var.name] = self.value(value, scope)
                case Store(buffer, index, value):
                    at, new = self.address(buffer, index, scope), self.value(value, scope)
                    if buffer in self.unset:
                        self.unset[buffer][at : at + self.span(buffer, value)] = False
                    if self.params[buffer].dtype.packed:
                        half = 4 * (at % 2)
                        byte = int(self.buffers[buffer].view(np.uint8)[at // 2])
                        self.buffers[buffer].view(np.uint8)[at // 2] = byte & ~(15 << half) & 255 | (new & 15) << half
                    elif value.dtype != self.params[buffer].dtype:
                        self.word(buffer, at)[:] = np.array([new], "<u4").view(np.uint8)
                    else:
                        self.buffers[buffer][at] = new
                case For(var=var, lo=lo, hi=hi, body=inner, par=par, step=step):
                    rounds = list(range(self.value(lo, scope), self.value(hi, scope), step))
                    if par and self.shuffle is not None:
                        self.shuffle.shuffle(rounds)
                    for i in rounds:
                        scope[var] = i
                        self.body(inner, scope)
                case While(condition, most, inner):
                    left = self.value(most, scope)
                    while self.value(condition, scope):
                        if left <= 0:
                            raise Trap(f"a while loop ran more than its {self.value(most, scope)} rounds")
                        left -= 1
                        self.body(inner, scope)
                case If(condition, then, other):
                    self.body(then if self.value(condition, scope) else other, scope)
                case Return(value):
                    raise _Returned(self.value(value, scope))
                case Local():
                    self.declare(stmt, scope)
                case Assume(condition):
                    if not self.value(condition, scope):
                        raise Trap("an assumption of the kernel doesn't hold")
        for name in mine:
            del scope[name]

    def declare(self, local: Local, scope: dict[str, Number]) -> None:
        """A buffer of the kernel's own, full of junk: 5a bytes, for floats not a number."""
        shape = tuple(self.value(d, scope) for d in local.shape)
        size = -(-math.prod(shape) // 2) if local.dtype.packed else math.prod(shape)
        junk = np.full(size * local.dtype.np.itemsize, 0x5A, np.uint8).view(local.dtype.np)
        if local.dtype.kind == "bool":
            junk = np.ones(size, np.bool_)
        self.params[local.name] = Param(local.name, local.dtype, local.shape, True)
        self.shapes[local.name] = shape
        if local.memory == "unit":
            self.buffers[local.name] = np.zeros(size, local.dtype.np)
            return
        self.unset[local.name] = np.ones(math.prod(shape), np.bool_)
        self.buffers[local.name] = np.full(size, np.nan, local.dtype.np) if local.dtype.is_float else junk

    def address(self, buffer: str, index: tuple[Expr, ...], scope: dict[str, Number]) -> int:
        shape, tile = self.shapes[buffer], self.params[buffer].tile
        where = [self.value(i, scope) for i in index]
        for i, n in zip(where, shape, strict=True):
            if not 0 <= i < n:
                raise Trap(f"{buffer}{where} is outside {buffer}{list(shape)}")
        if tile == 1:
            return int(np.ravel_multi_index(tuple(where), shape))
        rest, inner = math.prod(shape[1:]), 0
        for i, n in zip(where[1:], shape[1:], strict=True):
            inner = inner * n + i
        return int((where[0] // tile * rest + inner) * tile + where[0] % tile)

    def span(self, buffer: str, value: Expr) -> int:
        """How many elements a load or a store of this type means."""
        own = self.params[buffer].dtype
        return 1 if value.dtype == own else value.dtype.bits // own.bits

    def read(self, e: Load, scope: dict[str, Number]) -> int:
        """The place of an element that was set."""
        at = self.address(e.buffer, e.index, scope)
        if e.buffer in self.unset and self.unset[e.buffer][at : at + self.span(e.buffer, e)].any():
            raise Trap(f"{e.buffer}[{at}] is read before it is set")
        return at

    def word(self, buffer: str, at: int) -> Array:
        """The four bytes from an element on, as a view."""
        data = self.buffers[buffer]
        if (at + 4 // data.itemsize) > data.size:
            raise Trap(f"the word at {buffer}[{at}] reaches beyond its {data.size} elements")
        return data[at : at + 4 // data.itemsize].view(np.uint8)

    # ------------------------------------------------------------------------------------------------ expressions

    def value(self, e: Expr, scope: dict[str, Number]) -> Number:
        match e:
            case Const(value, dtype):
                return _number(value, dtype)
            case Var(name):
                return scope[name]
            case Load(buffer, _, dtype) if dtype != self.params[buffer].dtype:
                return int(self.word(buffer, self.read(e, scope)).view("<u4")[0])
            case Load(buffer, _, dtype) if dtype.packed:
                at = self.read(e, scope)
                return _wrap(int(self.buffers[buffer].view(np.uint8)[at // 2]) >> 4 * (at % 2), dtype)
            case Load(buffer, _, dtype):
                loaded = self.buffers[buffer][self.read(e, scope)]
                return loaded if dtype.is_float else (bool(loaded) if dtype.kind == "bool" else int(loaded))
            case Binary("and", a, b):
                return self.value(a, scope) and self.value(b, scope)
            case Binary("or", a, b):
                return self.value(a, scope) or self.value(b, scope)
            case Binary(op, a, b, dtype):
                return self.binary(op, self.value(a, scope), self.value(b, scope), dtype)
            case Unary("not", a):
                return not self.value(a, scope)
            case Unary("sqrt", a, dtype):
                return np.sqrt(self.value(a, scope))
            case Unary("-", a, dtype):
                return _number(-self.value(a, scope), dtype)
            case Unary("~", a, dtype):
                return _wrap(~self.value(a, scope), dtype)
            case Cast(how, a, dtype):
                return _cast(how, self.value(a, scope), a.dtype, dtype)
            case Select(condition, a, b):
                return self.value(a if self.value(condition, scope) else b, scope)
            case CallExpr(function, args):
                return self.apply(function, [self.value(a, scope) for a in args])
        raise AssertionError(f"unknown expression {e!r}")

    def binary(self, op: str, a: Number, b: Number, dtype: DType) -> Number:
        compare = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
        if op in compare:
            return bool(compare[op])
        if op in ("min", "max"):  # as in C: a < b ? a : b, so that NaN behaves the same everywhere
            return a if (a < b if op == "min" else a > b) else b
        if dtype.is_float:
            return {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[op](a, b)
        if op in ("<<", ">>") and not 0 <= b < dtype.bits:
            raise Trap(f"shift by {b} of {dtype}")
        if op in ("//", "%"):
            if b == 0:
                raise Trap("division by zero")
            quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
            return _number(quotient if op == "//" else a - b * quotient, dtype)
        if op == "<<":
            return _wrap(a << b, dtype)
        if op == ">>":
            return a >> b
        result = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "&": int.__and__, "|": int.__or__,
                  "^": int.__xor__}[op](a, b)  # fmt: skip
        return _wrap(result, dtype) if dtype.kind == "uint" else _number(result, dtype)

    def apply(self, function: Function, args: list[Number]) -> Number:
        scope = {p.name: a for p, a in zip(function.params, args, strict=True)}
        try:
            self.body(function.body, scope)
        except _Returned as result:
            return result.value
        raise AssertionError(f"{function.name} ended without return")


def _wrap(value: int, dtype: DType) -> int:
    low = value & ((1 << dtype.bits) - 1)
    return low - (1 << dtype.bits) if dtype.kind == "int" and low >> (dtype.bits - 1) else low


def _cast(how: str, x: Number, source: DType, target: DType) -> Number:
    match how:
        case "widen":
            return int(x)
        case "wrap":
            return _wrap(int(x), target)
        case "bits":
            return struct.unpack("<i", struct.pack("<f", x))[0] if source == f32 else np.float32(_float_of(x))
        case "convert" if target.is_float:
            return target.np.type(x)
        case "convert":
            if not math.isfinite(x) or not target.min <= int(x) <= target.max:
                raise Trap(f"{x} has no {target} value")
            return int(x)
    raise AssertionError(f"unknown cast {how}")


def _float_of(x: int) -> Any:
    return np.array([x], dtype=np.int32).view(np.float32)[0]
