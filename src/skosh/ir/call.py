"""How a graph node becomes kernel calls: what an operator hands to the floors above.

A ``Call`` names a kernel and binds its parameters: buffers to the node's tensors, to constants made at compile time
(biases with zero points folded in, multiplier tables, lookup tables) or to scratch memory; sizes and scalars to numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from skosh.base.aims import Aim
from skosh.base.dtypes import DType
from skosh.ir.graph import Array
from skosh.ir.kernel import Function, Kernel


@dataclass(frozen=True)
class In:
    """The node's input number ``index``, seen flat or as the kernel's parameter shapes it."""

    index: int
    offset: int = 0  # elements to skip


@dataclass(frozen=True)
class Out:
    """The node's output number ``index``."""

    index: int
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Const:
    """Constant data made at compile time, kept in flash. ``label`` names it in C: "bias", "multiplier", "table".

    laid: how its elements are interleaved, for the reader of the C.
    """

    data: Array
    label: str
    laid: str = field(default="", compare=False)


@dataclass(frozen=True)
class Scratch:
    """Memory that lives only while the node runs."""

    elements: int
    dtype: DType
    label: str = "scratch"


Buffer = In | Out | Const | Scratch


@dataclass(frozen=True)
class Schedule:
    """How the loops of a kernel's routines are rewritten, and how many routines there are.

    ``rewrite``: a function over a ``schedule.draft.Draft``. ``fixed``: numbers that routines are always specialised for,
    whatever the aim. ``shared``: (number, value) of the calls that share a routine even where every shape gets one of its own.
    """

    rewrite: Callable[[Any], None] | None = None
    fixed: tuple[str, ...] = ()
    shared: tuple[str, int] | None = None


@dataclass(frozen=True, eq=False)
class Call:
    """One kernel applied. ``buffers`` and ``numbers`` together bind every parameter of ``kernel``.

    ``aim``: what its routine is made for ("speed", "balanced", "flash") where that isn't the aim of the whole model.
    ``schedule``: how its loops are rewritten; they stay as they are without one.
    """

    kernel: Kernel
    buffers: Mapping[str, Buffer]
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)  # what its function parameters are, in ``kernel`` already
    aim: Aim | Literal[""] = ""
    schedule: Schedule = field(default=Schedule())


def flat(data: Array, dtype: DType) -> Array:
    """Constant data as the C array it will be: flat, of the type asked for; an assert when a value doesn't fit."""
    out = np.ascontiguousarray(data).reshape(-1).astype(dtype.np)
    assert np.array_equal(out, np.asarray(data).reshape(-1)), f"constant doesn't fit {dtype}"
    return out
