"""A unit's hardware against its golden model: random instructions, one after another, every response compared."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.sim import Simulator

from skosh.base.errors import ToolError
from skosh.rtl.golden import Golden
from skosh.rtl.hardware import Hardware
from skosh.rtl.unit import Unit

Issue = tuple[str, int, int]
"""(instruction, a, b)"""

_PATIENCE = 5000
"""Cycles without a response after which hardware hangs."""


@dataclass(frozen=True)
class Difference:
    """Where golden model and hardware first part."""

    at: int
    issue: Issue
    expected: int
    got: int

    def __str__(self) -> str:
        name, a, b = self.issue
        both = f"{self.expected:#010x} by its definition, {self.got:#010x} in hardware"
        return f"instruction {self.at}, {name}({a:#x}, {b:#x}): {both}"


@dataclass(frozen=True)
class Simulated:
    """Responses, and the cycles that each instruction took from command to response."""

    responses: tuple[int, ...]
    cycles: tuple[int, ...]


def simulate(unit: Unit, issues: Sequence[Issue]) -> Simulated:
    """The instructions on the hardware, in Amaranth's simulator. ToolError when one never answers."""
    hardware = Hardware(unit)
    responses: list[int] = []
    cycles: list[int] = []
    port = hardware.port

    async def bench(ctx: Any) -> None:
        ctx.set(port.rsp_ready, 1)
        for name, a, b in issues:
            number = unit.custom(unit.instruction(name)).number
            for signal, value in ((port.function_id, number), (port.inputs_0, a), (port.inputs_1, b), (port.cmd_valid, 1)):
                ctx.set(signal, value & 0xFFFFFFFF)
            await ctx.tick()
            ctx.set(port.cmd_valid, 0)
            ctx.set(port.inputs_0, 0xDEADBEEF)  # operands are there for one cycle
            ctx.set(port.inputs_1, 0xDEADBEEF)
            took = 1
            while not ctx.get(port.rsp_valid):
                await ctx.tick()
                took += 1
                if took > _PATIENCE:
                    raise ToolError(f'unit "{unit.name}": {name}({a:#x}, {b:#x}) gives no response in {_PATIENCE} cycles')
            responses.append(ctx.get(port.outputs_0))
            cycles.append(took)

    simulator = Simulator(hardware)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return Simulated(tuple(responses), tuple(cycles))


def difference(unit: Unit, issues: Sequence[Issue]) -> Difference | None:
    """The first response in which hardware and golden model differ; None where all are equal."""
    golden = Golden(unit)
    expected = [golden.issue(*i) for i in issues]
    got = simulate(unit, issues).responses
    for at, (i, want, have) in enumerate(zip(issues, expected, got, strict=True)):
        if want != have:
            return Difference(at, i, want, have)
    return None


def random_issues(unit: Unit, count: int, seed: int, masks: Mapping[str, tuple[int, int]] | None = None) -> list[Issue]:
    """Instructions and operands by chance, with many that lie at the edges of bytes and words.

    masks: by instruction, the bits that its operands may have, where all of them would make loops too long for a test.
    """
    chance = random.Random(seed)
    edges = (0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x80808080, 0x7F7F7F7F)

    def operand() -> int:
        return chance.choice(edges) if chance.random() < 0.3 else chance.getrandbits(chance.choice((4, 8, 16, 32)))

    names = [k.name for k in unit.instructions]
    made = [(chance.choice(names), operand(), operand()) for _ in range(count)]
    every = (0xFFFFFFFF, 0xFFFFFFFF)
    return [(name, a & (masks or {}).get(name, every)[0], b & (masks or {}).get(name, every)[1]) for name, a, b in made]
