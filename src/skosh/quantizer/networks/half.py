"""float16 storage: weights keep 11 significant bits, arithmetic stays float32."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from skosh.base.errors import Loc, ModelError
from skosh.ir.graph import Graph, Tensor
from skosh.quantizer.networks.rules import rule_of

HALF_MAX = float(np.finfo(np.float16).max)


def with_half_weights(graph: Graph) -> Graph:
    """Each weight of each layer rounded to the nearest float16, still in float32: where a machine converts them as it loads,
    they are stored in two bytes (``lower.packing``).

    Raises ModelError for a weight beyond 65,504, and for a graph without layers.
    """
    names = {n.inputs[1] for n in graph.nodes if rule_of(n).channels is not None}
    tensors = dict(graph.tensors)
    for name in sorted(names):
        tensors[name] = _rounded(graph, tensors[name])
    if not names:
        raise ModelError("it has no layers with weights to keep as float16", loc=graph.loc, hint="compile it as it is")
    digest = hashlib.sha256(f"{graph.digest} float16".encode()).hexdigest()
    told = MappingProxyType({"scheme": "float16", "samples": 0})
    notes = graph.notes.with_(tflite=None, library=None, quantization=told)  # the float model is another one
    return graph.with_(tensors=tensors, digest=digest, notes=notes)


def _rounded(graph: Graph, t: Tensor) -> Tensor:
    assert t.data is not None, "a layer's weights are constant"
    largest = float(np.abs(t.data).max(initial=0.0))
    if not largest <= HALF_MAX:
        raise ModelError(
            f"float16 weights must be at most 65,504 in magnitude, but one is {largest:g}",
            loc=Loc(graph.loc.file, t.name),
            hint='scale the model, or use scheme="int8"',
        )
    return replace(t, data=t.data.astype(np.float16).astype(np.float32))
