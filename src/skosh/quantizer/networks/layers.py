"""Every layer's weights and bias as integers, before the graph is rewritten.

Three ways to lose less, each by itself:

fitted scales         a scale for each channel that loses least (``fit``), for weights of few bits
compensated rounding  weights are rounded one input at a time, and those still to come take over the error: Frantar et al.,
                      "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers" (ICLR 2023),
                      equations 2 and 3, after Hassibi and Stork, "Optimal Brain Surgeon" (1993)
bias correction       the bias takes what rounding the weights moves the mean output by: Nagel et al., "Data-Free
                      Quantization Through Weight Equalization and Bias Correction" (ICCV 2019), section 4.2, with the
                      means from the samples
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType, i16, i32, i64
from skosh.ir.graph import Array, Graph, Node, Quant
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.layers.dense import Dense
from skosh.quantizer.networks.affine import (
    bias_quant,
    dequantized,
    quantized_bias,
    quantized_weights,
    weight_quant,
)
from skosh.quantizer.networks.boundary import Typed
from skosh.quantizer.networks.fit import fitted_scales, nearest
from skosh.quantizer.networks.rules import rule_of
from skosh.quantizer.networks.schemes import Codes, Scheme
from skosh.quantizer.study.batch import runs

LARGEST_MOMENTS = 1024  # inputs of a layer that is rounded with compensation
DAMPING = 0.01  # of the mean second moment, added to each: keeps the matrix invertible

Samples = Sequence[Sequence[Array]]


@dataclass(frozen=True, eq=False)
class Layer:
    """weights: int8, of the layer's shape. bias: int32 or int64, None when there is none."""

    weights: Array
    quant: Quant
    bias: Array | None
    bias_type: DType
    bias_quant: Quant


@dataclass(frozen=True)
class Care:
    """What is done for accuracy beside rounding to the nearest."""

    compensate: bool
    correct: bool


def layers_of(
    part: Typed, quants: Mapping[str, Quant], schemes: Mapping[str, Scheme], samples: Samples, care: Mapping[str, Care]
) -> dict[str, Layer]:
    """A node's first output -> the node's integers, for all nodes with weights.

    quants: of the real tensors. schemes, care: by first output.
    """
    graph = part.graph
    nodes = [n for n in part.nodes if rule_of(n).channels is not None]
    moments = _second_moments(graph, [n for n in nodes if care[n.outputs[0]].compensate], samples)
    made = {}
    for node in nodes:
        name = node.outputs[0]
        made[name] = _weights(graph, node, schemes[name].weights, moments.get(name), quants, part.types[node.inputs[0]])
    shifts = _mean_errors(graph, [n for n in nodes if care[n.outputs[0]].correct], made, samples)
    return {n.outputs[0]: _with_bias(graph, n, made[n.outputs[0]], shifts.get(n.outputs[0]), quants) for n in nodes}


def _weights(
    graph: Graph, node: Node, codes: Codes, moments: Array | None, quants: Mapping[str, Quant], x_type: DType
) -> Layer:
    """The layer without its bias."""
    axis, (weights, bias) = _axis(node), _floats(graph, node)
    bias_type = i64 if x_type == i16 else i32
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    narrow = len(codes) <= 16
    fit = fitted_scales(rows, codes, None if moments is None else np.diag(moments)) if narrow else None
    x_scale = quants[node.inputs[0]].scale
    quant = weight_quant(weights, axis, bias, x_scale, fit, bias_type)
    if not narrow and moments is None:
        q = quantized_weights(weights, axis, quant)
    else:
        steps = rows.astype(np.float64) / np.broadcast_to(quant.scales, len(rows))[:, None]
        integers = nearest(steps, codes) if moments is None else compensated(steps, codes, moments)
        shape = np.moveaxis(weights, axis, 0).shape
        q = np.ascontiguousarray(np.moveaxis(integers.reshape(shape), 0, axis)).astype(np.int8)
    return Layer(q, quant, None, bias_type, bias_quant(x_scale, quant))


def _with_bias(graph: Graph, node: Node, layer: Layer, shift: Array | None, quants: Mapping[str, Quant]) -> Layer:
    _, bias = _floats(graph, node)
    if shift is not None:
        bias = (np.zeros(shift.shape) if bias is None else bias.reshape(-1).astype(np.float64)) - shift
    if bias is None:
        return layer
    x_scale = quants[node.inputs[0]].scale
    return replace(layer, bias=quantized_bias(bias, x_scale, layer.quant, layer.bias_type))


def _axis(node: Node) -> int:
    axis = rule_of(node).channels
    assert axis is not None, "a layer has channels"
    return axis


