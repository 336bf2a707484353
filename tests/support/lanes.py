"""Kernels on a vector machine against the interpreter: a kernel for each spelling, a file of C that holds them, and a run."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import DTYPES, DType, bool_, i8, i32, u32
from skosh.build import compile_host
from skosh.emit.functions import builtins_used, function_text, kernel_text
from skosh.emit.model import fill
from skosh.emit.vector.units import machine_helpers, machines_of, small_functions
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import (
    Binary,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Kernel,
    Load,
    Param,
    Select,
    Store,
    Unary,
    Var,
    functions,
)
from skosh.ir.layout import used_numbers
from skosh.ladder import fma
from skosh.language import arithmetic, dots
from skosh.ops.elements import elementwise_kernels
from skosh.schedule.lanes import vectorize
from skosh.targets.simd import VectorMachine

COUNT = 83
I = Var("i")
COMPARE = ("==", "!=", "<", "<=", ">", ">=")
MODULES = (arithmetic, dots, fma, elementwise_kernels)
KNOWN = {f.name: f for module in MODULES for f in vars(module).values() if isinstance(f, Function)}


@dataclass(frozen=True)
class Trial:
    """A kernel ``y[i] = ...`` that uses one spelling, and values for its buffers and numbers."""

    name: str
    kernel: Kernel
    buffers: Mapping[str, Any]
    numbers: Mapping[str, int | float]


def trials(machine: VectorMachine, vectors: int = 1) -> list[Trial]:
    """One trial for each operation that the machine spells, and a second one where it takes a scalar operand."""
    rng = np.random.default_rng(7)
    out = []
    for key in machine.spellings:
        key = key.removesuffix(" whole")
        for uniform in (False, True):
            made = _trial(key, uniform, rng)
            if made is not None and (made.name not in [t.name for t in out]):
                kernel = vectorize(made.kernel, "i", machine.name, vectors)
                out.append(Trial(made.name, kernel, made.buffers, made.numbers))
    return out


def _trial(key: str, uniform: bool, rng: np.random.Generator) -> Trial | None:
    words = key.split()
    match words:
        case ["load" | "store", t]:
            e: Expr = _load("a", DTYPES[t])
            if words[0] == "load":
                wide = Cast("widen", e, i32) if DTYPES[t].bits < 32 else e
                return _made(key, wide, {"a": DTYPES[t]}, rng)
            narrow = Cast("wrap", _load("a", i32), DTYPES[t]) if DTYPES[t].bits < 32 else e
            return _made(key, narrow, {"a": i32 if DTYPES[t].bits < 32 else DTYPES[t]}, rng)
        case ["scatter", t]:
            d = DTYPES[t]
            value: Expr = _load("a", d)
            place = Binary("*", I, Const(3), i32)
            store = Store("y", (place,), Cast("wrap", Cast("widen", value, i32), d) if d.bits < 32 else value)
            params = (Param("a", d, (Var("N"),)), Param("y", d, (Binary("*", Var("N"), Const(3), i32),), written=True))
            kernel = Kernel("trial", params, ("N",), (), (For("i", Const(0), Var("N"), (store,), par=True),))
            data = {"a": _values("a", d, rng, False, False, False, ""), "y": np.zeros(3 * COUNT, d.np)}
            return Trial(key, kernel, data, {"N": COUNT})
        case ["load", t, "pairs"]:
            sides = tuple(
                Cast("widen", Load("a", (Binary("+", Binary("*", Const(2), I, i32), Const(k), i32),), DTYPES[t]), i32)
                for k in (0, 1)
            )
            return _made(
                key, CallExpr(dots.halfwords, sides, dots.halfwords.returns), {"a": DTYPES[t]}, rng, double="a"
            )
        case ["store", t, "clamped", *more]:
            bounds = (-100, 90) if t.startswith("i") else (3, 90)
            low, high = (Const(n) for n in bounds)
            clamped = Binary("min", Binary("max", _load("a", i32), low, i32), high, i32)
            return _made(key, Cast("wrap", clamped, DTYPES[t]), {"a": i32}, rng, twice=more == ["apart"])
        case ["set", "bool"] | ["index", _]:
            return _made(key, Var("i"), {"a": i32}, rng) if words[0] == "index" else None
        case ["set", t]:
            return _made(key, Var("c", DTYPES[t]), {"a": DTYPES[t]}, rng, scalar=DTYPES[t])
        case ["select", t]:
            less = Binary("<", _load("a", i32), _load("b", i32), bool_)
            d = DTYPES[t]
            return _made(key, Select(less, _load("c", d), _load("d", d), d), {"a": i32, "b": i32, "c": d, "d": d}, rng)
        case ["and" | "or" as op]:
            both = Binary(
                op, Binary("<", _load("a", i32), Const(0), bool_), Binary(">", _load("b", i32), Const(5), bool_), bool_
            )
            return _made(key, Select(both, Const(1), Const(0), i32), {"a": i32, "b": i32}, rng)
        case ["not"]:
            e = Unary("not", Binary("<", _load("a", i32), Const(0), bool_), bool_)
            return _made(key, Select(e, Const(1), Const(0), i32), {"a": i32}, rng)
        case ["+", "*", t]:
            d = DTYPES[t]
            factor: Expr = Var("c", d) if uniform else _load("b", d)
            value = Binary("+", _load("a", d), Binary("*", factor, _load("d", d), d), d)
            given = {"a": d, "d": d} if uniform else {"a": d, "b": d, "d": d}
            return _made(_name(key, uniform), value, given, rng, scalar=d if uniform else None, small=True)
        case [op, t, "1"]:
            d = DTYPES[t]
            return _made(key, Unary(op, _load("a", d), d), {"a": d}, rng, positive=op == "sqrt", small=True)
        case ["wrap" | "convert" | "bits" | "widen" as how, to, source]:
            s = DTYPES[source]
            return _made(key, Cast(how, _load("a", s), DTYPES[to]), {"a": s}, rng, small=how == "convert")
        case [op, t] if op in COMPARE:
            d = DTYPES[t]
            b: Expr = Var("c", d) if uniform else _load("b", d)
            less = Binary(op, _load("a", d), b, bool_)
            value = Select(less, Const(1), Const(0), i32)
            return _made(_name(key, uniform), value, {"a": d, "b": d}, rng, scalar=d if uniform else None, ties=True)
        case [op, t]:
            d = DTYPES[t]
            other = i32 if op in ("<<", ">>") else d
            b = Var("c", other) if uniform else _load("b", other)
            value = Binary(op, _load("a", d), b, d)
            return _made(
                _name(key, uniform), value, {"a": d, "b": other}, rng, scalar=other if uniform else None,
                rule="divide" if op == "//" else "", shift=op in ("<<", ">>"), small=op in "+-*" and d == i32,
            )  # fmt: skip
        case ["dot_sixteens"]:
            words = [Load("x", (Const(4 * i),), u32) for i in range(4)]
            own = {f"w{i}": u32 for i in range(4)}
            value = CallExpr(dots.dot_sixteens, (_load("a", i32), *words, *(_load(w, u32) for w in own)), i32)
            return _made(key, value, {"a": i32, "x": i8, **own}, rng)
        case [name] if name in KNOWN:
            return _applied(KNOWN[name], uniform, rng)
    raise AssertionError(f"no trial for {key!r}")


def _name(key: str, uniform: bool) -> str:
    return f"{key} n" if uniform else key


def _applied(function: Function, uniform: bool, rng: np.random.Generator) -> Trial:
    """A scalar function of one buffer a parameter; uniform: its last parameter is the same in all lanes."""
    params = function.params
    scalar = params[-1] if uniform and len(params) > 1 else None
    args = tuple(Var("c", p.dtype) if p is scalar else _load(p.name, p.dtype) for p in params)
    buffers = {p.name: p.dtype for p in params if p is not scalar}
    rules = {"rounding_divide_by_pot": "shift", "requantize": "requantize"}
    kind = {**rules, **dict.fromkeys(("requantize_bounded", "scale_down"), "bounded")}.get(function.name, "")
    value = CallExpr(function, args, function.returns)
    name = _name(function.name, scalar is not None)
    return _made(name, value, buffers, rng, scalar=scalar.dtype if scalar else None, rule=kind or function.name)


def _load(buffer: str, dtype: DType) -> Load:
    return Load(buffer, (I,), dtype)


def _made(
    name: str, value: Expr, buffers: Mapping[str, DType], rng: np.random.Generator, *, scalar: DType | None = None,
    small: bool = False, positive: bool = False, shift: bool = False, ties: bool = False, rule: str = "",
    twice: bool = False, double: str = "",
) -> Trial:  # fmt: skip
    both = Binary("*", Var("N"), Const(2), i32)
    params = tuple(Param(b, t, (both if b == double else Var("N"),)) for b, t in buffers.items())
    size = both if twice else Var("N")
    params += (Param("y", value.dtype, (size,), written=True),)
    scalars = (Var("c", scalar),) if scalar is not None else ()
    stores: tuple[Store, ...] = (Store("y", (I,), value),)
    if twice:
        stores += (Store("y", (Binary("+", I, Var("N"), i32),), value),)
    body = (For("i", Const(0), Var("N"), stores, par=True),)
    kernel = Kernel("trial", params, ("N",), scalars, body)
    data = {b: _values(b, t, rng, small, positive, shift, rule) for b, t in buffers.items()}
    if double:
        data[double] = np.concatenate([data[double], data[double][::-1]])
    if ties:
        data["b"][::3] = data["a"][::3]
    data["y"] = np.zeros(2 * COUNT if twice else COUNT, value.dtype.np)
    numbers: dict[str, Any] = {"N": COUNT}
    if scalar is not None:
        last = "b" if "b" in data else "c"
        numbers["c"] = _values(last, scalar, rng, small, positive, shift, rule, only_last=True)[0].item()
    return Trial(name, kernel, data, numbers)


def _values(
    name: str,
    t: DType,
    rng: np.random.Generator,
    small: bool,
    positive: bool,
    shift: bool,
    rule: str,
    *,
    only_last: bool = False,
) -> np.ndarray[Any, Any]:
    if t.is_float:
        x = (rng.standard_normal(COUNT) * 10.0 ** rng.integers(-3, 6, COUNT)).astype(np.float32)
        x[:4] = [0.0, -0.0, 1.5, -2.5]
        return np.abs(x) if positive else x
    if (shift or rule == "shift") and (name in ("b", "exponent") or only_last):
        return np.append([0, 31], rng.integers(0, 32, COUNT - 2)).astype(t.np)
    if rule == "bounded" and (name == "right" or only_last):
        return np.append([1, 30], rng.integers(1, 31, COUNT - 2)).astype(t.np)
    if rule == "requantize" and (name == "shift" or only_last):
        return np.append([-31, 30, 0], rng.integers(-31, 31, COUNT - 3)).astype(t.np)
    if rule in ("bounded", "requantize") and name == "multiplier":
        return rng.integers(1 << 30, (1 << 31) - 1, COUNT).astype(t.np)
    low, high = (-(1 << 15), 1 << 15) if small else (t.min, t.max + 1)
    if rule == "requantize_doubled" and (name == "right"):
        return np.append([1, 22], rng.integers(1, 23, COUNT - 2)).astype(t.np)
    if rule == "requantize_doubled" and (name == "offset" or only_last):
        return rng.integers(-(1 << 29), 1 << 29, COUNT).astype(t.np)
    if rule == "bounded":
        low, high = -(1 << 30) + 1, 1 << 30
    x = rng.integers(low, high, COUNT, dtype=np.int64).astype(t.np)
    edges = [0, low, high - 1, min(-1 % (1 << 32), high - 1) if low == 0 else -1, 1]
    if rule == "divide" and (name == "b" or only_last):
        return np.where(np.isin(x, (0, -1)), 7, rng.permutation(x >> rng.integers(0, 31, COUNT))).astype(t.np) | 1
    if rule == "srdhm":
        edges.remove(low)
    x[: len(edges)] = np.array(edges, np.int64).astype(t.np)
    return rng.permutation(x)


# ------------------------------------------------------------------------------------------------ C and runs


def unit(kernels: Sequence[Kernel]) -> str:
    """A file of C that defines each kernel as a function ``t_k0``, ``t_k1``, ..."""

    def spell(name: str) -> str:
        return f"t_{name}"

    texts = [kernel_text(k, f"t_k{i}", spell).replace("static void", "void", 1) for i, k in enumerate(kernels)]
    scalar: dict[str, Function] = {}
    builtin: dict[str, str] = {}
    for k in kernels:
        for f in functions(k):
            scalar.setdefault(f.name, f)
    for thing in (*scalar.values(), *kernels):
        builtin |= builtins_used(thing)
    small = [(spell(n), fill(builtin[n], spell(n))) for n in sorted(builtin)]
    small += [(spell(f.name), function_text(f, spell)) for f in scalar.values()]
    machines = machines_of(kernels)
    headers = "".join(f"#if {m.test}\n#include <{m.header}>\n#endif\n" for m in machines)
    prototypes = "".join(t[t.index("void t_k") : t.index("\n{\n")] + ";\n" for t in texts)
    head = "#include <stdint.h>\n#include <stdbool.h>\n#include <string.h>\n#include <math.h>\n"
    parts = [
        *small_functions(small, texts, [m.test for m in machines]),
        *machine_helpers(texts, machines, spell),
        prototypes,
        *texts,
    ]
    return head + headers + "\n".join(parts)


def expected(trial: Trial) -> dict[str, Any]:
    """What the interpreter makes of copies of the buffers."""
    copies = {n: np.array(b) for n, b in trial.buffers.items()}
    run_kernel(trial.kernel, copies, trial.numbers)
    return copies


def run_here(trials: Sequence[Trial], flags: Sequence[str]) -> list[dict[str, Any]]:
    """The buffers after each trial, compiled for this computer with these flags."""
    library = ctypes.CDLL(str(compile_host({"t.c": unit([t.kernel for t in trials])}, machine=tuple(flags))))
    out = []
    for i, t in enumerate(trials):
        buffers = {n: np.array(b) for n, b in t.buffers.items()}
        arguments: list[object] = [ctypes.c_void_p(buffers[p.name].ctypes.data) for p in t.kernel.params]
        for v in used_numbers(t.kernel):
            value = t.numbers[v.name]
            arguments.append(ctypes.c_float(value) if v.dtype.is_float else v.dtype.np.type(int(value)).item())
        getattr(library, f"t_k{i}")(*arguments)
        out.append(buffers)
    return out
