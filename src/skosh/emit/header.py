"""``kws.h``: what a firmware engineer reads, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from skosh import __version__
from skosh.base.text import in_comment
from skosh.emit.build_id import UNKNOWN
from skosh.emit.interface import Interface
from skosh.emit.lines import comment, wrapped
from skosh.emit.meaning import arena_text, categories_text, conversions, features_text, labels_text, port_text, string
from skosh.ir.graph import FIRST_STATUS, Graph
from skosh.lower.program import Program


def run_signature(face: Interface) -> str:
    parts = [f"const {p.dtype.c} {p.parameter}[{p.length_macro}]" for p in face.inputs]
    parts += [f"{p.dtype.c} {p.parameter}[{p.length_macro}]" for p in face.outputs]
    return wrapped(f"{face.prefix}_status {face.prefix}_run(", [*parts, "void *arena"], ")")


def header_text(program: Program, face: Interface, library: Sequence[str] = ()) -> str:
    """The header: types, sizes, meanings, functions, and what must hold when they are called.

    library: further files to link.
    """
    graph, m = program.graph, face.macro
    guard = f"{m}_H"
    ports = "".join(port_text(p, graph, face) for p in face.ports) + features_text(graph, face)
    accessors = "\n".join(f"{p.dtype.c} *{p.accessor}(void *arena);" for p in face.ports)
    title = [f"{face.prefix}: {_layers(program)}, compiled by skosh {__version__}"]
    if graph.loc.file:
        title.append(f"source: {graph.loc.file}" + (f", sha256 {graph.digest}" if graph.digest else ""))
    title += [f"link {name} too: arithmetic of floats, which takes the place of the compiler's own" for name in library]
    digest = f"#define {m}_MODEL_SHA256 {string(graph.digest)}\n" if graph.digest else ""
    provenance = f"#define {m}_SKOSH_VERSION {string(__version__)}\n{digest}"
    provenance += f"#define {m}_BUILD_ID {UNKNOWN} /* the same in all files of a build */\n"
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

{provenance}
{ports}/* Working memory: {held} and everything between; {program.plan.bound_kind}. */
#define {m}_ARENA_BYTES {program.plan.arena_bytes}
#define {m}_ARENA_ALIGN {program.plan.base_align}

{arena_text(face, program.plan.arena_bytes, program.plan.base_align)}
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
{state}{_push_text(graph, face)}{categories_text(graph, face)}{labels_text(graph, face)}{conversions(face)}
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


def _push_text(graph: Graph, face: Interface) -> str:
    """The name by which a stream is run."""
    if graph.status is None or not graph.states or "NOT_YET" not in dict(graph.status.codes):
        return ""
    head = run_signature(face).replace(f"{face.prefix}_run(", f"{face.prefix}_push(")
    given = ", ".join([*(p.parameter for p in face.ports), "arena"])
    return f"""
/* One more hop of a stream. Status {face.macro}_NOT_YET until its window was full once; then the answer for the last window. */
static inline {head}
{{
    return {face.prefix}_run({given});
}}
"""


def _layers(program: Program) -> str:
    """ "13 layers, 1 of them a view": views have no code, and no number that the code shows."""
    views = sum(not layer.calls for layer in program.layers)
    return f"{len(program.layers)} layers" + (f", {views} of them without code" if views else "")


def with_proof(sources: Mapping[str, str], prefix: str, proof: str) -> dict[str, str]:
    """The files, with what was compared told at the end of the header's first comment."""
    header = sources[f"{prefix}.h"]
    first, _, rest = header.partition(" */\n")
    told = "\n".join(fill(proof, 112).splitlines()).replace("\n", "\n * ")
    return {**sources, f"{prefix}.h": f"{first}\n * compared: {told} */\n{rest}"}
