"""Floor 3: the machines. One file a target; ``devices/*.toml``, one file a board.

A new target is one file with a ``TARGET`` and a line in TARGETS; a new board is one TOML file.
"""

from __future__ import annotations

from skosh.base.registry import Table, load
from skosh.targets.boards import device, devices
from skosh.targets.image import Firmware, Image, Sizes, read_elf
from skosh.targets.machine import MARKER_ADDRESS, Device, Memory, Target, marker_define
from skosh.targets.native import missing
from skosh.targets.scalable import vector_length

TARGETS: Table = {
    "host": "skosh.targets.host:TARGET",
    "x86-64": "skosh.targets.x86_64:TARGET",
    "x86-64-avx2": "skosh.targets.x86_64_avx2:TARGET",
    "x86-64-avx512": "skosh.targets.x86_64_avx512:TARGET",
    "cortex-m0plus": "skosh.targets.cortex_m0plus:TARGET",
    "cortex-m3": "skosh.targets.cortex_m3:TARGET",
    "cortex-m4": "skosh.targets.cortex_m4:TARGET",
    "cortex-m7": "skosh.targets.cortex_m7:TARGET",
    "cortex-m33": "skosh.targets.cortex_m33:TARGET",
    "cortex-m55": "skosh.targets.cortex_m55:TARGET",
    "rv32imc": "skosh.targets.rv32imc:TARGET",
    "rv64gcv": "skosh.targets.rv64gcv:TARGET",
    "aarch64": "skosh.targets.aarch64:TARGET",
    "aarch64-sve": "skosh.targets.aarch64_sve:TARGET",
}


def target(name: str) -> Target:
    """The target called ``name``; an InputError that lists the known ones when there is none."""
    found = load(TARGETS, name, "target")
    assert isinstance(found, Target), f"{TARGETS[name]} is not a Target"
    return found


def names() -> tuple[str, ...]:
    """All target names, the smallest machine first after the host."""
    return tuple(TARGETS)


__all__ = [
    "MARKER_ADDRESS", "TARGETS", "Device", "Firmware", "Image", "Memory", "Sizes", "Target",
    "device", "devices", "marker_define", "missing", "names", "read_elf", "target",
    "vector_length",
]  # fmt: skip
