"""Cycles of Cortex-M instructions, from published tables: zero wait states, no interrupts. *Modelled*, never measured.

Sources:

- cortex-m0plus: Arm DDI 0484C, table 3-1, with the single-cycle multiplier (as in RP2040, STM32G0).
- cortex-m0: Arm DDI 0432C, table 3-1, with the single-cycle multiplier.
- cortex-m23: Arm publishes no table. An estimate: the M0+'s, and 17 cycles for a divide, the faster of its two dividers.
- cortex-m3: Arm DDI 0337I, table 3-1.
- cortex-m4: Arm 100166_0001, tables 3-1 and 7-1 (FPU). A pipeline refill P is "1 to 3"; here 2.
- cortex-m33: Arm publishes no table. An estimate: the M4's, without the limited dual issue.
- cortex-m7: Arm publishes no table. An estimate after the measurements at quinapalus.com/cm7cycles.html: two neighbours
  issue together when they don't depend on each other, at most one touches memory, and at most one multiplies;
  a taken branch is predicted.

Divides take 2 to 12 cycles with their operands on the M3, M4, M33 and M7; here 7. A load or store that follows another
at once takes 1 cycle instead of 2 on the M3, M4 and M33 (they pipeline), and a store with an immediate offset takes 1.
An instruction that an IT block skips counts as executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Insn(NamedTuple):
    """One decoded instruction as a disassembler prints it: ``Insn("ldr", "r0, [r1, #4]")``."""

    mnemonic: str
    operands: str


class BlockCycles(NamedTuple):
    """``cycles`` of a run of instructions when a closing branch is not taken; ``taken``: what taking it adds."""

    cycles: int
    taken: int


TABLES = ("cortex-m0", "cortex-m0plus", "cortex-m23", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")

REFILL = 2  # P of the tables: 1 to 3, 2 for a target that is neither speculated nor misaligned
DIVIDE = 7  # the middle of 2..12
SMALL = frozenset(["cortex-m0", "cortex-m0plus", "cortex-m23"])  # whose loads and stores don't pipeline
_CONDITIONS = "eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al"
_BRANCH = re.compile(rf"^b({_CONDITIONS})?$")
_SUFFIX = re.compile(rf"^(.{{2,}}?)(?:{_CONDITIONS})$")
_TIMED = """
    mul mla mls smull umull smlal umlal umaal sdiv udiv ldr ldrb ldrh ldrsb ldrsh ldrd str strb strh strd
    ldm ldmdb stm stmdb push pop bx blx add mov vldr vstr vldmia vstmia vpush vpop vmov vmla vmls vnmla vnmls
    vfma vfms vfnma vfnms vdiv vsqrt vadd vsub vmul
