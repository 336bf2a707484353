"""``units``: one model on each part of an XPU: a core, its wide instructions, custom instructions, a GPU, an NPU.

Each row says how its number was come by: simulated, modelled, measured or estimated. Clocks and processes differ, so that only
rows of one core compare directly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from skosh.base.errors import SkoshError
from skosh.built import Build, build
from skosh.explore.synthesis import synthesized
from skosh.explore.units import PLAIN, find
from skosh.ir.graph import Graph
from skosh.machines.npu.ethos_u import HOW, to_ethos_u
from skosh.targets import target
from skosh.verify.samples import random_samples

Told = Callable[[str], None]

BATCH = 256
"""Samples that the GPU takes together."""

NPU = "ethos-u55-128"


@dataclass(frozen=True)
class Row:
    """``cycles`` of one inference, or ``time_us`` where time was measured. ``area``: a unit's cells on an ECP5.

    ``bit_exact``: None where nothing of ours runs there. ``how``: how the number was come by; why there is none, where there is
    none.
    """

    unit: str
    target: str
    bit_exact: bool | None
    cycles: int | None
    time_us: float | None
    area: dict[str, int] | None
    how: str


@dataclass(frozen=True)
class Units:
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        return {"rows": [asdict(r) for r in self.rows]}


def units(graph: Graph, told: Told = lambda what: None) -> Units:
    """A model on every unit. What isn't here, or can't take the model, is a row that says why."""
    made = []
    for name, machine, way in WAYS:
        told(f"{name} ({machine})")
        try:
            made.append(way(graph, name, machine))
        except SkoshError as error:
            made.append(Row(name, machine, None, None, None, None, f"not available: {error.message}"))
    return Units(tuple(made))


def _tuned(graph: Graph, name: str, machine: str) -> Row:
    return _simulated(build(graph, target=target(machine)), name)


def _custom(graph: Graph, name: str, machine: str) -> Row:
    unit, core = find(machine)
    return _simulated(build(graph, target=core), name, asdict(synthesized(unit)))


def _simulated(made: Build, name: str, area: dict[str, int] | None = None) -> Row:
    profile = made.profile()
    how = f"simulated, cycle for cycle; {profile.memory}"
    return Row(name, made.target.name, made.verify(1).bit_exact, profile.cycles, None, area, how)


def _modelled(graph: Graph, name: str, machine: str) -> Row:
    made = build(graph, target=target(machine))
    profile = made.profile()
    how = f"modelled from {profile.instructions:,} emulated instructions and published timings"
    if profile.cycles_modelled is None:
        how = f"{profile.instructions:,} emulated instructions; there is no model of its cycles"
    return Row(name, machine, made.verify(1).bit_exact, profile.cycles_modelled, None, None, how)


def _measured(graph: Graph, name: str, machine: str) -> Row:
    from skosh.emulate.opencl import OpenClRunner

    made = build(graph, target=target(machine))
    exact = made.verify(1).bit_exact
    runner = made.runner
    assert isinstance(runner, OpenClRunner), "the target's own runner"
    samples = random_samples(graph, BATCH).inputs
    runner.run_many(samples)
    best = min(_seconds(lambda: runner.run_many(samples)) for _ in range(3))
    how = f"measured on {runner.device.name.strip()}, {BATCH} samples together, best of 3"
    return Row(name, machine, exact, None, round(best / BATCH * 1e6, 1), None, how)


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _estimated(graph: Graph, name: str, machine: str) -> Row:
    made = to_ethos_u(graph, machine)
    took = round(made.estimated_cycles / made.clock_hz * 1e6, 1)
    where = f"{made.npu_operators} operators there, {made.cpu_operators} stay with the CPU"
    how = f"{HOW}, at {made.clock_hz / 1e6:.0f} MHz; {where}"
    return Row(name, machine, None, made.estimated_cycles, took, None, how)


WAYS: tuple[tuple[str, str, Callable[[Graph, str, str], Row]], ...] = (
    ("core alone", PLAIN, _tuned),
    ("core, 4-lane custom instructions", "quads", _custom),
    ("core, 16-lane custom instructions", "lanes", _custom),
    ("microcontroller, SIMD", "cortex-m4", _modelled),
    ("microcontroller, vectors", "cortex-m55", _modelled),
    ("GPU language, batch", "opencl", _measured),
    ("NPU", NPU, _estimated),
)
"""Name of a unit, its target (custom unit, accelerator), and what makes its row."""
