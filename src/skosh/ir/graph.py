"""The Graph language: tensors and nodes, frozen. Every model family is one of these.

A graph is pure: a node reads tensors and makes new ones. State that lives between calls (a streaming filter, an LSTM)
is a ``State``: the tensor a run begins with and the tensor that becomes its value for the next run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy.typing as npt

from skosh.base import registry
from skosh.base.dtypes import DType
from skosh.base.errors import NOWHERE, Loc
from skosh.base.shown import html_of
from skosh.ir.face import Face
from skosh.ir.quant import Quant as Quant
from skosh.ir.traits import Traits

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph. ``data`` is there when it is constant; its shape and type are then those of the tensor."""

    name: str
    shape: tuple[int, ...]
    dtype: DType
    quant: Quant | None = None
    data: Array | None = field(default=None, repr=False)

    @property
    def is_constant(self) -> bool:
        return self.data is not None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.bytes


@dataclass(frozen=True)
class Type:
    """What a shape rule gives for an output: shape and element type."""

    shape: tuple[int, ...]
    dtype: DType


Operands = Sequence[Tensor | None]
"""A node's tensors in order; None stands for an optional input that is absent."""


class Op:
    """What a node does. Each operator is a frozen dataclass of its attributes, in ``ops/``, with these five answers.

    Methods get the node's tensors (shapes, types, quantization, constants), so an operator never sees the graph.
    """

    kind: ClassVar[str]  # "conv2d": the name in text forms, reports and C
    view: ClassVar[bool] = False  # the output is the input's bytes, unchanged, under another shape
    inplace: ClassVar[tuple[tuple[int, int], ...]] = ()  # (input, output) pairs that may share memory, shapes permitting
    update: ClassVar[tuple[tuple[int, int], ...]] = ()  # (input, output) pairs that always do: state, changed in place
    traits: ClassVar[Traits] = Traits()  # what passes may know of it

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        """Output shapes and types; a ModelError (without place, the caller adds it) when the inputs don't fit."""
        raise NotImplementedError(type(self).__name__)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        """The meaning: output values from input values, in numpy, written for the eye. Constants are in ``values`` too."""
        raise NotImplementedError(type(self).__name__)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        """Multiply-accumulates of one run; 0 for operators that have none."""
        return 0

    def calls(self, inputs: Operands, outputs: Operands) -> Sequence[Any]:
        """The kernel calls that compute it, in order (``ir.call.Call``)."""
        raise NotImplementedError(type(self).__name__)

    def frugal_calls(self, inputs: Operands, outputs: Operands) -> Sequence[Any]:
        """The same without scratch memory where that can be had, though slower."""
        return self.calls(inputs, outputs)


@dataclass(frozen=True)
class Node:
    """An operator applied to tensors, by name. An empty name is an absent optional input."""

    op: Op
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    name: str = ""
    loc: Loc = NOWHERE


@dataclass(frozen=True)
class State:
    """Memory that lives between runs: ``before`` is its value when a run begins, ``after`` when it ends.

    ``initial``: its value before the first run, of the tensors' shape and type.
    """

    name: str
    before: str
    after: str
    initial: Array = field(compare=False, repr=False)


@dataclass(frozen=True)
class Status:
    """How a run says that it has no answer. ``output``: the last of the graph's outputs, int32[1], 0 when all is well.

    Code number i of ``codes``, a name for C and what it means, is the value FIRST_STATUS + i. In C it is no output but
    what ``run`` returns.
    """

    output: str
    codes: tuple[tuple[str, str], ...]


WRITERS: registry.Table = {"skosh": "skosh.importers.skosh_file:save"}
"""What keeps a graph, which the graph itself doesn't know."""

FIRST_STATUS = 16  # below are the statuses of every model: null pointers, alignment


@dataclass(frozen=True, eq=False)
class Graph:
    """A model. ``tensors`` holds every tensor by name; ``nodes`` are in an order that can be executed."""

    name: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    states: tuple[State, ...] = ()
    status: Status | None = None
    loc: Loc = NOWHERE
    digest: str = ""  # sha256 of the source, hex; empty when there was none
    notes: Face = field(default_factory=Face)  # what an importer knows and reports show

    def __post_init__(self) -> None:
        given: object = self.notes
        if not isinstance(given, Face):  # a plain mapping of its fields will do
            object.__setattr__(self, "notes", Face(**self.notes))

    def __repr__(self) -> str:
        ports = [", ".join(f"{n}: {self.tensors[n].dtype}{list(self.tensors[n].shape)}" for n in names)
                 for names in (self.inputs, self.outputs)]  # fmt: skip
        constants = sum(t.nbytes for t in self.constants)
        return f"<Graph {self.name!r}: {ports[0]} -> {ports[1]}; {len(self.nodes)} nodes, {constants:,} bytes of constants>"

    def _repr_html_(self) -> str:
        return html_of("graph", self)

    def tensor(self, name: str) -> Tensor:
        return self.tensors[name]

    def operands(self, names: Sequence[str]) -> tuple[Tensor | None, ...]:
        return tuple(self.tensors[n] if n else None for n in names)

    def required(self, names: Sequence[str]) -> tuple[Tensor, ...]:
        return tuple(self.tensors[n] for n in names)

    @cached_property
    def producer(self) -> Mapping[str, Node]:
        return {out: node for node in self.nodes for out in node.outputs}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {name: [] for name in self.tensors}
        for node in self.nodes:
            for name in dict.fromkeys(n for n in node.inputs if n):
                found[name].append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def volatile(self) -> frozenset[str]:
        """Tensors whose memory is written again: states, and what a node updates in place. Nobody may read them later."""
        names = {n for s in self.states for n in (s.before, s.after)}
        for node in self.nodes:
            names |= {n for i, o in node.op.update for n in (node.inputs[i], node.outputs[o])}
        return frozenset(names)

    @cached_property
    def outside(self) -> frozenset[str]:
        """Tensors that someone outside knows: inputs, outputs, states, and what is updated in place."""
        return frozenset({*self.inputs, *self.outputs}) | self.volatile

    @property
    def constants(self) -> Iterator[Tensor]:
        return (t for t in self.tensors.values() if t.is_constant)

    def with_(self, **changes: Any) -> Graph:
        """A copy with some fields replaced; tensors nobody names any more are dropped."""
        graph = replace(self, **changes)
        used = {n for node in graph.nodes for n in (*node.inputs, *node.outputs) if n}
        used |= {*graph.inputs, *graph.outputs}
        used |= {n for s in graph.states for n in (s.before, s.after)}
        return replace(graph, tensors={n: t for n, t in graph.tensors.items() if n in used})


    def save(self, path: str | Path) -> Path:
        """Keep the graph in a ``.skosh`` file, which ``skosh.load`` reads; the same graph gives the same bytes.

        Notes that no file can hold, a library's own object above all, are left out. InputError where it can't be written.
        """
        write: Callable[[Graph, str | Path], Path] = registry.load(WRITERS, "skosh", "a format")
        return write(self, path)

    def then(self, second: Graph) -> Graph:
        """This graph, then ``second`` on its outputs: a front end and its model. ModelError where they don't fit."""
        from skosh.ir.join import joined

        return joined(self, second)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one run of the whole graph."""
    return sum(node_macs(graph, node) for node in graph.nodes)


def node_macs(graph: Graph, node: Node) -> int:
    return node.op.macs(graph.operands(node.inputs), graph.operands(node.outputs))
