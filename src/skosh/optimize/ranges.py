"""What every element of every integer tensor can be, whatever the inputs: an interval for each.

Intervals are exact bounds in the model's own integers: operators that never decrease are run on both ends. An interval of
one number is a constant. Filters of zeros, outputs that always saturate, borders that differ from the inside: all of it
shows here, and what follows need not know why.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import DType, i8, i16
from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops.elements.elementwise import Add, Maximum, Mul
from skosh.optimize.elementwise import function_of
from skosh.optimize.linear import Linear, accumulate, linear, outputs_between


@dataclass(frozen=True, eq=False)
class Range:
    """Every element lies in [lo, hi]; int64 arrays of the tensor's shape."""

    lo: Ints
    hi: Ints

    @property
    def known(self) -> Array:
        """Where the element is a constant."""
        return np.asarray(self.lo == self.hi)


Ranges = Mapping[str, Range]

_FOUND: WeakKeyDictionary[Graph, Ranges] = (
    WeakKeyDictionary()
)  # several passes ask about one graph, which never changes


def value_ranges(graph: Graph) -> Ranges:
    """Bounds of every integer tensor (up to 32 bits). Needs: nodes in execution order. Inputs and states can be anything."""
    if graph not in _FOUND:
        _FOUND[graph] = _value_ranges(graph)
    return _FOUND[graph]


def _value_ranges(graph: Graph) -> Ranges:
    ranges: dict[str, Range] = {}
    for t in graph.tensors.values():
        if t.data is not None and _bounded(t.dtype):
            ranges[t.name] = Range(t.data.astype(np.int64), t.data.astype(np.int64))
    for name in (*graph.inputs, *(s.before for s in graph.states)):
        _put(ranges, graph.tensors[name], None)
    for node in graph.nodes:
        outs = graph.required(node.outputs)
        found = _through(graph, node, outs, ranges)
        for i, tensor in enumerate(outs):
            _put(ranges, tensor, found[i] if found is not None else None)
    return ranges


def channel_constants(graph: Graph, ranges: Ranges | None = None) -> dict[str, tuple[Array, Ints]]:
    """For each integer tensor that a node makes: (mask, value) of [C], the channels (last axis) that are one constant."""
    ranges = value_ranges(graph) if ranges is None else ranges
    found = {}
    for name in graph.producer:
        if name in ranges and graph.tensors[name].shape:
            found[name] = uniform_columns(ranges[name])
    return found


def uniform_columns(r: Range) -> tuple[Array, Ints]:
    """(mask, value) of [C]: columns along the last axis all of whose elements are one constant."""
    lo, hi = (a.reshape(-1, a.shape[-1]) for a in (r.lo, r.hi))
    return np.asarray(np.all((lo == hi) & (lo == lo[0]), axis=0)), np.asarray(lo[0])


def anything(shape: tuple[int, ...], dtype: DType) -> Range:
    ends = (0, 1) if dtype.kind == "bool" else (dtype.min, dtype.max)
    lo, hi = (np.broadcast_to(np.int64(end), shape) for end in ends)
    return Range(lo, hi)


def _bounded(dtype: DType) -> bool:
    return not dtype.is_float and dtype.bits <= 32


def _put(ranges: dict[str, Range], tensor: Tensor, found: Range | None) -> None:
    if _bounded(tensor.dtype):
        ranges[tensor.name] = anything(tensor.shape, tensor.dtype) if found is None else found


# ------------------------------------------------------------------------------------------------------- through a node


