"""The end of a network that gives a label: scores that are only compared with each other, or with 0, need no rounding to int8.

    h int8 -> dense -> scores int8 -> arg_max     becomes     h int8 -> integer_scores -> scores int32 -> arg_max
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.ir.graph import Array, Graph, Node, Op, Tensor
from skosh.ops.classical.integer_scores import Above, IntegerScores
from skosh.ops.elements.comparisons import Compare
from skosh.ops.elements.quantization import Cast
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMax
from skosh.quantizer.classical import whole
from skosh.quantizer.classical.features import Seen
from skosh.quantizer.classical.whole import Features, one_scale
from skosh.quantizer.networks.boundary import unused


@dataclass(frozen=True)
class Decision:
    """layer: the last one with weights. op: what its int32 scores go through; out: the tensor that op makes; rest: views of
    it on the way to the output."""

    layer: Node
    op: Op
    out: str
    rest: tuple[Node, ...]

    @property
    def source(self) -> str:
        return self.layer.inputs[0]


def decision_of(graph: Graph) -> Decision | None:
    """The end of the graph, if it is a layer that decides: arg_max of its scores, or whether its one score is above 0."""
    if len(graph.outputs) != 1 or graph.status is not None:
        return None
    rest: list[Node] = []
    node = graph.producer.get(graph.outputs[0])
    while node is not None and isinstance(node.op, Reshape):
        rest.insert(0, node)
        node = graph.producer.get(node.inputs[0])
    if node is None:
        return None
    made: Op
    out, above = node.outputs[0], [node]
    if isinstance(node.op, ArgMax) and node.op.axis in (1, -1):
        made, name = node.op, node.inputs[0]
    elif isinstance(node.op, Cast) and node.op.to == i32:
        compare = graph.producer.get(node.inputs[0])
        if compare is None or not isinstance(compare.op, Compare) or compare.op.op not in (">", ">="):
            return None
        level = graph.tensors[compare.inputs[1]].data
        if level is None or level.any():
            return None
        made, name = Above(0 if compare.op.op == ">" else -1), compare.inputs[0]
        above.append(compare)
    else:
        return None
    layer = graph.producer.get(name)
    if layer is None or not isinstance(layer.op, Dense) or layer.op.activation != "none":
        return None
    x, w = (graph.tensors[n] for n in layer.inputs[:2])
    constants = all(graph.tensors[n].is_constant for n in layer.inputs[1:])
    alone = len(graph.consumers[x.name]) == 1 and len(graph.consumers[name]) == 1 and x.name in graph.producer
    if not constants or not alone or x.shape != (1, w.shape[1]):
        return None
    return Decision(layer, made, out, tuple(rest))


def without(graph: Graph, end: Decision) -> Graph:
    """The graph up to what the last layer reads."""
    kept: list[Node] = []
    for node in graph.nodes:
        if node is end.layer:
            break
        kept.append(node)
    return graph.with_(nodes=tuple(kept), outputs=(end.source,))


def with_decision(head: Graph, end: Decision, graph: Graph, seen: Seen) -> Graph:
    """The integer head, and behind it the last layer of the float graph and its decision, in integers."""
    x = head.tensors[head.outputs[0]]
    assert x.quant is not None, "heads are quantized"
    weights, bias = (_data(graph, end.layer, i) for i in (1, 2))
    weights = weights if weights is not None else np.zeros((1, 1))
    steps = np.full(x.size, x.quant.scale), np.full(x.size, float(x.quant.zero_point))
    mean = np.clip(seen.mean(end.source) / steps[0] + steps[1], x.dtype.min, x.dtype.max)
    features = Features(x.name, x.dtype, *steps, mean)
    w, b, step = whole.linear(features, weights, np.zeros(len(weights)) if bias is None else bias, i8)
    tensors: dict[str, Any] = dict(head.tensors)
    layer = end.layer
    names = [layer.inputs[1], layer.inputs[2] if len(layer.inputs) > 2 else f"{layer.inputs[1]}_bias"]
    for name, data, dtype in zip(names, (w, b), (i8, i32), strict=True):
        tensors[name] = Tensor(name, data.shape, dtype, data=data)
    nodes = [*head.nodes]

    def add(op: Op, inputs: tuple[str, ...], out: str, like: Node) -> None:
        types = op.infer([tensors[n] for n in inputs])
        tensors[out] = Tensor(out, types[0].shape, types[0].dtype)
        nodes.append(replace(like, op=op, inputs=inputs, outputs=(out,)))

    scores = unused(tensors, layer.outputs[0])
    add(IntegerScores(), (x.name, *names), scores, layer)
    tensors[scores] = replace(tensors[scores], quant=one_scale(step))
    add(end.op, (scores,), end.out, graph.producer[end.out])
    for node in end.rest:
        add(node.op, node.inputs, node.outputs[0], node)
    return head.with_(tensors=tensors, nodes=tuple(nodes), outputs=graph.outputs, notes=graph.notes)


def _data(graph: Graph, node: Node, index: int) -> Array | None:
    if index >= len(node.inputs) or not node.inputs[index]:
        return None
    data = graph.tensors[node.inputs[index]].data
    return None if data is None else data.reshape(data.shape if index == 1 else -1).astype(np.float64)
