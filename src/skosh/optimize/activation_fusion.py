"""Let the layer before clamp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skosh.base.dtypes import i8, i16
from skosh.ir.graph import Array, Graph, Node, Op, Tensor
from skosh.ops.common import activation_range, clamp_float
from skosh.ops.elements.elementwise import Add, Div, Mul
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import Pool2D
from skosh.optimize.elementwise import function_of
from skosh.optimize.rewrite import outside, renamed

CLAMPING = (Conv2D, DepthwiseConv2D, TransposeConv, Dense, Add, Mul, Div, Pool2D)
"""Operators with an ``activation`` that clamps their output as the last thing they do."""

SUMS = (Conv2D, DepthwiseConv2D, TransposeConv, Dense)
"""Of these, those whose floats are sums that start at +0.0, and so are never -0.0."""

ACTIVATIONS = ("relu", "relu6", "relu_n1_to_1")


def activation_fusion(graph: Graph) -> Graph:
    """Fuse a clamp into the operator before it, where no input can tell the difference.

    Needs: the clamp alone reads what is clamped, and both have one scale and zero point; the clamp's whole function is
    then compared with that of each fused activation (on all 256 or 65,536 integers; on the special floats).
    Leaves: one node with an activation.

        a = conv2d x; y = relu a      ->      y = conv2d x, activation relu
    """
    fused: dict[int, Node] = {}  # by the layer's identity: the layer with its activation
    gone: set[int] = set()  # clamps that a layer took in
    for node in graph.nodes:
        if not node.op.traits.unary or node.inputs[0] not in graph.producer:
            continue
        before = graph.producer[node.inputs[0]]
        (name,) = before.outputs if len(before.outputs) == 1 else ("",)
        if not isinstance(before.op, CLAMPING) or before.op.activation != "none" or name in outside(graph):
            continue
        x, y = graph.tensors[name], graph.tensors[node.outputs[0]]
        if len(graph.consumers[name]) > 1 or (x.dtype, x.quant) != (y.dtype, y.quant):
            continue
        signed = not isinstance(before.op, SUMS)
        activation = next((a for a in ACTIVATIONS if _allowed(x) and clamps_as(node.op, x, y, a, signed)), None)
        if activation is not None:
            fused[id(before)] = replace(renamed(before, {name: y.name}), op=replace(before.op, activation=activation))
            gone.add(id(node))
    if not fused:
        return graph
    return graph.with_(nodes=tuple(fused.get(id(n), n) for n in graph.nodes if id(n) not in gone))


def _allowed(x: Tensor) -> bool:
    """Quantized numbers and floats; what an activation means on plain int32 differs from operator to operator."""
    return x.dtype.is_float or (x.dtype in (i8, i16) and x.quant is not None)


def clamps_as(op: Op, x: Tensor, y: Tensor, activation: str, signed_zero: bool = True) -> bool:
    """Whether ``op`` from x to y does exactly what the fused activation does to what is already in y's units.

    signed_zero: whether a float x can be -0.0.
    """
    if x.dtype.is_float:
        probes = _special_floats()
        probes = probes if signed_zero else probes[(probes != 0) | ~np.signbit(probes)]
        clamped = clamp_float(probes, "none")
        return _same_bits(function_of(op, x, y, clamped), clamp_float(probes, activation))
    every = np.arange(x.dtype.min, x.dtype.max + 1).astype(x.dtype.np)
    return _same_bits(function_of(op, x, y, every), np.clip(every, *activation_range(activation, y.quant, y.dtype)))


def _special_floats() -> Array:
    """Both zeros, NaN, infinities, the bounds of all activations and their neighbours, and a few more."""
    edges = np.array([0, 1, 6, np.finfo(np.float32).tiny, np.finfo(np.float32).max, 0.1, 3, 100, 1e-45], np.float32)
    with np.errstate(over="ignore", under="ignore"):
        near = [np.nextafter(edges, np.float32(s)) for s in (-np.inf, np.inf)]
    positive = np.concatenate([edges, *near, np.array([np.inf, np.nan], np.float32)]).astype(np.float32)
    return np.concatenate([positive, -positive])


def _same_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()
