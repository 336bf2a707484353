"""``ends``: the lowest and the highest value of each element of an input that the model is made for.

Taken from what is known, the first of: ``notes["limits"]``; the type of integers; the grid of a node that quantizes the
input; the mean and the deviation in a scaler that reads it; the thresholds of trees that read it; else -4 and 4.
"""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops.elements.elementwise import Add, Div, Mul, Sub
from skosh.ops.elements.quantization import Quantize
from skosh.verify.edges import from_order, readers

DEVIATIONS = 4.0
"""A standard normal number is farther from 0 than this once in 16,000 times."""

PAST = 0.25
"""How far past the outermost thresholds of a feature: this part of the distance between them, at least."""


def ends(graph: Graph) -> dict[str, tuple[Array, Array]]:
    """Input -> (lowest, highest), arrays of the input's shape and type. Not for inputs that ``notes["example"]`` makes."""
    return {name: _of_input(graph, graph.tensors[name]) for name in graph.inputs}


def _of_input(graph: Graph, t: Tensor) -> tuple[Array, Array]:
    limits = (graph.notes.limits or {}).get(t.name)
    if limits is not None:
        return _full(t, limits[0]), _full(t, limits[1])
    if t.dtype.kind == "bool":
        return _full(t, False), _full(t, True)
    if not t.dtype.is_float:
        return _full(t, t.dtype.min), _full(t, t.dtype.max)
    found = _quantized(graph, t) or _scaled(graph, t) or _asked_by_trees(graph, t)
    if found is None or not all(np.isfinite(a).all() for a in found):
        return _full(t, -DEVIATIONS), _full(t, DEVIATIONS)
    return found


def _full(t: Tensor, value: object) -> Array:
    return np.broadcast_to(np.asarray(value), t.shape).astype(t.dtype.np)


def _quantized(graph: Graph, t: Tensor) -> tuple[Array, Array] | None:
    for node in graph.nodes:
        if isinstance(node.op, Quantize) and node.inputs[0] == t.name:
            y = graph.tensors[node.outputs[0]]
            if y.quant is not None and not y.quant.per_channel:
                low, high = ((end - y.quant.zero_point) * y.quant.scale for end in (y.dtype.min, y.dtype.max))
                return _full(t, low), _full(t, high)
    return None


def _scaled(graph: Graph, t: Tensor) -> tuple[Array, Array] | None:
    """Where (x - a) * b and the like gives -4 and 4. None where no such node reads the input, or it stretches nothing."""
    name, factor, offset = t.name, np.ones(t.shape), np.zeros(t.shape)  # the value is factor * x + offset
    seen = False
    while (step := _constant_step(graph, name)) is not None:
        node, constant = step
        if isinstance(node.op, Sub) or not isinstance(node.op, Mul | Div):
            offset = offset + (-constant if isinstance(node.op, Sub) else constant)
        else:
            by = constant if isinstance(node.op, Mul) else 1 / np.where(constant == 0, np.inf, constant)
            factor, offset = factor * by, offset * by
        name, seen = node.outputs[0], True
    if not seen or factor.shape != t.shape:
        return None
    with np.errstate(all="ignore"):
        a, b = (((side - offset) / factor).astype(t.dtype.np) for side in (-DEVIATIONS, DEVIATIONS))
    live = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(live, a, 0).astype(t.dtype.np), np.where(live, b, 0).astype(t.dtype.np)
    return np.minimum(a, b), np.maximum(a, b)


def _constant_step(graph: Graph, name: str) -> tuple[Node, Array] | None:
    """The one node that reads a tensor, and the constant that it adds, takes away, or multiplies or divides by."""
    nodes = [n for n in graph.nodes if name in n.inputs]
    if len(nodes) != 1 or not isinstance(nodes[0].op, Add | Mul | Div) or nodes[0].inputs[0] != name:
        return None
    other = graph.tensors[nodes[0].inputs[1]]
    if other.data is None or graph.tensors[nodes[0].outputs[0]].shape != graph.tensors[name].shape:
        return None
    return nodes[0], other.data.astype(np.float64)


def _asked_by_trees(graph: Graph, t: Tensor) -> tuple[Array, Array] | None:
    """Past the outermost thresholds of each feature; -4 and 4 where none is asked about."""
    low, high = (_full(t, end).reshape(-1).copy() for end in (-DEVIATIONS, DEVIATIONS))
    found = False
    for name, trees in readers(graph):
        if name != t.name:
            continue
        for f, element in enumerate(trees.element):
            keys = trees.limit[trees.feature == f]
            if keys.size:
                first, last = (float(from_order(int(k), t.dtype.np)) for k in (keys.min(), keys.max()))
                apart = max((last - first) * PAST, abs(first) * 1e-3, abs(last) * 1e-3, 1e-3)
                low[element], high[element], found = first - apart, last + apart, True
    return (low.reshape(t.shape), high.reshape(t.shape)) if found else None
