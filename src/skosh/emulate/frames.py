"""How much stack a Thumb function has in use where it calls another one: for emulators that don't tell the stack pointer."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

_REGISTER = re.compile(r"\b(?:[rsdq]\d+|sp|lr|pc|sb|sl|fp|ip)\b")
_STEP = re.compile(r"\[sp, #-(\w+)\]!$|\[sp\], #(\w+)$")


def stack_depth(code: tuple[int, bytes], callee: int) -> int | None:
    """Bytes on the stack at the first branch from ``code`` (its address and bytes) to ``callee``; None when there is none.

    The code must be straight as far as the stack goes: what pushes runs always, as in a prologue.
    """
    capstone: Any = import_module("capstone")
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB + capstone.CS_MODE_MCLASS)
    address, content = code
    depth = 0
    for _, _, mnemonic, operands in disassembler.disasm_lite(content, address):
        name = mnemonic.removesuffix(".w")
        if name in ("b", "bl", "blx") and operands == f"#{callee:#x}":
            return depth
        depth += _pushed(name, operands)
    return None


def _pushed(name: str, operands: str) -> int:
    """By how many bytes an instruction lowers the stack pointer."""
    width = 8 if "{d" in operands else 4
    if name in ("push", "vpush"):
        return width * len(_REGISTER.findall(operands))
    if name in ("pop", "vpop"):
        return -width * len(_REGISTER.findall(operands))
    if name in ("sub", "add") and operands.startswith("sp, "):
        amount = int(operands.rpartition("#")[2], 0)
        return amount if name == "sub" else -amount
    step = _STEP.search(operands)
    if step is None:
        return 0
    return int(step.group(1), 0) if step.group(1) else -int(step.group(2), 0)
