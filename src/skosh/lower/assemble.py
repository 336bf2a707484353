"""Group calls into routines, decide what each is specialised for, lay out constants, bind addresses.

Layers of one kind share one routine: numbers that all its calls agree on are constants in it, the others parameters.
With ``optimize="speed"`` every distinct shape gets a routine of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from skosh import schedule
from skosh.base.aims import Aim
from skosh.base.dtypes import from_numpy, i32
from skosh.ir.call import Buffer, Call, Const, In, Out, Scratch
from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ir.kernel import Kernel, Param, functions
from skosh.ir.layout import used_numbers
from skosh.ir.simplify import value_of
from skosh.lower.calls import Lowered, scratches
from skosh.lower.program import (
    ArenaPointer,
    Argument,
    Data,
    DataPointer,
    Layer,
    LayerCall,
    Number,
    Program,
    Routine,
)
from skosh.lower.schedules import apply_schedule
from skosh.schedule.draft import STEPS

HEADER_NAMES = ("run", "reset", "input", "output", "labels", "quantize", "dequantize", "status", "class")
"""What the header itself declares, after the model's name."""

Cohorts = Mapping[object, Sequence[Mapping[str, int | float]]]
"""``group_key`` -> the numbers of calls."""


@dataclass(frozen=True)
class _Site:
    """One call, and the node it belongs to."""

    node: int
    position: int
    call: Call


def assemble(
    lowered: Lowered, *, optimize: Aim, name: str, steps: tuple[str, ...] = STEPS,
    cohorts: Cohorts = MappingProxyType({}), float_sums: bool = False,
) -> Program:  # fmt: skip
    """Needs calls and a plan; leaves a Program whose every pointer is decided.

    steps: those that schedules may take. cohorts: numbers of calls beyond those of this program, which its routines must
    serve too. float_sums: the machine has functions that sum float32 along rows.
    """
    graph, plan = lowered.graph, lowered.plan
    sites = [_Site(n, k, call) for n in plan.order for k, call in enumerate(lowered.calls[n])]
    groups: dict[object, list[_Site]] = {}
    for site in sites:
        groups.setdefault(group_key(site.call, optimize), []).append(site)
    pool = _DataPool()
    routines: list[Routine] = []
    helpers = {f"{name}_{f.name}" for site in sites for f in functions(site.call.kernel)}
    helpers |= {f"{name}_{own}" for own in HEADER_NAMES}
    bound: dict[tuple[int, int], LayerCall] = {}
    layer_names = _layer_names(graph, plan.order, name)
    for key, members in groups.items():
        cases = [*(m.call.numbers for m in members), *cohorts.get(key, ())]
        kernel = _routine_kernel(members[0].call, cases, optimize, steps, float_sums)
        unique = _unique(f"{name}_{kernel.name}", {r.name for r in routines} | helpers)
        routine = Routine(unique, kernel, used_numbers(kernel), True)
        overlap = False
        for site in members:
            arguments = _arguments(lowered, site, routine, pool, layer_names[site.node])
            overlap |= _overlaps(lowered, site, kernel, arguments)
            bound[site.node, site.position] = LayerCall(routine.name, arguments)
        routines.append(replace(routine, restrict=not overlap))
    layers = tuple(
        Layer(
            position,
            layer_names[n],
            graph.nodes[n],
            tuple(bound[n, k] for k in range(len(lowered.calls[n]))),
            _describe(graph, graph.nodes[n], position, len(plan.order)),
        )
        for position, n in enumerate(plan.order)
    )
    initial = {
        s.name: pool.keep(s.initial, f"{name}_{_slug(s.name)}_initial", f"state {s.name}")
        for s in graph.states
        if s.initial.any()
    }
    return Program(name, graph, plan, tuple(routines), pool.finish(), layers, initial)


def group_key(call: Call, optimize: Aim) -> object:
    """Calls with equal keys share a routine."""
    own, how = (call.aim or optimize) == "speed", call.schedule
    if own and not (how.shared and call.numbers[how.shared[0]] == how.shared[1]):
        return (call.kernel, how, call.aim, tuple(sorted(call.numbers.items())))
    return (call.kernel, how, call.aim, tuple(call.numbers[n] for n in how.fixed))


def _routine_kernel(
    call: Call, cases: Sequence[Mapping[str, int | float]], optimize: Aim, steps: tuple[str, ...], float_sums: bool
) -> Kernel:
    common = {n: v for n, v in cases[0].items() if all(c[n] == v for c in cases)}
    bound = schedule.bind(call.kernel, common)
    return apply_schedule(bound, call.schedule, cases, call.aim or optimize, steps, float_sums)


