"""Remove channels that no input can change, and channels that nobody reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from skosh.ir.graph import Graph, Node, Tensor
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.optimize.absorption import Absorbed, absorbable, bias_type
from skosh.optimize.columns import Coupling, Mask, coupling, cut, shrunk
from skosh.optimize.linear import Linear, linear
from skosh.optimize.ranges import value_ranges
from skosh.optimize.rewrite import fresh, outside


def constant_channels(graph: Graph) -> Graph:
    """Drop channels (indices of the last axis) whose readers all take them into their bias, or multiply them by zero.

    Needs: nodes in execution order, of checked types. A channel can go when all that hangs on it can: the filter that makes
    it, its sums with other channels, and a convolution or dense layer that absorbs it at the end of every path. Inputs,
    outputs and states keep their channels, and every tensor keeps at least one.
    Leaves: smaller tensors, filters and weights; integers only, floats stay as they are (their sums depend on the order).

        a = conv2d x, 4 filters, the second all zero, so that a[..., 1] is always 7; y = dense a, w[N, 4], bias
            ->      a = conv2d x, 3 filters; y = dense a, w[N, (0, 2, 3)], bias + (7 - zero point) * w[N, 1]
    """
    ranges = value_ranges(graph)
    parts = []
    for node in graph.nodes:
        ins, outs = graph.operands(node.inputs), graph.required(node.outputs)
        coupled = coupling(node.op, ins, outs)
        layer = linear(node, ins, outs[0])
        takes = layer is not None and not isinstance(node.op, DepthwiseConv2D) and 0 in coupled.open_inputs
        absorbed = absorbable(layer, ranges[node.inputs[0]]) if takes and layer is not None else None
        parts.append(_Part(node, coupled, layer, absorbed))
    kept = _kept_columns(graph, parts)
    if all(bool(mask.all()) for mask in kept.values()):
        return graph
    return _without(graph, parts, kept)


@dataclass(frozen=True, eq=False)
class _Part:
    """A node and what it does to columns."""

    node: Node
    coupling: Coupling
    layer: Linear | None
    absorbed: Absorbed | None

    @property
    def least(self) -> int:
        """Outputs that must stay: per-channel scales stay so, as TFLM computes a single one for dense layers differently."""
        quant = self.layer.w.quant if self.layer is not None and isinstance(self.node.op, Dense) else None
        return 2 if quant is not None and quant.per_channel else 1


def _kept_columns(graph: Graph, parts: list[_Part]) -> dict[str, Mask]:
    """For each tensor that isn't constant and has columns: which of them stay."""
    fixed = outside(graph)
    kept = {
        t.name: np.full(t.shape[-1], t.name in fixed or t.dtype.is_float)
        for t in graph.tensors.values()
        if t.shape and not t.is_constant
    }
    for part in parts:
        for names, free in (
            (part.node.inputs, part.coupling.open_inputs),
            (part.node.outputs, part.coupling.open_outputs),
        ):
            for i, name in enumerate(names):
                if name in kept and i not in free:
                    kept[name][:] = True
        if part.absorbed is not None and part.node.inputs[0] in kept:
            kept[part.node.inputs[0]] |= ~part.absorbed.mask
    least = {part.node.outputs[0]: part.least for part in parts}
    _spread(parts, kept)
    while short := [name for name, mask in kept.items() if np.count_nonzero(mask) < _wanted(mask, least.get(name, 1))]:
        first = kept[short[0]]
        first[np.flatnonzero(~first)[0]] = True
        _spread(parts, kept)
    return kept


CHANNELS = 4
"""What stays is a multiple of it: registers hold tiles of 2 or 4 channels and words of 4, and a ragged rest costs more."""


