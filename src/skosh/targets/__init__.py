"""Floor 3: the machines. One file a target; ``devices/*.toml``, one file a board.

A new target is one file with a ``TARGET`` and a line in TARGETS; a new board is one TOML file.
"""

from __future__ import annotations

from dataclasses import replace

from skosh.base.errors import InputError
from skosh.base.registry import Table, load, nearest
from skosh.targets.boards import device, devices
from skosh.targets.chips import Chip, chips
from skosh.targets.image import Firmware, Image, Sizes, read_elf
from skosh.targets.machine import MARKER_ADDRESS, Device, ForestCosts, Memory, Target, marker_define
from skosh.targets.native import missing
from skosh.targets.scalable import vector_length

TARGETS: Table = {
    "host": "skosh.machines.host:TARGET",
    "generic": "skosh.machines.generic:TARGET",
    "x86-64": "skosh.machines.x86.x86_64:TARGET",
    "x86-64-avx2": "skosh.machines.x86.x86_64_avx2:TARGET",
    "x86-64-avx512": "skosh.machines.x86.x86_64_avx512:TARGET",
    "cortex-m0": "skosh.machines.arm_m.cortex_m0:TARGET",
    "cortex-m0plus": "skosh.machines.arm_m.cortex_m0plus:TARGET",
    "cortex-m23": "skosh.machines.arm_m.cortex_m23:TARGET",
    "cortex-m3": "skosh.machines.arm_m.cortex_m3:TARGET",
    "cortex-m4": "skosh.machines.arm_m.cortex_m4:TARGET",
    "cortex-m7": "skosh.machines.arm_m.cortex_m7:TARGET",
    "cortex-m33": "skosh.machines.arm_m.cortex_m33:TARGET",
    "cortex-m55": "skosh.machines.helium.cortex_m55:TARGET",
    "cortex-m85": "skosh.machines.helium.cortex_m85:TARGET",
    "rv32imc": "skosh.machines.riscv.rv32imc:TARGET",
    "rv32imac": "skosh.machines.riscv.rv32imac:TARGET",
    "vexriscv": "skosh.machines.riscv.vexriscv:TARGET",
    "vexriscv-quads": "skosh.machines.riscv.vexriscv:WITH_QUADS",
    "vexriscv-cfu": "skosh.machines.riscv.vexriscv:WITH_LANES",
    "rv64gcv": "skosh.machines.riscv.rv64gcv:TARGET",
    "aarch64": "skosh.machines.arm_a.aarch64:TARGET",
    "aarch64-sve": "skosh.machines.arm_a.aarch64_sve:TARGET",
    "opencl": "skosh.machines.gpu.target:TARGET",
}


def target(name: str) -> Target:
    """The target called ``name``, or that of the board called so, which it then has as ``board``.

    InputError, with the known names and what was perhaps meant, when there is neither.
    """
    boards = {} if name in TARGETS else {board.name: board for board in devices()}
    if name not in TARGETS and name not in boards:
        near = nearest(name, [*TARGETS, *boards])
        ways = f"`skosh devices` lists boards, `skosh targets --for {name}` says which target's C a chip takes"
        known = ", ".join(TARGETS)
        raise InputError(f'target must be one of {known}, or a board, not "{name}"', hint=f"{near} {ways}".strip())
    board = boards.get(name)
    found = load(TARGETS, name if board is None else board.target, "target")
    assert isinstance(found, Target), f"{TARGETS[found.name]} is not a Target"
    return found if board is None else replace(found, board=board)


def names(*, siblings: bool = False) -> tuple[str, ...]:
    """Names of the targets whose C is their own, the smallest machine first after the host; with ``siblings``, of all."""
    return tuple(name for name in TARGETS if siblings or not target(name).sibling_of)


__all__ = [
    "MARKER_ADDRESS", "TARGETS", "Chip", "Device", "Firmware", "ForestCosts", "Image", "Memory", "Sizes", "Target",
    "chips", "device", "devices", "marker_define", "missing", "names", "read_elf", "target",
    "vector_length",
]  # fmt: skip
