"""From blocks and how often they ran to instructions and modelled cycles, by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from skosh.emulate.counter import Blocks
from skosh.machines.arm_m.timings import BlockCycles, Insn, block_cycles
from skosh.machines.riscv.timings import TABLES as RISCV
from skosh.machines.riscv.timings import riscv_block_cycles


@dataclass(frozen=True)
class Cost:
    """Instructions executed, and cycles by the published timings of the target (modelled, not measured)."""

    instructions: int = 0
    cycles: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)


@dataclass(frozen=True)
class BlockCost:
    """Of a block once through: instructions, cycles when its last branch is not taken, and what taking it adds."""

    instructions: int
    cycles: int
    taken: int


class Decoder:
    """Decodes each block once. ``read(address, size)`` gives the program's bytes; ``timings`` names the table."""

    def __init__(self, timings: str, read: Callable[[int, int], bytes]) -> None:
        capstone: Any = import_module("capstone")
        self._timings, self._read = timings, read
        if timings in RISCV:
            self._disassembler = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 + capstone.CS_MODE_RISCVC)
        else:
            mode = capstone.CS_MODE_THUMB + capstone.CS_MODE_MCLASS
            if timings in ("cortex-m23", "cortex-m33"):
                mode += capstone.CS_MODE_V8
            self._disassembler = capstone.Cs(capstone.CS_ARCH_ARM, mode)
        self._known: dict[tuple[int, int], BlockCost] = {}

    def block(self, address: int, size: int) -> BlockCost:
        """The cost of the ``size`` bytes of instructions at ``address``."""
        known = self._known.get((address, size))
        if known is None:
            insns = self._decode(address, self._read(address, size))
            known = BlockCost(len(insns), *self._cycles(insns))
            self._known[address, size] = known
        return known

    def _cycles(self, insns: list[Insn]) -> BlockCycles:
        if self._timings in RISCV:
            return riscv_block_cycles(self._timings, insns)
        return block_cycles(self._timings, insns)

    def _decode(self, address: int, code: bytes) -> list[Insn]:
        """All instructions of ``code``; one that the disassembler doesn't know becomes "?" of the right length."""
        insns: list[Insn] = []
        at = 0
        while at < len(code):
            for _, size, mnemonic, operands in self._disassembler.disasm_lite(code[at:], address + at):
                insns.append(Insn(mnemonic, operands))
                at += size
            if at < len(code):
                insns.append(Insn("?", ""))
                # a first halfword that begins a 32-bit instruction: Armv7-M ARM, A5.1, from 0b11101 up; RISC-V unprivileged
                # ISA, 1.5, ends in 0b11
                wide = code[at] & 3 == 3 if self._timings in RISCV else code[at + 1] >> 3 >= 0b11101
                at += 4 if wide else 2
        return insns


def segment_costs(blocks: Blocks, decoder: Decoder) -> dict[int, Cost]:
    """The cost of each segment of a run (see counter.c)."""
    costs: dict[int, Cost] = {}
    for address, size, segment, count, fell in blocks.tolist():
        block = decoder.block(address, size)
        cycles = count * block.cycles + (count - fell) * block.taken
        costs[segment] = costs.get(segment, Cost()) + Cost(count * block.instructions, cycles)
    return costs


def layer_costs(segments: dict[int, Cost], layers: Sequence[int]) -> dict[int, Cost]:
    """The cost of each layer: segment k ended when ``layers[k - 1]`` finished. What ran after the last is left out."""
    costs: dict[int, Cost] = {}
    for k, layer in enumerate(layers, start=1):
        costs[layer] = costs.get(layer, Cost()) + segments.get(k, Cost())
    return costs
