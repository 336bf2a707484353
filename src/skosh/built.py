"""``Build``: a compiled model. Run it, prove it, measure it, save it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.aims import Aim, as_aim
from skosh.base.errors import InputError, ToolError
from skosh.base.shown import html_of
from skosh.batching import BATCH_FROM, batch_runner, fits_batch
from skosh.build import compile_firmware, compile_host
from skosh.deliver.model_files import write_model
from skosh.emit.harness import firmware_harness, host_trace, marker_trace
from skosh.emit.interface import interface
from skosh.emit.manifest import manifest
from skosh.emulate.accelerators import accelerator_runner, all_rows
from skosh.emulate.answers import dequantized as dequantized
from skosh.emulate.answers import predicted
from skosh.emulate.answers import quantized as quantized
from skosh.emulate.batches import BatchRunner
from skosh.emulate.runner import DeviceRunner, HostRunner, Runner
from skosh.ir.graph import Array, Graph
from skosh.lower.limits import refuse_what_is_larger
from skosh.lower.program import Program
from skosh.pipeline import Compiled, compile_to_c
from skosh.search import Choice
from skosh.search import search as find_forms
from skosh.targets import Firmware, Target, missing, target
from skosh.targets.toolchain import lacking
from skosh.verify.fit import check_flash, check_ram
from skosh.verify.measure import Profile, host_profile, measure, measure_exits
from skosh.verify.oracles import library, oracle
from skosh.verify.proof import Proof, prove
from skosh.verify.reach import reaching_samples
from skosh.verify.samples import Samples, as_samples, load_samples, random_samples


@dataclass(frozen=True, eq=False)
class Build:
    """A model compiled for a target. Firmware, emulator and host library are made when first needed."""

    compiled: Compiled
    target: Target
    optimize: Aim

    def __repr__(self) -> str:
        plan = self.program.plan
        what = f"{self.program.name!r} for {self.target.called}, optimize={self.optimize!r}"
        return f"<Build {what}: {len(self.program.layers)} layers, arena {plan.arena_bytes:,} bytes>"

    @property
    def program(self) -> Program:
        return self.compiled.program

    @property
    def choice(self) -> Choice | None:
        """What a search decided for each layer, and what it measured; None where rules decided."""
        return self.compiled.choice

    @property
    def source(self) -> Graph:
        return self.compiled.source

    @property
    def sources(self) -> dict[str, str]:
        return self.compiled.sources

    # ------------------------------------------------------------------------------------------------ machines

    @cached_property
    def firmware(self) -> Firmware:
        """The linked program for the target. InputError for the host, which has none."""
        if self.target.is_host:
            raise InputError("the host has no firmware", hint='choose a device, for example target="cortex-m4"')
        harness = firmware_harness(self.program, interface(self.program))
        return compile_firmware(
            self.target, self.sources, prefix=self.program.name, harness=harness, optimize=self.optimize
        )

    @cached_property
    def runner(self) -> Runner:
        """What ``run`` runs: the firmware in the emulator, or the host library."""
        if self.target.accelerator:
            return self._accelerated()
        if self.target.is_host:
            return self._native()
        return DeviceRunner(self.program, self.firmware.elf, self.target)

    @cached_property
    def tracer(self) -> Runner:
        """The same program with a mark after each layer, and with a memory of its own."""
        if self.target.accelerator:
            return self._accelerated()
        if self.target.is_host:
            return self._native()
        trace = marker_trace(self.program, interface(self.program), self.target.marker)
        firmware = compile_firmware(
            self.target,
            {**self.sources, **trace.headers},
            prefix=self.program.name,
            harness=trace.harness,
            optimize=self.optimize,
            defines=trace.defines,
        )
        return DeviceRunner(self.program, firmware.elf, self.target)

    def _accelerated(self) -> Runner:
        """The kernels on an accelerator of this computer. ToolError when there is none."""
        reason = missing(self.target)
        if reason:
            raise ToolError(reason, hint='choose target="host", which runs everywhere')
        return accelerator_runner(self.target.accelerator, self.program, self.sources)

    def _native(self) -> HostRunner:
        """The C as the target's own code on this computer. ToolError when its processor lacks something."""
        reason = missing(self.target)
        if reason:
            raise ToolError(reason, hint='choose target="host", which runs everywhere')
        return HostRunner(self.program, self._library(self.target.flags))

    def _host(self) -> HostRunner:
        """The C on this computer, whatever the target, with a memory of its own."""
        return HostRunner(self.program, self._library(target("host").flags))

    def _library(self, machine: tuple[str, ...]) -> Path:
        trace = host_trace(self.program, interface(self.program))
        return compile_host({**self.sources, **trace.headers}, trace.harness, defines=trace.defines, machine=machine)

    @cached_property
    def _batches(self) -> BatchRunner | None:
        """Blocks of rows at once on this computer; None for models that don't take rows one by one."""
        own = self.target.is_host and not self.target.accelerator
        return batch_runner(self.source, self.program.name, self.optimize) if own else None

    # ------------------------------------------------------------------------------------------------ what users ask

    @property
    def measured(self) -> Profile | None:
        """The profile where it was made already; None otherwise."""
        return self.__dict__.get("_profile")

    def _repr_html_(self) -> str:
        return html_of("build", self)

    def run(self, x: Array | Sequence[Array]) -> Any:
        """Outputs for inputs, batch first, in the model's own types; runs the compiled firmware in the emulator.

        A model with one output gives an array, one with several a tuple. State starts anew with each call of ``run``.
        Where a model has no answer (the C returns a status), its outputs are NaN, or -1 for integers.
        Raises InputError when x has another type or shape than the model's input.
        """
        if (
            isinstance(x, np.ndarray)
            and len(x) >= BATCH_FROM
            and fits_batch(self.source, x)
            and self._batches is not None
        ):
            return self._batches.run(x)
        samples = as_samples(self.source, x)
        self.runner.reset()
        rows = all_rows(self.runner, samples.inputs)
        columns = []
        answers = self.source.outputs if self.source.status is None else self.source.outputs[:-1]
        for i, name in enumerate(answers):
            t = self.source.tensors[name]
            stacked = np.stack([r[i] for r in rows]) if rows else np.empty((0, *t.shape), t.dtype.np)
            columns.append(stacked.reshape(-1, *t.shape[1:]) if t.shape[:1] == (1,) else stacked)
        return columns[0] if len(columns) == 1 else tuple(columns)

    def push(self, hop: Array) -> Any:
        """Outputs after one more hop of a stream (``skosh.stream``); None until its window was full once.

        hop: of the shape and type of the input, with or without its first axis, which is 1. ``reset`` begins a new stream.
        Raises InputError where it is of another shape or type, or where the model has no states.
        """
        if not self.source.states:
            raise InputError("push needs a model with states", hint="skosh.stream(graph, hop=...) makes one of a window")
        shape = self.source.tensors[self.source.inputs[0]].shape
        (inputs,) = as_samples(self.source, hop[None] if hop.shape == shape[1:] else hop).inputs
        outputs = self.runner.run(inputs)
        if self.source.status is not None:
            outputs, status = outputs[:-1], outputs[-1]
            if status[0]:
                return None
        return outputs[0] if len(outputs) == 1 else outputs

    def reset(self) -> None:
        """Forget what was pushed: the next push begins a new stream."""
        self.runner.reset()

    def predict(self, x: Any) -> Any:
        """What the source library's ``predict`` gives: labels of a classifier, else real numbers. x: floats, batch first.

        An importer may know more: ``notes["encode"]``, x -> inputs; ``notes["decide"]``, outputs -> labels;
        ``notes["predict"]``, (run, x) -> what the library gives.
        """
        return predicted(self.source, self.run, x)

    def verify(
        self,
        samples: int | Array | str | Path = 20,
        *,
        golden: str | Path | None = None,
        against: Sequence[str] | None = None,
        progress: Callable[[int], None] = lambda done: None,
    ) -> Proof:
        """Compare with the reference meaning, layer by layer, and with other oracles: "host", "tflm", "tosa", "library".

        against: by default the reference, and the library's own object where the model was made from one: what that gives
        for the samples and for inputs at the edges (on thresholds, denormal, huge, NaN where it takes them).
        samples: a count (random ones, corners, thresholds of trees, and what a small search finds; always the same ones), an
        array, or a file: .npy, or .npz with golden outputs. ``Proof.coverage`` tells what they reached.
        """
        chosen = self.samples(samples if golden is None else golden)
        others = {
            name: oracle(name, self.source, self._host) for name in against or () if name not in ("reference", "library")
        }
        return prove(
            self.source, self.program, self.runner, chosen, tracer=self.tracer, oracles=others,
            library=library(self.source, against), progress=progress,
        )  # fmt: skip

    def samples(self, samples: int | Array | str | Path) -> Samples:
        if isinstance(samples, int):
            return reaching_samples(self.source, samples)
        if isinstance(samples, str | Path):
            return load_samples(self.source, samples)
        return as_samples(self.source, samples)

    @cached_property
    def _profile(self) -> Profile:
        if self.target.is_host:
            return host_profile(self.program, self.optimize)
        runner, tracer = self.runner, self.tracer
        assert isinstance(runner, DeviceRunner) and isinstance(tracer, DeviceRunner), "a device is emulated"
        (inputs,) = random_samples(self.source, 1).inputs
        examples = [x for x in self.source.notes.exit_examples or () if x is not None]
        if examples:  # the last takes the longest way
            inputs = (examples[-1],)
        profile = measure(self.program, self.optimize, self.firmware, runner, tracer, inputs)
        if not examples:
            return profile
        notes = self.source.notes
        return replace(profile, exits=measure_exits(runner, notes.exits or (), notes.exit_examples or ()))

    def profile(self) -> Profile:
        """Time, RAM and flash of one run on random input."""
        return self._profile

    def check_fit(self, max_ram: int | None, max_flash: int | None) -> None:
        """Raises FitError when arena and stack, or code and weights, are larger than they may be (bytes)."""
        flash = None if self.target.is_host else max_flash
        hint = partial(_ram_hint, self.program, self.source, self.target, self.optimize, max_ram or 0)
        refuse_what_is_larger(self.program, self.source, self.target, self.optimize, max_ram, flash, hint)
        if self.target.is_host or (max_ram is None and max_flash is None):
            return
        if max_flash is not None:
            check_flash(self.source, self.target, self.optimize, self.firmware.sizes, max_flash)
        if max_ram is not None:
            check_ram(self.source, self.target, self.profile().ram.total, max_ram, hint)

    def save(self, folder: str | Path, *, proof: Proof | None = None, overwrite: bool = False) -> Path:
        """Write kws.h, kws.c, kws_weights.c and kws.json, and kws_float.S where floats are computed without an FPU.

        proof: what ``verify`` gave; the header and kws.json then tell it. All or nothing: a failure leaves what was there.
        InputError where the folder holds another model of the same name, unless it may be overwritten; the same file's
        model, compiled again, is no other one. Where the compiler or the emulator is missing, kws.json tells no measured costs.
        """
        profile = None if self.target.is_host or lacking() else self.profile()
        told = manifest(self.program, self.source, self.optimize, self.target, self.sources, profile)
        return write_model(
            Path(folder), self.program.name, self.source, self.sources, told, proof=proof, overwrite=overwrite
        )


