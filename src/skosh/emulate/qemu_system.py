"""A Cortex-M under qemu-system-arm, alive over many calls, for processors that Unicorn doesn't have (Cortex-M55).

Flash and RAM of the firmware lie in the board's large memory, which is an anonymous file shared with the emulator: we
read and write it as our own. Instructions are counted, and the processor held between calls, by ``native/qemu_counter.c``.
QEMU isn't cycle-true, and no timings are published that a table could model: cycles are unknown.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from skosh.base.errors import InputError, ToolError
from skosh.emulate.cost import Cost, layer_costs
from skosh.emulate.counter import Snapshot
from skosh.emulate.frames import stack_depth
from skosh.emulate.machine import Run
from skosh.emulate.qemu_plugin import FAULT, LIMIT, Process, Report, qemu_version
from skosh.targets.image import read_elf
from skosh.targets.machine import Target

_PAINT = 0xA5A5A5A5
_SINGLE = {False: ("-singlestep",), True: ("-accel", "tcg,one-insn-per-tb=on")}  # since QEMU 8.1
_VECTORS = 64  # bytes: initial stack pointer, reset and 14 more handlers


@dataclass(frozen=True)
class Board:
    """One of QEMU's machines: where its large memory begins, how much of it there is, and what QEMU calls it."""

    memory: int
    size: int
    vectors: int  # where the processor looks for its vector table at reset


BOARDS = {"mps3-an547": Board(memory=0x60000000, size=2 << 30, vectors=0)}


