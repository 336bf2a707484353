"""What a compiled model costs: instructions and modelled cycles from the emulator, sizes from the linker map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from skosh.base.aims import Aim
from skosh.base.shown import html_of
from skosh.emulate.runner import DeviceRunner
from skosh.ir.graph import Array, node_macs
from skosh.lower.program import DataPointer, Program
from skosh.targets import Firmware


@dataclass(frozen=True)
class Flash:
    """Bytes. code: everything linked that isn't constant data of the model: its functions, startup, runtime."""

    code: int
    weights: int

    @property
    def total(self) -> int:
        return self.code + self.weights


@dataclass(frozen=True)
class Ram:
    """Bytes. arena: inputs, outputs, states and all between; stack: the deepest use below run()."""

    arena: int
    stack: int | None

    @property
    def total(self) -> int:
        return self.arena + (self.stack or 0)


@dataclass(frozen=True)
class LayerProfile:
    """One layer: instructions and cycles of one run; weights: bytes of constants it reads (shared ones count each time)."""

    name: str
    kind: str
    node: str
    macs: int
    instructions: int | None
    cycles_modelled: int | None
    weights: int
    output: tuple[int, ...]
    cycles: int | None = None


@dataclass(frozen=True)
class ExitProfile:
    """A way through a model with early exits: instructions and cycles of a run that takes it. share: of samples that do."""

    exit: str
    after: str | None
    share: float
    instructions: int
    cycles_modelled: int | None


@dataclass(frozen=True)
class Profile:
    """instructions, cycles_modelled: of one run; None on the host, which isn't emulated.

    exits: of a model with early exits, each way through it, that to the end last; the totals are of that.
    cycles: simulated, where the core itself is, with the memories that ``memory`` tells of; None elsewhere.
    """

    target: str
    optimize: Aim
    macs: int
    instructions: int | None
    cycles_modelled: int | None
    flash: Flash
    ram: Ram
    layers: tuple[LayerProfile, ...]
    exits: tuple[ExitProfile, ...] = ()
    cycles: int | None = None
    memory: str = ""

    def _repr_html_(self) -> str:
        return html_of("profile", self)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(
    program: Program, optimize: Aim, firmware: Firmware, runner: DeviceRunner, tracer: DeviceRunner, inputs: tuple[Array, ...]
) -> Profile:
    """One run of the firmware for the totals, one of the traced firmware for the layers."""
    for r in (runner, tracer):
        r.reset()
        r.run(inputs)
    assert runner.last is not None and tracer.last is not None, "both have run"
    sizes = firmware.sizes
    costs = tracer.last.layers
    modelled = runner.last.cycles_modelled is not None
    simulated = runner.last.cycles is not None
    layers = _layers(
        program,
        {i: (c.instructions, c.cycles if modelled else None, c.cycles if simulated else None) for i, c in costs.items()},
    )
    return Profile(
        firmware.target,
        optimize,
        sum(layer.macs for layer in layers),
        runner.last.instructions,
        runner.last.cycles_modelled,
        Flash(sizes.flash_code + sizes.flash_support, sizes.flash_weights),
        Ram(program.plan.arena_bytes, runner.last.stack_bytes),
        layers,
        cycles=runner.last.cycles,
        memory=runner.last.memory,
    )


def measure_exits(
    runner: DeviceRunner, told: Sequence[Mapping[str, Any]], examples: Sequence[Array | None]
) -> tuple[ExitProfile, ...]:
    """A run for each exit that has an example. told: the graph's ``notes["exits"]``."""
    found = []
    for entry, example in zip(told, examples, strict=True):
        if example is not None:
            runner.reset()
            runner.run((example,))
            assert runner.last is not None, "it has run"
            cost = (runner.last.instructions, runner.last.cycles_modelled)
            found.append(ExitProfile(entry["exit"], entry["after"], entry["share"], *cost))
    return tuple(found)


def _layers(program: Program, costs: dict[int, tuple[int, int | None, int | None]]) -> tuple[LayerProfile, ...]:
    sizes = {d.name: d.nbytes for d in program.data}
    out = []
    for layer in program.layers:
        used = {a.data for c in layer.calls for a in c.arguments if isinstance(a, DataPointer)}
        instructions, modelled, cycles = costs.get(layer.index, (0, 0 if costs else None, None))
        out.append(
            LayerProfile(
                layer.name,
                layer.node.op.kind,
                layer.node.name,
                node_macs(program.graph, layer.node),
                instructions,
                modelled,
                sum(sizes[n] for n in used),
                program.graph.tensors[layer.node.outputs[0]].shape,
                cycles,
            )
        )
    return tuple(out)


def host_profile(program: Program, optimize: Aim) -> Profile:
    """What is known without an emulator: MACs, constants, arena. Code size and instructions are not those of a device."""
    layers = _layers(program, {})
    weights = sum(d.nbytes for d in program.data)
    macs, ram = sum(x.macs for x in layers), Ram(program.plan.arena_bytes, None)
    return Profile("host", optimize, macs, None, None, Flash(0, weights), ram, layers)
