"""A float graph with every real number in its place as an integer, once each tensor's quantization is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from skosh.base.dtypes import DType, i8
from skosh.ir.graph import Array, Graph, Node, Op, Quant, Tensor
from skosh.ops.elements.lookup import Lookup
from skosh.ops.elements.quantization import Quantize
from skosh.ops.moves.padding import Pad
from skosh.quantizer.networks.affine import quantized
from skosh.quantizer.networks.assign import Assignment, is_real
from skosh.quantizer.networks.boundary import Boundary, Typed, unused
from skosh.quantizer.networks.curves import Curve
from skosh.quantizer.networks.layers import Layer
from skosh.quantizer.networks.rules import rule_of


def rewritten(part: Typed, kept: Sequence[Node], found: Assignment, layers: Mapping[str, Layer]) -> Graph:
    """The integer graph: ``kept`` nodes first, as they are in floats, then those of ``part`` in integers.

    before: f32 x -> dense(x, f32 w, f32 b) -> f32 y
    after:  i8 x, scale, zero point -> dense(x, i8 w, i32 b) -> i8 y, scale, zero point
    """
    return _Rewriter(part, kept, found, layers).graph_of(part.nodes)


class _Rewriter:
    def __init__(self, part: Typed, kept: Sequence[Node], found: Assignment, layers: Mapping[str, Layer]) -> None:
        self.graph, self.found, self.types, self.layers = part.graph, found, part.types, layers
        self.nodes: list[Node] = list(kept)
        self.floats = {n for node in kept for n in (*node.inputs, *node.outputs)}
        self.tensors: dict[str, Tensor] = {n: self.graph.tensors[n] for n in self.floats}
        self.variants: dict[tuple[str, DType, Quant, bytes], str] = {}  # constant and what it becomes -> its new name
        self.converted: dict[tuple[str, DType, Quant], str] = {}  # what was requantized

    def graph_of(self, nodes: Sequence[Node]) -> Graph:
        for name, quant in self.found.quants.items():
            t = self.graph.tensors[name]
            if not t.is_constant and name not in self.floats:
                self.tensors[name] = replace(t, dtype=self.types[name], quant=quant)
        for name, t in self.graph.tensors.items():
            if not is_real(self.graph, name):
                self.tensors[name] = t
        for k, node in enumerate(nodes):
            inputs = self.layer(node) if rule_of(node).channels is not None else self.operands(k, node)
            if isinstance(node.op, Curve):
                inputs = (*inputs, self.table(node, node.op))
            self.nodes.append(replace(node, op=self.op(node), inputs=inputs))
        return self.graph.with_(tensors=self.tensors, nodes=tuple(self.nodes))

    def op(self, node: Node) -> Op:
        """Its attributes hold no real numbers but what a pad adds."""
        quant = self.found.quants.get(node.outputs[0])
        if isinstance(node.op, Boundary):
            return Quantize(node.op.to)
        if isinstance(node.op, Curve):
            return Lookup()
        if isinstance(node.op, Pad) and quant is not None:
            return replace(node.op, value=int(quantized(np.array(node.op.value), quant, self.types[node.outputs[0]])))
        return node.op

    def table(self, node: Node, curve: Curve) -> str:
        """The curve's 256 values, for the scales that x and y have."""
        x, y = (self.found.quants[n] for n in (node.inputs[0], node.outputs[0]))
        name = unused(self.tensors, f"{node.outputs[0]}_table")
        self.tensors[name] = Tensor(name, (256,), i8, data=curve.table(x, y))
        return name

    def layer(self, node: Node) -> tuple[str, ...]:
        """Inputs of a node with weights: the activation, the weights, perhaps a bias."""
        made, (x, w, *rest) = self.layers[node.outputs[0]], node.inputs
        inputs = [self.activation(x), self.constant(w, made.weights, i8, made.quant)]
        if made.bias is not None:
            bias = rest[0] if rest and rest[0] else f"{w}_bias"
            inputs.append(self.constant(bias, made.bias, made.bias_type, made.bias_quant))
        return tuple(inputs)

    def operands(self, k: int, node: Node) -> tuple[str, ...]:
        names = []
        for i, name in enumerate(node.inputs):
            if not is_real(self.graph, name):
                names.append(name)
            elif (k, i) in self.found.cuts:
                names.append(self.cast(self.activation(name), self.types[name], self.found.quants[node.outputs[0]]))
            else:
                names.append(self.activation(name))
        return tuple(names)

    def activation(self, name: str) -> str:
        """The tensor of integers that stands for a real one."""
        quant, dtype = self.found.quants[name], self.types[name]
        data = self.graph.tensors[name].data
        if data is not None:
            return self.constant(name, quantized(data, quant, dtype), dtype, quant)
        return self.cast(name, dtype, quant) if name in self.floats else name

    def constant(self, name: str, data: Array, dtype: DType, quant: Quant) -> str:
        """A constant under its own name, or another when it becomes several."""
        key = (name, dtype, quant, data.tobytes())
        if key not in self.variants:
            self.variants[key] = made = unused(self.tensors, name)
            self.tensors[made] = Tensor(made, data.shape, dtype, quant, data)
        return self.variants[key]

    def cast(self, name: str, dtype: DType, quant: Quant) -> str:
        """The tensor brought to integers with this scale and zero point, by a node that is made once."""
        key = (name, dtype, quant)
        if key not in self.converted:
            source = self.tensors[name]
            made = self.converted[key] = unused(self.tensors, f"{name}_{dtype.np}")
            self.tensors[made] = Tensor(made, source.shape, dtype, quant)
            loc = self.graph.producer[name].loc if name in self.graph.producer else self.graph.loc
            self.nodes.append(Node(Quantize(dtype), (name,), (made,), made, loc))
        return self.converted[key]