def _through(graph: Graph, node: Node, outs: Sequence[Tensor], ranges: Ranges) -> Sequence[Range] | None:
    """Bounds of the outputs; None when nothing is known."""
    ins = [None if not n else ranges.get(n) for n in node.inputs]
    missing = any(n and r is None and not graph.tensors[n].is_constant for n, r in zip(node.inputs, ins, strict=True))
    if missing or node.op.update or not all(_bounded(t.dtype) for t in outs):
        return None
    layer = linear(node, graph.operands(node.inputs), outs[0])
    if layer is not None:
        return _through_layer(layer, ins[0])
    run = _runner(graph, node, outs)
    if node.op.traits.monotone:
        return list(map(Range, run(_lows(ins)), run([None if r is None else r.hi for r in ins])))
    if _extreme_at_corners(node, outs[0]):
        corners = [run(c)[0] for c in itertools.product(*((r.lo, r.hi) for r in ins if r is not None))]
        return [Range(np.minimum.reduce(corners), np.maximum.reduce(corners))]
    if node.op.traits.unary and graph.tensors[node.inputs[0]].dtype == i8 and ins[0] is not None:
        return [_through_table(node, graph.tensors[node.inputs[0]], outs[0], ins[0])]
    if node.op.traits.elementwise:
        known = np.broadcast_to(_all_known(ins), outs[0].shape)
        if not known.any():
            return None
        value, free = run(_lows(ins))[0], anything(outs[0].shape, outs[0].dtype)
        return [Range(np.where(known, value, free.lo), np.where(known, value, free.hi))]
    if all(r is None or bool(r.known.all()) for r in ins):
        return [Range(v, v) for v in run(_lows(ins))]
    return None


def _lows(ins: Sequence[Range | None]) -> list[Array | None]:
    return [None if r is None else r.lo for r in ins]


def _through_layer(layer: Linear, x: Range | None) -> Sequence[Range] | None:
    """Middle and radius of the sums: sum of w * mid(x) -+ sum of |w| * rad(x)."""
    assert x is not None, "an integer layer has an integer input"
    w = layer.weights.astype(np.float64)
    middle = accumulate(layer, (x.lo + x.hi) / 2 - layer.zx, w)
    radius = accumulate(layer, (x.hi - x.lo) / 2, np.abs(w))
    lo, hi = outputs_between(layer, (middle - radius).astype(np.int64), (middle + radius).astype(np.int64))
    return [Range(lo, hi)]


def _through_table(node: Node, x: Tensor, y: Tensor, r: Range) -> Range:
    """The least and the largest entry of the function's table between the ends."""
    table = function_of(node.op, x, y, np.arange(i8.min, i8.max + 1).astype(np.int8)).astype(np.int64)
    pairs, where = np.unique((r.lo + 128) * 256 + (r.hi + 128), return_inverse=True)
    parts = [table[pair // 256 : pair % 256 + 1] for pair in pairs.tolist()]
    lo, hi = (np.array([f(part) for part in parts]) for f in (np.min, np.max))
    return Range(lo[where].reshape(y.shape), hi[where].reshape(y.shape))


def _extreme_at_corners(node: Node, y: Tensor) -> bool:
    """Whether the operator, for each input alone, never decreases or never increases, and nothing wraps."""
    if isinstance(node.op, Maximum):  # and Minimum
        return True
    if isinstance(node.op, Add):  # and Sub
        return y.dtype in (i8, i16)
    return isinstance(node.op, Mul) and y.dtype == i8


def _all_known(ins: Sequence[Range | None]) -> Array:
    known: Array = np.True_  # type: ignore[assignment]
    for r in ins:
        if r is not None:
            known = known & r.known
    return np.asarray(known)


def _runner(graph: Graph, node: Node, outs: Sequence[Tensor]) -> Callable[[Sequence[Array | None]], list[Ints]]:
    """The node's meaning on given values of its integer inputs; other constants come from the graph."""
    operands = graph.operands(node.inputs)

    def run(values: Sequence[Array | None]) -> list[Ints]:
        given: list[Array | None] = []
        for t, value in zip(operands, values, strict=True):
            if t is None or t.data is not None:
                given.append(None if t is None else t.data)
            else:
                assert value is not None, "an input that isn't constant has a range"
                given.append(value.astype(t.dtype.np))
        return [np.asarray(v).astype(np.int64) for v in node.op.reference(operands, outs, given)]

    return run
