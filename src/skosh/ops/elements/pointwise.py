"""Loops for operators whose output element depends on one element of each input; an operator says what happens to one.

A meaning is a scalar function ``f(x0, x1, ..., numbers)``. From it come three kernels: one loop over inputs of the
output's shape; the same with some inputs that are one element, read once; and two to four loops in which every input has
its own step along each, 0 where it stands still. Dimensions that all inputs walk alike are one loop.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, bool_, i8, i32
from skosh.ir.call import Call, In, Out
from skosh.ir.call import Const as Data
from skosh.ir.graph import Array, Tensor
from skosh.ir.kernel import (
    Binary,
    Body,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Kernel,
    Let,
    Load,
    Param,
    Select,
    Store,
    Var,
)
from skosh.language import call, kernel, par, widen

RANK = 4  # loops of a broadcasting kernel
NAMES = ("a", "b", "c")


@dataclass(frozen=True, eq=False)
class Meaning:
    """What happens to one element. ``build`` makes the result's expression from the inputs' and the numbers'."""

    name: str
    inputs: tuple[DType, ...]  # the types that ``build`` takes
    numbers: tuple[Var, ...]
    build: Callable[[tuple[Expr, ...]], Expr]
    doc: str


@functools.cache
def meaning_of(function: Function, inputs: int) -> Meaning:
    """A scalar function of the kernel language whose first ``inputs`` parameters are elements, the others numbers."""
    types = tuple(p.dtype for p in function.params)
    return Meaning(
        function.name,
        types[:inputs],
        function.params[inputs:],
        lambda values: CallExpr(function, values, function.returns),
        function.doc,
    )


@functools.cache
def choose(name: str, op: str, dtype: DType) -> Meaning:
    """``a if a op b else b`` on any element type: op ">" is the maximum."""

    def build(values: tuple[Expr, ...]) -> Expr:
        a, b = values
        return Select(Binary(op, a, b, bool_), a, b, dtype)

    return Meaning(f"{name}_{dtype.name}", (dtype, dtype), (), build, f"y = a if a {op} b else b.")


@functools.cache
def compare(name: str, op: str, dtype: DType) -> Meaning:
    """``a op b`` on any element type."""
    return Meaning(
        f"{name}_{dtype.name}", (dtype, dtype), (), lambda v: Binary(op, v[0], v[1], bool_), f"y = a {op} b."
    )  # fmt: skip


@functools.cache
def select(dtype: DType) -> Meaning:
    """``b if a else c`` for a bool ``a``."""
    types = (bool_, dtype, dtype)
    return Meaning(f"select_{dtype.name}", types, (), lambda v: Select(v[0], v[1], v[2], dtype), "y = b if a else c.")


def pointwise(
    meaning: Meaning | Any, inputs: Sequence[Tensor], output: Tensor, *, take: Sequence[int] = (0, 1, 2), **numbers: Any
) -> tuple[Call, ...]:
    """The calls that apply ``meaning`` (or a scalar function) to each element.

    take: which of the node's inputs the meaning's elements are, in its order.
    """
    found = meaning if isinstance(meaning, Meaning) else meaning_of(meaning, len(inputs))
    order = take[: len(inputs)]
    tensors = [inputs[k] for k in order]
    loops = collapse(output.shape, *(t.shape for t in tensors))
    types = tuple(t.dtype for t in tensors)
    if output.size == 0:
        return ()
    return tuple(_calls(found, types, output.dtype, loops, tuple(In(k) for k in order), Out(0), numbers))


def _calls(
    meaning: Meaning,
    types: tuple[DType, ...],
    out: DType,
    loops: Loops,
    ins: tuple[In, ...],
    y: Out,
    numbers: dict[str, Any],
) -> list[Call]:
    names = NAMES[: len(ins)]
    buffers: dict[str, Any] = {**dict(zip(names, ins, strict=True)), "y": y}
    if len(loops.sizes) <= 1:
        still = tuple(not any(steps) for steps in loops.steps) if loops.sizes else (False,) * len(ins)
        made = _flat_kernel(meaning, types, out, still)
        return [Call(made, buffers, {"N": math.prod(loops.sizes), **numbers})]
    if len(loops.sizes) <= RANK:
        rank = len(loops.sizes)
        sizes = dict(zip(_sizes(rank), loops.sizes, strict=True))
        lengths = {n.upper(): _reach(loops.sizes, steps) for n, steps in zip(names, loops.steps, strict=True)}
        walk = {
            f"{n}_step{d}": step for n, steps in zip(names, loops.steps, strict=True) for d, step in enumerate(steps)
        }
        return [Call(_broadcast_kernel(meaning, types, out, rank), buffers, {**sizes, **lengths, **walk, **numbers})]
    inner = Loops(loops.sizes[1:], tuple(steps[1:] for steps in loops.steps))
    made_calls: list[Call] = []
    for i in range(loops.sizes[0]):  # more loops than a kernel has: the outermost is unrolled
        moved = tuple(In(b.index, b.offset + i * steps[0]) for b, steps in zip(ins, loops.steps, strict=True))
        made_calls += _calls(meaning, types, out, inner, moved, Out(0, y.offset + i * math.prod(inner.sizes)), numbers)
    return made_calls


# ---------------------------------------------------------------------------------------------------------------- shapes


@dataclass(frozen=True)
class Loops:
    """Nested loops, outermost first: their sizes, and for each input how many elements it moves along each."""

    sizes: tuple[int, ...]
    steps: tuple[tuple[int, ...], ...]


