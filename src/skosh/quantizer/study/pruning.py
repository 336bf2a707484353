"""Pruning a float graph: filters that matter least become 0, and the compiler drops what they made.

Without training on, as ``training.train(prune=...)`` does, expect to lose accuracy.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Graph, Node
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.layers.dense import Dense


def pruned(graph: Graph, share: float) -> Graph:
    """The graph with the ``share`` of each layer's filters whose sum of |w| is smallest set to 0, with their biases.

    Dense layers and convolutions but those that make an output of the graph, through operators without weights; shared
    weights are left alone. ``skosh.optimize`` removes the channels once the graph is quantized. Source of the measure:
    Li et al., "Pruning Filters for Efficient ConvNets" (ICLR 2017), section 3.1.
    Raises InputError unless 0 <= share < 1.
    """
    if not 0 <= share < 1:
        raise InputError(f"share must be from 0 to below 1, not {share}")
    tensors = dict(graph.tensors)
    last = _last(graph)
    for node in graph.nodes:
        if not isinstance(node.op, (Dense, Conv2D)) or node.outputs[0] in last:
            continue
        constants = [n for n in node.inputs[1:] if n]
        if any(graph.consumers[n] != (node,) or not graph.tensors[n].is_constant for n in constants):
            continue
        weights = tensors[node.inputs[1]].data
        assert weights is not None, "checked above"
        sizes = np.abs(weights).reshape(len(weights), -1).sum(axis=1)
        gone = np.argsort(sizes, kind="stable")[: int(share * len(sizes))]
        for name in constants:
            data = tensors[name].data
            assert data is not None, "checked above"
            flat = data.reshape(len(sizes), -1).copy()
            flat[gone] = 0
            tensors[name] = replace(tensors[name], data=flat.reshape(data.shape))
    return replace(graph, tensors=tensors)


def _last(graph: Graph) -> set[str]:
    """Tensors from which an output is made without another layer."""
    found, left = set[str](), list(graph.outputs)
    while left:
        name = left.pop()
        maker: Node | None = graph.producer.get(name)
        if name in found:
            continue
        found.add(name)
        if maker is not None and not isinstance(maker.op, (Dense, Conv2D)):
            left += [n for n in maker.inputs if n]
    return found
