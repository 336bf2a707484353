"""What went wrong when a graph was quantized, found by looking at it and by running both graphs on samples.

Nothing here is a guess about accuracy: agreement and noise are measured, on the samples or on held-out ones; what may be
behind a loss is told by the numbers that show it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.ir.graph import Array, Graph, Node
from skosh.ops.elements.activations import Relu
from skosh.quantizer.networks.affine import dequantized
from skosh.quantizer.networks.rules import rule_of
from skosh.quantizer.study.batch import Values
from skosh.quantizer.study.compare import NOTHING_LOST, noise_db

BEYOND = 1e-3
"""The share of a tensor's values that may lie beyond what its integers can say."""
FAR = 8.0
"""How many times further than nearly all the others a number may lie before it costs the others three bits."""
NEARLY_ALL = 0.98
ENOUGH_DB = 20.0
"""Signal over noise below which a layer is worth naming: an error of a tenth of its size."""


@dataclass(frozen=True)
class Finding:
    """kind: "constant", "range", "activation", "weight" or "layer". layer: the node's name, or the input's."""

    kind: str
    layer: str
    text: str


@dataclass(frozen=True)
class LayerState:
    """One layer on the samples. noise_db: signal over noise of its output, at most NOTHING_LOST; beyond: the share of the
    float graph's values that its integers can't say, by more than half a step."""

    layer: str
    kind: str
    noise_db: float
    beyond: float


def layer_states(integers: Graph, want: Values, got: Values) -> tuple[LayerState, ...]:
    """A LayerState for each quantized output that both graphs have, in the order of execution."""
    made = []
    for node in integers.nodes:
        name = node.outputs[0]
        t = integers.tensors[name]
        if t.quant is None or name not in want or want[name].size != got[name].size or not want[name].size:
            continue
        real = want[name].astype(np.float64).reshape(got[name].shape)
        lo, hi = _ends(integers, name)
        half = float(np.max(t.quant.scale)) / 2
        beyond = float(np.mean((real < lo - half) | (real > hi + half)))
        if _is_clamped(integers, name):
            beyond, real = 0.0, np.clip(real, lo, hi)
        made.append(LayerState(node.name, node.op.kind, noise_db(real, dequantized(got[name], t.quant)), beyond))
    return tuple(made)


def found(floats: Graph, integers: Graph, want: Values, states: Sequence[LayerState]) -> tuple[Finding, ...]:
    """What the numbers show, the likely cause first. want: the float graph's values on all samples."""
    out = _constants(floats, want)
    nodes = {n.name: n for n in integers.nodes}
    for state in states:
        if state.beyond > BEYOND:
            name = nodes[state.layer].outputs[0]
            lo, hi = _ends(integers, name)
            seen = f"[{want[name].min():g}, {want[name].max():g}]"
            share = f"{100 * state.beyond:.2g} % of its values lie beyond its integers' range"
            text = f"{share} [{lo:g}, {hi:g}]: they reach {seen}"
            out.append(Finding("range", state.layer, text))
    for name in floats.inputs:
        out += _far_values(name, name, integers, want)
    for node in floats.nodes:
        if rule_of(node).fixed is None:
            out += _far_values(node.name, node.outputs[0], integers, want)
        out += _far_weights(floats, node)
    return (*out, *_worst(integers, states))


def _constants(graph: Graph, want: Values) -> list[Finding]:
    """Outputs that are the same on all samples though what they are made from varies."""
    out = []
    for node in graph.nodes:
        name = node.outputs[0]
        if name not in want or graph.tensors[name].is_constant or not graph.tensors[name].dtype.is_float:
            continue
        values, inputs = want[name], [n for n in node.inputs if n and not graph.tensors[n].is_constant]
        if values.size > 1 and _same(values) and not all(n in want and _same(want[n]) for n in inputs):
            out.append(Finding("constant", node.name, f"its output never varies on the samples: it is {values.flat[0]:g}"))
    return out


def _same(values: Array) -> bool:
    return bool(values.min() == values.max())


def _far_values(layer: str, name: str, integers: Graph, want: Values) -> list[Finding]:
    """A range that is wide for the sake of few values, perhaps of none of these samples."""
    if name not in want or name not in integers.tensors or integers.tensors[name].quant is None:
        return []
    size = np.abs(want[name].astype(np.float64)).ravel()
    usual, (lo, hi) = float(np.quantile(size, NEARLY_ALL)), _ends(integers, name)
    reach = max(-lo, hi)
    if size.size < 100 or usual == 0 or reach < FAR * usual:
        return []
    text = (
        f"its range is [{lo:g}, {hi:g}], but {100 * NEARLY_ALL:g} % of its values are within {usual:g}: "
        f"these share {100 * usual / reach:.2g} % of it"
    )
    return [Finding("activation", layer, text)]


def _far_weights(graph: Graph, node: Node) -> list[Finding]:
    """A channel whose scale is made by one weight. One finding a layer: the worst channel."""
    axis = rule_of(node).channels
    if axis is None or len(node.inputs) < 2 or graph.tensors[node.inputs[1]].data is None:
        return []
    data = graph.tensors[node.inputs[1]].data
    assert data is not None, "checked above"
    rows = np.abs(np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1).astype(np.float64))
    if rows.shape[1] < 4:
        return []
    two = np.partition(rows, -2, axis=1)[:, -2:]
    ratio = np.where(two[:, 0] > 0, two[:, 1] / np.where(two[:, 0] > 0, two[:, 0], 1.0), 1.0)
    worst = int(ratio.argmax())
    if ratio[worst] < FAR:
        return []
    text = (
        f"one weight of channel {worst} is {two[worst, 1]:g}, all others are within {two[worst, 0]:g}: "
        f"they have {127 / ratio[worst]:.1f} of 127 steps"
    )
    return [Finding("weight", node.name, text)]


def _worst(integers: Graph, states: Sequence[LayerState]) -> tuple[Finding, ...]:
    """The layer where most is lost: what it reads is that much better than what it makes."""
    if not states or states[-1].noise_db >= ENOUGH_DB:
        return ()
    db = {s.layer: s.noise_db for s in states}
    makers = {n.outputs[0]: n.name for n in integers.nodes}

    def lost(state: LayerState) -> float:
        node = next(n for n in integers.nodes if n.name == state.layer)
        before = [db.get(makers[n], NOTHING_LOST / 2) for n in node.inputs if n in makers]
        return min([*before, NOTHING_LOST / 2]) - state.noise_db

    inner = [s for s in states if len(states) == 1 or s.noise_db < ENOUGH_DB]
    worst = max(inner, key=lost)
    return (Finding("layer", worst.layer, f"most is lost here: {worst.noise_db:.1f} dB signal over noise of its output"),)


def _ends(graph: Graph, name: str) -> tuple[float, float]:
    """The smallest and the largest number that a tensor's integers can say."""
    t = graph.tensors[name]
    assert t.quant is not None, "only quantized tensors have ends"
    ends = dequantized(np.array([t.dtype.min, t.dtype.max]), t.quant) if t.quant.axis is None else None
    return (-np.inf, np.inf) if ends is None else (float(ends[0]), float(ends[1]))


def _is_clamped(graph: Graph, name: str) -> bool:
    """Whether saturation is what was meant: all that reads it cuts its values to the range of the same scale."""
    readers = graph.consumers[name]
    return bool(readers) and all(
        isinstance(r.op, Relu) and graph.tensors[r.outputs[0]].quant == graph.tensors[name].quant for r in readers
    )
