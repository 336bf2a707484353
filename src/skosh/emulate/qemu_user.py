"""A program for Linux on another processor under qemu-user, alive over many calls: RISC-V with RVV, AArch64 with NEON or SVE.

The program's RAM is an anonymous file that it maps and we read and write as our own (``build/runtime/startup_user.c``).
Instructions are counted, and the processor held between calls, by ``native/qemu_counter.c``, as on a board. A vector
instruction counts as one, whatever the length of a vector. QEMU isn't cycle-true: cycles are unknown.
"""

from __future__ import annotations

import mmap
import os
import weakref

from skosh.emulate.frames_user import stack_depth
from skosh.emulate.qemu_plugin import Process, qemu_version
from skosh.emulate.qemu_system import QemuMachine
from skosh.targets.image import read_elf
from skosh.targets.machine import Target

_SINGLE = {False: ("-singlestep",), True: ("-one-insn-per-tb",)}  # since QEMU 8.1
_WATCHED_STACK = 1 << 20  # bytes below the top: deeper use isn't seen


class QemuUserMachine(QemuMachine):
    """A started program, linked with ``startup_user.c``; ``watch``, ``single`` and errors as in ``QemuMachine``."""

    def __init__(self, elf: bytes, target: Target, *, watch: str | None = None, single: bool = False) -> None:
        program, _, processor = target.emulator.partition(":")
        version = qemu_version(program, "qemu-user")
        self.image, self.target, self._first = read_elf(elf), target, target.ram.origin
        self._count_all = watch is None
        self._stack_top = self.image.address("skosh_stack_top")
        self._stack_low = max((self.image.address("skosh_bss_end") + 3) & ~3, self._stack_top - _WATCHED_STACK)
        addresses = {
            "watched": self.image.address(watch) if watch else 0,
            "stop": self.image.address("skosh_stop"),
            "fault": 0,  # Linux's business: a signal ends the program
        }
        mark = (*self._ranges("skosh_mark"), (0, 0))[0]
        outside = self._ranges("skosh_reset", "skosh_again", "skosh_stop", "skosh_main")
        self._entry_sp = self._stack_top - self._main_depth(watch)
        memory, program_file = os.memfd_create("skosh-ram"), os.memfd_create("skosh-program")
        try:
            os.ftruncate(memory, target.marker + mmap.PAGESIZE - target.ram.origin)
            self._view = mmap.mmap(memory, target.marker + mmap.PAGESIZE - target.ram.origin)
            for address, content in self.image.segments:
                if target.ram.origin <= address < target.ram.end:
                    self._put(address, content)
            with os.fdopen(program_file, "wb", closefd=False) as out:
                out.write(elf)
            path = f"/proc/self/fd/{program_file}"
            options = [program, "-cpu", processor, *(_SINGLE[version >= (8, 1)] if single else ())]
            self._process = Process(
                options, version, addresses, mark, outside, keep=[program_file], after=[path], file_0=memory
            )
        finally:
            os.close(memory)
            os.close(program_file)
        weakref.finalize(self, Process.close, self._process)
        self._finished(20.0, 0)

    def _main_depth(self, watch: str | None) -> int:
        """Bytes of stack in use where the watched function is entered from ``skosh_main``."""
        if watch is None:
            return 0
        riscv = self.target.emulator.startswith("qemu-riscv")
        calls = (("skosh_again", "skosh_main"), ("skosh_main", watch))
        return sum(stack_depth(self.image, caller, callee, riscv=riscv) for caller, callee in calls)
