"""The words of the kernel language. A decorated function is never run as Python: it is read, checked and kept as data.

    @kernel
    def dense(x: i8[M, K], w: i8[N, K], bias: i32[N], y: i32[M, N]):
        for m, n in par(M, N):
            acc = bias[n]
            for k in seq(K):
                acc += widen(x[m, k]) * widen(w[n, k])
            y[m, n] = acc

Parameters: ``name: type[shape]`` is a buffer, names in shapes are sizes; ``name: type`` or a bare keyword-only name
(i32) is a number; ``name: function`` is a scalar function. A type name that is not an element type is a type variable.
Functions and type variables are bound when the kernel is called.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from skosh.base.dtypes import DType
from skosh.ir.kernel import Custom, Definition, Function, Instruction, Kernel
from skosh.language import definition, frontend

__all__ = [
    "Generic", "assume", "bits", "bounded", "clamp", "definition_of", "flash", "from_bits", "func", "instr", "kernel",
    "made_from", "par", "ram", "register", "resolve", "rows", "sat", "seq", "set_word", "sqrt", "trunc", "typed", "widen",
    "word", "wrap",
]  # fmt: skip


@dataclass(frozen=True)
class Generic:
    """A kernel with type variables or function parameters; ``of(T=i8)`` is the kernel for that type."""

    source: frontend.Source

    def of(self, **bound: DType | Function) -> Kernel:
        return _instance(self.source, tuple(sorted(bound.items(), key=lambda item: item[0])))


@functools.cache
def _instance(source: frontend.Source, bound: tuple[tuple[str, DType | Function], ...]) -> Kernel:
    return _read(source, dict(bound))


def _read(source: frontend.Source, bound: Mapping[str, DType | Function]) -> Kernel:
    made, places = frontend.read_kernel(source, bound, _named)
    if not source.module.startswith("skosh."):  # ours are looked at by tests, not at each start
        definition.check_defined(made, places)
    return made


def _named(thing: Any, bound: Mapping[str, DType | Function]) -> Kernel | None:
    """The kernel that a name stands for in another kernel."""
    return resolve(thing, bound) if isinstance(thing, Generic | Kernel) else None


def _kernel(function: Callable[..., Any]) -> Kernel | Generic:
    """Read a function as a kernel. ScheduleError, with the user's own line, for what the language does not have."""
    source = frontend.source_of(function)
    if frontend.type_variables(source):
        return Generic(source)
    return _read(source, {})


def _func(function: Callable[..., Any]) -> Function:
    """Read a function as a scalar function of the language."""
    return frontend.read_function(frontend.source_of(function))


def instr(
    *,
    c: str = "",
    macro: str = "",
    header: str = "",
    asm: str = "",
    unit: str = "",
    number: int = 0,
    latency: int | None = None,
) -> Callable[[Any], Any]:
    """Give a function of the language a machine's own spelling; see ``ir.kernel.Instruction``.

    @instr(c="__smlad({a}, {b}, {acc})", macro="__ARM_FEATURE_DSP", header="arm_acle.h", asm="smlad {out}, {a}, {b}, {acc}")
    @func
    def smlad(a: u32, b: u32, acc: i32) -> i32: ...

    Or make a kernel an instruction of a custom function unit; see ``ir.kernel.Custom``.

    @instr(unit="lanes", number=2)
    @kernel
    def begin(row: i32[1], *, a: u32, b: u32): ...
    """

    def spelled(thing: Any) -> Any:
        if isinstance(thing, Function):
            return replace(thing, instruction=Instruction(c, macro, header, asm))
        made = resolve(thing, {})
        definition.check_instruction(made, number)
        source = definition_of(made).source
        assert isinstance(source, frontend.Source), "a kernel remembers what it was read from"
        return replace(made, custom=Custom(unit, number, latency, f"{source.module}:{source.tree.name}"))

    return spelled


if TYPE_CHECKING:  # bodies are another language: a type checker must not read them as Python
    from typing import no_type_check as func
    from typing import no_type_check as kernel
else:
    kernel = _kernel
    func = _func


def resolve(thing: Any, bound: Mapping[str, DType | Function]) -> Kernel:
    """The kernel that ``thing`` is, for these types and functions."""
    if isinstance(thing, Generic):
        return thing.of(**bound)
    assert isinstance(thing, Kernel), f"{thing!r} is not a kernel: decorate it with @kernel"
    return thing


def definition_of(thing: Any) -> Definition:
    """What ``thing`` is: a kernel as its author wrote it, for all types or for those of ``typed``."""
    if isinstance(thing, Definition):
        return thing
    if isinstance(thing, Generic):
        return Definition(thing.source)
    assert isinstance(thing, Kernel) and thing.definition is not None, f"{thing!r} is not a kernel that someone wrote"
    return Definition(thing.definition.source)


def typed(thing: Any, **types: DType) -> Definition:
    """A generic kernel for these types, and only these: ``typed(batch_matmul, ACC=i32, T=i8)``."""
    assert isinstance(thing, Generic), f"{thing!r} has no type variables"
    return Definition(thing.source, tuple(sorted(types.items(), key=lambda item: item[0])))


def made_from(kernel: Kernel, *definitions: Any) -> bool:
    """Was ``kernel`` made from one of these, whatever its name is by now and whatever steps it went through?"""
    found = kernel.definition
    return found is not None and any(found.of(definition_of(d)) for d in definitions)


def _word(name: str, meaning: str) -> Callable[..., Any]:
    def word(*_: Any) -> Any:
        raise TypeError(f"{name} is a word of the kernel language; it has no meaning outside @kernel")

    word.__doc__ = meaning
    word.__name__ = name
    return word


par = _word("par", "par(N, M) or par(lo, hi=...): loops whose iterations are independent.")
seq = _word("seq", "seq(N) or seq(lo, hi): a loop in order.")
bounded = _word("bounded", "while bounded(condition, n): a loop of at most n rounds.")
assume = _word(
    "assume", "assume(condition): a promise about numbers and data; the interpreter checks it, the C has none."
)
ram = _word("ram", "row = ram(i8[N]): a buffer of the kernel's own, alive to the end of the block.")
register = _word("register", "acc = register(i32[4]): a few elements that a machine should hold in registers.")
flash = _word("flash", "w: i8[N, K] @ flash: a buffer that can't be written.")
rows = _word("rows", "w: i8[N, K] @ rows(4): a buffer that lies in blocks of four rows (see the schedule step pack).")
widen = _word("widen", "A narrower integer as i32.")
wrap = _word("wrap", "wrap(T, x): x modulo 2^bits.")
sat = _word("sat", "sat(T, x): x clamped to the range of T.")
trunc = _word("trunc", "trunc(T, x): a float as an integer, toward zero; x must be in range.")
clamp = _word("clamp", "clamp(x, lo, hi): min(max(x, lo), hi).")
bits = _word("bits", "bits(x): the f32 x as the i32 of the same bits.")
from_bits = _word("from_bits", "from_bits(x): the i32 x as the f32 of the same bits.")
word = _word("word", "word(x[i]): the u32 made of the bytes of an i8 or i16 buffer from element i on, little-endian.")
set_word = _word("set_word", "set_word(x[i], v): the four bytes from element i on become those of the u32 v.")
sqrt = _word("sqrt", "sqrt(x): the correctly rounded square root of an f32.")
