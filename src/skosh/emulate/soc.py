"""VexRiscv with or without a custom function unit, simulated cycle for cycle: what a program takes, not what a model says.

A program runs from its reset on; a run's cycles are those between two stores of the startup code around ``skosh_main``,
with empty caches at its begin. Layers end where a traced build stores its marker.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.errors import InputError, ToolError
from skosh.emulate.cost import Cost
from skosh.emulate.counter import Snapshot
from skosh.emulate.machine import Run
from skosh.emulate.simulator import simulator
from skosh.targets.image import read_elf
from skosh.targets.machine import Memory, Target

MARK, BEGIN, END, FAULT, LIMIT, READY = range(1, 7)
_CYCLE, _INSTRET, _PC, _VALUE, _FAULT_PC = range(5)
_PAINT = 0xA5
_SLICE = 2_000_000  # cycles between two looks at the clock
_PATIENCE = 4_000_000_000  # cycles


def wait_states(target: Target) -> tuple[int, int]:
    """(flash, RAM): cycles that each word takes beyond the first two; "vexriscv:flash=6,ram=0" says so."""
    given = target.emulator.partition(":")[2]
    found = {"flash": 0, "ram": 0}
    for part in filter(None, given.split(",")):
        name, _, value = part.partition("=")
        if name not in found or not value.isdigit():
            raise InputError(f'the memories of a simulated system must be given as flash=6,ram=0, not "{given}"')
        found[name] = int(value)
    return found["flash"], found["ram"]


def memory_model(target: Target) -> str:
    """The memories that a run's cycles are those of, in words."""
    flash, ram = wait_states(target)
    return f"code and constants {2 + flash} cycles a word, RAM {2 + ram}; 4 KB instruction and 4 KB data cache, empty at first"


