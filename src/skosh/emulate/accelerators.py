"""What runs a program's kernels beside this computer's processor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from skosh.base.registry import Table, load
from skosh.emulate.runner import Runner
from skosh.ir.graph import Array
from skosh.lower.program import Program

RUNNERS: Table = {"opencl": "skosh.emulate.opencl:OpenClRunner"}


@runtime_checkable
class ManyAtOnce(Protocol):
    """A runner that takes the samples of a batch together."""

    def run_many(self, samples: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """The outputs of each sample."""


def accelerator_runner(name: str, program: Program, sources: Mapping[str, str]) -> Runner:
    """Raises ToolError where this computer has no such device, or its compiler refuses the kernels."""
    made: Runner = load(RUNNERS, name, "accelerator")(program, sources)
    return made


def all_rows(runner: Runner, samples: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
    """The outputs of each sample: together where the runner can, else one after another."""
    if isinstance(runner, ManyAtOnce) and len(samples) > 1:
        return runner.run_many(samples)
    return [runner.run(x) for x in samples]
