"""``kws.h``: what a firmware engineer reads, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from skosh import __version__
from skosh.base.text import in_comment
from skosh.emit.interface import Interface, Port
from skosh.emit.lines import comment, wrapped
from skosh.ir.graph import FIRST_STATUS, Graph
from skosh.lower.assemble import quant_text, type_text
from skosh.lower.program import Program


def run_signature(face: Interface) -> str:
    parts = [f"const {p.dtype.c} {p.parameter}[{p.length_macro}]" for p in face.inputs]
    parts += [f"{p.dtype.c} {p.parameter}[{p.length_macro}]" for p in face.outputs]
    return wrapped(f"{face.prefix}_status {face.prefix}_run(", [*parts, "void *arena"], ")")


def header_text(program: Program, face: Interface, library: Sequence[str] = ()) -> str:
    """The header: types, sizes, three kinds of functions, and what must hold when they are called."""
    graph, m = program.graph, face.macro
    guard = f"{m}_H"
    ports = "".join(f"{_port_comment(p, graph)}#define {p.length_macro} {p.tensor.size}\n\n" for p in face.ports)
    accessors = "\n".join(f"{p.dtype.c} *{p.accessor}(void *arena);" for p in face.ports)
    title = [f"{face.prefix}: {len(program.layers)} layers, compiled by skosh {__version__}"]
    if graph.loc.file:
        title.append(f"source: {graph.loc.file}" + (f", sha256 {graph.digest[:16]}" if graph.digest else ""))
    title += [f"link {name} too: arithmetic of floats, which takes the place of the compiler's own" for name in library]
    booleans = "#include <stdbool.h>\n" if any(p.dtype.name == "bool" for p in face.ports) else ""
    state = _state_text(face) if graph.states else ""
    held = "inputs, outputs, states" if graph.states else "inputs, outputs"
    arena = "The arena holds the state between calls." if graph.states else "The arena is scratch: nothing in it need survive."
    codes = _status_codes(graph, m)
    comma = "," if codes else ""
    return f"""{comment(chr(10).join(title))}#ifndef {guard}
#define {guard}

{booleans}#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{ports}/* Working memory: {held} and everything between; {program.plan.bound_kind}. */
#define {m}_ARENA_BYTES {program.plan.arena_bytes}
#define {m}_ARENA_ALIGN {program.plan.base_align}

typedef enum {{
    {m}_OK = 0,
    {m}_NULL_POINTER = 1,
    {m}_MISALIGNED = 2{comma} /* the arena's address must be a multiple of {m}_ARENA_ALIGN */
{codes}}} {face.prefix}_status;

/* One inference. {arena} Inputs and outputs may
 * be anywhere, or the very places below, and then nothing is copied. Reentrant: one arena for each concurrent call. */
{run_signature(face)};

/* The places of inputs and outputs inside the arena. An input's place is reused during the run. */
{accessors}
{state}
#ifdef __cplusplus
}}
#endif

#endif
"""


def _status_codes(graph: Graph, macro: str) -> str:
    """The statuses of this model alone, one a line."""
    codes = graph.status.codes if graph.status is not None else ()
    lines = [
        f"    {macro}_{name} = {FIRST_STATUS + i}{',' if i + 1 < len(codes) else ''} /* {in_comment(meaning)} */"
        for i, (name, meaning) in enumerate(codes)
    ]
    return "".join(f"{line}\n" for line in lines)


def _state_text(face: Interface) -> str:
    what = "/* Forget: must be called once before the first run, and to start a new stream. */"
    return f"\n{what}\nvoid {face.prefix}_reset(void *arena);\n"


def _port_comment(p: Port, graph: Graph) -> str:
    """Type and scale; and what its elements mean, where the importer knows: ``notes["meaning"]``, by tensor."""
    quant = f": {quant_text(p.tensor)}" if p.tensor.quant is not None else ""
    meaning = graph.notes.get("meaning", {}).get(p.tensor.name, "")
    told = "".join(f"\n{line}" for line in meaning.splitlines())
    return comment(f'{p.parameter} "{p.tensor.name}", {type_text(p.tensor)}{quant}{told}')
