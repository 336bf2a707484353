"""The names by which C users reach a model: one place, read by the header, the code, the harnesses and the manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from skosh.base.dtypes import DType
from skosh.ir.graph import Tensor
from skosh.lower.program import Program

_KEYWORDS = frozenset(
    [
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
        "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
        "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
        "bool",
    ]
)  # fmt: skip

_HEADERS = frozenset(
    [
        "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp",
        "signal", "stdalign", "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "stdnoreturn",
        "string", "strings", "tgmath", "threads", "time", "uchar", "wchar", "wctype", "memory", "malloc", "unistd", "sched",
        "semaphore", "regex", "search", "endian", "features", "arm_acle", "arm_neon", "arm_mve", "arm_sve", "immintrin",
        "arduino", "wire", "spi", "core_cm0plus", "core_cm4",
    ]
)  # fmt: skip
"""Headers of C libraries and machines without their .h: a model's own header must not stand in their way."""


@dataclass(frozen=True)
class Port:
    """An input or output of the model as C sees it."""

    tensor: Tensor
    parameter: str  # "input": the name of the function's parameter
    accessor: str  # "kws_input": gives its place in the arena
    length_macro: str  # "KWS_INPUT_LEN": number of elements
    offset: int  # in the arena, bytes

    @property
    def dtype(self) -> DType:
        return self.tensor.dtype

    @property
    def macro(self) -> str:
        """ "KWS_INPUT": what its macros begin with."""
        return self.length_macro.removesuffix("_LEN")


@dataclass(frozen=True)
class Interface:
    prefix: str
    macro: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    status_offset: int | None = None  # where in the arena a run leaves its status, in models that have one

    @property
    def ports(self) -> tuple[Port, ...]:
        return (*self.inputs, *self.outputs)


def c_name(text: str, fallback: str = "model") -> str:
    """A C identifier in the style of the emitted code, from any text."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or fallback
    if name[0].isdigit():
        name = f"{fallback}_{name}"
    return f"{name}_" if name in _KEYWORDS else f"{name}_{fallback}" if name in _HEADERS else name


def _own_name(tensor: str, i: int) -> str:
    """The last part of a tensor's path, as an identifier: "serving/left:0" -> "left"."""
    path = re.sub(r":\d+$", "", tensor)
    return re.sub(r"[^a-z0-9]+", "_", re.split("[/;]", path)[-1].lower()).strip("_") or str(i)


def interface(program: Program) -> Interface:
    """The C interface of a program: a single input is "input"; several are "input_<name>"."""
    prefix, macro = program.name, program.name.upper()
    graph = program.graph

    def ports(names: tuple[str, ...], what: str) -> tuple[Port, ...]:
        out: list[Port] = []
        taken: set[str] = set()
        for i, n in enumerate(names):
            label = what if len(names) == 1 else f"{what}_{_own_name(n, i)}"
            while label in taken:
                label += f"_{i}"
            taken.add(label)
            out.append(
                Port(graph.tensors[n], label, f"{prefix}_{label}", f"{macro}_{label.upper()}_LEN", program.plan.offset_of[n])
            )
        return tuple(out)

    inputs = ports(graph.inputs, "input")
    if graph.status is None:
        return Interface(prefix, macro, inputs, ports(graph.outputs, "output"))
    *answers, status = graph.outputs
    return Interface(prefix, macro, inputs, ports(tuple(answers), "output"), program.plan.offset_of[status])
