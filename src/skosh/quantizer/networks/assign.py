"""Which scale and zero point each tensor gets: tensors that must agree form a group, and a group has one range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh.base.dtypes import DType
from skosh.base.errors import InputError, Loc
from skosh.ir.graph import Graph, Node, Quant
from skosh.ops.elements.activations import Relu
from skosh.ops.moves.padding import Pad
from skosh.quantizer.networks.affine import Range, activation_quant, range_of
from skosh.quantizer.networks.rules import rule_of


@dataclass(frozen=True)
class Assignment:
    """quants: of every real tensor but weights and biases. cuts: (node, input) whose scale can't be the output's: it must
    be requantized on the way. Nodes are counted as in the list that was assigned."""

    quants: Mapping[str, Quant]
    cuts: frozenset[tuple[int, int]]


def assign(graph: Graph, nodes: Sequence[Node], ranges: Mapping[str, Range], types: Mapping[str, DType]) -> Assignment:
    """The quantization of all tensors that ``nodes``, a part of the graph in its order, read and write.

    ranges: of every real tensor that isn't constant, from calibration. types: what each real tensor becomes.
    Raises InputError for a tensor that was 0 throughout.
    """
    groups = _Groups(graph, nodes, types)
    cuts = groups.join()
    found: dict[str, Range] = {}
    for name in groups.parent:
        if name not in groups.covered:
            root, own = groups.root(name), _range(graph, ranges, name)
            found[root] = found[root] | own if root in found else own
    for node in nodes:  # what a pad adds is in its output too
        value = getattr(node.op, "value", None)
        if isinstance(node.op, Pad) and value is not None and node.outputs[0] in groups.parent:
            found[groups.root(node.outputs[0])] |= Range(float(value), float(value))
    quants = {}
    for name in groups.parent:
        root = groups.root(name)
        quants[name] = groups.fixed[root] if root in groups.fixed else _quant(graph, name, found[root], types[name])
    return Assignment(quants, frozenset(cuts))


def is_real(graph: Graph, name: str) -> bool:
    """Whether a name stands for a float32 tensor, which becomes one of integers."""
    return bool(name) and graph.tensors[name].dtype.is_float


def activations_of(graph: Graph, node: Node) -> list[tuple[int, str]]:
    """(position, name) of the real inputs of a node but weights and biases."""
    kept = node.inputs[:1] if rule_of(node).channels is not None else node.inputs
    return [(i, n) for i, n in enumerate(kept) if is_real(graph, n)]


class _Groups:
    """Union-find over tensor names. ``fixed``: root -> the quantization that an operator demands.

    ``covered``: tensors that only a relu reads; what it cuts off need not be represented.
    """

    def __init__(self, graph: Graph, nodes: Sequence[Node], types: Mapping[str, DType]) -> None:
        self.graph, self.nodes, self.types = graph, nodes, types
        self.parent: dict[str, str] = {}
        self.fixed: dict[str, Quant] = {}
        self.covered: set[str] = set()

    def root(self, name: str) -> str:
        while self.parent[name] != name:
            self.parent[name] = name = self.parent[self.parent[name]]
        return name

    def union(self, a: str, b: str) -> None:
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        assert a not in self.fixed or b not in self.fixed or self.fixed[a] == self.fixed[b], f"{a} and {b} disagree"
        self.parent[b] = a
        if b in self.fixed:
            self.fixed[a] = self.fixed.pop(b)

    def join(self) -> set[tuple[int, int]]:
        """Form all groups. Fixed ones flow down through operators of one input; where several meet that can't agree,
        those that can't move are cut off."""
        real = [[n for _, n in activations_of(self.graph, node)] for node in self.nodes]
        written = [[n for n in node.outputs if is_real(self.graph, n)] for node in self.nodes]
        outside = [n for n in (*self.graph.inputs, *self.graph.outputs) if is_real(self.graph, n)]
        for names in (*real, *written, outside):
            self.parent.update((n, n) for n in names if n not in self.parent)
        for node, outs in zip(self.nodes, written, strict=True):
            fixed = rule_of(node, self.types[outs[0]]).fixed if outs else None
            if fixed is not None:
                self.fixed.update((n, fixed) for n in outs)
        meetings = []
        for k, (node, ins, outs) in enumerate(zip(self.nodes, real, written, strict=True)):
            covers = self._covers(node)
            if covers:
                self.covered.add(node.inputs[0])
            if not (rule_of(node).same or covers):
                continue
            for name in outs[1:]:
                self.union(outs[0], name)
            if len(ins) == 1:
                self.union(ins[0], outs[0])
            else:
                meetings.append(k)
        return {cut for k in meetings for cut in self._meet(k, outs=written[k])}

    def _covers(self, node: Node) -> bool:
        """relu reads it alone: the layer before may saturate where relu would clamp."""
        if not isinstance(node.op, Relu):
            return False
        name = node.inputs[0]
        return len(self.graph.consumers[name]) == 1 and name not in self.graph.outputs and name in self.graph.producer

    def _meet(self, k: int, outs: Sequence[str]) -> list[tuple[int, int]]:
        """All inputs in the output's group, but those of a fixed group unless all are of the same."""
        ins = activations_of(self.graph, self.nodes[k])
        demands = {self.fixed.get(self.root(n)) for _, n in ins}
        cuts = []
        for i, name in ins:
            if len(demands) == 1 or self.root(name) not in self.fixed:
                self.union(outs[0], name)
            else:
                cuts.append((k, i))
        return cuts


def _range(graph: Graph, ranges: Mapping[str, Range], name: str) -> Range:
    data = graph.tensors[name].data
    if data is not None:
        return range_of(data) if data.size else Range(0.0, 0.0)
    return ranges[name]


def _quant(graph: Graph, name: str, found: Range, dtype: DType) -> Quant:
    if found.lo == found.hi == 0.0:
        if graph.tensors[name].is_constant:
            return Quant((1.0,), (0,))
        raise InputError(
            "it is 0 on every sample, so no scale can be found for it",
            loc=Loc(graph.loc.file, name),
            hint="give samples on which it varies, or remove it from the model",
        )
    try:
        return activation_quant(found, dtype)
    except InputError as error:
        raise InputError(error.message, loc=Loc(graph.loc.file, name), hint="check the samples") from error
