"""A Program as C99: ``emit(program)`` gives the files by name. The same program gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from skosh.base.dtypes import DType
from skosh.base.text import in_comment
from skosh.emit.assembly import assembly_switch, assembly_tests
from skosh.emit.build_id import with_build_id
from skosh.emit.exact_floats import exact_floats_text
from skosh.emit.expressions import literal
from skosh.emit.functions import builtins_used, function_text, kernel_text
from skosh.emit.header import header_text, run_signature
from skosh.emit.interface import Interface, Port, interface
from skosh.emit.issue import unit_tests
from skosh.emit.lines import comment, wrapped
from skosh.emit.meaning import labels_definition
from skosh.emit.row_sums import sums_switch, sums_tests
from skosh.emit.vector.units import machine_helpers, machines_of, small_functions
from skosh.emit.weights import declaration, weights_text
from skosh.ir.graph import State
from skosh.ir.kernel import Cast, Const, Function, Kernel, Let, all_exprs, functions, walk
from skosh.lower.exits import exits
from skosh.lower.program import ArenaPointer, Argument, DataPointer, Layer, LayerCall, Number, Program
from skosh.targets.simd import VectorMachine


def emit(program: Program, *, library: Sequence[str] = (), narrow_int: bool = False) -> dict[str, str]:
    """{"kws.h": ..., "kws.c": ..., "kws_weights.c": ...}

    library: names of further files that are to be linked, for the header to tell. narrow_int: C's int may have 16 bits.
    """
    face = interface(program)
    sources = {
        f"{program.name}.h": header_text(program, face, library),
        f"{program.name}.c": code_text(program, face, narrow_int),
        f"{program.name}_weights.c": weights_text(program.data, program.name),
    }
    return with_build_id(sources, program.name)


def code_text(program: Program, face: Interface, narrow_int: bool = False) -> str:
    """The code unit: small functions, kernels, one function a layer, and run."""
    spell = _speller(program.name)
    kernels = [r.kernel for r in program.routines]
    scalar: dict[str, Function] = {}
    for k in kernels:
        for f in functions(k):
            known = scalar.setdefault(f.name, f)
            assert known == f, f"two functions are called {f.name}"
    helpers: dict[str, str] = {}
    things: list[Kernel | Function] = [*scalar.values(), *kernels]
    for thing in things:
        helpers |= builtins_used(thing)
    routines = [
        kernel_text(r.kernel, r.name, spell, numbers=r.numbers, restrict=r.restrict, unit=program.name, narrow_int=narrow_int)
        for r in program.routines
    ]
    small = [(spell(name), fill(helpers[name], spell(name))) for name in sorted(helpers)]
    small += [(spell(f.name), function_text(f, spell, narrow_int=narrow_int)) for f in scalar.values()]
    machines = machines_of(kernels)
    tests = [*(m.test for m in machines), *assembly_tests(kernels, program.name), *sums_tests(kernels, program.name)]
    tests += unit_tests(kernels)
    parts = [
        _prologue(program, things, helpers, machines),
        assembly_switch(kernels, program.name),
        sums_switch(kernels, program.name),
        "\n".join(declaration(d) for d in program.data) + "\n" if program.data else "",
        labels_definition(program.graph, face),
        *small_functions(small, routines, tests),
        *machine_helpers(routines, machines, spell),
        *routines,
        *(_layer_text(layer, program) for layer in program.layers if layer.calls),
        *(_accessor(p) for p in face.ports),
        *([_reset_text(program, face)] if program.graph.states else []),
        _run_text(program, face),
    ]
    return "\n".join(part for part in parts if part)


def _speller(prefix: str) -> Callable[[str], str]:
    return lambda name: f"{prefix}_{name}"


def fill(template: str, name: str) -> str:
    return template.replace("{name}", name).replace("{{", "{").replace("}}", "}")


def _prologue(
    program: Program,
    things: Sequence[Kernel | Function],
    helpers: dict[str, str],
    machines: Sequence[VectorMachine],
) -> str:
    name, macro = program.name, program.name.upper()
    library = "#include <math.h>\n" if _needs_math(program, things, helpers) else ""
    booleans = "#include <stdbool.h>\n" if any(map(_says_bool, things)) else ""
    spelled = {f.instruction for f in things if isinstance(f, Function) and f.instruction is not None and f.instruction.c}
    headers = sorted({(i.macro, i.header) for i in spelled})
    machine = "".join(f"#ifdef {macro}\n#include <{header}>\n#endif\n" for macro, header in headers)
    machine += "".join(f"#if {m.test}\n#include <{m.header}>\n#endif\n" for m in machines)
    return f"""/* {name}: layers and the kernels that they share. */
#include "{name}.h"

{library}{booleans}#include <stddef.h>
#include <string.h>
{machine}{exact_floats_text(program)}
#ifdef __cplusplus
#define restrict __restrict /* C++ has it by this name only */
#endif

/* Called after each layer with its number. To feed a watchdog, take times or look at values, define {macro}_HOOKS as the
 * name of a header that defines it. */
