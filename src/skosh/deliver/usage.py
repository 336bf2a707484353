"""The C that a firmware author would write first: one call of the model."""

from __future__ import annotations

from skosh.emit.interface import Port, interface
from skosh.lower.program import Program


def usage(program: Program) -> str:
    """A C function that runs the model once, inputs and outputs in the arena, so that nothing is copied."""
    face = interface(program)
    prefix, macro = face.prefix, face.macro
    word, size = ("uint64_t", 8) if program.plan.base_align > 4 else ("uint32_t", 4)
    arguments = ", ".join(port.parameter for port in face.ports)
    lines = [
        f'#include "{prefix}.h"',
        "",
        f"static {word} arena[({macro}_ARENA_BYTES + {size - 1}) / {size}];",
        "",
        f"void {prefix}_example(void)",
        "{",
        *(line for port in face.inputs for line in _input_lines(port)),
        *(_place(port) for port in face.outputs),
        f"    if ({prefix}_run({arguments}, arena) == {macro}_OK) {{",
        *(line for port in face.outputs for line in _output_lines(port)),
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _place(port: Port) -> str:
    return f"    {port.dtype.c} *{port.parameter} = {port.accessor}(arena); /* {port.length_macro} elements */"


def _input_lines(port: Port) -> list[str]:
    quant, t = port.tensor.quant, port.dtype
    if quant is None:
        return [_place(port), f"    /* fill {port.parameter}[i] */"]
    if quant.per_channel:
        return [
            _place(port),
            f"    /* {port.parameter}[i] = round(x[i] / scale[i]) + zero_point[i], clamped to {t.min} .. {t.max} */",
        ]
    real = f"round(x[i] / {quant.scale:.9g}) {_signed(quant.zero_point)}"
    return [_place(port), f"    /* {port.parameter}[i] = {real}, clamped to {t.min} .. {t.max} */"]


def _output_lines(port: Port) -> list[str]:
    quant = port.tensor.quant
    if quant is None:
        return [f"        /* {port.parameter}[i] is the result */"]
    return [f"        /* the result is {quant.scale:.9g} * ({port.parameter}[i] {_signed(-quant.zero_point)}) */"]


def _signed(value: int) -> str:
    return f"+ {value}" if value >= 0 else f"- {-value}"
