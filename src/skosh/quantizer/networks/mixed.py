"""Mixed precision: int8 wherever it does, int16 activations for the layers that lose most."""

from __future__ import annotations

from typing import Any

from skosh.ir.graph import Graph, Node
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.networks.post_training import with_scheme
from skosh.quantizer.networks.rules import rule_of
from skosh.quantizer.study.compare import noise_db, real_outputs
from skosh.quantizer.study.sensitivity import sensitivity

GOAL_DB = 35.0
"""Signal over noise of the outputs at which int8 is left alone: 1.8 % of the outputs' size."""


def wide_layers(
    graph: Graph, samples: Any, *, calibration: str = "minmax", goal_db: float = GOAL_DB
) -> tuple[str, ...]:
    """Names of the layers to compute with int16 activations, the most sensitive first: as few as reach ``goal_db``, or all.

    A layer gains from int16 only what its input has to give, so the layer that makes its input becomes wide with it.
    """
    found = as_samples(graph, samples)
    want = real_outputs(graph, found)
    order = sorted(sensitivity(graph, samples, calibration=calibration), key=lambda s: s.noise_db)
    chosen: list[str] = []
    for next_one in (*order, None):
        layers = dict.fromkeys(chosen, "int16x8")
        got = real_outputs(with_scheme(graph, samples, calibration=calibration, layers=layers), found)
        if noise_db(want, got) >= goal_db or next_one is None:
            break
        node = next(n for n in graph.nodes if n.name == next_one.layer)
        chosen += [n for n in (node.name, *_makers(graph, node)) if n not in chosen]
    return tuple(chosen)


def _makers(graph: Graph, node: Node) -> list[str]:
    """The layers that make what a layer reads, through the operators between."""
    names, left = list[str](), [node.inputs[0]]
    while left:
        maker = graph.producer.get(left.pop())
        if maker is None:
            continue
        if rule_of(maker).channels is not None:
            names.append(maker.name)
        else:
            left += [n for n in maker.inputs if n]
    return names
