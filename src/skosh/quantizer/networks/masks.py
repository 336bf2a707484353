"""Masks before a softmax: what is -inf in floats must be a number that int8 can say beside the scores.

    s = add scores, mask (0 and -inf)    ->   s = select(visible, scores, low)
    s = select(visible, scores, -1e9)    ->   s = select(visible, scores, low)

``low`` lies so far below the lowest score that its share of a softmax's sum is less than half of 1/256.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from skosh.base.dtypes import bool_, f32
from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops.elements.comparisons import Select
from skosh.ops.elements.elementwise import Add
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.softmax import Softmax
from skosh.quantizer.networks.boundary import unused
from skosh.quantizer.networks.calibrate import ranges

MASKED = -1e4
"""A constant at or below it before a softmax stands for "not at all"."""
MARGIN = math.log(2 * 256)


def without_infinities(graph: Graph, samples: Sequence[Sequence[Array]]) -> Graph:
    """The graph with such masks as choices; the same graph when it has none."""
    made, lows = graph, list[tuple[str, str, float]]()  # (constant, scores, the softmax's factor)
    for node in graph.nodes:
        factor = _softmax_behind(graph, node.outputs[0])
        if factor is None:
            continue
        found = _added(made, node) if type(node.op) is Add else _chosen(made, node) if isinstance(node.op, Select) else None
        if found is not None:
            made, low, scores = found
            lows.append((low, scores, factor))
    if not lows:
        return graph
    seen = ranges(made, samples)
    tensors = dict(made.tensors)
    for name, scores, factor in lows:
        t = tensors[name]
        tensors[name] = replace(t, data=np.full(t.shape, seen[scores].lo - MARGIN / factor, np.float32))
    return made.with_(tensors=tensors)


def _softmax_behind(graph: Graph, name: str) -> float | None:
    """The factor of the softmax that alone reads the tensor, perhaps reshaped."""
    while len(graph.consumers[name]) == 1 and name not in graph.outputs:
        (node,) = graph.consumers[name]
        if isinstance(node.op, Softmax):
            return node.op.beta
        if not isinstance(node.op, Reshape):
            return None
        name = node.outputs[0]
    return None


def _added(graph: Graph, node: Node) -> tuple[Graph, str, str] | None:
    """Add of a constant with entries that mask."""
    for k in (0, 1):
        data, scores = graph.tensors[node.inputs[k]].data, node.inputs[1 - k]
        if data is None or not (data <= MASKED).any() or graph.tensors[scores].dtype != f32:
            continue
        tensors, nodes = dict(graph.tensors), list[Node]()
        finite = np.where(data <= MASKED, 0, data).astype(np.float32)
        if finite.any():
            bias, sum_ = unused(tensors, f"{node.inputs[k]}_finite"), unused(tensors, f"{node.outputs[0]}_unmasked")
            tensors[bias] = Tensor(bias, finite.shape, f32, data=finite)
            tensors[sum_] = replace(graph.tensors[node.outputs[0]], name=sum_)
            nodes.append(replace(node, inputs=(scores, bias), outputs=(sum_,)))
            scores = sum_
        names = [unused(tensors, f"{node.inputs[k]}_visible"), unused(tensors, f"{node.outputs[0]}_low")]
        tensors[names[0]] = Tensor(names[0], data.shape, bool_, data=data > MASKED)
        tensors[names[1]] = Tensor(names[1], (1,) * len(data.shape), f32, data=np.zeros((1,) * data.ndim, np.float32))
        nodes.append(Node(Select(), (names[0], scores, names[1]), node.outputs, node.name, node.loc))
        return _exchanged(graph, tensors, node, nodes), names[1], scores
    return None


def _chosen(graph: Graph, node: Node) -> tuple[Graph, str, str] | None:
    """Select between scores and a constant that masks."""
    for k in (1, 2):
        data, scores = graph.tensors[node.inputs[k]].data, node.inputs[3 - k]
        if data is None or not (data <= MASKED).all() or graph.tensors[scores].is_constant:
            continue
        tensors = dict(graph.tensors)
        low = unused(tensors, f"{node.outputs[0]}_low")
        tensors[low] = Tensor(low, data.shape, f32, data=np.zeros(data.shape, np.float32))
        inputs = (node.inputs[0], low, scores) if k == 1 else (node.inputs[0], scores, low)
        return _exchanged(graph, tensors, node, [replace(node, inputs=inputs)]), low, scores
    return None


def _exchanged(graph: Graph, tensors: Mapping[str, Tensor], old: Node, new: Sequence[Node]) -> Graph:
    nodes = tuple(n for node in graph.nodes for n in (new if node.outputs == old.outputs else (node,)))
    read = {n for node in nodes for n in (*node.inputs, *node.outputs)} | set(graph.inputs) | set(graph.outputs)
    return graph.with_(tensors={n: t for n, t in tensors.items() if n in read}, nodes=nodes)