"""
_TIMED_NAMES = frozenset(_TIMED.split())


def block_cycles(table: str, block: Sequence[Insn]) -> BlockCycles:
    """Cycles of ``block``, which has at most one branch, at its end. ``table`` is one of TABLES."""
    assert table in TABLES, f"no timings called {table!r}"
    if table == "cortex-m7":
        return _dual_issue(block)
    one = {
        "cortex-m0": _m0, "cortex-m0plus": _m0plus, "cortex-m23": _m23, "cortex-m3": _m3, "cortex-m4": _m4, "cortex-m33": _m4,
    }[table]  # fmt: skip
    cycles, taken, after_memory = 0, 0, False
    for insn in block:
        name = base_name(insn.mnemonic)
        taken = _taken(table, insn)
        memory = _is_single_access(name)
        if memory and after_memory and table not in SMALL and not writes_pc(insn):
            cycles += 1
        else:
            cycles += one(name, insn)
        after_memory = memory
    return BlockCycles(cycles, taken)


def base_name(mnemonic: str) -> str:
    """``mnemonic`` without width, type, condition and flag suffixes: ``addseq.w`` is ``add``."""
    name = mnemonic.partition(".")[0]
    for candidate in (name, _strip_condition(name)):
        if candidate in _TIMED_NAMES:
            return candidate
        if candidate.endswith("s") and candidate[:-1] in _TIMED_NAMES:
            return candidate[:-1]
    return name


def is_conditional_branch(insn: Insn) -> bool:
    """Whether the instruction is b<cond>, cbz or cbnz: the ones whose cost depends on being taken."""
    match = _BRANCH.match(insn.mnemonic.partition(".")[0])
    return bool(match and match.group(1)) or insn.mnemonic in ("cbz", "cbnz")


def writes_pc(insn: Insn) -> bool:
    """Whether the instruction loads or moves a value into the program counter."""
    first = insn.operands.partition(",")[0].strip()
    return first == "pc" or (base_name(insn.mnemonic) in ("pop", "ldm") and bool(re.search(r"\bpc\b", insn.operands)))


def register_count(operands: str) -> int:
    """How many registers the list in braces names; ranges like ``s0-s3`` count each."""
    inside = operands.partition("{")[2].partition("}")[0]
    count = 0
    for part in filter(None, (p.strip() for p in inside.split(","))):
        low, _, high = part.partition("-")
        count += int(high.strip()[1:]) - int(low.strip()[1:]) + 1 if high else 1
    return count


def _strip_condition(name: str) -> str:
    match = _SUFFIX.match(name)
    return match.group(1) if match else name


def _taken(table: str, insn: Insn) -> int:
    if not is_conditional_branch(insn):
        return 0
    return {"cortex-m0": 2, "cortex-m3": REFILL, "cortex-m4": REFILL, "cortex-m33": REFILL}.get(table, 1)


def _is_single_access(name: str) -> bool:
    return name in ("ldr", "ldrb", "ldrh", "ldrsb", "ldrsh", "str", "strb", "strh")


def _stores_at_constant(name: str, insn: Insn) -> bool:
    inside = insn.operands.partition("[")[2].partition("]")[0]
    return name.startswith("str") and name != "strd" and len(_REGISTER.findall(inside)) < 2


def _m0(name: str, insn: Insn) -> int:
    pc = writes_pc(insn)
    if name in ("push", "pop", "ldm", "stm"):
        return (4 if pc else 1) + register_count(insn.operands)
    if _is_single_access(name):
        return 2
    if name in ("bl", "mrs", "msr", "dsb", "dmb", "isb"):
        return 4
    return 3 if pc or name in ("b", "bx", "blx") else 1


def _m23(name: str, insn: Insn) -> int:
    return 17 if name in ("sdiv", "udiv") else _m0plus(name, insn)


def _m0plus(name: str, insn: Insn) -> int:
    pc = writes_pc(insn)
    if name in ("push", "pop", "ldm", "stm"):
        return (3 if pc else 1) + register_count(insn.operands)
    if _is_single_access(name) or name in ("b", "bx", "blx"):
        return 2
    if name in ("bl", "mrs", "msr", "dsb", "dmb", "isb"):
        return 3
    return 2 if pc else 1


def _memory_and_branches(name: str, insn: Insn) -> int | None:
    """What the M3 and the M4 share."""
    refill = REFILL if writes_pc(insn) else 0
    if name in ("push", "pop", "ldm", "stm", "ldmdb", "stmdb"):
        return 1 + register_count(insn.operands) + refill
    if name in ("ldrd", "strd"):
        return 3
    if _is_single_access(name):
        return 1 if _stores_at_constant(name, insn) else 2 + refill
    if name in ("b", "bl", "bx", "blx"):
        return 1 + REFILL
    if name in ("tbb", "tbh"):
        return 2 + REFILL
    if name in ("sdiv", "udiv"):
        return DIVIDE
    if name in ("mrs", "msr"):
        return 2
    return 1 + refill if refill else None


def _m3(name: str, insn: Insn) -> int:
    shared = _memory_and_branches(name, insn)
    if shared is not None:
        return shared
    # early-terminating long multiplies: 3 to 5 and 4 to 7
    return {"mla": 2, "mls": 2, "smull": 4, "umull": 4, "smlal": 6, "umlal": 6}.get(name, 1)


def _m4(name: str, insn: Insn) -> int:
    shared = _memory_and_branches(name, insn)
    if shared is not None:
        return shared
    if name in ("vldmia", "vstmia", "vpush", "vpop"):
        words = 2 if "{d" in insn.operands.replace(" ", "") else 1
        return 1 + words * register_count(insn.operands)
    if name in ("vldr", "vstr"):
        return 3 if insn.operands.startswith("d") else 2
    if name == "vmov" and insn.operands.count(",") >= 2:
        return 2
    if name in ("vmla", "vmls", "vnmla", "vnmls", "vfma", "vfms", "vfnma", "vfnms"):
        return 3
    return 14 if name in ("vdiv", "vsqrt") else 1


_MULTIPLY: Callable[[str], object] = re.compile(r"^(mul|mla|mls|sm|um|vmul|vml|vfm|vfn|vnm)").match
_MEMORY: Callable[[str], object] = re.compile(r"^(ldr|str|ldm|stm|push|pop|vldr|vstr|vldm|vstm|vpush|vpop|tb)").match
_REGISTER = re.compile(r"\b(?:[rsd]\d+|sp|lr|sb|sl|fp|ip)\b")


def _dual_issue(block: Sequence[Insn]) -> BlockCycles:
    cycles, taken, at = 0, 0, 0
    while at < len(block):
        first = block[at]
        alone = at + 1 == len(block) or not _issue_together(first, block[at + 1])
        pair = block[at : at + (1 if alone else 2)]
        cycles += max(_m7(insn) for insn in pair)
        taken = _taken("cortex-m7", pair[-1])
        at += len(pair)
    return BlockCycles(cycles, taken)


def _m7(insn: Insn) -> int:
    name = base_name(insn.mnemonic)
    if name in ("push", "pop", "ldm", "stm", "ldmdb", "stmdb", "vldmia", "vstmia", "vpush", "vpop"):
        words = register_count(insn.operands) * (2 if "{d" in insn.operands.replace(" ", "") else 1)
        return (words + 1) // 2 + (REFILL if writes_pc(insn) else 0)  # the data path is 64 bits wide
    if name in ("sdiv", "udiv"):
        return DIVIDE
    return 14 if name in ("vdiv", "vsqrt") else 1


def _issue_together(first: Insn, second: Insn) -> bool:
    if _MEMORY(first.mnemonic) and _MEMORY(second.mnemonic):
        return False
    if _MULTIPLY(first.mnemonic) and _MULTIPLY(second.mnemonic):
        return False
    stores = first.mnemonic.startswith(("str", "push", "cmp", "tst", "cmn", "teq", "vstr", "vcmp"))
    written = () if stores else tuple(_REGISTER.findall(first.operands))[:1]
    if first.mnemonic.startswith(("cmp", "tst", "cmn", "teq")) and second.mnemonic.startswith("it"):
        return False
    return not any(register in _REGISTER.findall(second.operands) for register in written)
