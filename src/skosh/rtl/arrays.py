"""A unit in NumPy: an instruction on many units at once, each with a state and operands of its own. For whole layers.

All integers are int64, which holds every value of up to 64 bits with a sign and of up to 32 without; u64 is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.base.errors import ScheduleError
from skosh.ir import kernel as ir
from skosh.ir.graph import Array
from skosh.rtl.unit import Unit

_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and, "|": np.bitwise_or, "^": np.bitwise_xor,
    "<<": np.left_shift, ">>": np.right_shift, "min": np.minimum, "max": np.maximum, "==": np.equal, "!=": np.not_equal,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip


class Units:
    """``count`` units; ``state``: [count, elements] by name, zeros at first."""

    def __init__(self, unit: Unit, count: int) -> None:
        self.unit, self.count = unit, count
        self.state: dict[str, Array] = {s.name: np.zeros((count, s.rows * s.lanes), np.int64) for s in unit.states}

    def issue(self, name: str, a: Any = 0, b: Any = 0) -> Array:
        """The responses, [count] uint32; a and b: a word for all, or [count] of them. 0 where there is no result."""
        instruction = self.unit.instruction(name)
        buffers = {**self.state, "out": np.zeros((self.count, 1), np.int64)}
        run = _Run(instruction, buffers, self.count)
        env = {
            v.name: _as(np.broadcast_to(np.asarray(word, np.int64), (self.count,)), v.dtype)
            for v, word in zip(instruction.scalars, (a, b), strict=False)
        }
        run.body(instruction.body, env, np.ones(self.count, np.bool_))
        return (buffers["out"][:, 0] & 0xFFFFFFFF).astype(np.uint32)


def _as(value: Any, dtype: DType) -> Any:
    """Modulo 2^bits, as the type has it."""
    if dtype.kind == "bool" or dtype.bits == 64:
        if dtype.kind == "uint":
            raise ScheduleError("arrays have no u64")
        return value
    low = np.asarray(value) & ((1 << dtype.bits) - 1)
    return np.where(low >> (dtype.bits - 1) != 0, low - (1 << dtype.bits), low) if dtype.kind == "int" else low


class _Run:
    """One instruction. Where a mask is off, nothing changes."""

    def __init__(self, kernel: ir.Kernel, buffers: dict[str, Array], count: int) -> None:
        self.buffers, self.rows = buffers, np.arange(count)
        self.shapes = {p.name: [int(d.value) for d in p.shape if isinstance(d, ir.Const)] for p in kernel.params}
        for s in ir.walk(kernel.body):
            if isinstance(s, ir.Local):
                self.shapes[s.name] = [int(d.value) for d in s.shape if isinstance(d, ir.Const)]
                self.buffers[s.name] = np.zeros((count, int(np.prod(self.shapes[s.name]))), np.int64)

    def body(self, body: ir.Body, env: dict[str, Any], mask: Array) -> Any:
        for s in body:
            match s:
                case ir.Let(var, value):
                    env[var.name] = self.value(value, env)
                case ir.Assign(var, value):
                    env[var.name] = np.where(mask, self.value(value, env), env[var.name])
                case ir.Store(buffer, index, value):
                    at, new = self.place(buffer, index, env), np.broadcast_to(self.value(value, env), mask.shape)
                    self.buffers[buffer][self.rows[mask], np.broadcast_to(at, mask.shape)[mask]] = new[mask]
                case ir.If(condition, then, other):
                    holds = np.broadcast_to(self.value(condition, env), mask.shape)
                    for branch, where in ((then, mask & holds), (other, mask & ~holds)):
                        if where.any():
                            self.body(branch, env, where)
                case ir.For():
                    self.loop(s, env, mask)
                case ir.Return(value):
                    return self.value(value, env)
                case ir.Local() | ir.Assume():
                    pass
                case _:
                    raise ScheduleError(f"arrays have no {type(s).__name__.lower()} yet")
        return None

    def loop(self, s: ir.For, env: dict[str, Any], mask: Array) -> None:
        """As many rounds as the longest needs."""
        lo, hi = (np.broadcast_to(self.value(e, env), mask.shape) for e in (s.lo, s.hi))
        for i in range(int(lo[mask].min(initial=0)), int(hi[mask].max(initial=0)), s.step):
            active = mask & (i >= lo) & (i < hi)
            if active.any():
                env[s.var] = np.int64(i)
                self.body(s.body, env, active)

    def place(self, buffer: str, index: tuple[ir.Expr, ...], env: dict[str, Any]) -> Any:
        at: Any = np.int64(0)
        for e, side in zip(index, self.shapes[buffer], strict=True):
            at = at * side + np.clip(self.value(e, env), 0, side - 1)  # where the mask is off, it may be anything
        return at

    def value(self, e: ir.Expr, env: dict[str, Any]) -> Any:
        match e:
            case ir.Const(value):
                return np.int64(value) if not isinstance(value, bool) else np.bool_(value)
            case ir.Var(name):
                return env[name]
            case ir.Load(buffer, index):
                return self.buffers[buffer][self.rows, self.place(buffer, index, env)]
            case ir.Binary(op, a, b, dtype) if op in _OPERATIONS:
                found = _OPERATIONS[op](self.value(a, env), self.value(b, env))
                return found if dtype.kind == "bool" else _as(found, dtype)
            case ir.Unary("not", a):
                return ~np.asarray(self.value(a, env), np.bool_)
            case ir.Unary(op, a, dtype) if op in "-~":
                return _as(-self.value(a, env) if op == "-" else ~self.value(a, env), dtype)
            case ir.Cast("widen" | "wrap", a, dtype):
                return _as(self.value(a, env), dtype)
            case ir.Select(condition, a, b):
                return np.where(self.value(condition, env), self.value(a, env), self.value(b, env))
            case ir.CallExpr(function, args):
                inner = {p.name: self.value(a, env) for p, a in zip(function.params, args, strict=True)}
                return self.body(function.body, inner, np.ones(self.rows.shape, np.bool_))
        raise ScheduleError(f"arrays have no {type(e).__name__.lower()} of this kind yet")
