"""A Cortex-M or RV32 core under Unicorn, alive over many calls: write inputs, call, read outputs, and what it cost.

Unicorn executes and counts instructions; it isn't cycle-true. Cycles are modelled from published timings.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.errors import InputError, ToolError
from skosh.emulate.cores import core_of, unicorn_package
from skosh.emulate.cost import Cost, Decoder, layer_costs, segment_costs
from skosh.emulate.counter import COUNT_ALL, FAULT, LIMIT, MISALIGNED, OUT_OF_MEMORY, Counter, Snapshot
from skosh.targets.image import read_elf
from skosh.targets.machine import MARKER_ADDRESS, Memory, Target

_MARKERS = Memory(MARKER_ADDRESS, 0x1000)
_SYSTEM = Memory(0xE000E000, 0x1000)  # the system control space: startup code writes CPACR there
_PAGE = 0x1000
_PAINT = 0xA5A5A5A5


@dataclass(frozen=True)
class Run:
    """What one call cost.

    ``instructions`` and ``cycles_modelled`` are those of the watched function alone, ``harness`` is all around it. An
    instruction that an IT block skips counts, as it takes its cycle. Cycles are None where the emulator doesn't model
    them. ``layers`` sums to at most the whole: what runs
    after the last marker belongs to no layer; the block that a layer ends in counts whole. ``stack_bytes``: the deepest
    use of the stack below where its pointer was when the watched function was entered. ``cycles``: simulated, where the core
    itself is (``soc``), with the memories that ``memory`` tells of; the layers' costs hold such cycles then.
    """

    instructions: int
    cycles_modelled: int | None
    layers: Mapping[int, Cost]
    stack_bytes: int
    harness: Cost
    snapshots: tuple[bytes, ...]
    cycles: int | None = None
    memory: str = ""


class Machine:
    """A started firmware. ``watch`` names the function whose cost is counted; None counts all of ``skosh_main``.

    Memory starts as the startup code leaves it and lives from call to call, and so does the state of a model.

    ``check_alignment``: stop at a load or store that the target's processor would refuse; some fifty times slower.

    Raises ToolError when the program has no such symbol, doesn't start, or unicorn is missing.
    """

    def __init__(self, elf: bytes, target: Target, *, watch: str | None = None, check_alignment: bool = False) -> None:
        if target.is_host:
            raise InputError(f'target must be one that is emulated, not "{target.name}"', hint="see emulate.HostModel")
        self.image, self.target = read_elf(elf), target
        self._core = core_of(target.emulator)
        self._emulator = self._core.open()
        for memory, access in ((target.flash, "rx"), (target.ram, "rw"), (_SYSTEM, "rw")):
            self._map(memory, access)
        for address, content in self.image.segments:
            self._emulator.mem_write(address, content)
        self._stop = self.image.address("skosh_stop")
        watched, fault = self.image.address(watch) if watch else COUNT_ALL, self.image.address("skosh_fault")
        self._counter = Counter(watched, fault, (self._core.sp, self._core.lr))
        self._hook(check_alignment)
        self._decoder = Decoder(target.timings, lambda address, size: bytes(self._emulator.mem_read(address, size)))
        self._stack_top = self.image.address("skosh_stack_top")
        self._stack_low = (self.image.address("skosh_bss_end") + 3) & ~3
        self._start("skosh_reset", self.image.address("skosh_again"), 10.0, 100_000_000, ())

    def write(self, where: str | int, content: bytes) -> None:
        """Puts ``content`` in memory at a symbol or an address."""
        address = self._address(where, len(content))
        try:
            self._emulator.mem_write(address, bytes(content))
        except _unicorn().UcError as error:
            raise InputError(f"no memory at {address:#010x} to write {len(content)} bytes") from error

    def read(self, where: str | int, size: int) -> bytes:
        """``size`` bytes of memory at a symbol or an address."""
        address = self._address(where, size)
        try:
            return bytes(self._emulator.mem_read(address, size))
        except _unicorn().UcError as error:
            raise InputError(f"no memory at {address:#010x} to read {size} bytes") from error

    def call(
        self,
        *,
        snapshots: Sequence[Snapshot] = (),
        timeout_s: float = 60.0,
        max_instructions: int = 4_000_000_000,
    ) -> Run:
        """Runs ``skosh_main`` once and says what it cost.

        Raises ToolError when the program faults or takes longer than ``timeout_s`` or about ``max_instructions``.
        """
        self._paint()
        self._start("skosh_again", self._stop, timeout_s, max_instructions, snapshots)
        blocks = self._counter.blocks()
        segments = segment_costs(blocks[blocks["address"] != self._stop], self._decoder)
        harness = segments.pop(0, Cost())
        total = sum(segments.values(), Cost())
        return Run(
            instructions=total.instructions,
            cycles_modelled=total.cycles,
            layers=MappingProxyType(layer_costs(segments, self._counter.layers())),
            stack_bytes=self._stack_bytes(),
            harness=harness,
            snapshots=self._counter.snapshots(),
        )

    def _map(self, memory: Memory, access: str) -> None:
        unicorn = _unicorn()
        flags = {"r": unicorn.UC_PROT_READ, "w": unicorn.UC_PROT_WRITE, "x": unicorn.UC_PROT_EXEC}
        size = (memory.size + _PAGE - 1) // _PAGE * _PAGE
        self._emulator.mem_map(memory.origin, size, sum(flags[letter] for letter in access))

    def _hook(self, check_alignment: bool) -> None:
        """Installs the counter's C functions directly: a Python callback a block would be a hundred times slower.

        The marker page is a device, not memory with a hook on it, which would slow down every store.
        """
        from unicorn.unicorn_py3.unicorn import uclib

        engine, user = self._emulator._uch, self._counter.user
        unicorn, handle, everywhere = (
            _unicorn(),
            ctypes.byref(ctypes.c_size_t()),
            (ctypes.c_uint64(1), ctypes.c_uint64(0)),
        )
        block, marker = self._counter.callback("block"), self._counter.callback("marker")
        failed = uclib.uc_hook_add(engine, handle, unicorn.UC_HOOK_BLOCK, block, user, *everywhere)
        if check_alignment and not self.target.has_unaligned_access:  # the processor faults, Unicorn doesn't by itself
            access, kinds = self._counter.callback("access"), unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            failed = failed or uclib.uc_hook_add(engine, handle, kinds, access, user, *everywhere)
        failed = failed or uclib.uc_mmio_map(engine, _MARKERS.origin, _MARKERS.size, None, None, marker, user)
        assert not failed, f"unicorn refused a hook: error {failed}"

    def _start(self, entry: str, until: int, timeout_s: float, limit: int, snapshots: Sequence[Snapshot]) -> None:
        uc, core = self._emulator, self._core
        uc.reg_write(core.sp, self._stack_top)
        uc.reg_write(core.lr, self._stop | core.mode_bit)
        # an instruction has 2 or 4 bytes: the limit is on bytes, so that no program is stopped too early
        self._counter.reset(limit * 4, snapshots)
        failure = ""
        try:
            uc.emu_start(self.image.address(entry) | core.mode_bit, until, timeout=int(timeout_s * 1e6))
        except _unicorn().UcError as error:
            failure = str(error)
        pc = uc.reg_read(core.pc)
        reason = self._counter.reason
        if reason == 0 and not failure and pc == until:
            return
        why = {
            FAULT: "an exception was taken",
            LIMIT: f"it ran more than {limit} instructions",
            MISALIGNED: "a load or store must be aligned to its size here",
            OUT_OF_MEMORY: "the instruction counter is out of memory",
        }.get(reason, failure or f"it ran longer than {timeout_s:g} s")
        raise ToolError(f"firmware on {self.target.name} stopped at {self.image.name_at(pc)}: {why}")

    def _paint(self) -> None:
        words = (self._stack_top - self._stack_low) // 4
        self._emulator.mem_write(self._stack_low, np.full(words, _PAINT, dtype="<u4").tobytes())

    def _stack_bytes(self) -> int:
        words = np.frombuffer(self._emulator.mem_read(self._stack_low, self._stack_top - self._stack_low), dtype="<u4")
        touched = np.flatnonzero(words != _PAINT)
        lowest = self._stack_low + 4 * int(touched[0]) if touched.size else self._stack_top
        return max(0, (self._counter.entry_sp or self._stack_top) - lowest)

    def _address(self, where: str | int, size: int) -> int:
        if isinstance(where, int):
            return where
        symbol = self.image.symbols.get(where)
        if symbol is not None and symbol.size and size > symbol.size:
            raise InputError(f'"{where}" has {symbol.size} bytes, not {size}')
        return self.image.address(where)


def run_firmware(
    elf: bytes,
    target: Target,
    *,
    writes: Mapping[str | int, bytes],
    reads: Mapping[str | int, int],
    watch: str | None = None,
    snapshots: Sequence[Snapshot] = (),
    timeout_s: float = 60.0,
    check_alignment: bool = False,
) -> tuple[Run, dict[str | int, bytes]]:
    """One call of a fresh machine: ``writes`` (symbol or address -> bytes) before it, ``reads`` (-> size) after it."""
    machine = Machine(elf, target, watch=watch, check_alignment=check_alignment)
    for where, content in writes.items():
        machine.write(where, content)
    run = machine.call(snapshots=snapshots, timeout_s=timeout_s)
    return run, {where: machine.read(where, size) for where, size in reads.items()}


def _unicorn() -> Any:
    return unicorn_package()
