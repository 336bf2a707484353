"""Real numbers to a model's integers and back, and what the source library's ``predict`` makes of the outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.arith import round_half_away
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph


def predicted(graph: Graph, run: Callable[[Any], Any], x: Any) -> Any:
    """Labels of a classifier, else real numbers, for floats, batch first. run: inputs -> outputs, in the model's types.

    What the graph's face tells comes first: ``predict``, ``encode`` and ``decide``.
    """
    if (way := graph.notes.predict) is not None:
        return way(run, x)
    tensor = graph.tensors[graph.inputs[0]]
    encode = graph.notes.encode or np.asarray
    values = encode(x)
    if "missing" in (graph.notes.unlike or ()) and values.dtype.kind == "f" and np.isnan(values).any():
        raise InputError(
            "every value must be there: the model was loaded as one whose inputs are never NaN", loc=graph.loc,
            hint="skosh.load(model, missing=True) goes where the library goes",
        )  # fmt: skip
    y = run(quantized(values, tensor) if tensor.quant is not None else values.astype(tensor.dtype.np))
    out = graph.tensors[graph.outputs[0]]
    real = dequantized(y, out) if out.quant is not None else y
    if (decide := graph.notes.decide) is not None:
        return decide(y)
    classes = graph.notes.classes
    if graph.notes.several and graph.notes.output == "proba":
        return (real > 0.5).astype(np.int32)
    if classes is None or graph.notes.output in ("values", "labels"):
        return real
    labels = np.asarray(classes)
    flat = real.reshape(len(real), -1)
    if len(labels) == 1:
        return np.repeat(labels, len(flat))
    if graph.notes.output == "label":
        return labels[flat[:, 0]]
    middle = 0.0 if graph.notes.output == "decision" else 0.5
    return labels[(flat[:, 0] > middle).astype(int)] if flat.shape[1] == 1 else labels[flat.argmax(axis=1)]


def quantized(x: Array, tensor: Any) -> Array:
    """Real numbers as the tensor's integers: x / scale in float32, rounded half away from zero, plus the zero point, saturated.

    That is what TFLite's Quantize operator does.
    """
    t = tensor.dtype
    quant = tensor.quant
    scale, zero = (
        (np.array(quant.scales), np.array(quant.zero_points)) if quant.per_channel else (quant.scale, quant.zero_point)
    )
    q = round_half_away(np.asarray(x, np.float32) / np.float32(scale)) + zero
    return np.asarray(np.clip(q, t.min, t.max).astype(t.np))


def dequantized(q: Array, tensor: Any) -> Array:
    """The real numbers that integers stand for."""
    real = (q.astype(np.float64) - tensor.quant.zero_point) * tensor.quant.scale
    return np.asarray(real.astype(np.float32))
