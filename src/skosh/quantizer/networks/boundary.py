"""Where int8 layers meet int16 ones: a node that converts, put into the float graph, so that calibration sees it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from skosh.base.dtypes import DType, i8, i16
from skosh.ir.graph import Array, Graph, Node, Op, Operands, Tensor, Type
from skosh.ops.common import given, required
from skosh.quantizer.networks.assign import activations_of, is_real
from skosh.quantizer.networks.schemes import Scheme


@dataclass(frozen=True)
class Boundary(Op):
    """y = x, which will be ``to``, of what was the other type. It becomes a Quantize."""

    to: DType
    kind = "boundary"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        return (given(values, 0),)


@dataclass(frozen=True, eq=False)
class Typed:
    """A float graph with boundaries, its nodes that become integers, and what each real tensor of theirs becomes."""

    graph: Graph
    nodes: tuple[Node, ...]
    types: Mapping[str, DType]


def typed(graph: Graph, nodes: Sequence[Node], schemes: Mapping[str, Scheme]) -> Typed:
    """Give every real tensor that ``nodes``, a part of the graph in its order, touch the type of the node that makes it.

    a = dense x (int16); b = dense a (int8)   ->   a = dense x; a_int8 = boundary a; b = dense a_int8

    An input of the graph, or of the part, is int16 when all that read it are. A constant that nodes of both types read
    becomes two.
    """
    return _Walk(graph, nodes, schemes).typed()


class _Walk:
    def __init__(self, graph: Graph, nodes: Sequence[Node], schemes: Mapping[str, Scheme]) -> None:
        self.graph, self.nodes, self.schemes = graph, nodes, schemes
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.types: dict[str, DType] = {}
        self.made: dict[str, str] = {}  # what was converted -> the converted
        self.out: list[Node] = []

    def typed(self) -> Typed:
        for node in self.nodes:
            self.types.update((n, self.type_of(node)) for n in node.outputs if is_real(self.graph, n))
        for name in self.inputs():
            readers = [n for n in self.nodes if name in n.inputs]
            self.types[name] = i16 if readers and all(self.type_of(n) == i16 for n in readers) else i8
        kept = [n for n in self.graph.nodes if not any(n is m for m in self.nodes)]
        for node in self.nodes:
            inputs = list(node.inputs)
            for i, name in activations_of(self.graph, node):
                inputs[i] = self.input(node, name)
            self.out.append(replace(node, inputs=tuple(inputs)))
        graph = self.graph.with_(tensors=self.tensors, nodes=(*kept, *self.out))
        return Typed(graph, tuple(self.out), self.types)

    def type_of(self, node: Node) -> DType:
        return self.schemes[node.outputs[0]].activations

    def inputs(self) -> list[str]:
        """Real tensors from outside the part, constants too."""
        read = dict.fromkeys(n for node in self.nodes for _, n in activations_of(self.graph, node))
        outside = [n for n in (*self.graph.inputs, *self.graph.outputs) if is_real(self.graph, n)]
        return [n for n in dict.fromkeys((*outside, *read)) if n not in self.types]

    def input(self, node: Node, name: str) -> str:
        """The name under which the node reads a tensor."""
        to = self.type_of(node)
        if self.types[name] == to:
            return name
        if name not in self.made:
            self.made[name] = made = unused(self.tensors, f"{name}_{to.np}")
            self.tensors[made] = replace(self.tensors[name], name=made)
            self.types[made] = to
            if self.tensors[name].data is None:
                self.out.append(Node(Boundary(to), (name,), (made,), made, node.loc))
        return self.made[name]


def unused(taken: Mapping[str, object], name: str) -> str:
    """``name``, or the first of name_2, name_3... that isn't taken."""
    tries = (name if k == 1 else f"{name}_{k}" for k in range(1, len(taken) + 2))
    return next(n for n in tries if n not in taken)