def _floats(graph: Graph, node: Node) -> tuple[Array, Array | None]:
    """(weights, bias or None) of a layer of the float graph."""
    weights = graph.tensors[node.inputs[1]].data
    assert weights is not None, "a layer's weights are constant"
    bias = node.inputs[2] if len(node.inputs) > 2 else ""
    return weights, graph.tensors[bias].data if bias else None


# ------------------------------------------------------------------------------------------------- compensated rounding


def compensated(steps: Array, codes: Codes, moments: Array) -> Array:
    """[N, K] codes for weights in steps of their channels' scales. moments: [K, K], the mean of x x^T over the inputs.

    The inputs that matter most go first; each one's error, weighed by how its input goes with the others, is moved to
    weights that are not rounded yet.
    """
    order = np.argsort(-np.diag(moments), kind="stable")
    h = moments[np.ix_(order, order)] + np.eye(len(moments)) * (DAMPING * float(np.mean(np.diag(moments))) + 1e-12)
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    left = steps[:, order].astype(np.float64)
    out = np.empty_like(left)
    for k in range(left.shape[1]):
        out[:, k] = nearest(left[:, k], codes)
        error = (left[:, k] - out[:, k]) / upper[k, k]
        left[:, k + 1 :] -= error[:, None] * upper[k, k + 1 :]
    whole = np.empty_like(out)
    whole[:, order] = out
    return whole


def _second_moments(graph: Graph, nodes: Sequence[Node], samples: Samples) -> dict[str, Array]:
    """A node's first output -> [K, K], the mean of x x^T over samples and places; only for layers where that is small."""
    small = [n for n in nodes if _rows_of(graph, n) is not None]
    total: dict[str, Array] = {}
    if not small:
        return total
    count = dict.fromkeys((n.outputs[0] for n in small), 0)
    for values in runs(graph, samples):
        for node in small:
            name, rows = node.outputs[0], _patches(graph, node, values[node.inputs[0]]).astype(np.float64)
            total[name] = total.get(name, 0.0) + rows.T @ rows
            count[name] += len(rows)
    return {name: t / count[name] for name, t in total.items()}


def _rows_of(graph: Graph, node: Node) -> int | None:
    """K of a layer whose filters see all inputs, if it is small enough; None for others."""
    x, w = (graph.tensors[n] for n in node.inputs[:2])
    whole = isinstance(node.op, Dense) or (isinstance(node.op, Conv2D) and w.shape[3] == x.shape[3])
    depth = w.size // w.shape[0]
    return depth if whole and depth <= LARGEST_MOMENTS else None


def _patches(graph: Graph, node: Node, x: Array) -> Array:
    """[rows, K]: what each sum of products sees; 0 outside the image."""
    w = graph.tensors[node.inputs[1]]
    if not isinstance(node.op, Conv2D):
        return x.reshape(-1, w.shape[1])
    out = graph.tensors[node.outputs[0]].shape
    patches = np.zeros((x.shape[0], *out[1:3], *w.shape[1:]), np.float32)
    for tap in node.op.window(w).taps(x.shape[1], x.shape[2]):
        patches[:, *tap.out, tap.row, tap.column] = x[:, *tap.into]
    return patches.reshape(-1, w.size // w.shape[0])


# ------------------------------------------------------------------------------------------------------ bias correction


def _mean_errors(graph: Graph, nodes: Sequence[Node], made: Mapping[str, Layer], samples: Samples) -> dict[str, Array]:
    """A node's first output -> [channels], by how much its rounded weights move its mean sum."""
    total: dict[str, Array] = {}
    count = dict.fromkeys((n.outputs[0] for n in nodes), 0)
    errors = {}
    for node in nodes:
        layer, (weights, _) = made[node.outputs[0]], _floats(graph, node)
        errors[node.outputs[0]] = (dequantized(layer.weights, layer.quant) - weights).astype(np.float32)
    for values in runs(graph, samples) if nodes else ():
        for node in nodes:
            name = node.outputs[0]
            x = replace(graph.tensors[node.inputs[0]], shape=values[node.inputs[0]].shape)
            ins = (x, graph.tensors[node.inputs[1]])
            y = replace(graph.tensors[name], shape=values[name].shape)
            plain: Any = replace(node.op, activation="none")  # type: ignore[type-var]
            (moved,) = plain.reference(ins, (y,), [values[x.name], errors[name]])
            rows = moved.reshape(-1, moved.shape[-1])
            total[name] = total.get(name, 0.0) + rows.sum(axis=0, dtype=np.float64)
            count[name] += len(rows)
    return {name: t / count[name] for name, t in total.items()}