class SocMachine:
    """A started firmware; see ``machine.Machine`` for the contract.

    Raises ToolError when a package is missing, the program faults, or it hangs: with the place, and the last layer done.
    """

    def __init__(self, elf: bytes, target: Target, *, watch: str | None = None) -> None:
        self.image, self.target = read_elf(elf), target
        self._library = ctypes.CDLL(str(simulator(target.unit)))
        self._declare()
        memories = list(zip((target.flash, target.ram), wait_states(target), strict=True))
        three = [(ctypes.c_uint32 * 3)(m.origin, m.size, wait) for m, wait in memories]
        self._soc = ctypes.c_void_p(self._library.soc_new(self.image.address("skosh_reset"), *three))
        self._bytes = [self._view(i, m) for i, (m, _) in enumerate(memories)]
        for address, content in self.image.segments:
            self.write(address, content)
        self._layer: int | None = None
        self._stack_top = self.image.address("skosh_stack_top")
        self._stack_low = (self.image.address("skosh_bss_end") + 3) & ~3
        event = self._until(100_000_000)
        assert event == READY, "startup waits for the first run"

    def __del__(self) -> None:
        if getattr(self, "_soc", None) is not None:
            self._library.soc_free(self._soc)

    def write(self, where: str | int, content: bytes) -> None:
        """Puts ``content`` in memory at a symbol or an address."""
        memory, at = self._place(where, len(content))
        memory[at : at + len(content)] = np.frombuffer(bytes(content), np.uint8)

    def read(self, where: str | int, size: int) -> bytes:
        """``size`` bytes of memory at a symbol or an address."""
        memory, at = self._place(where, size)
        return bytes(memory[at : at + size])

    @property
    def printed(self) -> str:
        """What the program has sent to the UART since it was last asked."""
        text = ctypes.create_string_buffer(1 << 16)
        count = self._library.soc_printed(self._soc, text, len(text))
        return text.raw[:count].decode("utf-8", "replace")

    def call(
        self, *, snapshots: Sequence[Snapshot] = (), timeout_s: float = 60.0, max_instructions: int = _PATIENCE
    ) -> Run:
        """Runs ``skosh_main`` once. timeout_s is not looked at: cycles are."""
        stack, low = self._place(self._stack_low, self._stack_top - self._stack_low)
        stack[low : low + self._stack_top - self._stack_low] = _PAINT
        self._layer = None
        self._library.soc_go(self._soc)
        while self._until(max_instructions) != BEGIN:
            pass
        begun = last = self._now()
        layers: dict[int, Cost] = {}
        taken: dict[int, bytes] = {}
        while (event := self._until(max_instructions)) != END:
            assert event == MARK, "nothing else happens in a run"
            self._layer, now = self._get(_VALUE), self._now()
            layers[self._layer] = layers.get(self._layer, Cost()) + _between(last, now)
            last = now
            taken |= {i: self.read(s.address, s.size) for i, s in enumerate(snapshots) if s.layer == self._layer}
        total = _between(begun, self._now())
        return Run(
            instructions=total.instructions,
            cycles_modelled=None,
            layers=MappingProxyType(layers),
            stack_bytes=self._stack_bytes(),
            harness=Cost(),
            snapshots=tuple(taken.get(i, bytes(s.size)) for i, s in enumerate(snapshots)),
            cycles=total.cycles,
            memory=memory_model(self.target),
        )

    def _until(self, most: int) -> int:
        """Runs until something happens. ToolError at a fault, or after ``most`` cycles."""
        left = most
        while left > 0:
            event = int(self._library.soc_run(self._soc, min(left, _SLICE)))
            if event == FAULT:
                raise self._stopped(f"an exception was taken, cause {self._get(_VALUE)}", self._get(_FAULT_PC))
            if event != LIMIT:
                return event
            left -= _SLICE
        raise self._stopped(f"nothing happened in {most:,} cycles", self._get(_PC))

    def _stopped(self, why: str, pc: int) -> ToolError:
        after = "" if self._layer is None else f" after layer {self._layer}"
        return ToolError(f"firmware on {self.target.name} stopped at {self.image.name_at(pc)}{after}: {why}")

    def _stack_bytes(self) -> int:
        used = np.frombuffer(self.read(self._stack_low, self._stack_top - self._stack_low), np.uint8) != _PAINT
        return int(self._stack_top - self._stack_low - np.argmax(used)) if used.any() else 0

    def _place(self, where: str | int, size: int) -> tuple[Any, int]:
        address = where if isinstance(where, int) else self.image.address(where)
        symbol = self.image.symbols.get(where) if isinstance(where, str) else None
        if symbol is not None and symbol.size and size > symbol.size:
            raise InputError(f'"{where}" has {symbol.size} bytes, not {size}')
        for memory, view in zip((self.target.flash, self.target.ram), self._bytes, strict=True):
            if memory.origin <= address and address + size <= memory.end:
                return view, address - memory.origin
        raise InputError(f"no memory at {address:#010x} for {size} bytes")

    def _view(self, which: int, memory: Memory) -> Any:
        first = self._library.soc_memory(self._soc, which)
        return np.ctypeslib.as_array(ctypes.cast(first, ctypes.POINTER(ctypes.c_uint8)), (memory.size,))

    def _get(self, what: int) -> int:
        return int(self._library.soc_get(self._soc, what))

    def _now(self) -> Cost:
        return Cost(self._get(_INSTRET), self._get(_CYCLE))

    def _declare(self) -> None:
        library = self._library
        library.soc_new.restype = library.soc_memory.restype = ctypes.c_void_p
        library.soc_memory.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.soc_run.argtypes = [ctypes.c_void_p, ctypes.c_uint64]
        library.soc_get.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.soc_get.restype = ctypes.c_uint64
        library.soc_printed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
        library.soc_printed.restype = ctypes.c_size_t
        library.soc_go.argtypes = library.soc_free.argtypes = [ctypes.c_void_p]


def _between(first: Cost, last: Cost) -> Cost:
    return Cost(last.instructions - first.instructions, last.cycles - first.cycles)
