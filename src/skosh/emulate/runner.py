"""A compiled model as a function of arrays: on this computer or on an emulated device, with every layer's values on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from skosh.base.errors import ToolError
from skosh.emit.interface import Interface, interface
from skosh.emulate.counter import Snapshot
from skosh.emulate.host import HostModel, LayerDone
from skosh.emulate.machine import Run
from skosh.emulate.machines import open_machine
from skosh.ir.graph import FIRST_STATUS, Array, Tensor
from skosh.lower.program import Layer, Program
from skosh.targets import Target

Values = Mapping[str, Array]


class Runner(Protocol):
    """One inference after another; a model's state lives from one to the next until ``reset``."""

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """Outputs, flat or shaped inputs of the model's own types."""

    def trace(self, inputs: Sequence[Array]) -> Values:
        """Every value that a layer wrote, by tensor name. Needs a build that traces."""

    def reset(self) -> None:
        """Forget the state."""


def written(program: Program) -> dict[int, tuple[Tensor, ...]]:
    """Layer number -> the tensors that its code writes."""
    return {
        layer.index: tuple(program.graph.tensors[n] for n in layer.node.outputs)
        for layer in program.layers
        if layer.calls
    }


def _shaped(raw: bytes | memoryview, t: Tensor) -> Array:
    data = np.frombuffer(bytes(raw), dtype=np.uint8).copy()
    return data.view(t.dtype.np).reshape(t.shape)


class HostRunner:
    """The shared library that ``build.compile_host`` made of a program."""

    def __init__(self, program: Program, library: Path) -> None:
        self.program, self.face = program, interface(program)
        plan = program.plan
        self.model = HostModel(
            library, program.name, arena_bytes=plan.arena_bytes, arena_align=max(16, plan.base_align)
        )
        self.reset()

    def reset(self) -> None:
        if self.program.graph.states:
            self.model.function(f"{self.face.prefix}_reset")(self._arena_pointer())

    def _arena_pointer(self) -> object:
        import ctypes

        return ctypes.c_void_p(self.model.arena.ctypes.data)

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return self._call(inputs, None)

    def trace(self, inputs: Sequence[Array]) -> Values:
        seen: dict[str, Array] = {}
        tensors, offsets = written(self.program), self.program.plan.offset_of

        def done(layer: int, arena: memoryview) -> None:
            for t in tensors[layer]:
                seen[t.name] = _shaped(arena[offsets[t.name] : offsets[t.name] + t.nbytes], t)

        self._call(inputs, done)
        return seen

    def _call(self, inputs: Sequence[Array], on_layer: LayerDone | None) -> tuple[Array, ...]:
        outputs = [np.empty(p.tensor.shape, p.dtype.np) for p in self.face.outputs]
        contiguous = [np.ascontiguousarray(x) for x in inputs]
        status = self.model.call(contiguous, outputs, on_layer)
        if self.face.status_offset is not None and status in (0, *range(FIRST_STATUS, 256)):
            return (*outputs, np.array([status], np.int32))
        if status != 0:
            raise ToolError(f"{self.face.prefix}_run gave status {status}")
        return tuple(outputs)


class DeviceRunner:
    """Firmware on an emulated device. ``last`` tells what the latest run cost."""

    def __init__(self, program: Program, elf: bytes, target: Target) -> None:
        self.program, self.face = program, interface(program)
        self.machine = open_machine(elf, target, watch=f"{program.name}_run")
        self.arena = self.machine.image.address("skosh_arena")
        self.last: Run | None = None

    def reset(self) -> None:
        if self.program.graph.states:
            self.machine.write("skosh_fresh", (1).to_bytes(4, "little"))

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        self._call(inputs, ())
        outputs = tuple(
            _shaped(self.machine.read(self.arena + p.offset, p.tensor.nbytes), p.tensor) for p in self.face.outputs
        )
        if self.face.status_offset is None:
            return outputs
        return (*outputs, np.frombuffer(self.machine.read(self.arena + self.face.status_offset, 4), np.int32))

    def trace(self, inputs: Sequence[Array]) -> Values:
        offsets = self.program.plan.offset_of
        wanted = [(layer, t) for layer, tensors in written(self.program).items() for t in tensors]
        wishes = [Snapshot(layer, self.arena + offsets[t.name], t.nbytes) for layer, t in wanted]
        run = self._call(inputs, wishes)
        taken = zip(wanted, run.snapshots, strict=True)
        return {t.name: _shaped(raw, t) for (layer, t), raw in taken if layer in run.layers}  # others were left out

    def _call(self, inputs: Sequence[Array], wishes: Sequence[Snapshot]) -> Run:
        for port, x in zip(self.face.inputs, inputs, strict=True):
            self.machine.write(self.arena + port.offset, np.ascontiguousarray(x).tobytes())
        self.last = self.machine.call(snapshots=wishes)
        return self.last


def layer_of(program: Program, tensor: str) -> Layer:
    """The layer that writes a tensor."""
    return next(layer for layer in program.layers if tensor in layer.node.outputs)


__all__ = ["DeviceRunner", "HostRunner", "Interface", "Runner", "Values", "layer_of", "written"]