def _wanted(mask: Mask, least: int) -> int:
    """How many columns must stay when those of ``mask`` do."""
    count = max(int(np.count_nonzero(mask)), least)
    return min(-(-count // CHANNELS) * CHANNELS, mask.size)


def _spread(parts: list[_Part], kept: dict[str, Mask]) -> None:
    """What is linked stays together: forward, backward, until nothing changes."""
    before = -1
    while before != (now := sum(int(np.count_nonzero(m)) for m in kept.values())):
        before = now
        for part in (*parts, *reversed(parts)):
            for link in part.coupling.links:
                x, y = kept.get(part.node.inputs[link.of]), kept.get(part.node.outputs[link.to])
                if x is not None and y is not None:
                    y[link.outputs[x[link.inputs]]] = True
                    x[link.inputs[y[link.outputs]]] = True


# ------------------------------------------------------------------------------------------------------------ rewriting


def _without(graph: Graph, parts: list[_Part], kept: Mapping[str, Mask]) -> Graph:
    tensors = dict(graph.tensors)
    for name, mask in kept.items():
        t = tensors[name]
        tensors[name] = replace(t, shape=(*t.shape[:-1], int(np.count_nonzero(mask))))
    nodes = []
    for part in parts:
        node = part.node
        if all(bool(kept[n].all()) for n in (*node.inputs, *node.outputs) if n in kept):
            nodes.append(node)
            continue
        masks = [_input_mask(graph, part, i, kept) for i in range(len(node.inputs))]
        constants = _layer_constants(part, kept) if part.layer is not None else _linked_constants(graph, part, masks)
        inputs = list(node.inputs)
        for i, constant in constants.items():
            name = constant.name if _alone(graph, node, constant.name) else fresh(tensors, constant.name)
            tensors[name] = replace(constant, name=name)
            inputs[i : i + 1] = [name]
        left = tuple(n for n in inputs if not n or tensors[n].size > 0)
        op = shrunk(node.op, graph.tensors[node.inputs[0]], masks[0], [kept[n] for n in node.outputs])
        nodes.append(replace(node, op=op, inputs=left))
    return graph.with_(nodes=tuple(nodes), tensors=tensors)


def _alone(graph: Graph, node: Node, name: str) -> bool:
    """Whether only one operand of the node reads the tensor, so that it can change under its name."""
    return name in graph.tensors and graph.consumers[name] == (node,) and node.inputs.count(name) == 1


def _input_mask(graph: Graph, part: _Part, index: int, kept: Mapping[str, Mask]) -> Mask:
    """Which columns of a node's input stay; of a constant, those whose linked output column stays."""
    name = part.node.inputs[index]
    if name in kept:
        return kept[name]
    mask = np.ones(graph.tensors[name].shape[-1] if name and graph.tensors[name].shape else 1, np.bool_)
    for link in part.coupling.links:
        if link.of == index:
            mask[link.inputs] &= kept[part.node.outputs[link.to]][link.outputs]
    return mask


def _linked_constants(graph: Graph, part: _Part, masks: list[Mask]) -> dict[int, Tensor]:
    """The smaller constants of a node that isn't a layer, by input number."""
    found = {}
    for i, name in enumerate(part.node.inputs):
        t = graph.tensors[name] if name else None
        if t is not None and t.is_constant and not masks[i].all():
            found[i] = cut(t, len(t.shape) - 1, masks[i])
    return found


def _layer_constants(part: _Part, kept: Mapping[str, Mask]) -> dict[int, Tensor]:
    """The smaller weights and the new bias of a layer, by input number."""
    layer = part.layer
    assert layer is not None, "only layers have weights"
    x = kept.get(layer.x.name, np.ones(layer.x.shape[-1], np.bool_))
    y = kept[layer.y.name]
    if isinstance(layer.op, DepthwiseConv2D):
        w = cut(layer.w, 3, y)
    elif isinstance(layer.op, Conv2D):
        w = cut(layer.w, 0, y) if x.all() else cut(cut(layer.w, 0, y), 3, x)
    else:
        w = cut(cut(layer.w, 0, y), 1, np.tile(x, layer.w.shape[1] // x.size))
    bias = layer.addend
    if part.absorbed is not None:
        bias = bias + part.absorbed.added[~x].sum(axis=0)
    if layer.bias is None and not bias.any():
        return {1: w}
    dtype = bias_type(layer)
    old = layer.bias if layer.bias is not None else Tensor(f"{layer.w.name}_bias", bias.shape, dtype)
    whole = replace(old, shape=bias.shape, data=bias.astype(dtype.np))
    return {1: w, 2: cut(whole, 0, y)}
