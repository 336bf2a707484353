"""Post-training quantization: from floats and samples to integers, in one pass over the stages."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import Any

from skosh.base.errors import InputError, ModelError, Obstacle, UnsupportedError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph, Node
from skosh.quantize.assign import assign, is_real
from skosh.quantize.calibrate import as_samples, ranges
from skosh.quantize.rewrite import rewritten
from skosh.quantize.rules import INT8
from skosh.quantize.scalers import scaler_nodes

SCHEMES = ("int8",)


def quantize_graph(graph: Graph, samples: Any, *, scheme: str = "int8") -> Graph:
    """An int8 Graph with the meaning of a float32 one, calibrated on samples.

    Weights: symmetric, a scale for each output channel. Activations: asymmetric, a scale for each tensor, from the
    smallest and the largest value on the samples. Biases: int32. Inputs and outputs are int8, but a model that begins
    with a scaler keeps its float input (see ``scalers``). Tensors keep their names.

    samples: an array [samples, ...] for a model of one input, else a list of one for each, in the model's own floats.
    Raises ModelError when the graph is not one of floats, UnsupportedError with all operators that have no int8 kernel,
    InputError for samples that don't fit, don't vary, are not finite, or leave a layer at 0.
    """
    if scheme not in SCHEMES:
        raise InputError(f'scheme must be one of {", ".join(SCHEMES)}, not "{scheme}"')
    check_graph(graph)
    check_floats(graph)
    kept = scaler_nodes(graph)
    nodes = [n for n in graph.nodes if not any(n is k for k in kept)]
    check_supported(graph, nodes)

    found = as_samples(graph, samples)
    assignment = assign(graph, nodes, ranges(graph, found))
    made = rewritten(graph, kept, nodes, assignment)

    notes = {k: v for k, v in graph.notes.items() if k != "tflite"}  # the file, which holds the float model
    notes["quantization"] = MappingProxyType({"scheme": scheme, "samples": len(found)})
    made = made.with_(digest=_digest(made), notes=MappingProxyType(notes))
    check_graph(made)
    return made


def check_floats(graph: Graph) -> None:
    """A ModelError when there is nothing to quantize."""
    for t in graph.tensors.values():
        if t.quant is not None:
            raise ModelError(
                f'it is quantized already: "{t.name}" is {t.dtype}', loc=graph.loc, hint="compile it as it is"
            )
    if not any(is_real(graph, n) for n in graph.tensors):
        raise ModelError("it has no float32 numbers to quantize", loc=graph.loc, hint="compile it as it is")


def check_supported(graph: Graph, nodes: list[Node]) -> None:
    """One UnsupportedError with every node and state that can't be int8."""
    obstacles = [
        Obstacle(node.loc, f"{node.op.kind} has no int8 form", "keep the model in float32, or use another operator")
        for node in nodes
        if node.op.kind not in INT8 and any(is_real(graph, n) for n in (*node.inputs, *node.outputs))
    ]
    obstacles += [
        Obstacle(graph.loc, f'the state "{s.name}" can\'t be calibrated on single samples', "keep the model in float32")
        for s in graph.states
        if is_real(graph, s.before)
    ]
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=graph.loc)


def _digest(graph: Graph) -> str:
    """sha256 of the float model's digest and all integers."""
    digest = hashlib.sha256(graph.digest.encode())
    for t in graph.tensors.values():
        digest.update(repr((t.name, t.shape, t.dtype, t.quant)).encode())
        if t.data is not None:
            digest.update(t.data.tobytes())
    return digest.hexdigest()
