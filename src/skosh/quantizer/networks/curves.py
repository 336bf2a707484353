"""Chains of operators on single elements become one function of one tensor; in int8 that is one table of 256 entries.

    s = logistic x; y = mul x, s          ->   y = curve x            ->   y = lookup x, table
    a = neg x; b = exp a; c = add b, 1    ->   c = curve x

One table rounds once where a chain rounds at each step, costs one load an element, and serves operators that have no int8
form of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, f32
from skosh.ir.graph import Array, Graph, Node, Op, Operands, Quant, Tensor, Type
from skosh.ir.traits import FREE, Traits
from skosh.ops.common import given, required
from skosh.quantizer.networks.affine import dequantized, quantized


@dataclass(frozen=True)
class Step:
    """One operator. inputs: -1 for x, the number of an earlier step, or a constant with its type."""

    op: Op
    inputs: tuple[int | tuple[float, DType], ...]


@dataclass(frozen=True)
class Curve(Op):
    """y = f(x), element by element, in floats. It becomes a Lookup."""

    steps: tuple[Step, ...]
    kind = "curve"
    traits = Traits(int8=FREE)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (self.of(given(values, 0)),)

    def of(self, x: Array) -> Array:
        """float32 numbers of any shape."""
        shape = x.shape
        made = [(Tensor("x", (x.size,), f32), x.reshape(-1).astype(np.float32))]
        for step in self.steps:
            given_ones = [made[i + 1] if isinstance(i, int) else _number(*i) for i in step.inputs]
            tensors = tuple(t for t, _ in given_ones)
            (out,) = (Tensor("y", t.shape, t.dtype) for t in step.op.infer(tensors))
            with np.errstate(all="ignore"):
                (value,) = step.op.reference(tensors, (out,), [v for _, v in given_ones])
            made.append((out, value))
        return np.asarray(made[-1][1]).reshape(shape)

    def table(self, x: Quant, y: Quant) -> Array:
        """[256] int8: y's integer for each of x's. What is no number, or beyond, is the nearest that can be said."""
        real = dequantized(np.arange(-128, 128), x).astype(np.float32)
        lo, hi = (float(v) for v in dequantized(np.array([-128, 127]), y))
        return quantized(np.clip(np.nan_to_num(self.of(real), nan=0.0, posinf=hi, neginf=lo), lo, hi), y)


def _number(value: float, dtype: DType) -> tuple[Tensor, Array]:
    data = np.full((1,), value).astype(dtype.np)
    return Tensor("c", (1,), dtype, data=data), data


def joined(graph: Graph, nodes: Sequence[Node], wide: bool, apart: Collection[str] = ()) -> tuple[Graph, list[Node]]:
    """(the graph with chains among ``nodes`` as curves, the nodes that are left of them).

    apart: names of nodes that stay as they are. wide: some activations will be int16, which a table of 256 can't follow; then
    only chains that have no form otherwise.
    """
    found = _Chains(graph, [n for n in nodes if n.name not in apart])
    curves: dict[str, tuple[Node, list[Node]]] = {}  # the last node's output -> (curve, what it stands for)
    taken: set[str] = set()
    for node in reversed(nodes):
        if node.outputs[0] in taken or node.outputs[0] not in found.ancestors or not _is_real(graph, node.outputs[0]):
            continue
        chain = found.ending_in(node, taken)
        if chain is None:
            continue
        root, members = chain
        known = all(n.op.traits.int8 is not None for n in members)
        if known and (wide or len(members) < 2):
            continue
        taken.update(n.outputs[0] for n in members)
        curves[node.outputs[0]] = (found.curve(root, node, members), members)
    if not curves:
        return graph, list(nodes)
    whole, rest = list[Node](), list[Node]()
    mine = {id(n) for n in nodes}
    for node in graph.nodes:
        out = node.outputs[0]
        kept = curves[out][0] if out in curves else None if out in taken else node
        if kept is not None:
            whole.append(kept)
            if id(node) in mine:
                rest.append(kept)
    read = {n for node in whole for n in (*node.inputs, *node.outputs)} | set(graph.inputs) | set(graph.outputs)
    states = {n for s in graph.states for n in (s.before, s.after)}
    tensors = {n: t for n, t in graph.tensors.items() if n in read or n in states}
    return graph.with_(tensors=tensors, nodes=tuple(whole)), rest


class _Chains:
    """ancestors: output -> tensors that it is a function of element by element, itself first, the farthest last."""

    def __init__(self, graph: Graph, nodes: Sequence[Node]) -> None:
        self.graph = graph
        self.maker = {n.outputs[0]: n for n in nodes}
        self.ancestors: dict[str, list[str]] = {}
        for node in nodes:
            if self.is_pointwise(node):
                inputs = [self.ancestors.get(n, [n]) for n in self.variables(node)]
                common = [a for a in inputs[0] if all(a in other for other in inputs[1:])]
                self.ancestors[node.outputs[0]] = [node.outputs[0], *common]

    def variables(self, node: Node) -> list[str]:
        return [n for n in dict.fromkeys(node.inputs) if not self.graph.tensors[n].is_constant]

    def is_pointwise(self, node: Node) -> bool:
        """Each output element depends on one element of each tensor, and all constants are one number."""
        if not node.op.traits.curve:
            return False
        shape, variables = self.graph.tensors[node.outputs[0]].shape, self.variables(node)
        constants = [d for n in node.inputs if (d := self.graph.tensors[n].data) is not None]
        same = all(self.graph.tensors[n].shape == shape for n in variables)
        return bool(variables) and same and all(d.size and (d == d.reshape(-1)[0]).all() for d in constants)

    def ending_in(self, node: Node, taken: set[str]) -> tuple[str, list[Node]] | None:
        """(x, the nodes from x to this one in order) of the longest chain whose insides nothing else reads."""
        for root in reversed(self.ancestors[node.outputs[0]][1:]):
            members = self.between(root, node)
            if members is None or not _is_real(self.graph, root) or any(n.outputs[0] in taken for n in members):
                continue
            outs = {n.outputs[0] for n in members}
            inner = outs - {node.outputs[0]}
            if all(
                name not in self.graph.outputs and all(c.outputs[0] in outs for c in self.graph.consumers[name])
                for name in inner
            ):
                return root, members
        return None

    def between(self, root: str, node: Node) -> list[Node] | None:
        found: dict[str, Node] = {}
        left = [node.outputs[0]]
        while left:
            name = left.pop()
            if name == root or name in found:
                continue
            maker = self.maker.get(name)
            if maker is None or name not in self.ancestors:
                return None
            found[name] = maker
            left += self.variables(maker)
        return [n for n in self.maker.values() if n.outputs[0] in found]

    def curve(self, root: str, last: Node, members: Sequence[Node]) -> Node:
        place = {root: -1, **{n.outputs[0]: k for k, n in enumerate(members)}}
        steps = []
        for node in members:
            inputs: list[int | tuple[float, DType]] = []
            for name in node.inputs:
                t = self.graph.tensors[name]
                inputs.append(place[name] if t.data is None else (t.data.reshape(-1)[0].item(), t.dtype))
            steps.append(Step(node.op, tuple(inputs)))
        return Node(Curve(tuple(steps)), (root,), last.outputs, last.name, last.loc)


def _is_real(graph: Graph, name: str) -> bool:
    return graph.tensors[name].dtype == f32
