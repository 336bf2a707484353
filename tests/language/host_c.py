"""Kernels as C on this computer: one library of many, each called on numpy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.build.host import compile_host
from skosh.emit.functions import builtins_used, function_text, kernel_text
from skosh.ir.kernel import Kernel, functions
from skosh.ir.layout import used_numbers
from skosh.lower.unused import without_unused_locals

Array = npt.NDArray[Any]
_HEAD = "#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n#include <string.h>\n\n"
_TYPES = {"i32": ctypes.c_int32, "i64": ctypes.c_int64, "f32": ctypes.c_float, "f64": ctypes.c_double}


def source_of(kernels: Sequence[Kernel]) -> str:
    """C for all, each exported as run_<number>; a function that two of them call stands there once for each."""
    parts = [_HEAD]
    for i, k in enumerate(kernels):

        def spell(name: str, i: int = i) -> str:
            return f"k{i}_{name}"

        helpers: dict[str, str] = {}
        for thing in (*functions(k), k):
            helpers.update(builtins_used(thing))
        parts += [text.format(name=spell(name)) + "\n" for name, text in helpers.items()]
        parts += [function_text(f, spell) + "\n" for f in functions(k)]
        parts.append(kernel_text(k, spell("body"), spell, restrict=False) + "\n")
        used = used_numbers(replace(k, body=without_unused_locals(k.body)))
        given = [f"{p.dtype.c} *{p.name}" for p in k.params] + [f"{v.dtype.c} {v.name}" for v in k.numbers]
        names = ", ".join([p.name for p in k.params] + [v.name for v in used])
        unused = "".join(f"    (void){v.name};\n" for v in k.numbers if v not in used)
        parts.append(
            f"void run_{i}({', '.join(given)});\nvoid run_{i}({', '.join(given)})\n{{\n{unused}    k{i}_body({names});\n}}\n\n"
        )
    return "".join(parts)


class Library:
    """``run(i, buffers, numbers)``: kernel number i, in place."""

    def __init__(self, kernels: Sequence[Kernel]) -> None:
        self.kernels = kernels
        self.library = ctypes.CDLL(str(compile_host({"kernels.c": source_of(kernels)})))

    def run(self, i: int, buffers: Mapping[str, Array], numbers: Mapping[str, int | float]) -> None:
        k = self.kernels[i]
        arguments: list[Any] = []
        for p in k.params:
            assert buffers[p.name].dtype == p.dtype.np and buffers[p.name].flags.c_contiguous
            arguments.append(ctypes.c_void_p(buffers[p.name].ctypes.data))
        arguments += [_TYPES[v.dtype.name](numbers[v.name]) for v in k.numbers]
        getattr(self.library, f"run_{i}")(*arguments)


def same(a: Array, b: Array) -> bool:
    """Bit for bit, but for what kind of NaN it is."""
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
