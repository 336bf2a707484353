"""Which emulator runs a target's firmware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from skosh.base.registry import Table, load
from skosh.emulate.counter import Snapshot
from skosh.emulate.machine import Run
from skosh.targets.image import Image
from skosh.targets.machine import Target

#: The part of ``Target.emulator`` before a colon, when there is one -> the class that speaks to that program.
PROGRAMS: Table = {
    "qemu-system-arm": "skosh.emulate.qemu_system:QemuMachine",
    "qemu-riscv64": "skosh.emulate.qemu_user:QemuUserMachine",
    "vexriscv": "skosh.emulate.soc:SocMachine",
    "qemu-aarch64": "skosh.emulate.qemu_user:QemuUserMachine",
}


class AnyMachine(Protocol):
    """A started firmware: write inputs, call, read outputs, and what it cost (see ``machine.Machine``)."""

    @property
    def image(self) -> Image: ...

    def write(self, where: str | int, content: bytes) -> None: ...

    def read(self, where: str | int, size: int) -> bytes: ...

    def call(
        self, *, snapshots: Sequence[Snapshot] = (), timeout_s: float = 60.0, max_instructions: int = 4_000_000_000
    ) -> Run: ...


def open_machine(elf: bytes, target: Target, *, watch: str | None = None) -> AnyMachine:
    """Starts a firmware in the emulator that its target names; see there for ``watch`` and errors."""
    program, colon, _ = target.emulator.partition(":")
    made: AnyMachine
    if colon:
        made = load(PROGRAMS, program, "emulator")(elf, target, watch=watch)
    else:
        from skosh.emulate.machine import Machine

        made = Machine(elf, target, watch=watch)
    return made
