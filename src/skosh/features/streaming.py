"""``stream``: a model over a window, as one that takes a hop of it and remembers what it needs of what came before.

    x [1, 49, 10, 1] -> conv -> conv -> mean          y: each time, the answer for the last 49 rows
    hop [1, 2, 10, 1] -> the new rows of each layer, beside those that its state keeps -> mean

A layer's rows that see neither end of the window are the same in the next window, a hop further up: they are computed once, and
kept. Rows near an end see padding there, which moves with the window: they are computed anew with each hop. So the answer is
that of the window, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import InputError, ModelError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import FIRST_STATUS, Graph, Node, Op, State, Status, Tensor
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Minimum
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.pooling import Pool2D
from skosh.ops.moves.movement import Concat, Slice
from skosh.ops.moves.reshape import Reshape

NOT_YET = ("NOT_YET", "the window isn't full yet: push more")


@dataclass(frozen=True)
class Rows:
    """How a tensor moves with the window. ``axis``: where its rows lie, ``count`` of them in a window, ``hop`` new ones a push.

    The first ``start`` and the last ``end`` rows see an end of the window.
    """

    axis: int
    count: int
    start: int
    end: int
    hop: int

    @property
    def tail(self) -> int:
        """The first row that is computed with each push; those from ``start`` to here are kept."""
        return self.count - self.end - self.hop

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """The rows that are computed with each push: [first, last) of each part."""
        return (*([(0, self.start)] if self.start else []), (self.tail, self.count))


@dataclass(frozen=True)
class Layer:
    """A layer of a stream: of its rows in a window, how many are computed with each push. None of both: no rows."""

    name: str
    rows: int
    computed: int


def stream(graph: Graph, *, hop: int, axis: int = 1) -> Graph:
    """The graph as a stream: ``hop`` rows in, along an axis of its input; out, the answer for the last window of them.

    The new graph's input has ``hop`` rows in place of the window's; its states keep what later windows need; its status, which
    ``run`` returns in C, is NOT_YET until the window was full once, and what it gives then means nothing. From then on, outputs
    are those of ``graph`` for the last window, bit for bit: after push number p, the rows up to p * hop.

    Raises InputError where ``hop`` or ``axis`` doesn't fit the input, or hop doesn't divide by the strides of the layers;
    ModelError where the graph has states, several inputs, or a status already.
    """
    return _Stream(graph, hop, axis).made()


def layers(graph: Graph, *, hop: int, axis: int = 1) -> tuple[Layer, ...]:
    """What a stream computes with each push, layer by layer. Raises what ``stream`` does."""
    planned = _Stream(graph, hop, axis)
    found = []
    for node in graph.nodes:
        name = node.outputs[0]
        rows = planned.rows.get(name)
        if node.op.view:
            continue
        if rows is not None:
            found.append(Layer(node.name or name, rows.count, rows.start + rows.end + rows.hop))
        else:
            found.append(Layer(node.name or name, 1, 1))
    return tuple(found)


@dataclass
class _Stream:
    graph: Graph
    hop: int
    axis: int
    rows: dict[str, Rows] = field(default_factory=dict)
    """Of the tensors that move with the window; others are computed anew with each push."""
    kept: dict[str, int] = field(default_factory=dict)
    """Of a tensor, the first row that its state keeps; absent where it keeps none."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    parts: dict[str, dict[tuple[int, int], str]] = field(default_factory=dict)
    """Of a tensor that moves, its parts so far: [first, last) -> the tensor with these rows."""

    def __post_init__(self) -> None:
        g = self.graph
        if g.states or g.status is not None or len(g.inputs) != 1:
            found = "states" if g.states else "a status" if g.status is not None else f"{len(g.inputs)} inputs"
            raise ModelError(
                f"a model must have one input and no state to become a stream, not {found}", loc=g.loc,
                hint="a model with states takes its input hop by hop as it is" if g.states else "",
            )  # fmt: skip
        x = g.tensors[g.inputs[0]]
        if not 1 <= self.axis < len(x.shape):
            raise InputError(f"axis must be one of input {x.name}, from 1 to {len(x.shape) - 1}, not {self.axis}")
        count = x.shape[self.axis]
        if not 1 <= self.hop < count:
            where = f"rows along axis {self.axis} of {list(x.shape)}"
            raise InputError(f"hop must be from 1 to {count - 1}, {where}, not {self.hop}")
        self.rows[x.name] = Rows(self.axis, count, 0, 0, self.hop)
        for node in g.nodes:
            self._plan(node)
        for name in g.outputs:
            self._need(name, 0, self.rows[name].count if name in self.rows else 0)

    # ------------------------------------------------------------------------------------------------ what moves

    def _plan(self, node: Node) -> None:
        """Whether the output of a node moves with the window; and which rows of its inputs it needs."""
        moving = [n for n in node.inputs if n in self.rows]
        if not moving:
            return
        made = self._moved(node, moving)
        if made is None or made.start + made.end + made.hop >= made.count:
            for n in moving:
                self._need(n, 0, self.rows[n].count)
            return
        self.rows[node.outputs[0]] = made
        for first, last in made.parts:
            for n in moving:
                self._need(n, *self._reads(node, self.rows[n], made, first, last)[:2])

    def _moved(self, node: Node, moving: Sequence[str]) -> Rows | None:
        """The rows of a node's output; None where it has none of its own."""
        op, y = node.op, self.graph.tensors[node.outputs[0]]
        r = self.rows[moving[0]]
        if len(node.outputs) != 1:
            return None
        if isinstance(op, Conv2D | DepthwiseConv2D | Pool2D):
            return self._windowed(node, r, y) if moving == [node.inputs[0]] and r.axis in (1, 2) else None
        if isinstance(op, Reshape):
            return _reshaped(r, self.graph.tensors[node.inputs[0]].shape, y.shape)
        if not _row_by_row(op, r.axis) or any(self.rows[n].axis != r.axis or self.rows[n].count != r.count for n in moving):
            return None
        if len(y.shape) <= r.axis or y.shape[r.axis] != r.count or any(not self._fits(node, n, r, y) for n in node.inputs):
            return None
        same = [self.rows[n] for n in moving]
        return replace(r, start=max(s.start for s in same), end=max(s.end for s in same))

    def _fits(self, node: Node, name: str, r: Rows, y: Tensor) -> bool:
        """Is an input the same for all rows, or does it move with them?"""
        if not name or name in self.rows:
            return not name or len(self.graph.tensors[name].shape) == len(y.shape)
        shape = self.graph.tensors[name].shape
        place = r.axis - (len(y.shape) - len(shape))
        return not isinstance(node.op, Concat) and (place < 0 or shape[place] == 1)

    def _windowed(self, node: Node, r: Rows, y: Tensor) -> Rows | None:
        size, stride, before = self._window(node, r.axis)
        count = y.shape[r.axis]
        if count == 1:
            return None
        if r.hop % stride:
            step = self.hop * stride // math.gcd(r.hop, stride)
            here = f"{self.hop} rows are {r.hop} at {node.name or y.name}, which goes on by {stride}"
            raise InputError(
                f"hop must divide by the strides of the layers: {here}", loc=node.loc, hint=f"hop={step} does"
            )
        start = -(-(r.start + before) // stride) if r.start + before > 0 else 0
        first_late = (r.count - r.end - size + before) // stride + 1
        return Rows(r.axis, count, min(start, count), max(0, count - max(0, first_late)), r.hop // stride)

    def _window(self, node: Node, axis: int) -> tuple[int, int, int]:
        """(rows that the window spans, its stride, rows of padding before) along an axis."""
        op = node.op
        if isinstance(op, Pool2D):
            return op.size[axis - 1], op.stride[axis - 1], op.pads[2 * (axis - 1)]
        assert isinstance(op, Conv2D | DepthwiseConv2D), "the operators with windows"
        window = op.window(self.graph.tensors[node.inputs[1]])
        return window.reach[axis - 1], window.stride[axis - 1], window.pads[2 * (axis - 1)]

    def _reads(self, node: Node, r: Rows, made: Rows, first: int, last: int) -> tuple[int, int, int, int]:
        """The rows [a, b) of an input that rows [first, last) of the output see, and the padding before and after these."""
        if isinstance(node.op, Conv2D | DepthwiseConv2D | Pool2D):
            size, stride, before = self._window(node, r.axis)
            a, b = first * stride - before, (last - 1) * stride - before + size
            return max(0, a), min(r.count, b), max(0, -a), max(0, b - r.count)
        if r.count != made.count:  # a reshape: several rows become one, or one several
            return first * r.count // made.count, -(-last * r.count // made.count), 0, 0
        return first, last, 0, 0

    def _need(self, name: str, first: int, last: int) -> None:
        """Rows [first, last) of a tensor are read: what is neither at its start nor new must be kept."""
        r = self.rows.get(name)
        if r is None or first >= r.tail or last <= r.start:
            return
        self.kept[name] = min(self.kept.get(name, r.count), max(first, r.start))

    # ------------------------------------------------------------------------------------------------ the new graph

    def made(self) -> Graph:
        g = self.graph
        self.tensors = {t.name: t for t in g.constants}
        x = g.tensors[g.inputs[0]]
        r = self.rows[x.name]
        hop = self._like(x, f"{x.name}/hop", r, r.hop)
        self._moves(x.name, {(r.tail, r.count): hop.name})
        for node in g.nodes:
            self._node(node)
        for name in g.outputs:
            if name in self.rows:
                self._whole(name)
        status = self._status(-(-r.count // r.hop))
        made = replace(
            g, tensors=MappingProxyType(self.tensors), nodes=tuple(self.nodes), states=tuple(self.states),
            inputs=(hop.name,), outputs=(*g.outputs, status), status=Status(status, (NOT_YET,)),
            notes=replace(g.notes, tflite=None, library=None),
        ).with_()  # fmt: skip
        check_graph(made)
        return made

    def _node(self, node: Node) -> None:
        if not any(n in self.rows for n in node.inputs):
            self._plain(node)
            return
        name = node.outputs[0]
        made = self.rows.get(name)
        if made is None:
            for n in node.inputs:
                if n in self.rows:
                    self._whole(n)
            self._plain(node)
            return
        found = {}
        for first, last in made.parts:
            ins, ends = [], (0, 0)
            for n in node.inputs:
                if n not in self.rows:
                    ins.append(n)
                    continue
                a, b, before, after = self._reads(node, self.rows[n], made, first, last)
                ins.append(self._slice(n, a, b))
                ends = (before, after)
            y = self._like(self.graph.tensors[name], f"{name}/{first}", made, last - first)
            op = _with_ends(node.op, made.axis, *ends)
            op = replace(op, shape=y.shape) if isinstance(op, Reshape) else op
            self.nodes.append(replace(node, op=op, inputs=tuple(ins), outputs=(y.name,), name=f"{node.name or name}/{first}"))
            found[first, last] = y.name
        self._moves(name, found)

    def _plain(self, node: Node) -> None:
        for n in node.outputs:
            self.tensors[n] = self.graph.tensors[n]
        self.nodes.append(node)

    def _moves(self, name: str, parts: dict[tuple[int, int], str]) -> None:
        """Keeps the parts of a tensor that were computed; and, where later windows need more, joins and remembers them."""
        self.parts[name] = parts
        r = self.rows[name]
        if name not in self.kept:
            return
        first = self.kept[name]
        t = self.graph.tensors[name]
        before = self._like(t, f"{name}/before", r, r.tail - first)
        starts = [parts[0, r.start]] if first == r.start and r.start else []
        base = 0 if starts else first
        joined = self._like(t, f"{name}/rows", r, r.count - base)
        tail = parts[r.tail, r.count]
        ins = (*starts, before.name, tail)
        self.nodes.append(Node(Concat(r.axis), ins, (joined.name,), joined.name, self.graph.loc))
        parts[base, r.count] = joined.name
        after = self._slice(name, first + r.hop, r.count - r.end, f"{name}/after")
        self.states.append(State(before.name, before.name, after, np.zeros(before.shape, before.dtype.np)))

    def _whole(self, name: str) -> None:
        """The tensor itself, all its rows."""
        r = self.rows[name]
        if name in self.tensors:
            return
        (source,) = (n for (a, b), n in self.parts[name].items() if (a, b) == (0, r.count))
        t = self.graph.tensors[name]
        self.tensors[name] = t
        self.nodes.append(Node(Reshape(t.shape), (source,), (name,), name, self.graph.loc))

    def _slice(self, name: str, first: int, last: int, called: str = "") -> str:
        """A tensor with rows [first, last)."""
        r, t = self.rows[name], self.graph.tensors[name]
        if not called and (first, last) in self.parts[name]:
            return self.parts[name][first, last]
        (a, _), source = next(((p, n) for p, n in self.parts[name].items() if p[0] <= first and last <= p[1]))
        y = self._like(t, called or f"{name}/{first}-{last}", r, last - first)
        begin = tuple(first - a if i == r.axis else 0 for i in range(len(t.shape)))
        op = Slice(begin, y.shape, (1,) * len(y.shape), y.shape)
        self.nodes.append(Node(op, (source,), (y.name,), y.name, self.graph.loc))
        if not called:
            self.parts[name][first, last] = y.name
        return y.name

    def _like(self, t: Tensor, name: str, r: Rows, count: int) -> Tensor:
        """A tensor like ``t`` with so many rows."""
        shape = tuple(count if i == r.axis else n for i, n in enumerate(t.shape))
        self.tensors[name] = made = replace(t, name=name, shape=shape)
        return made

    def _status(self, need: int) -> str:
        """0 from push number ``need`` on; before, NOT_YET."""

        def add(name: str, op: Op, *inputs: str) -> str:
            (made,) = op.infer([self.tensors[n] for n in inputs])
            self.tensors[name] = Tensor(name, made.shape, made.dtype)
            self.nodes.append(Node(op, inputs, (name,), name, self.graph.loc))
            return name

        def number(name: str, value: int) -> str:
            self.tensors[name] = Tensor(name, (1,), i32, data=np.array([value], np.int32))
            return name

        before = "stream/pushes"
        self.tensors[before] = Tensor(before, (1,), i32)
        more = add("stream/one_more", Add(), before, number("stream/one", 1))
        enough = number("stream/enough", need)
        count = add("stream/count", Minimum(), more, enough)
        self.states.append(State(before, before, count, np.zeros(1, np.int32)))
        full = add("stream/full", Compare(">="), count, enough)
        return add("stream/status", Select(), full, number("stream/ok", 0), number("stream/not_yet", FIRST_STATUS))


def _row_by_row(op: Op, axis: int) -> bool:
    """Is each row of the output made of the same rows of the inputs alone?"""
    return op.traits.elementwise or (isinstance(op, Concat) and op.axis != axis)


def _reshaped(r: Rows, before: tuple[int, ...], after: tuple[int, ...]) -> Rows | None:
    """The rows under another shape: whole groups of them become one row, or one becomes several."""
    if any(n != 1 for n in before[: r.axis]):
        return None
    axis = next((i for i, n in enumerate(after) if n != 1), None)
    if axis is None or axis == 0:
        return None
    count = after[axis]
    if count % r.count == 0:
        by = count // r.count
        return Rows(axis, count, r.start * by, r.end * by, r.hop * by)
    if r.count % count:
        return None
    by = r.count // count
    if r.hop % by:
        found = f"hop must be whole rows of {list(after)}: {by} elements each, not {r.hop}"
        raise InputError(found, hint=f"hop={by} is one row")
    return Rows(axis, count, -(-r.start // by), -(-r.end // by), r.hop // by)


def _with_ends(op: Op, axis: int, before: int, after: int) -> Op:
    """The operator with the padding of a part of its rows."""
    if not isinstance(op, Conv2D | DepthwiseConv2D | Pool2D):
        return op
    pads = list(op.pads)
    pads[2 * (axis - 1) : 2 * axis] = [before, after]
    return replace(op, pads=(pads[0], pads[1], pads[2], pads[3]))
