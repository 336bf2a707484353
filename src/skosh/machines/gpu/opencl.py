"""``kws.cl``: the kernels of a model in OpenCL C 1.2, from the same kernels as its C.

A buffer is a parameter of three: where its memory begins, how many bytes further the buffer lies, and how many bytes from one
sample of a batch to the next (0 for constants). Dimension 0 of the grid counts work items, dimension 1 samples.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, prod

from skosh.base.errors import ModelError
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.expressions import Names
from skosh.emit.functions import body_text, builtins_used, function_text
from skosh.emit.lines import WIDTH, comment, wrapped
from skosh.emit.model import fill
from skosh.emit.tidy import declared_twice, plain_comment, tidied
from skosh.ir.kernel import Function, Kernel, Param, functions
from skosh.ir.simplify import value_of
from skosh.lower.program import ArenaPointer, LayerCall, Number, Program, Routine
from skosh.machines.gpu.grid import ITEM, Launch, in_order, keeps_places, launches

HELPERS = {
    "bits_of_f32": "static inline int32_t {name}(float x)\n{{\n    return as_int(x);\n}}\n",
    "f32_of_bits": "static inline float {name}(int32_t bits)\n{{\n    return as_float(bits);\n}}\n",
    "load_word": (
        "static inline uint32_t {name}(__global const void *from)\n{{\n"
        "    return as_uint(vload4(0, (__global const uchar *)from));\n}}\n"
    ),
    "store_word": (
        "static inline void {name}(__global void *to, uint32_t word)\n{{\n"
        "    vstore4(as_uchar4(word), 0, (__global uchar *)to);\n}}\n"
    ),
    "load_i4": (
        "static inline int8_t {name}(__global const int8_t *from, int32_t i)\n{{\n"
        "    int32_t four = ((uint8_t)from[i / 2] >> (i % 2 * 4)) & 15;\n    return (int8_t)((four ^ 8) - 8);\n}}\n"
    ),
    "load_u4": (
        "static inline uint8_t {name}(__global const uint8_t *from, int32_t i)\n{{\n"
        "    return (uint8_t)((from[i / 2] >> (i % 2 * 4)) & 15);\n}}\n"
    ),
    "sqrtf": "static inline float {name}(float x)\n{{\n    return sqrt(x);\n}}\n",
}
"""Small functions whose C is not OpenCL C; the others are both."""

KEYWORDS = ("constant", "event_t", "generic", "global", "half", "kernel", "local", "pipe", "private", "quad", "sampler_t")
"""Words of OpenCL C that are names in C."""

TYPES = """typedef char int8_t;
typedef uchar uint8_t;
typedef short int16_t;
typedef ushort uint16_t;
typedef int int32_t;
typedef uint uint32_t;
typedef long int64_t;
typedef ulong uint64_t;
#define bool uchar
#define INT32_MIN INT_MIN
#define INT64_MIN LONG_MIN
#define INT64_C(x) x##L
#define UINT64_C(x) x##UL
"""


@dataclass(frozen=True)
class Entry:
    """A ``__kernel`` function: one launch of a routine, its iterations spread over work items or in order."""

    name: str
    launch: Launch


def entries(routine: Routine, ordered: bool) -> tuple[Entry, ...]:
    """The functions of a routine, in the order of their launches. ordered: each is one work item."""
    if ordered:
        return tuple(Entry(f"{routine.name}_in_order", launch) for launch in in_order(routine.kernel))
    found = launches(routine.kernel)
    names = [routine.name] if len(found) == 1 else [f"{routine.name}_{k}" for k in range(len(found))]
    return tuple(map(Entry, names, found))


def needs_order(program: Program, call: LayerCall) -> bool:
    """May what the call writes share memory with its other buffers, so that the order of its iterations matters?"""
    routine = program.routine(call.routine)
    if routine.restrict:
        return False
    numbers = numbers_of(routine, call)
    ranges = []
    for p, a in zip(routine.kernel.params, call.arguments, strict=False):
        if isinstance(a, ArenaPointer):
            ranges.append((p, a.offset, a.offset + _most_bytes(p, numbers)))
    for i, (p, lo, hi) in enumerate(ranges):
        for q, lo2, hi2 in ranges[i + 1 :]:
            meet = (p.written or q.written) and lo < hi2 and lo2 < hi
            if meet and not (lo == lo2 and keeps_places(routine.kernel, p.name, q.name)):
                return True
    return False


def _most_bytes(p: Param, numbers: Mapping[str, int | float]) -> float:
    """Of a buffer; without end where its code doesn't depend on its size."""
    sizes = [value_of(d, numbers) for d in p.shape]
    return inf if None in sizes else prod(n for n in sizes if n is not None) * p.dtype.bytes


