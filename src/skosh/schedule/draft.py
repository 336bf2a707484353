"""``Draft``: a kernel on its way through a schedule, and the numbers of every call that its routine must serve.

A schedule is a plain function over a Draft. It may rely on what all calls of the routine have in common: a trip count that
is always a multiple of the tile leaves no rest loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh import schedule
from skosh.base.aims import Aim
from skosh.base.dtypes import f32
from skosh.ir.kernel import Kernel
from skosh.schedule import assembled
from skosh.schedule.counts import rounds

STEPS = ("tile", "pack", "unroll", "assemble")
"""The steps of a Draft, in the order in which they pay."""


@dataclass
class Draft:
    """A kernel on its way, and the numbers of every call it must serve."""

    kernel: Kernel
    cases: Sequence[Mapping[str, int | float]]
    optimize: Aim
    steps: tuple[str, ...] = STEPS  # those that may be taken
    float_sums: bool = False  # a function does the loop that sums along a row of float32

    @property
    def tiles(self) -> bool:
        """May loops be tiled and unrolled?"""
        return not (self.float_sums and any(p.written and p.dtype == f32 for p in self.kernel.params))

    def trips(self, loop: str) -> list[int | None]:
        """Rounds of every loop that ``loop`` means, in each case; None where data decides. A loop folded away has one."""
        found = schedule.loops(self.kernel, loop)
        return [rounds(self.kernel, f, case) for case in self.cases for f in found] or [1 for _ in self.cases]

    def reaches(self, loop: str, factor: int) -> bool:
        """Does some loop run at least ``factor`` rounds in some case?"""
        return any(t is None or t >= factor for t in self.trips(loop))

    def tile(self, loop: str, factor: int) -> None:
        """Unroll and jam, with a rest loop only where one is needed."""
        if "tile" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll_and_jam(self.kernel, loop, factor, cases=self.cases)

    def unroll(self, loop: str, factor: int) -> None:
        if "unroll" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll(self.kernel, loop, factor, cases=self.cases)

    def assemble(self, loop: str, machine: str) -> None:
        """In the assembly of ``machine``; nothing where the loop has been folded away."""
        if "assemble" in self.steps and schedule.loops(self.kernel, loop):
            self.kernel = assembled.assemble(self.kernel, loop, machine)

    def pack(self, buffer: str, rows: int) -> None:
        if "pack" in self.steps and self.tiles:
            self.kernel = schedule.pack(self.kernel, buffer, rows)
