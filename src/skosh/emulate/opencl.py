"""A program's kernels on an OpenCL device: a GPU, or this computer's processor by PoCL."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from skosh.base.errors import ToolError
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.interface import interface
from skosh.emulate.runner import Values, written
from skosh.ir.graph import FIRST_STATUS, Array
from skosh.lower.exits import exits
from skosh.lower.program import ArenaPointer, DataPointer, Layer, Number, Program
from skosh.machines.gpu.opencl import Entry, entries, needs_order, numbers_of

MOST_BYTES = 1 << 28
"""Of the arenas of a batch at once: more samples go in parts."""

ALIGN = 128
"""Bytes: what arenas and constants begin at, the least that OpenCL promises of a buffer (the size of long16)."""

HINT = "pip install 'skosh[gpu]' brings PoCL, which runs OpenCL on this computer's processor"


@cache
def device() -> Any:
    """The device that kernels run on: the first GPU, else the first device of any kind. ToolError where there is none.

    PYOPENCL_CTX chooses another one, as everywhere in PyOpenCL.
    """
    import pyopencl as cl

    if os.environ.get("PYOPENCL_CTX"):
        return cl.create_some_context(interactive=False).devices[0]
    try:
        found = [d for p in cl.get_platforms() for d in p.get_devices()]
    except cl.Error as error:
        raise ToolError(f"there is no OpenCL device here: {error}", hint=HINT) from error
    if not found:
        raise ToolError("there is no OpenCL device here", hint=HINT)
    return next((d for d in found if d.type & cl.device_type.GPU), found[0])


class OpenClRunner:
    """One inference after another, or the samples of a batch together, each in an arena of its own on the device."""

    def __init__(self, program: Program, sources: Mapping[str, str]) -> None:
        import pyopencl

        self.program, self.face = program, interface(program)
        self.cl: Any = pyopencl
        self.device = device()
        self._refuse_inexact_floats()
        self.context = pyopencl.Context([self.device])
        self.queue = pyopencl.CommandQueue(self.context)
        self.functions = self._compiled(sources[f"{program.name}.cl"])
        self.place: dict[str, int] = {}
        self.data = self._constants()
        self.stride = -(-max(1, program.plan.arena_bytes) // ALIGN) * ALIGN
        self.exits = exits(program)
        self.steps = {layer.index: self._steps(layer) for layer in program.layers}
        self.samples = 0
        self.arena: Any = None
        self.reset()

    # ------------------------------------------------------------------------------------------------ set-up

    def _refuse_inexact_floats(self) -> None:
        fp = self.cl.device_fp_config
        needed = fp.DENORM | fp.CORRECTLY_ROUNDED_DIVIDE_SQRT
        if computes_with_floats(self.program) and self.device.single_fp_config & needed != needed:
            raise ToolError(
                f"{self.device.name} rounds float32 divisions or denormal numbers its own way, so that results would differ",
                hint="quantize the model: integers are the same everywhere",
            )

    def _compiled(self, text: str) -> dict[str, Any]:
        options = ["-cl-std=CL1.2"]
        if computes_with_floats(self.program):
            options.append("-cl-fp32-correctly-rounded-divide-sqrt")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built = self.cl.Program(self.context, text).build(options)
        except self.cl.Error as error:
            raise ToolError(f"{self.device.name} can't compile {self.program.name}.cl: {error}") from error
        return {k.function_name: k for k in built.all_kernels()}

    def _constants(self) -> Any:
        parts, size = [], 0
        for d in self.program.data:
            raw = np.ascontiguousarray(d.values, d.dtype.np).tobytes()
            self.place[d.name] = size
            whole = -(-len(raw) // ALIGN) * ALIGN
            parts.append(raw.ljust(whole, b"\0"))
            size += whole
        content = np.frombuffer(b"".join(parts) or bytes(ALIGN), np.uint8)
        flags = self.cl.mem_flags.READ_ONLY | self.cl.mem_flags.COPY_HOST_PTR
        return self.cl.Buffer(self.context, flags, hostbuf=content)

    def _room(self, samples: int) -> None:
        """Arenas for so many samples, as zeros."""
        if samples != self.samples:
            self.samples = samples
            self.arena = self.cl.Buffer(self.context, self.cl.mem_flags.READ_WRITE, self.stride * samples)
        self.cl.enqueue_fill_buffer(self.queue, self.arena, np.uint8(0), 0, self.stride * samples)

    def _steps(self, layer: Layer) -> list[tuple[Entry, int, list[Any]]]:
        """(function, work items, arguments) of a layer; None stands for the arena."""
        steps: list[tuple[Entry, int, list[Any]]] = []
        for call in layer.calls:
            routine = self.program.routine(call.routine)
            arguments: list[Any] = []
            for a in call.arguments:
                match a:
                    case ArenaPointer(offset):
                        arguments += [None, np.uint32(offset), np.uint32(self.stride)]
                    case DataPointer(data, offset):
                        kind = next(d for d in self.program.data if d.name == data).dtype
                        arguments += [self.data, np.uint32(self.place[data] + offset * kind.bytes), np.uint32(0)]
                    case Number(value, dtype):
                        arguments.append(np.uint8(value) if dtype.name == "bool" else dtype.np.type(value))
            numbers = numbers_of(routine, call)
            parts = entries(routine, needs_order(self.program, call))
            steps += [(entry, entry.launch.items(numbers), arguments) for entry in parts]
        return steps

    # ------------------------------------------------------------------------------------------------ runs

    def reset(self) -> None:
        self._room(1)
        for s in self.program.graph.states:
            if s.name in self.program.initial:
                tensor = self.program.graph.tensors[s.before]
                offset = self.program.plan.offset_of[s.before]
                start = self.place[self.program.initial[s.name]]
                self.cl.enqueue_copy(
                    self.queue, self.arena, self.data, byte_count=tensor.nbytes, src_offset=start, dst_offset=offset
                )
        self.queue.finish()

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return self._one(inputs, None)

    def trace(self, inputs: Sequence[Array]) -> Values:
        seen: dict[str, Array] = {}
        self._one(inputs, seen)
        return seen

    def run_many(self, samples: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        """Together, as far as memory goes; one after another where a sample's state or early exit hangs on the one before."""
        if self.program.graph.states or self.exits:
            return [self.run(x) for x in samples]
        most = max(1, min(MOST_BYTES, self.device.max_mem_alloc_size) // self.stride)
        rows: list[tuple[Array, ...]] = []
        for at in range(0, len(samples), most):
            part = samples[at : at + most]
            self._room(len(part))
            rows += self._together(part)
        return rows

    def _together(self, samples: Sequence[Sequence[Array]]) -> list[tuple[Array, ...]]:
        arenas = np.zeros((len(samples), self.stride), np.uint8)
        for k, port in enumerate(self.face.inputs):
            whole = np.stack([np.ascontiguousarray(x[k], port.dtype.np).reshape(-1) for x in samples])
            arenas[:, port.offset : port.offset + port.tensor.nbytes] = whole.view(np.uint8)
        self.cl.enqueue_copy(self.queue, self.arena, arenas)
        for layer in self.program.layers:
            self._launch(layer)
        self.cl.enqueue_copy(self.queue, arenas, self.arena)
        return [self._outputs(arena) for arena in arenas]

    def _one(self, inputs: Sequence[Array], seen: dict[str, Array] | None) -> tuple[Array, ...]:
        if self.samples != 1:
            self._room(1)
        for port, x in zip(self.face.inputs, inputs, strict=True):
            self.cl.enqueue_copy(self.queue, self.arena, np.ascontiguousarray(x, port.dtype.np), dst_offset=port.offset)
        arena = np.empty(self.stride, np.uint8)
        tensors, offsets = written(self.program), self.program.plan.offset_of
        skip = -1
        for i, layer in enumerate(self.program.layers):
            for e in self.exits:
                if e.first == i and i >= skip:
                    sure = np.empty(1, np.uint8)
                    self.cl.enqueue_copy(self.queue, sure, self.arena, src_offset=offsets[e.sure])
                    skip = e.last if sure[0] else skip
            if i < skip:
                continue
            self._launch(layer)
            if layer.calls and seen is not None:
                self.cl.enqueue_copy(self.queue, arena, self.arena)
                for t in tensors[layer.index]:
                    raw = arena[offsets[t.name] : offsets[t.name] + t.nbytes]
                    seen[t.name] = raw.copy().view(t.dtype.np).reshape(t.shape)
        self.cl.enqueue_copy(self.queue, arena, self.arena)
        return self._outputs(arena)

    def _launch(self, layer: Layer) -> None:
        for entry, items, arguments in self.steps[layer.index]:
            if items:
                given = [self.arena if a is None else a for a in arguments]
                self.functions[entry.name](self.queue, (items, self.samples), None, *given)

    def _outputs(self, arena: Array) -> tuple[Array, ...]:
        outputs = tuple(
            arena[p.offset : p.offset + p.tensor.nbytes].copy().view(p.dtype.np).reshape(p.tensor.shape)
            for p in self.face.outputs
        )
        at = self.face.status_offset
        if at is None:
            return outputs
        status = int(arena[at : at + 4].view(np.int32)[0])
        if status not in (0, *range(FIRST_STATUS, 256)):
            raise ToolError(f"{self.face.prefix} gave status {status}")
        return (*outputs, np.array([status], np.int32))
