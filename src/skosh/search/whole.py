"""A whole model with given forms, measured in one traced run: what the estimates of a search are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skosh.base.aims import Aim
from skosh.build import compile_firmware
from skosh.build.soft_float import soft_float
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.harness import marker_trace
from skosh.emit.interface import interface
from skosh.emit.model import emit
from skosh.emulate.runner import DeviceRunner
from skosh.ir.call import Call
from skosh.ir.graph import Graph
from skosh.lower.assemble import assemble
from skosh.lower.calls import choose_calls
from skosh.lower.schedules import sums_by_function
from skosh.search.choice import Totals
from skosh.targets import Target
from skosh.verify.samples import random_samples


@dataclass(frozen=True)
class Whole:
    """``time_of``: node -> modelled cycles, or instructions, of its layer."""

    totals: Totals
    time_of: Mapping[int, int]


def measure_whole(graph: Graph, target: Target, optimize: Aim, chosen: Mapping[int, tuple[Call, ...]]) -> Whole:
    """chosen: calls of nodes that aren't computed as the rules have it."""
    lowered = choose_calls(graph, optimize=optimize, target=target, chosen=chosen)
    program = assemble(lowered, optimize=optimize, name="model", float_sums=sums_by_function(target, optimize))
    trace = marker_trace(program, interface(program), target.marker)
    library = soft_float(target, program.name) if computes_with_floats(program) else {}
    firmware = compile_firmware(
        target,
        {**emit(program), **library, **trace.headers},
        prefix=program.name,
        harness=trace.harness,
        optimize=optimize,
        defines=trace.defines,
    )
    runner = DeviceRunner(program, firmware.elf, target)
    runner.reset()
    (inputs,) = random_samples(graph, 1).inputs
    runner.run(inputs)
    run = runner.last
    assert run is not None, "it has run"
    modelled = run.cycles_modelled is not None
    order = program.plan.order
    time_of = {order[k]: c.cycles if modelled else c.instructions for k, c in run.layers.items()}
    sizes = firmware.sizes
    flash = sizes.flash_code + sizes.flash_support + sizes.flash_weights
    time = run.instructions if run.cycles_modelled is None else run.cycles_modelled
    return Whole(Totals(time, flash, program.plan.arena_bytes, run.stack_bytes), time_of)