def _unique(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


# ------------------------------------------------------------------------------------------------ arguments


def _arguments(
    lowered: Lowered, site: _Site, routine: Routine, pool: _DataPool, layer: str
) -> tuple[Argument, ...]:
    pointers: list[Argument] = [
        _pointer(lowered, site, p, site.call.buffers[p.name], pool, layer) for p in routine.kernel.params
    ]
    numbers: list[Argument] = [Number(site.call.numbers[v.name], v.dtype) for v in routine.numbers]
    return (*pointers, *numbers)


def _pointer(lowered: Lowered, site: _Site, param: Param, b: Buffer, pool: _DataPool, layer: str) -> Argument:
    graph, plan, node = lowered.graph, lowered.plan, lowered.graph.nodes[site.node]
    match b:
        case Const(data, label, laid):
            bits = label == "limit" and any(f.name.endswith("_bits") for f in functions(site.call.kernel))
            return pool.add(data.reshape(-1), param, _shape(param, site.call), f"{layer}_{label}", label, bits, laid)
        case In(index, offset):
            tensor = graph.tensors[node.inputs[index]]
            if tensor.data is not None:
                what = f"{_slug(node.name) or node.op.kind} input {index}"
                label = "weight" if index == 1 else f"constant{index}"
                return pool.add(
                    np.asarray(tensor.data).reshape(-1)[offset:], param, _shape(param, site.call), f"{layer}_{label}", what
                )
            return ArenaPointer(plan.offset_of[tensor.name] + offset * tensor.dtype.bytes, param.dtype)
        case Out(index, offset):
            tensor = graph.tensors[node.outputs[index]]
            return ArenaPointer(plan.offset_of[tensor.name] + offset * tensor.dtype.bytes, param.dtype)
        case Scratch(label=label):
            labels = [s.label for s in scratches(lowered.calls[site.node])]
            return ArenaPointer(plan.scratch_offset[site.node, labels.index(label)], param.dtype)
    raise AssertionError(f"unknown buffer {b!r}")


def _shape(param: Param, call: Call) -> tuple[int, ...]:
    """The parameter's shape in this call."""
    original = call.kernel.param(param.name).shape
    out = []
    for d in original:
        value = value_of(d, call.numbers)
        assert value is not None, f"the shape of {param.name} has a size that no number binds"
        out.append(value)
    return tuple(out)


def _overlaps(lowered: Lowered, site: _Site, kernel: Kernel, arguments: Sequence[Argument]) -> bool:
    """Does a written buffer share bytes with another one in this call?"""
    ranges = []
    for p, a in zip(kernel.params, arguments, strict=False):
        if isinstance(a, ArenaPointer):
            size = int(np.prod(_shape(p, site.call), dtype=np.int64)) * p.dtype.bytes
            ranges.append((a.offset, a.offset + size, p.written))
    for i, (lo, hi, written) in enumerate(ranges):
        for lo2, hi2, written2 in ranges[i + 1 :]:
            if (written or written2) and lo < hi2 and lo2 < hi:
                return True
    return False


class _DataPool:
    """Constant arrays by content: weights that are equal are stored once."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], Data] = {}

    def add(
        self, values: Array, param: Param, shape: tuple[int, ...], name: str, comment: str, bits: bool = False, order: str = ""
    ) -> DataPointer:
        laid = lay_out(np.asarray(values), shape, param.tile).astype(param.dtype.np)
        text = f"{comment}, {param.dtype}[{', '.join(map(str, shape))}]"
        if param.tile > 1:
            text += f", in blocks of {param.tile} rows"
        text += f"; {order}" if order else ""
        return DataPointer(self.keep(laid, name, text, bits and param.dtype == i32), 0)

    def keep(self, values: Array, name: str, comment: str, bits: bool = False) -> str:
        """The name under which these values are stored."""
        flat = np.ascontiguousarray(values).reshape(-1)
        key = (str(flat.dtype), hashlib.sha256(flat.tobytes()).hexdigest())
        if key not in self.found:
            names = {d.name for d in self.found.values()}
            self.found[key] = Data(_unique(name, names), from_numpy(flat.dtype), flat, comment, bits)
        return self.found[key].name

    def finish(self) -> tuple[Data, ...]:
        return tuple(self.found.values())


def lay_out(values: Array, shape: tuple[int, ...], tile: int) -> Array:
    """Flat constant data in the layout of a parameter: blocks of ``tile`` rows, the last one filled up with zeros."""
    count = int(np.prod(shape, dtype=np.int64))
    values = values[:count]
    if tile == 1:
        return values
    rows = shape[0]
    whole = -(-rows // tile) * tile
    padded = np.zeros((whole, count // rows), values.dtype)
    padded[:rows] = values.reshape(rows, -1)
    return padded.reshape(whole // tile, tile, -1).transpose(0, 2, 1).reshape(-1)


# ------------------------------------------------------------------------------------------------ names and comments


def _slug(text: str) -> str:
    last = re.split(r"[/;]", text)[-1]
    return re.sub(r"[^A-Za-z0-9]+", "_", last).strip("_").lower()[:24]


def _layer_names(graph: Graph, order: Sequence[int], prefix: str) -> dict[int, str]:
    width = max(2, len(str(len(order))))
    return {n: f"{prefix}_{i:0{width}d}_{graph.nodes[n].op.kind}" for i, n in enumerate(order)}


def _describe(graph: Graph, node: Node, position: int, count: int) -> str:
    ins = [graph.tensors[n] for n in node.inputs if n and not graph.tensors[n].is_constant]
    outs = [graph.tensors[n] for n in node.outputs]
    flow = f"{', '.join(map(type_text, ins)) or 'nothing'} -> {', '.join(map(type_text, outs))}"
    quants = [f"{what} {quant_text(t)}" for what, ts in (("input", ins), ("output", outs)) for t in ts if t.quant]
    place = f"{node.loc.file} node {node.loc.index}" if node.loc.index is not None else node.loc.file
    lines = [f'layer {position} of {count}: {node.op.kind} "{node.name}"', f"{flow}, from {place}"]
    return "\n".join([*lines, *(["; ".join(quants)] if quants else [])])


def type_text(t: Tensor) -> str:
    return f"{t.dtype.np}[{', '.join(map(str, t.shape))}]"


def quant_text(t: Tensor) -> str:
    assert t.quant is not None, "only quantized tensors have a scale"
    if t.quant.per_channel:
        return f"{len(t.quant.scales)} scales"
    return f"scale {np.float32(t.quant.scale)!s}, zero point {t.quant.zero_point}"

