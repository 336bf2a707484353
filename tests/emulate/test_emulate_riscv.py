"""RV32IMC under Unicorn: outputs, counts against single steps, layers, stack, faults, and cycles of the published table."""

from __future__ import annotations

from typing import Any

import pytest

from skosh.base.errors import ToolError
from skosh.emulate import Snapshot
from skosh.machines.arm_m.timings import BlockCycles, Insn
from skosh.machines.riscv.timings import riscv_block_cycles
from tests.emulate.test_emulate_machine import TWO_LAYERS, X, body, machine, second

NAME = "rv32imc"


def single_steps(code: str, optimize: str = "balanced") -> int:
    import unicorn

    m, steps = machine(code, NAME, optimize), 0

    def step(uc: Any, address: int, size: int, user: Any) -> None:
        nonlocal steps
        steps += address != m.image.address("skosh_stop")

    m._emulator.hook_add(unicorn.UC_HOOK_CODE, step)
    m.call()
    return steps


def test_outputs_layers_and_snapshots() -> None:
    m = machine(TWO_LAYERS, NAME)
    m.write("skosh_input", X)
    arena = m.image.address("skosh_arena")
    run = m.call(snapshots=(Snapshot(0, arena, 256), Snapshot(1, arena + 8, 4)))
    hidden = [X[i & 15] // 2 for i in range(256)]
    assert m.read("skosh_output", 1)[0] == second(hidden) & 127
    assert m.read("skosh_output", 2)[1] == int(second(hidden) / 100) & 255
    assert run.snapshots == (bytes(hidden), bytes(hidden[8:12]))
    assert run.layers[1].instructions > 5 * run.layers[0].instructions > 1000
    assert run.cycles_modelled is not None
    assert run.cycles_modelled > run.instructions
    assert m.call().instructions == run.instructions


@pytest.mark.parametrize("optimize", ["balanced", "speed", "flash"])
def test_counts_equal_single_steps(optimize: str) -> None:
    run = machine(TWO_LAYERS, NAME, optimize).call()
    assert run.instructions + run.harness.instructions == single_steps(TWO_LAYERS, optimize)


def test_counts_are_exact_in_long_straight_code() -> None:
    step = "v = (v ^ {0}u) * {1}u + (v >> {2}); if (v & {3}u) {{ y[1]++; }}"
    lines = (step.format(i * 40503, i * 7919 + 13, i % 13 + 1, 1 << i % 20) for i in range(600))
    code = body("uint32_t v = (uint32_t)x[0];\n" + "\n".join(lines) + "\ny[0] = (int8_t)(v & 127u);\nreturn 0;")
    run = machine(code, NAME).call()
    assert run.instructions > 4000
    assert run.instructions + run.harness.instructions == single_steps(code)


def test_cycles_of_a_loop() -> None:
    lines = '__asm__ volatile("li a5, 10\\n1: lw a4, 0(%0)\\n\\tadd a4, a4, a5\\n\\tdiv a4, a4, a5\\n\\t"\n'
    lines += '"addi a5, a5, -1\\n\\tbnez a5, 1b" : : "r"(a) : "a4", "a5");\nreturn 0;'
    # each time: load and its use 3, div 18, addi 1, branch 1, and one more when it falls through
    around = machine(body(lines), NAME).call().cycles_modelled
    assert around is not None
    assert 0 < around - (10 * (3 + 18 + 1 + 1) + 1) < 8


def test_cycles_of_instructions() -> None:
    def cycles(*insns: str) -> BlockCycles:
        return riscv_block_cycles("hazard3", [Insn(*(*i.split(" ", 1), "")[:2]) for i in insns])

    assert cycles("lw a0, 0(a1)", "add a2, a0, a3") == (3, 0)
    assert cycles("lw a0, 0(a1)", "add a2, a3, a3") == (2, 0)
    assert cycles("lw a0, 0(a1)", "sw a0, 0(a2)") == (2, 0)  # what is stored isn't needed earlier
    assert cycles("lw a0, 0(a1)", "sw a2, 0(a0)") == (3, 0)
    assert cycles("c.lw a0, 0(a1)", "c.add a0, a2") == (3, 0)
    assert cycles("lw a0, 0(a1)", "c.mv a0, a2") == (2, 0)
    assert cycles("mul a0, a1, a2", "remu a0, a1, a2") == (19, 0)
    assert cycles("bne a0, a1, -16") == (2, -1)
    assert cycles("c.beqz a0, 16") == (1, 1)
    assert cycles("ret ") == (2, 0)


def test_stack_is_that_of_the_watched_function() -> None:
    deep = body("volatile int8_t b[1000]; b[x[0]] = 1; b[999] = 0; y[0] = b[5];\nreturn 0;")
    assert 1000 <= machine(deep, NAME).call().stack_bytes <= 1040
    assert machine(body("y[0] = x[0];\nreturn 0;"), NAME).call().stack_bytes <= 16


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("return *(volatile int8_t *)0x50000000;", r"kws_run.*: Invalid memory read"),
        ('__asm__ volatile(".word 0xffffffff"); return 0;', r"kws_run.*: Unhandled CPU exception"),
        ('__asm__ volatile("1: j 1b"); return 0;', r"kws_run.*: it ran more than 1000000 instructions"),
        ('__asm__ volatile("tail skosh_fault"); return 0;', r"skosh_fault: an exception was taken"),
    ],
)
def test_a_fault_names_the_function(lines: str, message: str) -> None:
    m = machine(body(lines), NAME)
    with pytest.raises(ToolError, match=f"^firmware on rv32imc stopped at {message}"):
        m.call(max_instructions=1_000_000)