def _ram_hint(program: Program, source: Graph, target: Target, aim: Aim, most: int) -> str:
    """What the aim "ram" needs, and whether that is little enough."""
    if aim == "ram":
        return f"its largest step needs {program.plan.lower_bound:,} bytes; use a smaller input or fewer channels"
    frugal = Build(compile_to_c(source, target=target, optimize="ram", name=program.name), target, as_aim("ram"))
    need = frugal.program.plan.arena_bytes
    if not target.is_host and need <= most and not lacking():
        need = frugal.profile().ram.total
    return f'optimize="ram" needs {need:,}' if need <= most else f'the least this model can do is {need:,} (optimize="ram")'


def build(
    graph: Graph,
    *,
    target: Target,
    optimize: str = "balanced",
    name: str | None = None,
    max_ram: int | None = None,
    max_flash: int | None = None,
    search: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
    self_check: bool = False,
) -> Build:
    """Compile for a target, and refuse what doesn't fit (bytes), its board's limits among them. progress: told how far a

    search is.
    """
    aim, explicit = as_aim(optimize), max_ram is not None or max_flash is not None
    board = target.board
    if board is not None:
        max_ram = board.ram if max_ram is None else min(max_ram, board.ram)
        max_flash = board.flash if max_flash is None else min(max_flash, board.flash)
    asked = explicit or not lacking()
    limits = (max_ram, max_flash)
    look = partial(find_forms, target=target, optimize=aim, limits=limits, progress=progress) if search else None

    def refuse(program: Program) -> None:
        hint = partial(_ram_hint, program, graph, target, aim, max_ram or 0)
        refuse_what_is_larger(program, graph, target, aim, max_ram, None if target.is_host else max_flash, hint)

    compiled = compile_to_c(
        graph, target=target, optimize=aim, name=name, search=look, self_check=self_check, refuse=refuse
    )
    made = Build(compiled, target, aim)
    if asked:  # a board's own limits are compared with arena and weights alone where nothing can be built
        made.check_fit(max_ram, max_flash)
    return made


def stream_scores(model: Any, recording: Any, column: int) -> Array:
    """[runs] float64: scores as they are, or a column of the first output of a Graph or Build over a recording."""
    if not isinstance(model, Graph | Build):
        if recording is not None:
            raise InputError("a recording must go with a Graph or a Build, not with scores")
        try:
            return np.asarray(model, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("scores must be numbers, one for each run, or a Graph or a Build") from error
    if recording is None:
        raise InputError("a model must be given a recording, [runs, *its input]")
    made = model if isinstance(model, Build) else build(model, target=target("host"))
    found = made.run(recording)
    first = found[0] if isinstance(found, tuple) else found
    tensor = made.source.tensors[made.source.outputs[0]]
    real = (first if tensor.quant is None else dequantized(first, tensor)).reshape(len(first), -1)
    if not 0 <= column < real.shape[1]:
        raise InputError(f"column must be from 0 to {real.shape[1] - 1}, not {column}")
    return np.asarray(real[:, column], np.float64)