def numbers_of(routine: Routine, call: LayerCall) -> dict[str, int | float]:
    """The numbers that a call gives to its routine, by name."""
    given = [a.value for a in call.arguments if isinstance(a, Number)]
    return {v.name: x for v, x in zip(routine.numbers, given, strict=True)}


def sources(program: Program) -> dict[str, str]:
    """{"kws.cl": ...}

    Raises ModelError where the model needs what OpenCL C hasn't.
    """
    return {f"{program.name}.cl": text(program)}


def text(program: Program) -> str:
    """All kernels of the model, and the scalar functions they call."""

    def spell(name: str) -> str:
        return f"{program.name}_{name}"

    kernels = [r.kernel for r in program.routines]
    scalar = {f.name: f for k in kernels for f in functions(k)}
    helpers: dict[str, str] = {}
    things: list[Kernel | Function] = [*scalar.values(), *kernels]
    for thing in things:
        helpers |= builtins_used(thing)
    for name in helpers:
        helpers[name] = HELPERS.get(name, helpers[name])
        if name.startswith("store_4"):
            raise ModelError(f"{program.name}: tensors of four bits can't be written on an OpenCL device")
    small = [fill(helpers[name], spell(name)) for name in sorted(helpers)]
    small += [function_text(f, spell) for f in scalar.values()]
    ways = {(needs_order(program, c), c.routine) for layer in program.layers for c in layer.calls}
    placed = [(r, ordered) for ordered in (False, True) for r in program.routines if (ordered, r.name) in ways]
    bodies = [*small, *(_entry_text(e, r, spell) for r, ordered in placed for e in entries(r, ordered))]
    words = set(re.findall(r"\w+", "\n".join(bodies)))
    renamed = "".join(f"#define {w} {w}_\n" for w in KEYWORDS if w in words)
    doubles = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n" if "double" in words else ""
    exact = "#pragma OPENCL FP_CONTRACT OFF\n" if computes_with_floats(program) else ""
    head = f"/* {program.name}: kernels in OpenCL C 1.2. Dimension 0 counts work items, dimension 1 samples of a batch. */\n"
    return "\n".join([head + doubles + exact + TYPES + renamed, *bodies])


def _entry_text(entry: Entry, routine: Routine, spell: Callable[[str], str]) -> str:
    kernel = entry.launch.kernel
    own = {p.name for p in kernel.buffers.values()} | {v.name for v in kernel.numbers}
    twice = declared_twice(kernel.body)
    names = Names(kernel.buffers, spell, sizes=frozenset(kernel.sizes), taken=set(own), twice=twice, walks=False)
    kernel = replace(kernel, body=tidied(kernel.body, names.taken, twice))
    parts, places = [], []
    for p in kernel.params:
        parts += [f"__global uchar *{p.name}_from", f"uint {p.name}_at", f"uint {p.name}_next"]
        kind = f"__global {'' if p.written else 'const '}{p.dtype.c}"
        where = f"({kind} *)({p.name}_from + {p.name}_at + get_global_id(1) * {p.name}_next)"
        line = f"    {kind} *{p.name} = {where};\n"
        places.append(line if len(line) <= WIDTH else f"    {kind} *{p.name} =\n        {where};\n")
    parts += [f"{v.dtype.c} {v.name}" for v in routine.numbers]
    item = f"    const int32_t {ITEM.name} = (int32_t)get_global_id(0);\n" if entry.launch.counts else ""
    doc = comment("\n".join(x for x in (plain_comment(kernel.doc, own), *kernel.steps) if x))
    head = wrapped(f"__kernel void {entry.name}(", parts, ")")
    return f"{doc}{head}\n{{\n{''.join(places)}{item}{body_text(kernel.body, names, 1)}}}\n"
