"""Programs for tests of the emitted C, and a C harness that feeds one from exactly sized heap blocks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.emit.interface import Interface, Port, interface
from skosh.lower.program import Program

Array = npt.NDArray[Any]


def exercise(program: Program, runs: Sequence[Sequence[Array]]) -> str:
    """A C main: resets, runs on each row of ``runs`` twice over (blocks of its own, then the arena's own places), writes
    the outputs to stdout, and tries what callers must not do.

    Every block is malloc'd in its exact size, so that an address sanitizer sees the first byte beyond.
    """
    face = interface(program)
    m, p = face.macro, face.prefix
    reset = f"    {p}_reset(arena);\n" if program.graph.states else ""
    data = "".join(
        f"static const unsigned char d{r}_{k}[] = {{{','.join(map(str, np.ascontiguousarray(x).tobytes()))}}};\n"
        for r, row in enumerate(runs) for k, x in enumerate(row)
    )  # fmt: skip
    blocks = "".join(
        f"    {q.dtype.c} *{q.parameter} = fresh({q.length_macro} * sizeof *{q.parameter});\n" for q in face.ports
    )
    frees = "".join(f"    free({q.parameter});\n" for q in face.ports)
    outside = "".join(_run(face, r, inside=False) for r in range(len(runs)))
    inside = "".join(_run(face, r, inside=True) for r in range(len(runs)))
    return f"""#include "{p}.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

{data}
static void *fresh(size_t size)
{{
    void *block = malloc(size);
    if (block == NULL) {{
        exit(90);
    }}
    memset(block, 0xA5, size);
    return block;
}}

static void must(int status, int wanted)
{{
    if (status != wanted) {{
        fprintf(stderr, "status %d, not %d\\n", status, wanted);
        exit(91);
    }}
}}

int main(void)
{{
    unsigned char *arena = fresh({m}_ARENA_BYTES);
{blocks}{reset}{outside}{reset}{inside}{_misuse(face)}{frees}    free(arena);
    return 0;
}}
"""


def _run(face: Interface, row: int, *, inside: bool) -> str:
    def place(q: Port) -> str:
        return f"{q.accessor}(arena)" if inside else q.parameter

    copies = "".join(f"    memcpy({place(q)}, d{row}_{k}, sizeof d{row}_{k});\n" for k, q in enumerate(face.inputs))
    call = f"    must({face.prefix}_run({', '.join(map(place, face.ports))}, arena), {face.macro}_OK);\n"
    written = "".join(
        f"    fwrite({place(q)}, sizeof *{q.parameter}, {q.length_macro}, stdout);\n" for q in face.outputs
    )
    return copies + call + written


def _misuse(face: Interface) -> str:
    """Each pointer NULL in turn, and an arena that begins one byte too late."""
    names = [*(q.parameter for q in face.ports), "arena"]
    lines = "".join(
        f"    must({face.prefix}_run({', '.join('NULL' if n == bad else n for n in names)}), {face.macro}_NULL_POINTER);\n"
        for bad in dict.fromkeys(names)
    )
    late = f"must({face.prefix}_run({', '.join([*names[:-1], 'arena + 1'])}), {face.macro}_MISALIGNED);"
    return f"{lines}    if ({face.macro}_ARENA_ALIGN > 1) {{\n        {late}\n    }}\n"


def outputs_of(program: Program, executable: Path, runs: int) -> list[list[Array]]:
    """What the harness wrote: a list of outputs for each run, those in blocks first, then those in the arena."""
    environment = {
        **os.environ,
        "ASAN_OPTIONS": "detect_leaks=0",
    }  # the leak checker can't run where processes are traced
    done = subprocess.run([str(executable)], capture_output=True, env=environment, check=False, timeout=60)
    assert done.returncode == 0, f"status {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}"
    out, at = [], 0
    for _ in range(2 * runs):
        row = []
        for q in interface(program).outputs:
            raw = done.stdout[at : at + q.tensor.nbytes]
            row.append(np.frombuffer(raw, q.dtype.np).reshape(q.tensor.shape))
            at += q.tensor.nbytes
        out.append(row)
    assert at == len(done.stdout), "the harness wrote something else"
    return out


def write_sources(folder: Path, sources: Mapping[str, str]) -> Path:
    for name, text in sources.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
