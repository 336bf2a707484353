"""Programs around a model: what the emulator runs, and what a host library needs to be traced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skosh.emit.interface import Interface
from skosh.lower.program import Program


def firmware_harness(program: Program, face: Interface) -> str:
    """One inference a start, inputs and outputs in the arena itself; ``skosh_fresh`` = 1 forgets the state first."""
    m, prefix = face.macro, face.prefix
    reset = ""
    fresh = ""
    if program.graph.states:
        fresh = "volatile int skosh_fresh = 1;\n"
        reset = f"    if (skosh_fresh) {{\n        {prefix}_reset(skosh_arena);\n        skosh_fresh = 0;\n    }}\n"
    places = ", ".join(f"{p.accessor}(skosh_arena)" for p in face.ports)
    return f"""#include "{prefix}.h"

uint64_t skosh_arena[({m}_ARENA_BYTES + 7) / 8];
{fresh}
int skosh_main(void);

int skosh_main(void)
{{
{reset}    return (int){prefix}_run({places}, skosh_arena);
}}
"""


def host_trace(program: Program, face: Interface) -> Trace:
    """A host library whose ``skosh_layer_done`` pointer, when set, is called after each layer."""
    header = f"""#include <stddef.h>
#include <stdint.h>

extern void (*skosh_layer_done)(int layer, const void *arena);

#define {face.macro}_LAYER_DONE(layer, arena) \\
    do {{ \\
        if (skosh_layer_done != NULL) {{ \\
            skosh_layer_done(layer, arena); \\
        }} \\
    }} while (0)
"""
    harness = f"""#include "{HOOKS}"

void (*skosh_layer_done)(int layer, const void *arena);
"""
    return Trace({HOOKS: header}, harness, (f'{face.macro}_HOOKS="{HOOKS}"',))


def marker_trace(program: Program, face: Interface, address: int) -> Trace:
    """Firmware that stores each finished layer's number at ``address``, where the emulator listens.

    The store is in a function of another unit: a call ends a basic block, so that counts by block fall to the right layer.
    """
    header = f"""#include <stdint.h>

void skosh_mark(int32_t layer);

#define {face.macro}_LAYER_DONE(layer, arena) skosh_mark(layer)
"""
    harness = f"""{firmware_harness(program, face)}
void skosh_mark(int32_t layer);

void skosh_mark(int32_t layer)
{{
    *(volatile uint32_t *)0x{address:08X}u = (uint32_t)layer;
}}
"""
    return Trace({HOOKS: header}, harness, (f'{face.macro}_HOOKS="{HOOKS}"',))


HOOKS = "skosh_hooks.h"


@dataclass(frozen=True)
class Trace:
    """What a traced build adds: headers by name, a harness, macro definitions."""

    headers: Mapping[str, str]
    harness: str
    defines: tuple[str, ...]