class QemuMachine:
    """A started firmware, built with SKOSH_HELD. ``watch`` names the function whose cost is counted; None counts all.

    ``watch`` must be called by ``skosh_main`` or by a call that returns to it. Memory lives from call to call, and so
    does the state of a model.

    ``single``: translate instruction by instruction, some ten times slower: a test of the counts.

    Raises ToolError when the program has no such symbol, doesn't start, or QEMU is missing.
    """

    def __init__(self, elf: bytes, target: Target, *, watch: str | None = None, single: bool = False) -> None:
        program, _, board = target.emulator.partition(":")
        version = qemu_version(program, package=program)
        self.image, self.target, self._board = read_elf(elf), target, BOARDS[board]
        self._first = target.flash.origin
        self._count_all = watch is None
        self._stack_top = self.image.address("skosh_stack_top")
        self._stack_low = (self.image.address("skosh_bss_end") + 3) & ~3
        addresses = {
            "watched": self.image.address(watch) if watch else 0,
            "stop": self.image.address("skosh_stop"),
            "fault": self.image.address("skosh_fault"),
        }
        memory, table = os.memfd_create("skosh-memory"), os.memfd_create("skosh-vectors")
        try:
            os.ftruncate(memory, self._board.size)
            self._view = self._shared(memory)
            for address, content in self.image.segments:
                self._put(address, content)
            os.write(table, self.read(self.target.flash.origin, _VECTORS))
            options = self._options(program, board, memory, table)
            options += _SINGLE[version >= (8, 1)] if single else ()
            mark = (*self._ranges("skosh_mark"), (0, 0))[0]
            outside = self._ranges("skosh_reset", "skosh_again", "skosh_stop", "skosh_main")
            self._process = Process(options, version, addresses, mark, outside, keep=[memory, table])
        finally:
            os.close(memory)
            os.close(table)
        weakref.finalize(self, Process.close, self._process)
        self._entry_sp = self._stack_top - self._depth(watch)
        self._finished(10.0, 0)

    def write(self, where: str | int, content: bytes) -> None:
        """Puts ``content`` in memory at a symbol or an address."""
        self._put(self._address(where, len(content)), bytes(content))

    def read(self, where: str | int, size: int) -> bytes:
        """``size`` bytes of memory at a symbol or an address."""
        at = self._offset(self._address(where, size), size, "read")
        return self._view[at : at + size]

    def call(
        self,
        *,
        snapshots: Sequence[Snapshot] = (),
        timeout_s: float = 60.0,
        max_instructions: int = 4_000_000_000,
    ) -> Run:
        """Runs ``skosh_main`` once and says what it cost; cycles are unknown.

        Raises ToolError when the program faults or takes longer than ``timeout_s`` or about ``max_instructions``.
        """
        self._paint()
        layers: list[int] = []
        taken: dict[int, bytes] = {}

        def marked() -> None:
            layers.append(int.from_bytes(self.read(self.target.marker, 4), "little"))
            for i, wish in enumerate(snapshots):
                if wish.layer == layers[-1]:
                    taken[i] = self.read(wish.address, wish.size)

        self._process.order(limit=max_instructions, count_all=self._count_all)
        report = self._finished(timeout_s, max_instructions, marked)
        segments = {k: Cost(n) for k, n in report.instructions().items()}
        harness = segments.pop(0, Cost())
        return Run(
            instructions=sum(c.instructions for c in segments.values()),
            cycles_modelled=None,
            layers=MappingProxyType(layer_costs(segments, layers)),
            stack_bytes=self._stack_bytes(),
            harness=harness,
            snapshots=tuple(taken.get(i, bytes(s.size)) for i, s in enumerate(snapshots)),
        )

    def close(self) -> None:
        """Ends the emulator; so does dropping the last reference to this object."""
        self._process.close()

    def _options(self, program: str, board: str, memory: int, table: int) -> list[str]:
        """The command that starts the board with our memory, and a vector table where the processor looks for it.

        Both come as files that the emulator inherits. A file is loaded before the processor's reset, plain data after it.
        """
        backend = f"memory-backend-file,id=ddr,size={self._board.size},mem-path=/proc/self/fd/{memory},share=on"
        vectors = f"loader,file=/proc/self/fd/{table},addr={self._board.vectors:#x},force-raw=on"
        return [
            program, "-machine", f"{board},memory-backend=ddr", "-object", backend, "-device", vectors,
            "-display", "none", "-serial", "none", "-monitor", "none", "-nodefaults",
        ]  # fmt: skip

    def _shared(self, memory: int) -> mmap.mmap:
        """The part of the memory that the target's flash, RAM and marker lie in."""
        first = self.target.flash.origin - self._board.memory
        last = max(self.target.flash.end, self.target.ram.end, self.target.marker + mmap.PAGESIZE) - self._board.memory
        return mmap.mmap(memory, last - first, offset=first)

    def _ranges(self, *names: str) -> list[tuple[int, int]]:
        """Where functions lie, those that the program has."""
        found = [self.image.symbols[name] for name in names if name in self.image.symbols]
        return [(s.address, s.address + s.size) for s in found]

    def _finished(self, timeout_s: float, limit: int, on_mark: Callable[[], None] = lambda: None) -> Report:
        """The report of a run that ended well; a ToolError, and the end of the emulator, for another."""
        try:
            report = self._process.wait(timeout_s, on_mark)
        except TimeoutError:
            self.close()
            raise ToolError(f"firmware on {self.target.name}: it ran longer than {timeout_s:g} s") from None
        why = {FAULT: "an exception was taken", LIMIT: f"it ran more than {limit} instructions"}.get(report.reason)
        if why is not None:
            self.close()
            raise ToolError(f"firmware on {self.target.name} stopped at {self.image.name_at(report.address)}: {why}")
        return report

    def _depth(self, watch: str | None) -> int:
        """Bytes of stack in use where the watched function is entered from ``skosh_main``."""
        if watch is None:
            return 0
        depth = stack_depth(self._code("skosh_again"), self.image.address("skosh_main"))
        return (depth or 0) + (stack_depth(self._code("skosh_main"), self.image.address(watch)) or 0)

    def _code(self, name: str) -> tuple[int, bytes]:
        symbol = self.image.symbols[name]
        return symbol.address, self.read(symbol.address, symbol.size)

    def _paint(self) -> None:
        words = (self._stack_top - self._stack_low) // 4
        self._put(self._stack_low, np.full(words, _PAINT, dtype="<u4").tobytes())

    def _stack_bytes(self) -> int:
        words = np.frombuffer(self.read(self._stack_low, self._stack_top - self._stack_low), dtype="<u4")
        touched = np.flatnonzero(words != _PAINT)
        lowest = self._stack_low + 4 * int(touched[0]) if touched.size else self._stack_top
        return max(0, self._entry_sp - lowest)

    def _put(self, address: int, content: bytes) -> None:
        at = self._offset(address, len(content), "write")
        self._view[at : at + len(content)] = content

    def _offset(self, address: int, size: int, verb: str) -> int:
        at = address - self._first
        if at < 0 or at + size > len(self._view):
            raise InputError(f"no memory at {address:#010x} to {verb} {size} bytes")
        return at

    def _address(self, where: str | int, size: int) -> int:
        if isinstance(where, int):
            return where
        symbol = self.image.symbols.get(where)
        if symbol is not None and symbol.size and size > symbol.size:
            raise InputError(f'"{where}" has {symbol.size} bytes, not {size}')
        return self.image.address(where)
