"""Which layer loses what: each one quantized alone, all others in floats, and what that does to the model's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph, Node, Op, Operands, Quant, Tensor, Type
from skosh.ops.common import given, required
from skosh.quantizer.classical.scalers import scaler_nodes
from skosh.quantizer.networks.affine import dequantized, quantized
from skosh.quantizer.networks.assign import assign
from skosh.quantizer.networks.boundary import Typed, typed
from skosh.quantizer.networks.calibrate import as_samples, ranges
from skosh.quantizer.networks.layers import Care, Layer, layers_of
from skosh.quantizer.networks.masks import without_infinities
from skosh.quantizer.networks.rules import rule_of
from skosh.quantizer.networks.schemes import schemes_of
from skosh.quantizer.study.compare import agreement, noise_db, real_outputs


@dataclass(frozen=True)
class Sensitivity:
    """noise_db: signal over noise of the model's first output, in dB, when only this layer is quantized.

    agreement: the share of samples whose largest output is that of the float model; None for a model of one output number.
    accuracy: the share that are right, when labels were given. parameters: weights of the layer.
    """

    layer: str
    kind: str
    parameters: int
    noise_db: float
    agreement: float | None
    accuracy: float | None


@dataclass(frozen=True)
class _Rounded(Op):
    """y = x rounded to what integers can say: quantized and back."""

    quant: Quant
    to: DType
    kind = "rounded"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        return (Type(x.shape, x.dtype),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        q = quantized(given(values, 0), self.quant, self.to)
        return (dequantized(q, self.quant).astype(np.float32),)


def sensitivity(
    graph: Graph, samples: Any, *, scheme: str = "int8", calibration: str = "minmax", labels: Any = None
) -> tuple[Sensitivity, ...]:
    """A Sensitivity for each layer with weights, in the order of execution: its input, weights and output are rounded.

    graph: of floats. samples: as ``quantize_graph`` takes them. labels: [samples], indices of the right class.
    Raises what ``quantize_graph`` raises, and InputError for labels that don't fit.
    """
    found = as_samples(graph, samples)
    right = None if labels is None else _labels(graph, labels, len(found))
    want = real_outputs(graph, found)
    graph = without_infinities(graph, found)
    part, quants, layers = _integers(graph, found, scheme, calibration)
    out = []
    for node in graph.nodes:
        if rule_of(node).channels is None or node.outputs[0] not in layers:
            continue
        got = real_outputs(_with_one(graph, node, quants, part.types, layers[node.outputs[0]]), found)
        parameters = layers[node.outputs[0]].weights.size
        out.append(_measured(node, parameters, want, got, right))
    return tuple(out)


def _integers(
    graph: Graph, found: list[tuple[Array, ...]], scheme: str, calibration: str
) -> tuple[Typed, Mapping[str, Quant], dict[str, Layer]]:
    kept = scaler_nodes(graph)
    nodes = [n for n in graph.nodes if not any(n is k for k in kept)]
    schemes = schemes_of(graph, nodes, scheme, {})
    part = typed(graph, nodes, schemes)
    quants = assign(part.graph, part.nodes, ranges(part.graph, found, calibration), part.types).quants
    care = {name: Care(s.is_narrow, s.is_narrow) for name, s in schemes.items()}
    return part, quants, layers_of(part, quants, schemes, found, care)


def _with_one(graph: Graph, node: Node, quants: Mapping[str, Quant], types: Mapping[str, DType], layer: Layer) -> Graph:
    """x -> node -> y   becomes   x -> rounded -> node with rounded weights -> rounded -> y."""
    tensors = dict(graph.tensors)
    x, w, *rest = node.inputs
    (y,) = node.outputs
    rounded_x, whole_y, rounded_w = f"{x}/rounded", f"{y}/whole", f"{w}/rounded"
    tensors[rounded_x] = replace(tensors[x], name=rounded_x)
    tensors[whole_y] = replace(tensors[y], name=whole_y)
    data = dequantized(layer.weights, layer.quant).astype(np.float32)
    tensors[rounded_w] = replace(tensors[w], name=rounded_w, data=data)
    bias: tuple[str, ...] = ()
    if layer.bias is not None:
        bias = (f"{y}/bias",)
        real = dequantized(layer.bias, layer.bias_quant).reshape(-1).astype(np.float32)
        tensors[bias[0]] = Tensor(bias[0], real.shape, tensors[w].dtype, data=real)
    del rest
    steps = (
        Node(_Rounded(quants[x], types[x]), (x,), (rounded_x,), rounded_x, node.loc),
        replace(node, inputs=(rounded_x, rounded_w, *bias), outputs=(whole_y,)),
        Node(_Rounded(quants[y], types[y]), (whole_y,), (y,), f"{y}/rounded", node.loc),
    )
    nodes = tuple(new for old in graph.nodes for new in (steps if old is node else (old,)))
    return graph.with_(tensors=tensors, nodes=nodes)


def _measured(node: Node, parameters: int, want: Array, got: Array, right: Array | None) -> Sensitivity:
    accuracy = None
    if right is not None:
        chosen = got.argmax(axis=1) if got.shape[1] > 1 else got[:, 0]
        accuracy = float(np.mean(chosen == right))
    return Sensitivity(node.name, node.op.kind, parameters, noise_db(want, got), agreement(want, got), accuracy)


def _labels(graph: Graph, labels: Any, count: int) -> Array:
    found = np.asarray(labels)
    if found.shape != (count,):
        raise InputError(f"labels must be one for each of {count} samples, not {found.shape}", loc=graph.loc)
    classes = graph.notes.classes
    if classes is not None:
        places = {label: i for i, label in enumerate(classes)}
        unknown = sorted({str(v) for v in found.tolist() if v not in places})
        if unknown:
            raise InputError(f"labels must be classes of the model, not {', '.join(unknown)}", loc=graph.loc)
        found = np.array([places[v] for v in found.tolist()])
    return found
