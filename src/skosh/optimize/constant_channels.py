"""Remove channels that no input can change, and channels that nobody reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from skosh.ir.graph import Graph, Node, Tensor
from skosh.ops.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.dense import Dense
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
        for names, free in ((part.node.inputs, part.coupling.open_inputs), (part.node.outputs, part.coupling.open_outputs)):
            for i, name in enumerate(names):
                if name in kept and i not in free:
                    kept[name][:] = True
        if part.absorbed is not None and part.node.inputs[0] in kept:
            kept[part.node.inputs[0]] |= ~part.absorbed.mask
    least = {part.node.outputs[0]: part.least for part in parts}
    _spread(parts, kept)
    while short := [name for name, mask in kept.items() if np.count_nonzero(mask) < min(least.get(name, 1), mask.size)]:
        first = kept[short[0]]
        first[np.flatnonzero(~first)[0]] = True
        _spread(parts, kept)
    return kept


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
        made = _layer_constants(part, kept) if part.layer is not None else _other_constants(graph, part, kept)
        inputs = list(node.inputs)
        for i, constant in made.items():
            named = _named(graph.with_(tensors={**tensors}), node, i, constant)
            tensors[named.name] = named
            inputs[i : i + 1] = [named.name]
        gone = {i for i, constant in made.items() if constant.size == 0}
        outs = [kept[n] for n in node.outputs]
        first = kept.get(node.inputs[0], np.ones(1, np.bool_))
        op = shrunk(node.op, graph.tensors[node.inputs[0]], first, outs)
        nodes.append(replace(node, op=op, inputs=tuple(n for i, n in enumerate(inputs) if i not in gone)))
    return graph.with_(nodes=tuple(nodes), tensors=tensors)