#ifdef {macro}_HOOKS
#include {macro}_HOOKS
#endif
#ifndef {macro}_LAYER_DONE
#define {macro}_LAYER_DONE(layer, arena) ((void)0)
#endif
"""


def _says_bool(thing: Kernel | Function) -> bool:
    """Is there a bool among its parameters, its locals or its constants?"""
    own = [thing.returns] if isinstance(thing, Function) else [n.dtype for n in thing.numbers]
    own += [p.dtype for p in (thing.params if isinstance(thing, Function) else thing.buffers.values())]
    own += [s.var.dtype for s in walk(thing.body) if isinstance(s, Let)]
    own += [e.dtype for e in all_exprs(thing.body) if isinstance(e, Const | Cast)]
    return any(t.kind == "bool" for t in own)


def _needs_math(program: Program, things: Sequence[Kernel | Function], helpers: dict[str, str]) -> bool:
    """sqrtf, INFINITY and NAN come from math.h."""
    if "sqrtf" in helpers:
        return True
    values: list[int | float] = [e.value for x in things for e in all_exprs(x.body) if isinstance(e, Const)]
    values += [a.value for layer in program.layers for c in layer.calls for a in c.arguments if isinstance(a, Number)]
    return any(isinstance(v, float) and not math.isfinite(v) for v in values)


def _layer_text(layer: Layer, program: Program) -> str:
    calls = "".join(_call_text(c, program) for c in layer.calls)
    uses_arena = any(isinstance(a, ArenaPointer) for c in layer.calls for a in c.arguments)
    unused = "" if uses_arena else "    (void)arena;\n"
    return f"{comment(layer.comment)}static void {layer.name}(uint8_t *arena)\n{{\n{unused}{calls}}}\n"


def _call_text(c: LayerCall, program: Program) -> str:
    routine = program.routine(c.routine)
    written = [p.written for p in routine.kernel.params] + [False] * len(routine.numbers)
    parts = [_argument(a, w) for a, w in zip(c.arguments, written, strict=True)]
    text = wrapped(f"    {c.routine}(", parts, ");")
    return text + "\n"


def _argument(a: Argument, written: bool) -> str:
    match a:
        case Number(value, dtype):
            return literal(value, dtype)[0]
        case DataPointer(data, offset):
            return f"&{data}[{offset}]" if offset else data
        case ArenaPointer(offset, dtype):
            return arena_place(offset, dtype, const=not written)


def arena_place(offset: int, dtype: DType, *, const: bool = False) -> str:
    """A typed pointer into the arena; wider types pass through void, since the plan keeps them aligned."""
    through = "(void *)" if dtype.bytes > 1 and not const else "(const void *)" if dtype.bytes > 1 else ""
    return f"({'const ' if const else ''}{dtype.c} *){through}&arena[{offset}]"


def _accessor(p: Port) -> str:
    through = "(void *)" if p.dtype.bytes > 1 else ""
    place = f"({p.dtype.c} *){through}((uint8_t *)arena + {p.offset})"
    return f"{p.dtype.c} *{p.accessor}(void *arena)\n{{\n    return {place};\n}}\n"


def _reset_text(program: Program, face: Interface) -> str:
    lines = [_state_line(program, s) for s in program.graph.states]
    return f"void {face.prefix}_reset(void *arena)\n{{\n    uint8_t *const a = (uint8_t *)arena;\n{''.join(lines)}}}\n"


def _state_line(program: Program, s: State) -> str:
    t, offset = program.graph.tensors[s.before], program.plan.offset_of[s.before]
    if s.name not in program.initial:
        return f"    memset(a + {offset}, 0, {t.nbytes}); /* {in_comment(s.name)} */\n"
    return f"    memcpy(a + {offset}, {program.initial[s.name]}, {t.nbytes}); /* {in_comment(s.name)} */\n"


def _run_text(program: Program, face: Interface) -> str:
    m = face.macro
    nulls = " || ".join([f"{p.parameter} == NULL" for p in face.ports] + ["arena == NULL"])
    ins = "".join(
        f"    if ({p.parameter} != {p.accessor}(arena)) {{\n"
        f"        memcpy({p.accessor}(arena), {p.parameter}, {p.length_macro} * sizeof {p.parameter}[0]);\n    }}\n"
        for p in face.inputs
    )
    outs = "".join(
        f"    if ({p.parameter} != {p.accessor}(arena)) {{\n"
        f"        memcpy({p.parameter}, {p.accessor}(arena), {p.length_macro} * sizeof {p.parameter}[0]);\n    }}\n"
        for p in face.outputs
    )
    steps = _steps_text(program, m)
    place = "    uint8_t *const a = (uint8_t *)arena;\n\n" if steps else ""
    return (
        f"{run_signature(face)}\n{{\n{place}"
        f"    if ({nulls}) {{\n        return {m}_NULL_POINTER;\n    }}\n"
        f"    if ((uintptr_t)arena % {m}_ARENA_ALIGN != 0) {{\n        return {m}_MISALIGNED;\n    }}\n"
        f"{ins}{steps}{outs}    return {_result(face)};\n}}\n"
    )


def _steps_text(program: Program, macro: str) -> str:
    """A line for each layer. Those that a run may leave out stand in a block, "if (!sure)"."""
    found, lines, deep = exits(program), list[str](), 1
    for i, layer in enumerate(program.layers):
        for e in found:
            if e.last == i:
                deep -= 1
                lines.append(f"{'    ' * deep}}}\n")
        for e in found:
            if e.first == i:
                place = arena_place(program.plan.offset_of[e.sure], program.graph.tensors[e.sure].dtype, const=True)
                lines.append(f"{'    ' * deep}if (!*{place.replace('arena[', 'a[')}) {{ /* not sure: go on */\n")
                deep += 1
        if layer.calls:
            space = "    " * deep
            lines += [f"{space}{layer.name}(a);\n", f"{space}{macro}_LAYER_DONE({layer.index}, a);\n"]
    assert deep == 1, "every block ends at its choice"
    return "".join(lines)


def _result(face: Interface) -> str:
    """What run returns: the status that the model itself left, where it has one."""
    if face.status_offset is None:
        return f"{face.macro}_OK"
    return f"({face.prefix}_status)*(const int32_t *)(const void *)&a[{face.status_offset}]"
