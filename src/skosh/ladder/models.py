"""A model's ladder on a target: what each of the compiler's means is worth, in instructions of one inference."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import skosh
from skosh.base.aims import Aim
from skosh.base.errors import ToolError
from skosh.built import Build
from skosh.ir.graph import Graph, macs
from skosh.ir.interpret_graph import run_graph
from skosh.lower.allowed import Means
from skosh.pipeline import compile_to_c
from skosh.schedule.draft import STEPS
from skosh.targets import target as find_target
from skosh.verify.samples import random_samples

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Way:
    """A rung: what the compiler may use, and its aim."""

    name: str
    means: Means
    optimize: Aim = "balanced"


WAYS = (
    Way("C", Means(passes=False, steps=(), instructions=False)),
    Way("graph rewritten", Means(steps=(), instructions=False)),
    Way("register tiles", Means(steps=STEPS[:1], instructions=False)),
    Way("packed weights", Means(steps=STEPS[:2], instructions=False)),
    Way("unrolled sums", Means(steps=STEPS[:3], instructions=False)),
    Way("a routine for each shape", Means(steps=STEPS[:3], instructions=False), "speed"),
    Way("the target's instructions", Means(steps=STEPS[:3], assembly=False), "speed"),
    Way("assembly", Means(), "speed"),
)
"""From the kernels as they stand, in portable C, to all that the compiler has; each adds to the one before."""


@dataclass(frozen=True)
class ModelStep:
    """A rung. instructions: of one inference, None where they aren't counted; code and weights in bytes, of the linker map.

    Speedups are in instructions, over the first rung and over the one before.
    """

    name: str
    instructions: int | None
    absolute_speedup: float | None
    relative_speedup: float | None
    code: int
    weights: int
    source: str = field(default="", repr=False)


@dataclass(frozen=True)
class ModelLadder:
    """All rungs of a model on a target. interpreter_seconds: an inference in Python, on this computer."""

    model: str
    target: str
    macs: int
    interpreter_seconds: float
    rungs: tuple[ModelStep, ...]
    skipped: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        found = asdict(self)
        for r in found["rungs"]:
            del r["source"]
        return found

    def files(self) -> dict[str, str]:
        """The C of each rung, by file name."""
        return {
            f"{i}_{r.name.replace(' ', '_').replace(chr(39), '')}.c": r.source
            for i, r in enumerate(self.rungs, start=1)
        }


def climb_model(
    model: Any, target: str = "cortex-m4", *, progress: Progress = lambda what, done, of: None
) -> ModelLadder:
    """Compile a model in each way, prove each on a sample, count its instructions.

    model: a file, or what else ``skosh.load`` takes. A way that makes the same code as the one before is left out.
    Raises what ``skosh.load`` and ``skosh.compile`` raise; ToolError if a rung isn't bit-exact.
    """
    machine = find_target(target)
    progress("interpreter", 0, len(WAYS) + 1)
    graph = model if isinstance(model, Graph) else skosh.load(model)
    seconds = _interpreted(graph)
    steps: list[ModelStep] = []
    skipped: list[str] = []
    first: int | None = None
    before: int | None = None
    last: dict[str, str] = {}
    for i, way in enumerate(WAYS):
        progress(way.name, i + 1, len(WAYS) + 1)
        compiled = compile_to_c(graph, target=machine, optimize=way.optimize, means=way.means)
        if compiled.sources == last:
            skipped.append(way.name)
            continue
        last = compiled.sources
        build = Build(compiled, machine, way.optimize)
        if not build.verify(samples=1).bit_exact:
            raise ToolError(f'{graph.name} on {target}: the rung "{way.name}" is not bit-exact')
        profile = build.profile()
        count = profile.instructions
        first, before = first or count, before or count
        steps.append(
            ModelStep(
                way.name, count, _ratio(first, count), _ratio(before, count), profile.flash.code, profile.flash.weights,
                compiled.sources[f"{compiled.program.name}.c"],
            )
        )  # fmt: skip
        before = count
    return ModelLadder(graph.name, target, macs(graph), seconds, tuple(steps), tuple(skipped))


def _ratio(a: int | None, b: int | None) -> float | None:
    return a / b if a and b else None


def _interpreted(graph: Graph) -> float:
    """Seconds of one inference by the operators' own meaning, in Python and numpy."""
    (inputs,) = random_samples(graph, 1).inputs
    start = time.perf_counter()
    run_graph(graph, inputs)
    return time.perf_counter() - start
