"""How much stack a RISC-V or AArch64 function has in use where it calls another one (``frames.py`` is the same for Thumb)."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from skosh.targets.image import Image

_PUSH = re.compile(r"\[sp, #-(\w+)\]!$")
_POP = re.compile(r"\[sp\], #(\w+)$")
_MOVE = re.compile(r"^sp,(?: sp,)? #?(-?\w+)$")


def stack_depth(image: Image, caller: str, callee: str, *, riscv: bool) -> int:
    """Bytes that ``caller`` has on the stack at its first branch to ``callee``; 0 when there is none.

    The code must be straight as far as the stack goes: what pushes runs always, as in a prologue.
    """
    capstone: Any = import_module("capstone")
    disassembler = (
        capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 + capstone.CS_MODE_RISCVC)
        if riscv
        else capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    )
    start, goal = image.address(caller), image.address(callee)
    depth = page = 0
    for at, _, mnemonic, operands in disassembler.disasm_lite(_code(image, caller), start):
        name, last = mnemonic.removeprefix("c."), operands.rpartition(",")[2].strip(" #")
        if name == "auipc":
            page = at + (int(last, 0) << 12)
        reached = page if name in ("jalr", "jr") else at if riscv else 0
        if name in ("b", "bl", "j", "jal", "jalr", "jr") and reached + _offset(last) == goal:
            return depth
        depth += _pushed(name, operands)
    return 0


def _offset(operand: str) -> int:
    """The number in a branch's last operand: "-12", "0x100", "16(ra)"."""
    found = re.match(r"-?(?:0x[0-9a-f]+|\d+)", operand)
    return int(found.group(), 0) if found else 0


def _pushed(name: str, operands: str) -> int:
    """By how many bytes an instruction lowers the stack pointer."""
    step = _MOVE.match(operands)
    if step and name in ("addi", "addi16sp", "add"):
        return -int(step.group(1), 0)
    if step and name == "sub":
        return int(step.group(1), 0)
    pushed, popped = _PUSH.search(operands), _POP.search(operands)
    return int(pushed.group(1), 0) if pushed else -int(popped.group(1), 0) if popped else 0


def _code(image: Image, name: str) -> bytes:
    symbol = image.symbols[name]
    for address, content in image.segments:
        if address <= symbol.address < address + len(content):
            return content[symbol.address - address :][: symbol.size]
    return b""
