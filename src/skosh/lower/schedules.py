"""Routines get their loops: a kernel's schedule applied, as far as the aim and the allowed steps go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from skosh.base.aims import Aim
from skosh.ir.call import Schedule
from skosh.ir.kernel import Kernel
from skosh.lower.unused import without_unused_locals
from skosh.schedule.draft import STEPS, Draft
from skosh.schedule.row_sums import sum_by_function
from skosh.targets import Target


def sums_by_function(target: Target | None, optimize: Aim) -> bool:
    """Whether loops that sum float32 along a row become calls of the target's own function, which is larger."""
    return target is not None and target.has_float_sums and optimize != "flash"


def apply_schedule(
    kernel: Kernel,
    schedule: Schedule,
    cases: Sequence[Mapping[str, int | float]],
    optimize: Aim,
    steps: tuple[str, ...] = STEPS,
    float_sums: bool = False,
) -> Kernel:
    """The kernel as it will be emitted: rewritten by its schedule, as far as ``steps`` go."""
    draft = Draft(kernel, cases, optimize, steps, float_sums)
    if schedule.rewrite is not None:
        schedule.rewrite(draft)
    scheduled = replace(draft.kernel, body=without_unused_locals(draft.kernel.body))
    return sum_by_function(scheduled) if float_sums else scheduled
