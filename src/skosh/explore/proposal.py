"""``propose``: what each custom function unit would make of a model: cycles, area, clock; every one proved bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from skosh.built import Build, build
from skosh.explore.synthesis import placed, synthesized
from skosh.explore.units import PLAIN, UNITS, find
from skosh.ir.graph import Graph
from skosh.ir.kernel import For, walk
from skosh.lower.allowed import Means
from skosh.pipeline import compile_to_c
from skosh.targets import target

Told = Callable[[str], None]


@dataclass(frozen=True)
class Baseline:
    """Cycles of one inference on the core without a unit: of the kernels as they stand, and with all that skosh has."""

    plain_cycles: int
    tuned_cycles: int


@dataclass(frozen=True)
class Candidate:
    """``cfu``: the name for ``build``. ``fmax_mhz``: of the unit alone; None where it wasn't placed. ``hot``: the share of
    the baseline's cycles in layers that take the unit."""

    name: str
    cycles: int
    fmax_mhz: float | None
    lut: int
    ff: int
    dsp: int
    bram: int
    bit_exact: bool
    cfu: str
    hot: float

    def time_ms(self) -> float:
        """Of one inference, were the core as fast as the unit."""
        return self.cycles / self.fmax_mhz / 1000 if self.fmax_mhz else math.nan


@dataclass(frozen=True)
class Proposal:
    """``memory``: the memories that all cycles are those of."""

    baseline: Baseline
    candidates: tuple[Candidate, ...]
    memory: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def propose(
    graph: Graph, *, names: Sequence[str] = tuple(UNITS), place: bool = True, told: Told = lambda what: None
) -> Proposal:
    """Simulates a model on the plain core and with each unit. What was synthesized and placed is kept for the next time."""
    plain = target(PLAIN)
    told("simulating plain C on the core alone")
    least = Build(compile_to_c(graph, target=plain, means=Means(passes=False, steps=(), instructions=False)), plain, "balanced")
    slow = least.profile().cycles
    told("simulating tuned C on the core alone")
    tuned = build(graph, target=plain).profile()
    assert slow is not None and tuned.cycles is not None, "the core is simulated"
    candidates = tuple(_candidate(graph, name, tuned.layers, place, told) for name in names)
    return Proposal(Baseline(slow, tuned.cycles), candidates, tuned.memory)


def _candidate(graph: Graph, name: str, plain: Sequence[Any], place: bool, told: Told) -> Candidate:
    unit, machine = find(name)
    told(f'simulating "{name}"')
    made = build(graph, target=machine)
    profile, proof = made.profile(), made.verify(1)
    assert profile.cycles is not None, "the core is simulated"
    issuing = {r.name for r in made.program.routines if any(isinstance(s, For) and s.issue for s in walk(r.kernel.body))}
    used = {s.name for s in made.program.layers if any(c.routine in issuing for c in s.calls)}
    whole = sum(s.cycles or 0 for s in plain)
    hot = sum(s.cycles or 0 for s in plain if s.name in used) / whole if whole else 0.0
    told(f'synthesizing "{name}"')
    area = synthesized(unit)
    if place:
        told(f'placing and routing "{name}"')
    fmax = placed(unit) if place else None
    return Candidate(
        name, profile.cycles, fmax, area.lut, area.ff, area.dsp, area.bram, proof.bit_exact, name, round(hot, 4)
    )
