"""Assembly: what a writer of loops in a machine's assembly gives, and which writers there are.

A new one is a line in ASSEMBLERS: ``"name": "module:ATTRIBUTE"``, found by the name with which a schedule marks a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from skosh.base.registry import Table, load
from skosh.ir.kernel import Expr, For, Param, Var

ASSEMBLERS: Table = {
    "thumb-dsp": "skosh.machines.arm_m.thumb:THUMB_DSP",
    "thumb-1": "skosh.machines.arm_m.thumb:THUMB_1",
}


@dataclass(frozen=True)
class Assembled:
    """``lines``: instructions, each with a note on what it works on.

    The function takes a pointer per buffer, from the element at ``Expr`` on, then numbers.
    """

    lines: tuple[tuple[str, str], ...]
    pointers: tuple[tuple[str, Expr], ...]
    numbers: tuple[Var, ...]


class NotAssembled(Exception):
    """Why a loop stays in C."""


Write = Callable[[For, Mapping[str, Param], Mapping[str, int], Sequence[Var]], Assembled | NotAssembled]
"""A loop, the buffers, the steps of walked pointers, numbers and locals known outside: the loop as a function, or why not."""


@dataclass(frozen=True)
class Assembler:
    """``tests``: C conditions under which its code is used. ``syntax``: the first line of each piece; ``begins``: the
    lines before a function called ``{name}``."""

    tests: tuple[str, ...]
    syntax: str
    begins: tuple[str, ...]
    write: Write


@cache
def assembler(name: str) -> Assembler:
    """The assembler that a loop is marked for."""
    found = load(ASSEMBLERS, name, "assembly")
    assert isinstance(found, Assembler), f"{ASSEMBLERS[name]} is not an Assembler"
    return found
