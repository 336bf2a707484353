"""The compiler on one page: every stage, in order.

    graph -> check -> optimize -> (search ->) calls and memory plan -> proof of the plan -> routines and layout -> C
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from skosh.base.aims import AIMS, as_aim
from skosh.base.errors import InputError
from skosh.base.registry import Table, load
from skosh.build.soft_float import soft_float
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.interface import c_name
from skosh.emit.model import emit
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph
from skosh.ir.text import graph_text
from skosh.lower.allowed import EVERYTHING, Means
from skosh.lower.assemble import assemble
from skosh.lower.calls import Lowered, choose_calls
from skosh.lower.program import Program
from skosh.lower.schedules import sums_by_function
from skosh.lower.self_check import check_routines
from skosh.optimize import optimize_graph
from skosh.plan import check_plan, memory_map_text
from skosh.search import Choice
from skosh.search.search import chosen_calls
from skosh.targets import Target

OPTIMIZE = AIMS

WRITERS: Table = {"opencl": "skosh.machines.gpu.opencl:sources"}
"""What writes a program's kernels for an accelerator, beside the C."""

STAGES = ("load", "optimize", "plan", "lower", "emit")


@dataclass(frozen=True, eq=False)
class Compiled:
    """What each stage left; a stage that was never reached left None.

    choice: what a search decided, where one was asked for.
    """

    source: Graph
    optimized: Graph | None = None
    choice: Choice | None = None
    lowered: Lowered | None = None
    assembled: Program | None = None
    sources: dict[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Program:
        assert self.assembled is not None, "the compiler was stopped before there was a program"
        return self.assembled

    def text(self, stage: str) -> str:
        """What a stage left, for people. The stage must have been reached."""
        match stage:
            case "load":
                return graph_text(self.source)
            case "optimize" if self.optimized is not None:
                return graph_text(self.optimized)
            case "plan" if self.lowered is not None:
                return memory_map_text(self.lowered.graph, self.lowered.plan)
            case "lower" if self.lowered is not None:
                return f"{program_text(self.program)}\n{arithmetic_text(self.lowered)}"
            case "emit" if self.sources:
                return self.sources[f"{self.program.name}.c"]
        raise AssertionError(f"{stage} was never reached")


def compile_to_c(
    graph: Graph,
    *,
    target: Target | None = None,
    optimize: str = "balanced",
    name: str | None = None,
    means: Means = EVERYTHING,
    search: Callable[[Graph], Choice] | None = None,
    self_check: bool = False,
    refuse: Callable[[Program], None] = lambda program: None,
    until: str = STAGES[-1],
) -> Compiled:
    """From a Graph to C. The same graph and options give the same bytes. target: None for plain C99, made for no machine.

    search: finds the form of each layer of the optimized graph; None: rules decide, at once.
    means: less than everything only to learn what something is worth.
    self_check: run each scheduled routine against its kernel, on a few rounds of each loop.
    refuse: raises for a program that is too large, before C is written of it.
    until: the stage, one of STAGES, after which to stop.

    Raises
    ------
    ModelError: the graph is not a legal one, or can't be computed exactly. InputError: an option is unknown.
    """
    aim = as_aim(optimize)
    if until not in STAGES:
        raise InputError(f'until must be one of {", ".join(STAGES)}, not "{until}"')
    prefix = c_name(name or graph.name)

    check_graph(graph)
    done = Compiled(graph)
    if until == "load":
        return done

    graph = optimize_graph(graph) if means.passes else graph
    check_graph(graph)
    done = replace(done, optimized=graph)
    if until == "optimize":
        return done

    choice = search(graph) if search is not None else None
    chosen = chosen_calls(graph, choice, target) if choice is not None and target is not None else {}

    lowered = choose_calls(graph, optimize=aim, target=means.of(target), chosen=chosen)
    check_plan(lowered.graph, lowered.plan)
    done = replace(done, choice=choice, lowered=lowered)
    if until == "plan":
        return done

    sums = sums_by_function(target, aim)
    program = assemble(lowered, optimize=aim, name=prefix, steps=means.steps, float_sums=sums)
    refuse(program)
    if self_check:
        check_routines(lowered, program)
    done = replace(done, assembled=program)
    if until == "lower":
        return done

    library = soft_float(target, prefix) if computes_with_floats(program) else {}
    narrow = target is not None and target.int_bits < 32
    sources = emit(program, library=tuple(library), narrow_int=narrow) | library
    if target is not None and target.accelerator:
        sources |= load(WRITERS, target.accelerator, "accelerator")(program)
    return replace(done, sources=sources)


def program_text(program: Program) -> str:
    """Routines with their schedules, and which layers call them."""
    lines = []
    for r in program.routines:
        users = [layer.name for layer in program.layers if any(c.routine == r.name for c in layer.calls)]
        free = ", ".join(v.name for v in r.kernel.numbers) or "nothing"
        lines += [f"{r.name}: {len(users)} layers; free: {free}", *(f"    {step}" for step in r.kernel.steps)]
        lines += [f"    <- {', '.join(users)}"]
    total = sum(d.nbytes for d in program.data)
    return "\n".join([*lines, f"constants: {len(program.data)} arrays, {total:,} bytes"])


def arithmetic_text(lowered: Lowered) -> str:
    """How many kernel calls are proved not to overflow, and what is open about the others."""
    found = [a for n in lowered.plan.order for a in lowered.arithmetic[n]]
    head = f"arithmetic: {sum(a.proved for a in found)} of {len(found)} calls proved not to overflow"
    return "\n".join([head, *dict.fromkeys(f"    {a}" for a in found if not a.proved)])
