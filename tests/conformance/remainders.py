"""Layers of every remainder class: each form of each layer on each machine, scheduled, held against the layer's meaning.

A wrong schedule shows only where a count leaves a certain rest. ``layers`` draws windows, strides, channels and sizes by
their remainders; ``distinct`` keeps, of all forms that they are computed in, those whose scheduled kernels have a structure
that hasn't been met: loops, rests, copies, and whether each loop comes out even. Each of those is run in the interpreter's
quick way (``differs_interpreted``) and, many in one program, on its machine (``run_on_machine``), with guard bytes around
every buffer. ``tests/conformance/test_remainders.py`` runs some of it, ``benchmarks/remainders.py`` as much as is asked for.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh import schedule
from skosh.base.dtypes import DType, f32, i8, i16, i32, i64
from skosh.base.errors import SkoshError
from skosh.build import compile_firmware, compile_host
from skosh.build.host import own_machine
from skosh.build.soft_float import soft_float
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.interface import Interface, interface
from skosh.emit.model import emit
from skosh.emulate.machines import open_machine
from skosh.ir.call import Call
from skosh.ir.graph import Graph, Node, Op, Quant, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_kernel import Trap
from skosh.ir.kernel import Const, Expr, For, If, Kernel, Local, Stmt, Var, While, map_expr
from skosh.ir.quick_kernel import run_quick
from skosh.ir.simplify import simplify
from skosh.lower.arithmetic import check_arithmetic
from skosh.lower.assemble import assemble, group_key, lay_out
from skosh.lower.calls import Lowered, scratches
from skosh.lower.forms import node_forms
from skosh.lower.program import Program
from skosh.lower.schedules import apply_schedule, sums_by_function
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.plan import plan_memory
from skosh.schedule.counts import rounds
from skosh.targets import Target

Array = npt.NDArray[Any]

CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 20, 24, 31, 32, 33)
"""Every remainder of 2, 3, 4, 8 and 16 that schedules tell apart, below and above one block."""


@dataclass(frozen=True)
class Layer:
    """A layer to be. window: rows, columns. bits: those that weights use. per: filters of each channel, or groups."""

    kind: str
    dtype: str
    window: tuple[int, int]
    out: tuple[int, int]
    channels: int
    filters: int
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    batch: int = 1
    per: int = 1
    bits: int = 8
    activation: str = "none"
    seed: int = 0

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.window)), "x".join(map(str, self.out))
        return (
            f"{self.kind} {self.dtype} window {sizes[0]} out {sizes[1]} channels {self.channels} filters {self.filters} stride "
            f"{self.stride} dilation {self.dilation} pads {self.pads} batch {self.batch} per {self.per} bits {self.bits} "
            f"{self.activation} seed {self.seed}"
        )

    @cached_property
    def graph(self) -> Graph:
        """One node. ModelError where the numbers don't make a layer."""
        rng = np.random.default_rng([self.seed, self.channels, self.filters, *self.window])
        dtype = {"int8": i8, "int16": i16, "float32": f32}[self.dtype]
        height, width = (
            max((o - 1) * s + (k - 1) * d + 1 - sum(p), 1)
            for o, s, k, d, p in zip(
                self.out, self.stride, self.window, self.dilation, (self.pads[:2], self.pads[2:]), strict=True
            )
        )
        shape: tuple[int, ...] = (self.batch, height, width, self.channels)
        op: Op
        weights: tuple[int, ...] | None
        match self.kind:
            case "conv2d":
                op = Conv2D(self.stride, self.pads, self.dilation, self.activation)
                weights = (self.filters, *self.window, self.channels // self.per)
            case "depthwise":
                op = DepthwiseConv2D(self.stride, self.pads, self.dilation, self.activation)
                weights = (1, *self.window, self.channels * self.per)
            case "transpose":
                op, shape = TransposeConv(self.stride, (0, 0, 0, 0)), (self.batch, *self.out, self.channels)
                weights = (self.filters, *self.window, self.channels)
            case "dense":
                op, shape = Dense(self.activation), (self.batch * self.out[0], self.channels)
                weights = (self.filters, self.channels)
            case "max":
                op, weights = MaxPool2D(self.window, self.stride, self.pads, self.activation), None
            case _:
                op, weights = AveragePool2D(self.window, self.stride, self.pads, self.activation), None
        unit = 1.0 if self.dtype == "int8" else 1 / 256
        quant = None if dtype == f32 else Quant((0.05 * unit,), (int(rng.integers(-128, 128)) if dtype == i8 else 0,))
        tensors = {"x": Tensor("x", shape, dtype, quant)}
        if weights is not None:
            tensors |= self._constants(weights, dtype, unit, rng)
        names = tuple(tensors)
        (made,) = op.infer([tensors[n] for n in names])
        terms = 1.0 if weights is None else float(np.sqrt(np.prod(weights) / max(self._count(weights), 1)))
        out_quant = quant
        if quant is not None and weights is not None:
            out_quant = Quant((0.05 * terms * unit,), (int(rng.integers(-20, 20)) if dtype == i8 else 0,))
        tensors["y"] = Tensor("y", made.shape, made.dtype, out_quant)
        return Graph("layer", tensors, (Node(op, names, ("y",), "layer"),), ("x",), ("y",))

    def _count(self, weights: tuple[int, ...]) -> int:
        return weights[3] if self.kind == "depthwise" else weights[0]

    def _constants(self, shape: tuple[int, ...], dtype: DType, unit: float, rng: np.random.Generator) -> dict[str, Tensor]:
        count = self._count(shape)
        if dtype == f32:
            return {
                "w": Tensor("w", shape, f32, None, rng.normal(0, 1, shape).astype(np.float32)),
                "b": Tensor("b", (count,), f32, None, rng.normal(0, 1, count).astype(np.float32)),
            }
        axis = 3 if self.kind == "depthwise" else 0
        most = (1 << self.bits - 1) - 1
        scales = rng.uniform(0.5, 1.5, count if self.seed % 3 and self.kind != "dense" else 1) / max(most, 1)
        stored, size = (i32, 20_000) if dtype == i8 else (i64, 200_000)
        w = rng.integers(-most, most + 1, shape).astype(np.int8)
        b = rng.integers(-size, size, count).astype(stored.np)
        return {
            "w": Tensor("w", shape, i8, Quant(tuple(map(float, scales)), (0,) * len(scales), axis), w),
            "b": Tensor("b", (count,), stored, Quant(tuple(0.05 * unit * float(s) for s in scales), (0,) * len(scales), 0), b),
        }


def windows() -> list[tuple[int, int]]:
    """1 to 9 rows by as many columns as matter, 10x4, and lines to 25."""
    near = [(h, w) for h in range(1, 10) for w in (1, 2, 3, 4, 5, 7)]
    return [*near, (3, 8), (2, 9), (10, 4), *((1, n) for n in range(8, 26)), *((n, 1) for n in range(10, 26))]


def layers(seed: int = 0) -> Iterator[Layer]:
    """Without an end: each window, in turn, in layers drawn around it. The same for the same seed."""
    rng = np.random.default_rng(seed)
    number = seed * 1_000_003
    while True:
        order = windows()
        rng.shuffle(order)  # type: ignore[arg-type]
        for window in order:
            number += 1
            yield _drawn(tuple(map(int, window)), rng, number)  # type: ignore[arg-type]


KINDS = ("conv2d", "depthwise", "depthwise", "conv2d", "dense", "transpose", "max", "average")


def _drawn(window: tuple[int, int], rng: np.random.Generator, number: int) -> Layer:
    kind = str(rng.choice(KINDS, p=[0.3, 0.15, 0.2, 0.05, 0.15, 0.05, 0.05, 0.05]))
    dtype = str(rng.choice(["int8", "int16", "float32"], p=[0.75, 0.1, 0.15]))
    channels, filters = (int(c) for c in rng.choice(CHANNELS, 2))
    stride = tuple(int(s) for s in rng.choice([1, 1, 1, 2, 3], 2))
    dilation = tuple(int(d) if kind in ("conv2d", "depthwise") else 1 for d in rng.choice([1, 1, 1, 1, 2, 3], 2))
    out = tuple(int(o) for o in rng.integers(1, 10, 2))
    if window[0] * window[1] * channels > 200:  # long sums: few outputs
        out, filters = (int(rng.integers(1, 4)), int(rng.integers(1, 6))), min(filters, 9)
    if kind == "conv2d" and rng.random() < 0.25:
        window = (1, 1)
    rows, columns = ((k - 1) * d for k, d in zip(window, dilation, strict=True))
    same = (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
    pads = [(0, 0, 0, 0), same, (rows, 0, columns, 0), (1, 0, 0, 1)]
    chosen = pads[int(rng.integers(0, 4))] if kind != "transpose" else pads[0]
    if chosen[0] > rows or chosen[3] > columns:
        chosen = pads[0]
    per = 1
    if kind == "depthwise" and rng.random() < 0.2:
        per = int(rng.integers(2, 10))
        channels = min(channels, 5)
    if kind == "conv2d" and rng.random() < 0.1:
        per = 2
        channels, filters = channels * 2, filters * 2
    bits = int(rng.choice([8, 8, 8, 4, 2])) if dtype == "int8" else 8
    activation = str(rng.choice(["none", "none", "relu", "relu6"]))
    if dtype != "int8" and kind in ("max", "average"):
        dtype = "int8" if dtype == "int16" else dtype
    batch = int(rng.choice([1, 1, 1, 2, 3]))
    return Layer(
        kind, dtype, window, out, channels, filters, stride, dilation, chosen, batch, per, bits,  # type: ignore[arg-type]
        activation, number,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ scheduled forms


Numbers = Mapping[str, int | float]


@dataclass(frozen=True, eq=False)
class Formed:
    """A layer in one form of one target, and its calls' kernels as they are scheduled.

    cohorts: numbers of another layer's calls that the routines must serve too, by ``assemble.group_key``; empty where the
    layer stands alone, and all its numbers are bound. cases: of each kernel, the numbers of all calls that it serves.
    """

    layer: Layer
    target: Target
    form: str
    style: str
    calls: tuple[Call, ...]
    kernels: tuple[Kernel, ...]
    cases: tuple[tuple[Numbers, ...], ...]
    cohorts: Mapping[object, Sequence[Numbers]]

    def __str__(self) -> str:
        shared = ", shared routine" if self.cohorts else ""
        return f"{self.target.name}, {self.form}{shared}: {self.layer}"

    @property
    def node(self) -> Node:
        return self.layer.graph.nodes[0]


def forms_of(layer: Layer, target: Target, styles: Sequence[str], others: dict[object, Numbers]) -> Iterator[Formed]:
    """Each form of a layer alone; then, where routines are shared, with a layer that came before it.

    others: the numbers of the last call with each ``group_key``.
    """
    node = layer.graph.nodes[0]
    for form, calls in node_forms(layer.graph, node, target, styles).items():
        yield _formed(layer, target, str(form), form.style, calls, {})
        keys = [group_key(c, form.style) for c in calls]
        both = {
            k: (others[k],) for k, c in zip(keys, calls, strict=True) if k in others and dict(others[k]) != dict(c.numbers)
        }
        if both:
            yield _formed(layer, target, str(form), form.style, calls, both)
        others.update({k: c.numbers for k, c in zip(keys, calls, strict=True)})


def _formed(
    layer: Layer, target: Target, form: str, style: str, calls: tuple[Call, ...], cohorts: Mapping[object, Sequence[Numbers]]
) -> Formed:  # fmt: skip
    sums = sums_by_function(target, style)
    kernels, cases = [], []
    for c in calls:
        mine = (c.numbers, *cohorts.get(group_key(c, style), ()))
        common = {n: v for n, v in c.numbers.items() if all(case[n] == v for case in mine)}
        kernels.append(apply_schedule(schedule.bind(c.kernel, common), c.schedule, mine, style, float_sums=sums))
        cases.append(mine)
    return Formed(layer, target, form, style, calls, tuple(kernels), tuple(cases), cohorts)


CLASSED = ("stride_h", "stride_w", "dilation_h", "dilation_w", "top", "left", "P", "R", "even")
"""Numbers of which a structure may be right for one class of values only: 0, 1, and more."""


def structure(call: Call, made: Kernel, cases: Sequence[Numbers]) -> object:
    """Equal for scheduled kernels that differ in counts alone, and in no count's remainder."""
    numbers = tuple((n, min(int(case[n]), 2)) for case in cases for n in CLASSED if n in call.numbers)
    params = tuple((p.name, p.tile, p.memory) for p in made.params)
    return call.kernel.name, made.steps, numbers, params, made.numbers, _shape(made, made.body, cases)


def _shape(made: Kernel, body: Sequence[Stmt], cases: Sequence[Numbers]) -> tuple[object, ...]:
    out: list[object] = []
    for s in body:
        match s:
            case For():
                marks = (s.var, s.nth, s.step, s.par, s.vector, s.vectors, s.assembly)
                single = replace(s, step=1)
                counts = [rounds(made, single, case) for case in cases]
                even = tuple("open" if n is None else (n % s.step == 0, min(-(-n // s.step), 3)) for n in counts)
                out.append((marks, even, _shape(made, s.body, cases)))
            case While():
                out.append(("while", _shape(made, s.body, cases)))
            case If():
                out.append(("if", _shape(made, s.then, cases), _shape(made, s.other, cases)))
            case Local():
                out.append(("local", s.name))
            case _:
                out.append(type(s).__name__)
    return tuple(out)


class Met:
    """The structures that were met, by family."""

    def __init__(self) -> None:
        self.seen: set[object] = set()

    def is_new(self, formed: Formed) -> bool:
        every = zip(formed.calls, formed.kernels, formed.cases, strict=True)
        keys = [(family(formed.target.name), structure(*each)) for each in every]
        new = [k for k in keys if k not in self.seen]
        self.seen.update(new)
        return bool(new)


ALIKE = {"cortex-m7": "cortex-m4", "cortex-m33": "cortex-m4", "generic": "host"}
"""Targets that get the C of another one, timed or spelled otherwise."""


def family(target: str) -> str:
    return ALIKE.get(target, target)


# ------------------------------------------------------------------------------------------------ inputs and meaning


def inputs(t: Tensor, seed: int) -> list[Array]:
    """Random ones; the smallest, the largest, and both in turn."""
    rng = np.random.default_rng(seed)
    if t.dtype.is_float:
        return [rng.normal(0, 2, t.shape).astype(np.float32)]
    low, high = t.dtype.min, t.dtype.max
    ends = np.where(np.indices(t.shape).sum(0) % 2, low, high).astype(t.dtype.np)
    mixed = rng.integers(low, high + 1, t.shape).astype(t.dtype.np)
    return [mixed, ends, np.full(t.shape, low, t.dtype.np), np.full(t.shape, high, t.dtype.np)]


def meaning(layer: Layer, x: Array) -> Array:
    graph = layer.graph
    node = graph.nodes[0]
    values = [x, *(graph.tensors[n].data for n in node.inputs[1:])]
    (y,) = node.op.reference(graph.operands(node.inputs), graph.operands(node.outputs), values)
    return np.asarray(y)


def differs(want: Array, got: Array) -> str:
    """Where bits differ; nothing where they don't. float32 sums are exact in their order."""
    if want.tobytes() == got.tobytes() or (want.dtype.kind == "f" and np.array_equal(want, got, equal_nan=True)):
        return ""
    at = tuple(int(i) for i in np.argwhere(want != got)[0])
    return f"y{list(at)} is {got[at]}, not {want[at]}; {(want != got).sum()} of {want.size} differ"


def differs_interpreted(formed: Formed, which: int = 0) -> str:
    """The scheduled kernels against the layer's meaning; a Trap is a difference too."""
    graph, node = formed.layer.graph, formed.node
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    every = inputs(graph.tensors["x"], formed.layer.seed)
    x = every[which % len(every)]
    made = [
        replace(c, kernel=k, numbers={v.name: c.numbers[v.name] for v in k.numbers})
        for c, k in zip(formed.calls, formed.kernels, strict=True)
    ]
    values = [x, *(graph.tensors[n].data for n in node.inputs[1:])]
    try:
        (got,) = run_calls(node.op, ins, outs, values, calls=made, run=_run_laid)
    except Trap as trap:
        return f"the scheduled kernel stops: {trap}"
    return differs(meaning(formed.layer, x), got)


def _run_laid(kernel: Kernel, buffers: Mapping[str, Array], numbers: Mapping[str, int | float]) -> None:
    """Constants in the layout that a schedule asks for."""
    laid = dict(buffers)
    for p in kernel.params:
        if p.tile > 1:
            shape = tuple(_number(d, numbers) for d in p.shape)
            laid[p.name] = lay_out(buffers[p.name], shape, p.tile).astype(p.dtype.np)
    run_quick(kernel, laid, numbers)


def _number(size: Expr, numbers: Numbers) -> int:
    bound = map_expr(size, lambda e: Const(int(numbers[e.name])) if isinstance(e, Var) else e)
    made = simplify(bound)
    assert isinstance(made, Const), "a size is made of numbers"
    return int(made.value)


# ------------------------------------------------------------------------------------------------ on the machine

GUARD, PATTERN = 32, 0xA5


@dataclass(frozen=True, eq=False)
class Member:
    """A formed layer as a program whose buffers lie apart, guards between them."""

    formed: Formed
    program: Program
    places: tuple[tuple[int, int], ...]  # (offset, bytes) of every buffer in the arena

    @property
    def face(self) -> Interface:
        return interface(self.program)

    @property
    def arena_bytes(self) -> int:
        return self.program.plan.arena_bytes


def member(formed: Formed, name: str) -> Member:
    graph = formed.layer.graph
    sizes = tuple(s.elements * s.dtype.bytes for s in scratches(formed.calls))
    plan = plan_memory(graph, scratch={0: sizes} if sizes else {})
    at, places = GUARD, list[tuple[int, int]]()

    def place(size: int) -> int:
        nonlocal at
        offset = at
        places.append((offset, size))
        at = -(-(offset + size + GUARD) // 16) * 16
        return offset

    offsets = {n: place(graph.tensors[n].nbytes) for n in plan.offset_of}
    scratch = {(0, k): place(size) for k, size in enumerate(sizes)}
    plan = replace(plan, offset_of=offsets, scratch_offset=scratch, arena_bytes=at, base_align=16, inplace={})
    calls = {0: formed.calls}
    lowered = Lowered(graph, calls, plan, check_arithmetic(graph, calls))
    sums = sums_by_function(formed.target, formed.style)
    program = assemble(lowered, optimize=formed.style, name=name, cohorts=formed.cohorts, float_sums=sums)
    return Member(formed, program, tuple(places))


def run_on_machine(formed: Sequence[Formed], style: str) -> list[str]:
    """Those of one target and style, compiled as one program and run one after another: a line for each that is wrong."""
    if not formed:
        return []
    target = formed[0].target
    members = [member(f, f"m{i:03}") for i, f in enumerate(formed)]
    sources: dict[str, str] = {}
    code, weights = [], []
    for m in members:
        for name, text in emit(m.program).items():
            if name.endswith("_weights.c"):
                weights.append(text)
            elif name.endswith(".c"):
                code.append(text)
            else:
                sources[name] = text
    sources["all.c"] = "\n".join(_unshared(code))
    sources["all_weights.c"] = "\n".join(weights)
    if any(computes_with_floats(m.program) for m in members):
        sources |= soft_float(target, "all")
    machine = _Host(sources, members) if target.is_host else _Emulated(sources, members, target, style)
    found = []
    for i, m in enumerate(members):
        for k, x in enumerate(inputs(m.formed.layer.graph.tensors["x"], m.formed.layer.seed)):
            wrong = _one_run(machine, i, m, x)
            if wrong:
                found.append(f"{m.formed}: input {k}: {wrong}")
                break
    return found


def _unshared(code: Sequence[str]) -> list[str]:
    """Files one after another in one: each file's includes once are enough, macros of one name are the same."""
    return [re.sub(r"^#include \"(m\d+)_weights\.h\"\n", r"", text, flags=re.MULTILINE) for text in code]


def _one_run(machine: _Host | _Emulated, number: int, m: Member, x: Array) -> str:
    (into,), (out,) = m.face.inputs, m.face.outputs
    arena = np.full(m.arena_bytes, PATTERN, np.uint8)
    given = np.frombuffer(np.ascontiguousarray(x).tobytes(), np.uint8)
    arena[into.offset : into.offset + given.size] = given
    status, after = machine.run(number, arena)
    if status:
        return f"status {status}"
    free = np.ones(arena.size, bool)
    for offset, size in m.places:
        free[offset : offset + size] = False
    touched = np.flatnonzero(free & (after != PATTERN))
    if touched.size:
        return f"byte {touched[0]} of the arena, outside every buffer of {m.places}, was written"
    if not np.array_equal(after[into.offset : into.offset + given.size], given):
        return "the input was changed"
    t = out.tensor
    return differs(meaning(m.formed.layer, x), after[out.offset : out.offset + t.nbytes].view(t.dtype.np).reshape(t.shape))


class _Host:
    def __init__(self, sources: Mapping[str, str], members: Sequence[Member]) -> None:
        self.members = members
        needs = {f for m in members for f in m.formed.target.flags}
        self.library = ctypes.CDLL(str(compile_host(sources, machine=tuple(sorted(needs)) or own_machine())))

    def run(self, number: int, arena: Array) -> tuple[int, Array]:
        raw = np.empty(arena.size + 64, np.uint8)
        shift = -raw.ctypes.data % 64
        own = raw[shift : shift + arena.size]
        own[:] = arena
        face = self.members[number].face
        pointers = [ctypes.c_void_p(own.ctypes.data + p.offset) for p in face.ports]
        status = getattr(self.library, f"{face.prefix}_run")(*pointers, ctypes.c_void_p(own.ctypes.data))
        return int(status), own


class _Emulated:
    def __init__(self, sources: Mapping[str, str], members: Sequence[Member], target: Target, style: str) -> None:
        firmware = compile_firmware(target, sources, prefix="all", harness=_harness(members), optimize=style)
        self.machine = open_machine(firmware.elf, target, watch="skosh_member")

    def run(self, number: int, arena: Array) -> tuple[int, Array]:
        self.machine.write("skosh_arena", arena.tobytes())
        self.machine.write("skosh_which", number.to_bytes(4, "little"))
        self.machine.call()
        status = int.from_bytes(self.machine.read("skosh_status", 4), "little")
        return status, np.frombuffer(self.machine.read("skosh_arena", arena.size), np.uint8)


def _harness(members: Sequence[Member]) -> str:
    """``skosh_member`` runs the member number ``skosh_which``."""
    ways, includes = [], []
    for m in members:
        name = m.program.name
        includes.append(f'#include "{name}.h"')
        places = ", ".join(f"{p.accessor}(skosh_arena)" for p in m.face.ports)
        ways.append(f"static int run_{name}(void)\n{{\n    return (int){name}_run({places}, skosh_arena);\n}}\n")
    words = max(m.arena_bytes for m in members) // 8 + 1
    table = ", ".join(f"run_{m.program.name}" for m in members)
    return "\n".join(includes) + f"""
uint64_t skosh_arena[{words}] __attribute__((aligned(16)));
volatile int skosh_which, skosh_status;

int skosh_main(void);
int skosh_member(void);

{"".join(ways)}
__attribute__((noinline)) int skosh_member(void)
{{
    static int (*const ways[])(void) = {{{table}}};

    skosh_status = ways[skosh_which]();
    return skosh_status;
}}

int skosh_main(void)
{{
    return skosh_member();
}}
"""


def distinct(
    targets: Sequence[Target], count: int, styles: Sequence[str] = ("balanced", "speed", "flash"), seed: int = 0
) -> Iterator[Formed]:
    """The forms of the first ``count`` layers whose structure is new; targets that are alike take turns."""
    met = Met()
    others: dict[str, dict[object, Numbers]] = {family(t.name): {} for t in targets}
    for number, layer in zip(range(count), (made for made in layers(seed) if is_layer(made)), strict=False):
        for k in range(len(targets)):
            target = targets[(number + k) % len(targets)]
            yield from (f for f in forms_of(layer, target, styles, others[family(target.name)]) if met.is_new(f))


def is_layer(layer: Layer) -> bool:
    """Do its numbers make one?"""
    try:
        return bool(layer.graph.nodes)
    except SkoshError:
        return False
