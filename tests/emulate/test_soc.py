"""VexRiscv, simulated: what its programs compute and take, with either simulator; what happens when one hangs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from skosh.base.errors import InputError, ToolError
from skosh.build import compile_firmware
from skosh.emulate.machine import Run
from skosh.emulate.soc import SocMachine, memory_model
from skosh.targets import Firmware, Target, target
from skosh.targets.hardware_tools import vexriscv
from skosh.targets.machine import MARKER_ADDRESS

PLAIN = target("vexriscv")

PROGRAM = """
#include <stdint.h>

uint32_t given[64], sum;
static const uint32_t weights[64] = {1, 2, 3, 5, 7, 11, 13, 17};

int skosh_main(void);

int skosh_main(void)
{
    uint32_t total = 0;
    for (int i = 0; i < 64; i++) {
        total += given[i] * weights[i & 7];
    }
    sum = total;
    *(volatile uint32_t *)0xE0000000u = 3;
    *(volatile uint32_t *)0xE000100Cu = (uint32_t)'o';
    *(volatile uint32_t *)0xE000100Cu = (uint32_t)'k';
    return 0;
}
"""


@cache
def firmware(text: str) -> Firmware:
    return compile_firmware(PLAIN, {}, prefix="soc", harness=text)


def ran(machine: Target = PLAIN, text: str = PROGRAM) -> tuple[SocMachine, Run]:
    made = SocMachine(firmware(text).elf, machine)
    made.write("given", b"".join((i * i).to_bytes(4, "little") for i in range(64)))
    return made, made.call()


EXPECTED = sum(i * i * (1, 2, 3, 5, 7, 11, 13, 17)[i & 7] for i in range(64))


@cache
def by(name: str) -> tuple[int, int, int]:
    """(sum, cycles, cycles of the layer) as one back end has it: Verilator with a unit, which this program doesn't use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKOSH_SIMULATOR", name)
        patch.setenv("SKOSH_SIMULATOR_FLAGS", "-O1")
        machine, run = ran(PLAIN if name == "cxxrtl" else target("vexriscv-cfu"))
    return int.from_bytes(machine.read("sum", 4), "little"), run.cycles or 0, run.layers[3].cycles


def test_both_simulators_agree_cycle_for_cycle() -> None:
    assert by("cxxrtl")[0] == EXPECTED
    assert by("cxxrtl") == by("verilator")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKOSH_SIMULATOR_FLAGS", "-O1")
    monkeypatch.setenv("SKOSH_SIMULATOR", "cxxrtl")


def test_runs_repeat_and_print() -> None:
    machine, run = ran()
    assert machine.printed == "ok"
    again = machine.call()
    assert (again.cycles, again.instructions, again.layers) == (run.cycles, run.instructions, run.layers)
    assert run.cycles_modelled is None
    assert run.memory == "code and constants 2 cycles a word, RAM 2; 4 KB instruction and 4 KB data cache, empty at first"
    assert run.instructions < run.layers[3].cycles < (run.cycles or 0)


def test_wait_states_cost_what_they_say() -> None:
    _, fast = ran()
    slow_target = replace(PLAIN, emulator="vexriscv:flash=6")
    _, slow = ran(slow_target)
    assert slow.instructions == fast.instructions
    assert (slow.cycles or 0) > 1.2 * (fast.cycles or 0)
    assert memory_model(slow_target).startswith("code and constants 8 cycles a word, RAM 2;")
    with pytest.raises(InputError, match="must be given as flash=6,ram=0"):
        memory_model(replace(PLAIN, emulator="vexriscv:speed=9"))


def stopped(body: str, cycles: int = 20_000) -> str:
    text = f"int skosh_main(void);\n\nint skosh_main(void)\n{{\n{body}\n    return 0;\n}}\n"
    machine = SocMachine(firmware(text).elf, PLAIN)
    with pytest.raises(ToolError) as caught:
        machine.call(max_instructions=cycles)
    return str(caught.value)


MARK = f"    *(volatile unsigned *){MARKER_ADDRESS:#x}u = 5;\n"


def test_a_program_that_hangs_is_stopped_with_its_place_and_layer() -> None:
    said = stopped(MARK + "    for (;;) {\n        __asm__ volatile(\"\");\n    }\n")
    assert said.startswith("firmware on vexriscv stopped at skosh_main")
    assert "after layer 5: nothing happened in 20,000 cycles" in said


def test_an_exception_is_told_with_its_place() -> None:
    said = stopped(MARK + '    __asm__ volatile(".word 0");\n')
    assert "stopped at skosh_main" in said
    assert "after layer 5: an exception was taken, cause 2" in said


def test_the_core_is_the_pinned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "output [31:0] skosh_pc" in vexriscv()
    monkeypatch.setattr("skosh.targets.hardware_tools.VEXRISCV_SHA256", "0" * 64)
    vexriscv.cache_clear()
    try:
        with pytest.raises(ToolError, match="must be the one whose figures are told"):
            vexriscv()
    finally:
        vexriscv.cache_clear()
