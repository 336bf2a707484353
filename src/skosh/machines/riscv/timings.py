"""Cycles of RV32IMC instructions, from a published table: zero wait states, no interrupts. *Modelled*, never measured.

hazard3: "Instruction Cycle Counts" of the Hazard3 manual (Wren6991/Hazard3, doc/sections/instruction_timings.adoc), the
RISC-V core of RP2350, with the fast multiplier. One cycle each, but for: a load whose result the next instruction
computes with, 2 (what a store stores is no such use); jal and jalr, 2; division, 18 unsigned and, signed, 18 or 19, here
18. A branch costs 2 when it is mispredicted; the core predicts its last taken backward branch as taken, and all others as
not taken. Blocks don't tell which branch was last, so here every backward branch is taken for predicted, as in a tight
loop: 1 when taken, 2 when not; a forward one is the other way round. Not modelled: the first round of a loop, whose branch
isn't known yet, and the cycle more of a jump to a misaligned 32-bit instruction.

Other cores of the class differ: Espressif publishes no table for the ESP32-C3.
"""

from __future__ import annotations

from collections.abc import Sequence

from skosh.machines.arm_m.timings import BlockCycles, Insn

TABLES = ("hazard3",)

_LOADS = frozenset(["lw", "lh", "lhu", "lb", "lbu", "c.lw", "c.lwsp"])
_STORES = frozenset(["sw", "sh", "sb", "c.sw", "c.swsp"])
_JUMPS = frozenset(["jal", "jalr", "j", "jr", "ret", "c.j", "c.jal", "c.jr", "c.jalr"])
_BRANCHES = frozenset(  # with the pseudo-instructions that disassemblers print
    [
        "beq",
        "bne",
        "blt",
        "bge",
        "bltu",
        "bgeu",
        "beqz",
        "bnez",
        "blez",
        "bgez",
        "bltz",
        "bgtz",
        "bgt",
        "ble",
        "bgtu",
        "bleu",
        "c.beqz",
        "c.bnez",
    ]
)
_DIVIDES = frozenset(["div", "divu", "rem", "remu"])
_DIVISION = 18


def riscv_block_cycles(table: str, block: Sequence[Insn]) -> BlockCycles:
    """Cycles of ``block``, which has at most one branch, at its end; ``table`` is one of TABLES."""
    assert table in TABLES, f"no timings called {table!r}"
    cycles, taken, loaded = 0, 0, ""
    for insn in block:
        registers = [part.strip(" ()") for part in insn.operands.replace("(", ",").split(",")]
        if loaded and loaded in _computed_with(insn.mnemonic, registers):
            cycles += 1
        loaded = registers[0] if insn.mnemonic in _LOADS else ""
        if insn.mnemonic in _DIVIDES:
            cycles += _DIVISION
        elif insn.mnemonic in _JUMPS:
            cycles += 2
        else:
            backward = insn.mnemonic in _BRANCHES and registers[-1].startswith("-")
            cycles += 2 if backward else 1
            taken = (-1 if backward else 1) if insn.mnemonic in _BRANCHES else 0
    return BlockCycles(cycles, taken)


def _computed_with(mnemonic: str, registers: Sequence[str]) -> Sequence[str]:
    """The registers that an instruction needs before its memory access; compressed arithmetic reads its first one too."""
    if mnemonic in _STORES or mnemonic in _LOADS:
        return registers[1:]
    reads_first = mnemonic in _BRANCHES or mnemonic in _JUMPS or mnemonic.startswith("c.")
    return registers if reads_first and mnemonic not in ("c.mv", "c.li", "c.lui") else registers[1:]
