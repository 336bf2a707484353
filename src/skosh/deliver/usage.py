"""The C that a firmware author would write first: one call of the model."""

from __future__ import annotations

from skosh.emit.interface import Port, interface
from skosh.emit.meaning import scale_of
from skosh.lower.program import Program


def usage(program: Program) -> str:
    """A C function that runs the model once, inputs and outputs in the arena, so that nothing is copied."""
    face = interface(program)
    prefix, macro = face.prefix, face.macro
    arguments = ", ".join(port.parameter for port in face.ports)
    lines = [
        f'#include "{prefix}.h"',
        "",
        f"static {macro}_ARENA(arena);",
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
    if scale_of(port.tensor) is None or t.bits > 16:
        return [
            _place(port),
            f"    /* {port.parameter}[i] = round(x[i] / scale[i]) + zero_point[i], clamped to {t.min} .. {t.max} */",
        ]
    return [_place(port), f"    /* {port.parameter}[i] = {conversion(port, 'input', 'quantize')}(x[i]) */"]


def _output_lines(port: Port) -> list[str]:
    if port.tensor.quant is None or scale_of(port.tensor) is None:
        return [f"        /* {port.parameter}[i] is the result */"]
    return [f"        /* the result is {conversion(port, 'output', 'dequantize')}({port.parameter}[i]) */"]


def conversion(port: Port, noun: str, verb: str) -> str:
    """ "kws_quantize": the header's function for a port."""
    return f"{port.accessor.removesuffix(port.parameter)}{verb}{port.parameter.removeprefix(noun)}"
