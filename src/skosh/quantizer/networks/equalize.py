"""Cross-layer equalization: two layers with a relu or nothing between share out their channels' ranges.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (ICCV 2019), section 4.1: as
relu(s x) = s relu(x) for s > 0, a channel can be divided by s in the first layer and multiplied in the second. With
s = sqrt(r1 * r2) / r2, r1 and r2 the channel's largest weight in either, both become alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skosh.ir.graph import Graph, Node, Tensor
from skosh.ops.elements.activations import Relu
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import Pool2D
from skosh.ops.moves.reshape import Reshape

ROUNDS = 10
LIMIT = 1e4  # a channel is never scaled by more than this, or less than 1 / this


@dataclass(frozen=True)
class Pair:
    """Layers of which the second alone reads the first, channel by channel. Both of [channels] that are the same."""

    first: Node
    second: Node


def equalized(graph: Graph) -> Graph:
    """The same function, up to float32 rounding, with weights that lie closer together.

    Pairs of dense layers and convolutions are equalized again and again, up to ROUNDS times, as one layer may stand in
    two pairs. A relu6 between is left alone, as it doesn't scale; so are constants that several nodes read.
    """
    found = [p for node in graph.nodes if (p := _pair(graph, node)) is not None]
    tensors = dict(graph.tensors)
    for _ in range(ROUNDS):
        for pair in found:
            _equalize(tensors, pair)
    return replace(graph, tensors=tensors)


def _pair(graph: Graph, first: Node) -> Pair | None:
    """The pair that begins with this layer."""
    if not isinstance(first.op, (Dense, Conv2D, DepthwiseConv2D)) or first.op.activation not in ("none", "relu"):
        return None
    if not _owns(graph, first):
        return None
    name, flat = first.outputs[0], False
    while len(graph.consumers[name]) == 1 and name not in graph.outputs:
        (node,) = graph.consumers[name]
        if isinstance(node.op, (Dense, Conv2D, DepthwiseConv2D)):
            fits = _owns(graph, node) and node.inputs[0] == name and _channels_fit(graph, first, node, flat)
            return Pair(first, node) if fits else None
        passes = isinstance(node.op, Relu) and getattr(node.op, "activation", "") == "relu"
        passes |= isinstance(node.op, Pool2D) and getattr(node.op, "activation", "none") in ("none", "relu")
        if isinstance(node.op, Reshape):
            flat = True
        elif not passes:
            return None
        name = node.outputs[0]
    return None


def _owns(graph: Graph, node: Node) -> bool:
    """Whether its weights and bias are constants that nobody else reads."""
    constants = [n for n in node.inputs[1:] if n]
    return all(graph.tensors[n].is_constant and graph.consumers[n] == (node,) for n in constants)


def _channels_fit(graph: Graph, first: Node, second: Node, flat: bool) -> bool:
    """Whether channel c of the first layer's output is c, modulo their number, of what the second reads."""
    channels = graph.tensors[first.outputs[0]].shape[-1]
    x, w = graph.tensors[second.inputs[0]], graph.tensors[second.inputs[1]]
    if isinstance(second.op, Dense):
        return w.shape[1] % channels == 0 and (flat or x.shape[-1] == channels)
    if flat or x.shape[-1] != channels:
        return False
    return w.shape[3] == channels


def _equalize(tensors: dict[str, Tensor], pair: Pair) -> None:
    one, two = tensors[pair.first.inputs[1]], tensors[pair.second.inputs[1]]
    assert one.data is not None and two.data is not None, "checked by _owns"
    axis = 3 if isinstance(pair.first.op, DepthwiseConv2D) else 0
    rows = np.moveaxis(one.data, axis, 0)
    channels = len(rows)
    r1 = np.abs(rows.reshape(channels, -1)).max(axis=1).astype(np.float64)
    columns = two.data.reshape(-1, channels)  # the last axis of all weights is the input's channels
    r2 = np.abs(columns).max(axis=0).astype(np.float64)
    usable = (r1 > 0) & (r2 > 0)
    s = np.where(usable, np.sqrt(np.where(usable, r1 / np.where(usable, r2, 1.0), 1.0)), 1.0)
    s = np.clip(s, 1 / LIMIT, LIMIT)
    shape = [1] * one.data.ndim
    shape[axis] = -1
    tensors[one.name] = replace(one, data=(one.data / s.reshape(shape)).astype(np.float32))
    if len(pair.first.inputs) > 2 and pair.first.inputs[2]:
        bias = tensors[pair.first.inputs[2]]
        assert bias.data is not None, "checked by _owns"
        tensors[bias.name] = replace(bias, data=(bias.data / s.reshape(bias.shape)).astype(np.float32))
    scaled = (columns * s).astype(np.float32).reshape(two.data.shape)
    tensors[two.name] = replace(two, data=scaled)
