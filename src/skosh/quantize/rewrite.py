"""A float graph with every real number in its place as an integer, once each tensor's quantization is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skosh.base.dtypes import DType, i8, i32
from skosh.ir.graph import Array, Graph, Node, Op, Quant, Tensor
from skosh.ops.padding import Pad
from skosh.ops.quantization import Quantize
from skosh.quantize.affine import bias_quant, quantized, quantized_bias, quantized_weights, weight_quant
from skosh.quantize.assign import Assignment, is_real
from skosh.quantize.rules import rule_of


def rewritten(graph: Graph, kept: Sequence[Node], nodes: Sequence[Node], found: Assignment) -> Graph:
    """The int8 graph: ``kept`` nodes first, as they are in floats, then ``nodes`` in integers.

    before: f32 x -> dense(x, f32 w, f32 b) -> f32 y
    after:  i8 x, scale, zero point -> dense(x, i8 w, i32 b) -> i8 y, scale, zero point
    """
    return _Rewriter(graph, kept, found).graph_of(nodes)


class _Rewriter:
    def __init__(self, graph: Graph, kept: Sequence[Node], found: Assignment) -> None:
        self.graph, self.found = graph, found
        self.nodes: list[Node] = list(kept)
        self.floats = {n for node in kept for n in (*node.inputs, *node.outputs)}
        self.tensors: dict[str, Tensor] = {n: graph.tensors[n] for n in self.floats}
        self.variants: dict[tuple[str, DType, Quant], str] = {}  # constant and how it is quantized -> its new name
        self.converted: dict[tuple[str, Quant], str] = {}  # what was requantized

    def graph_of(self, nodes: Sequence[Node]) -> Graph:
        for name, quant in self.found.quants.items():
            t = self.graph.tensors[name]
            if not t.is_constant and name not in self.floats:
                self.tensors[name] = replace(t, dtype=i8, quant=quant)
        for name, t in self.graph.tensors.items():
            if not is_real(self.graph, name):
                self.tensors[name] = t
        for k, node in enumerate(nodes):
            inputs = self.layer(node) if rule_of(node).channels is not None else self.operands(k, node)
            self.nodes.append(replace(node, op=self.op(node), inputs=inputs))
        return self.graph.with_(tensors=self.tensors, nodes=tuple(self.nodes))

    def op(self, node: Node) -> Op:
        """Its attributes hold no real numbers but what a pad adds."""
        quant = self.found.quants.get(node.outputs[0])
        if isinstance(node.op, Pad) and quant is not None:
            return replace(node.op, value=int(quantized(np.array(node.op.value), quant)))
        return node.op

    def layer(self, node: Node) -> tuple[str, ...]:
        """Inputs of a node with weights: the activation, the weights, perhaps a bias."""
        axis = rule_of(node).channels
        x, w, *rest = node.inputs
        weights = self.graph.tensors[w].data
        bias = self.graph.tensors[rest[0]].data if rest and rest[0] else None
        assert axis is not None and weights is not None, "a layer's weights are constant"
        scale = self.found.quants[x].scale
        quant = weight_quant(weights, axis, bias, scale)
        inputs = [self.activation(x), self.constant(w, quantized_weights(weights, axis, quant), i8, quant)]
        if bias is not None:
            inputs.append(self.constant(rest[0], quantized_bias(bias, scale, quant), i32, bias_quant(scale, quant)))
        return tuple(inputs)

    def operands(self, k: int, node: Node) -> tuple[str, ...]:
        names = []
        for i, name in enumerate(node.inputs):
            if not is_real(self.graph, name):
                names.append(name)
            elif (k, i) in self.found.cuts:
                names.append(self.cast(self.activation(name), self.found.quants[node.outputs[0]]))
            else:
                names.append(self.activation(name))
        return tuple(names)

    def activation(self, name: str) -> str:
        """The int8 tensor that stands for a real one."""
        quant = self.found.quants[name]
        data = self.graph.tensors[name].data
        if data is not None:
            return self.constant(name, quantized(data, quant), i8, quant)
        return self.cast(name, quant) if name in self.floats else name

    def constant(self, name: str, data: Array, dtype: DType, quant: Quant) -> str:
        """A constant under its own name, or another when it is used with several scales."""
        key = (name, dtype, quant)
        if key not in self.variants:
            self.variants[key] = made = self.unused(name)
            self.tensors[made] = Tensor(made, data.shape, dtype, quant, data)
        return self.variants[key]

    def cast(self, name: str, quant: Quant) -> str:
        """The tensor brought to int8 with this scale and zero point, by a node that is made once."""
        key = (name, quant)
        if key not in self.converted:
            source = self.tensors[name]
            made = self.converted[key] = self.unused(f"{name}_int8")
            self.tensors[made] = Tensor(made, source.shape, i8, quant)
            loc = self.graph.producer[name].loc if name in self.graph.producer else self.graph.loc
            self.nodes.append(Node(Quantize(i8), (name,), (made,), made, loc))
        return self.converted[key]

    def unused(self, name: str) -> str:
        tries = (name if k == 1 else f"{name}_{k}" for k in range(1, len(self.tensors) + 2))
        return next(n for n in tries if n not in self.tensors)
