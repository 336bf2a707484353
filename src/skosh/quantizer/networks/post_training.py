"""Post-training quantization: from floats and samples to integers, in one pass over the stages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from skosh.base.errors import InputError, ModelError, Obstacle, UnsupportedError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph, Node
from skosh.ops.classical.tables import AddRows
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.layers.dense import Dense
from skosh.quantizer.classical.classical import integer_form, is_classical
from skosh.quantizer.classical.features import Seen
from skosh.quantizer.classical.forests import forests_of, quantized_forests
from skosh.quantizer.classical.scalers import scaler_nodes
from skosh.quantizer.networks.assign import assign, is_real
from skosh.quantizer.networks.boundary import typed
from skosh.quantizer.networks.calibrate import as_samples, ranges
from skosh.quantizer.networks.clipping import check_method
from skosh.quantizer.networks.curves import joined
from skosh.quantizer.networks.decision import decision_of, with_decision, without
from skosh.quantizer.networks.equalize import equalized
from skosh.quantizer.networks.half import with_half_weights
from skosh.quantizer.networks.layers import Care, layers_of
from skosh.quantizer.networks.masks import without_infinities
from skosh.quantizer.networks.rewrite import rewritten
from skosh.quantizer.networks.schemes import scheme_of, schemes_of


def with_scheme(
    graph: Graph,
    samples: Any = None,
    *,
    scheme: str = "int8",
    calibration: str = "minmax",
    layers: Mapping[str, str] = MappingProxyType({}),
    bias_correction: bool | None = None,
    compensate: bool | None = None,
    equalize: bool = False,
) -> Graph:
    """What ``quantize_graph`` gives for each scheme but "mixed", which asks this what layers become."""
    check_asked(graph, samples, scheme, calibration)
    if scheme == "float16":
        return with_half_weights(graph)
    if forests_of(graph):
        rows = as_samples(graph, samples)
        made = noted(quantized_forests(graph, np.concatenate([r[0] for r in rows]), scheme), scheme, len(rows))
        check_graph(made)
        return made
    scheme_of(scheme)
    found = as_samples(graph, samples)
    if scheme in ("int8", "int16x8") and not layers and is_classical(graph):
        made = integer_form(graph, Seen(graph, found), wide=scheme == "int16x8")
        check_whole(made)
        made = noted(made, scheme, len(found))
        check_graph(made)
        return made
    end = decision_of(graph) if scheme in ("int8", "int16x8") else None
    if end is not None and end.layer.name not in layers:
        options: dict[str, Any] = {"bias_correction": bias_correction, "compensate": compensate, "equalize": equalize}
        head = with_scheme(
            without(graph, end), samples, scheme=scheme, calibration=calibration, layers=layers, **options
        )
        made = noted(with_decision(head, end, graph, Seen(graph, found)), scheme, len(found))
        check_graph(made)
        return made
    if equalize:
        graph = equalized(graph)
    graph = without_infinities(graph, found)
    kept = scaler_nodes(graph)
    nodes = [n for n in graph.nodes if not any(n is k for k in kept)]
    wide = any(s == "int16x8" for s in (scheme, *layers.values()))
    graph, nodes = joined(graph, nodes, wide, layers)
    check_supported(graph, nodes)

    schemes = schemes_of(graph, nodes, scheme, layers)
    cares = {
        name: Care(
            s.is_narrow if compensate is None else compensate,
            s.is_narrow if bias_correction is None else bias_correction,
        )
        for name, s in schemes.items()
    }
    part = typed(graph, nodes, schemes)
    assignment = assign(part.graph, part.nodes, ranges(part.graph, found, calibration), part.types)
    made = rewritten(part, kept, assignment, layers_of(part, assignment.quants, schemes, found, cares))
    made = noted(made, scheme, len(found))
    check_graph(made)
    return made


def check_asked(graph: Graph, samples: Any, scheme: str, calibration: str) -> None:
    """Raises what ``quantize_graph`` raises before it looks at the samples."""
    check_method(calibration)
    check_graph(graph)
    check_floats(graph)
    if samples is None and scheme != "float16":
        raise InputError(
            f"{scheme} must have samples to be calibrated on", loc=graph.loc, hint="quantize(graph, samples)"
        )


def noted(graph: Graph, scheme: str, samples: int, **more: Any) -> Graph:
    told = MappingProxyType({"scheme": scheme, "samples": samples, **more})
    notes = graph.notes.with_(tflite=None, library=None, quantization=told)  # the float model is another one
    return graph.with_(digest=_digest(graph), notes=notes)


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
        if node.op.traits.int8 is None and any(is_real(graph, n) for n in (*node.inputs, *node.outputs))
    ]
    obstacles += [
        Obstacle(graph.loc, f'the state "{s.name}" can\'t be calibrated on single samples', "keep the model in float32")
        for s in graph.states
        if is_real(graph, s.before)
    ]
    if obstacles:
        raise UnsupportedError(tuple(obstacles), loc=graph.loc)


def check_whole(graph: Graph) -> None:
    """One UnsupportedError with every node of a classical model that does most of the work and stayed in floats."""
    obstacles = tuple(
        Obstacle(n.loc, f"{n.op.kind} has no integer form here", "keep the model in float32")
        for n in graph.nodes
        if (n.op.traits.classical or isinstance(n.op, AddRows | Dense | Conv2D)) and graph.tensors[n.outputs[0]].dtype.is_float
    )
    if obstacles:
        raise UnsupportedError(obstacles, loc=graph.loc)


def _digest(graph: Graph) -> str:
    """sha256 of the float model's digest and all integers."""
    digest = hashlib.sha256(graph.digest.encode())
    for t in graph.tensors.values():
        digest.update(repr((t.name, t.shape, t.dtype, t.quant)).encode())
        if t.data is not None:
            digest.update(t.data.tobytes())
    return digest.hexdigest()