def collapse(out: tuple[int, ...], *shapes: tuple[int, ...]) -> Loops:
    """As few loops as walk ``shapes`` broadcast to ``out``.

    collapse((2, 3, 4), (2, 3, 4), (4,))  ->  sizes (6, 4), steps ((4, 1), (0, 1))
    """
    rank = len(out)
    full = [(1,) * (rank - len(s)) + s for s in shapes]
    steps = [[0 if n == 1 else math.prod(s[d + 1 :]) for d, n in enumerate(s)] for s in full]
    sizes: list[int] = []
    walks: list[list[int]] = [[] for _ in shapes]
    for d in range(rank):
        here = [s[d] for s in steps]
        if out[d] == 1:
            continue
        if sizes and all(w[-1] == h * out[d] for w, h in zip(walks, here, strict=True)):
            sizes[-1] *= out[d]
            for w, h in zip(walks, here, strict=True):
                w[-1] = h
        else:
            sizes.append(out[d])
            for w, h in zip(walks, here, strict=True):
                w.append(h)
    return Loops(tuple(sizes), tuple(tuple(w) for w in walks))


def _reach(sizes: tuple[int, ...], steps: tuple[int, ...]) -> int:
    """Elements of an input from the first to the last that the loops touch."""
    return 1 + sum((n - 1) * s for n, s in zip(sizes, steps, strict=True))


# --------------------------------------------------------------------------------------------------------------- kernels


def _sizes(rank: int) -> tuple[str, ...]:
    return tuple(f"D{d}" for d in range(rank))


def _loaded(load: Load, want: DType) -> Expr:
    return load if load.dtype == want else Cast("widen", load, want)


def _stored(value: Expr, out: DType) -> Expr:
    return value if value.dtype == out else Cast("wrap", value, out)


def _name(meaning: Meaning, types: tuple[DType, ...], out: DType) -> str:
    """The meaning's name and the types in memory, each said once: "add_i8", "prelu_i16_i8"."""
    said = meaning.name.split("_")
    return "_".join([meaning.name, *(n for n in dict.fromkeys(t.name for t in (*types, out)) if n not in said)])


@functools.cache
def _flat_kernel(meaning: Meaning, types: tuple[DType, ...], out: DType, still: tuple[bool, ...]) -> Kernel:
    size, i = Var("N"), Var("i")
    names = NAMES[: len(types)]
    lets: list[Let] = []
    values: list[Expr] = []
    for n, t, want, stays in zip(names, types, meaning.inputs, still, strict=True):
        value = _loaded(Load(n, (Const(0) if stays else i,), t), want)
        if stays:
            lets.append(Let(Var(f"{n}0", want), value))
            value = lets[-1].var
        values.append(value)
    result = _stored(meaning.build((*values, *meaning.numbers)), out)
    body: Body = (*lets, For("i", Const(0), size, (Store("y", (i,), result),), par=True))
    params = (
        *(Param(n, t, (Const(1) if s else size,)) for n, t, s in zip(names, types, still, strict=True)),
        Param("y", out, (size,), written=True),
    )
    suffix = "".join(f"_{n}" for n, s in zip(names, still, strict=True) if s)
    name = _name(meaning, types, out) + (f"_still{suffix}" if suffix else "")
    return Kernel(name, params, ("N",), meaning.numbers, body, meaning.doc)


@functools.cache
def _broadcast_kernel(meaning: Meaning, types: tuple[DType, ...], out: DType, rank: int) -> Kernel:
    names, sizes = NAMES[: len(types)], _sizes(rank)
    index = tuple(Var(f"i{d}") for d in range(rank))

    def position(n: str, d: int) -> Expr:
        """Where input ``n`` stands inside loop ``d``: where it stood outside, and its step."""
        step: Expr = Binary("*", index[d], Var(f"{n}_step{d}"), i32)
        return Binary("+", Var(f"{n}_at{d - 1}"), step, i32) if d else step

    last = rank - 1
    loads = [
        _loaded(Load(n, (position(n, last),), t), want) for n, t, want in zip(names, types, meaning.inputs, strict=True)
    ]
    body: Body = (Store("y", index, _stored(meaning.build((*loads, *meaning.numbers)), out)),)
    for d in reversed(range(rank)):
        here = tuple(Let(Var(f"{n}_at{d}"), position(n, d)) for n in names) if d < last else ()
        body = (For(f"i{d}", Const(0), Var(sizes[d]), (*here, *body), par=True),)
    params = (
        *(Param(n, t, (Var(n.upper()),)) for n, t in zip(names, types, strict=True)),
        Param("y", out, tuple(Var(s) for s in sizes), written=True),
    )
    steps = tuple(Var(f"{n}_step{d}") for n in names for d in range(rank))
    lengths = tuple(n.upper() for n in names)
    doc = f"{meaning.doc}\nEach input moves by its own step along each of the {rank} loops."
    return Kernel(
        f"{_name(meaning, types, out)}_broadcast{rank}",
        params,
        (*lengths, *sizes),
        (*steps, *meaning.numbers),
        body,
        doc,
    )


# -------------------------------------------------------------------------------------------------------- 8-bit functions


@kernel
def lookup(x: i8[N], table: i8[256], y: i8[N]):
    """y = table[x + 128]: any function of an 8-bit number."""
    for i in par(N):
        y[i] = table[widen(x[i]) + 128]


def every_i8() -> Array:
    """All 8-bit numbers in order, as a table's inputs."""
    return np.arange(-128, 128).astype(np.int8)


def lookup_call(table: Array, size: int) -> tuple[Call, ...]:
    """y = table[x + 128] for a node's only (or first) input."""
    return (call(lookup, x=In(0), table=Data(table.astype(np.int8), "table"), y=Out(0), N=size),)
