"""``Form``: another way to compute a call, than the kernel that the operator itself asked for.

A form is asked about a call (``Asked``): it makes other calls that compute the same, or says No with the reason. It brings the
schedules of the kernels that it makes along. Kernels are told apart by what they are (``made_from``), never by their names.
A target names its forms, the best first, as ``"skosh.machines.arm_m.tile_forms:TILES"``; they are imported when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from skosh.base import registry
from skosh.base.aims import Aim
from skosh.ir.call import Call, Const, In, Out, Schedule
from skosh.ir.graph import Array, Operands
from skosh.language import made_from
from skosh.language.decorators import definition_of
from skosh.schedule.answers import No
from skosh.targets import Target

Made = tuple[Call, ...] | No
"""The calls that compute the same, or why there are none."""

Schedules = tuple[tuple[Any, Schedule], ...]
"""(kernel as it was written, how its loops are rewritten), ..."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A call that is to be computed another way; ``inputs``: the operands of its node. ``target`` None: plain C."""

    call: Call
    inputs: Operands
    target: Target | None
    optimize: Aim

    def is_a(self, *definitions: Any) -> bool:
        """Is the call's kernel one of these?"""
        return made_from(self.call.kernel, *definitions)

    @property
    def machine(self) -> Target:
        assert self.target is not None, "a machine's forms are asked for that machine"
        return self.target


@dataclass(frozen=True, eq=False)
class Form:
    """``of``: the kernels whose calls it knows, all when empty. ``make``: see ``Asked`` and ``Made``."""

    name: str
    make: Callable[[Asked], Made]
    of: tuple[Any, ...] = ()
    schedules: Schedules = ()

    def answer(self, asked: Asked) -> Made:
        if self.of and not asked.is_a(*self.of):
            return No(f"not for {asked.call.kernel.name}")
        made = self.make(asked)
        return made if isinstance(made, No) else tuple(scheduled(c, self.schedules) for c in made)


def scheduled(call: Call, schedules: Schedules) -> Call:
    """The call with the schedule that stands there for its kernel; as it is when there is none."""
    found = call.kernel.definition
    if found is None:
        return call
    return next((replace(call, schedule=s) for d, s in schedules if found.of(definition_of(d))), call)


@cache
def form(name: str) -> Form:
    """The form that a target names as "module:ATTRIBUTE"."""
    found = registry.load({name: name}, name, "form")
    assert isinstance(found, Form), f"{name} is not a Form"
    return found


def answers(names: Sequence[str], asked: Asked) -> list[tuple[str, Made]]:
    """What each of these forms says, in order."""
    return [(f.name, f.answer(asked)) for f in map(form, names)]


def weights_of(c: Call, inputs: Operands) -> Array:
    """The constant that a call's w is, in the shape that it is kept in."""
    given = c.buffers["w"]
    if isinstance(given, Const):
        return given.data
    assert isinstance(given, In) and given.offset == 0, "filters are an input of the node"
    tensor = inputs[given.index]
    assert tensor is not None and tensor.data is not None, "filters are constant"
    return tensor.data


def constant(c: Call, name: str) -> Const:
    """A buffer of a call that was worked out at compile time."""
    b = c.buffers[name]
    assert isinstance(b, Const), f"{name} is a constant"
    return b


def values(c: Call, name: str) -> Array:
    """The elements of a buffer that was worked out at compile time, flat."""
    return np.asarray(constant(c, name).data).reshape(-1)


def moved(b: Any, elements: int) -> In | Out:
    """A buffer that begins so many elements later in its tensor."""
    assert isinstance(b, In | Out), "rows lie in tensors"
    return replace(b, offset=b.offset + elements)
