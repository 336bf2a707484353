"""The custom function units that skosh has, each with the target whose forms use it."""

from __future__ import annotations

from skosh.base.errors import InputError
from skosh.base.registry import nearest
from skosh.rtl.unit import Unit
from skosh.rtl.unit import unit as unit_at
from skosh.targets import Target, target

PLAIN = "vexriscv"
"""The core without a unit, which others are compared with."""

UNITS = {"quads": "vexriscv-quads", "lanes": "vexriscv-cfu"}
"""Unit -> target."""


def find(name: str) -> tuple[Unit, Target]:
    """A unit, and the target that has it. InputError when there is none of that name."""
    if name not in UNITS:
        raise InputError(f'--cfu must be one of {", ".join(UNITS)}, not "{name}"', hint=nearest(name, UNITS))
    machine = target(UNITS[name])
    return unit_at(machine.unit), machine
