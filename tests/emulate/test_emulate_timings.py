"""Cycles of instructions against the published tables, and of blocks."""

from __future__ import annotations

import pytest

from skosh.machines.arm_m.timings import TABLES, BlockCycles, Insn, base_name, block_cycles, register_count, writes_pc

DOT = [
    Insn("ldrsb", "r0, [r1], #1"), Insn("ldrsb", "r2, [r3], #1"), Insn("mla", "r4, r0, r2, r4"),
    Insn("subs", "r5, #1"), Insn("bne", "#0x10"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "insn", "cycles"),
    [
        ("cortex-m0plus", Insn("ldr", "r0, [r1]"), 2),
        ("cortex-m0plus", Insn("pop", "{r4, r5, pc}"), 6),
        ("cortex-m0plus", Insn("bl", "#0x100"), 3),
        ("cortex-m0plus", Insn("muls", "r0, r1, r0"), 1),
        ("cortex-m3", Insn("mla", "r0, r1, r2, r3"), 2),
        ("cortex-m3", Insn("smull", "r0, r1, r2, r3"), 4),
        ("cortex-m4", Insn("mla", "r0, r1, r2, r3"), 1),
        ("cortex-m4", Insn("smlad", "r0, r1, r2, r3"), 1),
        ("cortex-m4", Insn("smull", "r0, r1, r2, r3"), 1),
        ("cortex-m4", Insn("str", "r0, [r1, #4]"), 1),
        ("cortex-m4", Insn("str.w", "r0, [r1, sb, lsl #2]"), 2),
        ("cortex-m4", Insn("ldrd", "r0, r1, [r2]"), 3),
        ("cortex-m4", Insn("ldm.w", "r0, {r1, r2, r3}"), 4),
        ("cortex-m4", Insn("vfma.f32", "s0, s1, s2"), 3),
        ("cortex-m4", Insn("vdiv.f32", "s0, s1, s2"), 14),
        ("cortex-m4", Insn("vpop", "{d8, d9}"), 5),
        ("cortex-m4", Insn("bx", "lr"), 3),
        ("cortex-m4", Insn("udiv", "r0, r1, r2"), 7),
    ],
)
def test_published_cycles(table: str, insn: Insn, cycles: int) -> None:
    assert block_cycles(table, [insn]) == BlockCycles(cycles, 0)


def test_neighbouring_loads_pipeline_and_taken_branches_refill() -> None:
    assert block_cycles("cortex-m0plus", DOT) == BlockCycles(7, 1)
    assert block_cycles("cortex-m3", DOT) == BlockCycles(7, 2)
    assert block_cycles("cortex-m4", DOT) == BlockCycles(6, 2)


def test_the_m7_issues_independent_neighbours_together() -> None:
    independent = [Insn("adds", "r0, r1, #1"), Insn("adds", "r2, r3, #1")]
    dependent = [Insn("adds", "r0, r1, #1"), Insn("adds", "r2, r0, #1")]
    loads = [Insn("ldr", "r0, [r1]"), Insn("ldr", "r2, [r3]")]
    assert [block_cycles("cortex-m7", pair).cycles for pair in (independent, dependent, loads)] == [1, 2, 2]


def test_names_and_operands() -> None:
    assert [base_name(m) for m in ("muls", "mls", "addseq.w", "ldrne", "bls", "teq", "vmul.f32")] == [
        "mul", "mls", "add", "ldr", "bls", "teq", "vmul",
    ]  # fmt: skip
    assert register_count("sp!, {r4, r5, lr}") == 3
    assert register_count("{s16-s19}") == 4
    assert writes_pc(Insn("pop", "{r4, pc}")) and not writes_pc(Insn("push", "{r4, lr}"))
    assert all(block_cycles(table, []) == BlockCycles(0, 0) for table in TABLES)
