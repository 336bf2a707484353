"""A unit in Python: what its instructions do, by the interpreter of the language, and on many states at once."""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Array
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.quick_kernel import run_quick
from skosh.rtl.unit import Unit


class Golden:
    """The unit as its definition says. State begins as zeros, as the hardware's does after a reset.

    strict: by the interpreter, which stops at an overflow; otherwise by a Python program made from the body, faster.
    """

    def __init__(self, unit: Unit, *, strict: bool = True) -> None:
        self.unit = unit
        self.state: dict[str, Array] = {s.name: np.zeros(s.rows * s.lanes, s.dtype.np) for s in unit.states}
        self._run = run_kernel if strict else run_quick

    def issue(self, name: str, a: int = 0, b: int = 0) -> int:
        """The 32 bits of the response, unsigned; 0 of an instruction without a result."""
        instruction = self.unit.instruction(name)
        given = (a, b)
        numbers = {v.name: as_type(x, v.dtype.kind) for v, x in zip(instruction.scalars, given, strict=False)}
        buffers = {p.name: self.state[p.name] for p in instruction.params if p.name != "out"}
        out = next((p for p in instruction.params if p.name == "out"), None)
        if out is not None:
            buffers["out"] = np.zeros(1, out.dtype.np)
        self._run(instruction, buffers, numbers)
        return int(buffers["out"][0]) & 0xFFFFFFFF if out is not None else 0


def as_type(word: int, kind: str) -> int:
    """The 32 bits of an operand as a number of its type."""
    word &= 0xFFFFFFFF
    return word - (1 << 32) if kind == "int" and word >> 31 else word
