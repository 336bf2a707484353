"""What quantization cost: every layer of the integer graph beside the float one, on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.ir.graph import Array, Graph
from skosh.ops.elements.activations import Relu
from skosh.quantizer.networks.affine import dequantized, quantized
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.study.batch import Values, runs

NOTHING_LOST = 200.0  # dB: more than float32 can tell


@dataclass(frozen=True)
class LayerError:
    """The difference of a layer's output from the float graph's. worst, typical: largest and root mean square, in steps
    of the output's scale; noise_db: signal over noise of the values."""

    layer: str
    kind: str
    worst: float
    typical: float
    noise_db: float


def compare_layers(floats: Graph, integers: Graph, samples: Any) -> tuple[LayerError, ...]:
    """A LayerError for each quantized layer that both graphs have, in the order of execution.

    samples: as ``quantize_graph`` takes them. A value beyond what calibration saw counts with all it is wrong by.
    """
    rows = as_samples(floats, samples)
    want, got = _collected(floats, rows), _collected(integers, [inputs_of(integers, r) for r in rows])
    out = []
    for node in integers.nodes:
        name = node.outputs[0]
        quant = integers.tensors[name].quant
        if name not in want or quant is None:
            continue
        back = dequantized(got[name], quant)
        real = want[name].astype(np.float64).reshape(back.shape)
        if _only_clamped(integers, name):
            dtype = integers.tensors[name].dtype
            real = np.clip(real, *dequantized(np.array([dtype.min, dtype.max]), quant))
        error = back - real
        noise = float(np.mean(error**2))
        db = 10 * np.log10(max(float(np.mean(real**2)), 1e-300) / max(noise, 1e-300))
        steps = error / quant.scale
        out.append(
            LayerError(
                node.name, node.op.kind, float(np.abs(steps).max()), float(np.sqrt(np.mean(steps**2))), float(db)
            )
        )
    return tuple(out)


def real_outputs(graph: Graph, rows: Sequence[Sequence[Array]]) -> Array:
    """[samples, elements] of the first output, as real numbers, float64. rows: real, as ``as_samples`` gives them."""
    out = graph.tensors[graph.outputs[0]]
    parts = [values[out.name] for values in runs(graph, [inputs_of(graph, r) for r in rows])]
    real = [p if out.quant is None else dequantized(p, out.quant) for p in parts]
    return np.concatenate([np.asarray(p, np.float64).reshape(-1) for p in real]).reshape(len(rows), -1)


def noise_db(want: Array, got: Array) -> float:
    """Signal over noise: 10 log10 of the sum of squares over that of the differences; at most NOTHING_LOST."""
    noise, signal = float(np.sum((got - want) ** 2)), float(np.sum(want**2))
    if noise <= signal * 10 ** (-NOTHING_LOST / 10):
        return NOTHING_LOST
    return float(10 * np.log10(max(signal, 1e-300) / noise))


def agreement(want: Array, got: Array, *, labels: bool = False) -> float | None:
    """The share of samples whose largest output is the same; None for one output number, unless that is a label. Both
    [samples, elements]."""
    if labels:
        return float(np.mean((want == got).all(axis=1)))
    return float(np.mean(want.argmax(axis=1) == got.argmax(axis=1))) if want.shape[1] > 1 else None


def _only_clamped(graph: Graph, name: str) -> bool:
    """Whether only a relu of the same scale reads it: what saturates there would have been cut off anyway."""
    readers = graph.consumers[name]
    return (
        len(readers) == 1
        and isinstance(readers[0].op, Relu)
        and graph.tensors[readers[0].outputs[0]].quant == graph.tensors[name].quant
    )


def inputs_of(graph: Graph, row: Sequence[Array]) -> tuple[Array, ...]:
    """Real inputs of one sample, as a graph takes them: integers where it is quantized."""
    tensors = [graph.tensors[n] for n in graph.inputs]
    return tuple(quantized(x, t.quant, t.dtype) if t.quant else x for x, t in zip(row, tensors, strict=True))


def _collected(graph: Graph, rows: Sequence[Sequence[Array]]) -> Values:
    """Outputs of all nodes over all samples, one after the other."""
    names = [n for node in graph.nodes for n in node.outputs]
    parts: dict[str, list[Array]] = {n: [] for n in names}
    for values in runs(graph, rows):
        for n in names:
            parts[n].append(values[n])
    return {n: np.concatenate([np.atleast_1d(p) for p in found]) for n, found in parts.items()}
