"""``Draft``: a kernel on its way through a schedule, and the numbers of every call that its routine must serve.

A schedule is a plain function over a Draft. It may rely on what all calls of the routine have in common: a trip count that
is always a multiple of the tile leaves no rest loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh import schedule
from skosh.base.dtypes import f32, i32
from skosh.ir.kernel import Binary, Const, Expr, Kernel, Var, map_expr
from skosh.ir.simplify import simplify
from skosh.schedule import assembled

STEPS = ("tile", "pack", "unroll", "assemble")
"""The steps of a Draft, in the order in which they pay."""


@dataclass
class Draft:
    """A kernel on its way, and the numbers of every call it must serve."""

    kernel: Kernel
    cases: Sequence[Mapping[str, int | float]]
    optimize: str
    steps: tuple[str, ...] = STEPS  # those that may be taken
    float_sums: bool = False  # a function does the loop that sums along a row of float32

    @property
    def tiles(self) -> bool:
        """May loops be tiled and unrolled?"""
        return not (self.float_sums and any(p.written and p.dtype == f32 for p in self.kernel.params))

    def trips(self, loop: str) -> list[int | None]:
        """Rounds of the (first) loop over ``loop`` in each case; None where data decides. A loop folded away has one."""
        found = schedule.loops(self.kernel, loop)
        if not found:
            return [1 for _ in self.cases]
        count = Binary("-", found[0].hi, found[0].lo, i32)
        return [_evaluate(count, case) for case in self.cases]

    def divides(self, loop: str, factor: int) -> bool:
        return all(t is not None and t % factor == 0 for t in self.trips(loop))

    def reaches(self, loop: str, factor: int) -> bool:
        """Does some case run at least ``factor`` rounds?"""
        return any(t is None or t >= factor for t in self.trips(loop))

    def tile(self, loop: str, factor: int) -> None:
        """Unroll and jam, with a rest loop only where one is needed."""
        if "tile" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll_and_jam(self.kernel, loop, factor, exact=self.divides(loop, factor))

    def unroll(self, loop: str, factor: int) -> None:
        if "unroll" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll(self.kernel, loop, factor, exact=self.divides(loop, factor))

    def assemble(self, loop: str, machine: str) -> None:
        if "assemble" in self.steps:
            self.kernel = assembled.assemble(self.kernel, loop, machine)

    def pack(self, buffer: str, rows: int) -> None:
        if "pack" in self.steps and self.tiles:
            self.kernel = schedule.pack(self.kernel, buffer, rows)


def _evaluate(e: Expr, numbers: Mapping[str, int | float]) -> int | None:
    value = simplify(
        map_expr(e, lambda x: Const(int(numbers[x.name])) if isinstance(x, Var) and x.name in numbers else x)
    )
    return int(value.value) if isinstance(value, Const) else None
