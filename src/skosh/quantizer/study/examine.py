"""A quantized graph beside the float one: what it loses, what shows why, and what other ways of quantizing would gain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skosh.base.errors import SkoshError
from skosh.ir.graph import Array, Graph, macs
from skosh.quantizer.classical.classical import is_classical
from skosh.quantizer.classical.forests import forests_of
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.study.batch import Values, runs
from skosh.quantizer.study.compare import agreement, inputs_of, noise_db, real_outputs
from skosh.quantizer.study.findings import Finding, LayerState, found, layer_states

MOST_SAMPLES = 64
WORK = 1 << 28
"""Multiplications of all the samples that are looked at: a large model is looked at on few."""
LEAST_SAMPLES = 4
GOOD_AGREEMENT, GOOD_DB = 0.9, 20.0
"""Where nothing is said and no remedy is tried: the same answer on so many samples, and an error of a tenth of the outputs."""
ENOUGH_TO_CHOOSE = 32
"""Samples below which no remedy is tried: what so few say of the difference of two is chance."""
LAYERS_OF_MIXED = 16
"""Layers above which "mixed", which measures each alone, isn't among the remedies that are tried."""


@dataclass(frozen=True)
class Remedy:
    """Options of ``quantize`` other than those that were taken, and what they give on the same samples."""

    options: str
    noise_db: float
    agreement: float | None


@dataclass(frozen=True)
class Examination:
    """samples: how many were looked at; held_out: whether they are others than those of the calibration. noise_db and
    agreement: of the first output, as ``compare`` has them. remedies: best first, only those that gain."""

    samples: int
    held_out: bool
    noise_db: float
    agreement: float | None
    layers: tuple[LayerState, ...]
    findings: tuple[Finding, ...]
    remedies: tuple[Remedy, ...]

    @property
    def is_good(self) -> bool:
        return self.noise_db >= GOOD_DB and (self.agreement is None or self.agreement >= GOOD_AGREEMENT)

    @property
    def lines(self) -> tuple[str, ...]:
        """What there is to say; nothing when all is well."""
        if self.is_good and not any(f.kind in ("range", "constant") for f in self.findings):
            return ()
        where = "held-out samples" if self.held_out else "samples"
        same = "" if self.agreement is None else f", the same answer on {100 * self.agreement:.1f} %"
        said = [f"{self.noise_db:.1f} dB signal over noise on {self.samples} {where}{same}"]
        said += [f"{f.layer}: {f.text}" for f in self.findings]
        for r in self.remedies:
            same = "" if r.agreement is None else f", {100 * r.agreement:.1f} % the same"
            said.append(f"{r.options} gives {r.noise_db:.1f} dB{same}")
        return tuple(said)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.is_good}


def examine(
    floats: Graph,
    integers: Graph,
    samples: Any,
    *,
    held_out: Any = None,
    scheme: str = "int8",
    calibration: str = "minmax",
    remedies: bool = True,
    **options: Any,
) -> Examination:
    """Look at what ``quantize_graph(floats, samples, scheme=..., calibration=..., **options)`` made.

    At most MOST_SAMPLES are run, spread over held_out, or over the samples where there are none. remedies: quantize in other
    ways, on the same samples, when the result isn't good and there are ENOUGH_TO_CHOOSE.
    Raises InputError for samples that don't fit.
    """
    given = as_samples(floats, samples if held_out is None else held_out)
    rows = _some(floats, given)
    is_network = not forests_of(floats) and not is_classical(floats)
    if is_network:
        want, got = _collected(floats, rows), _collected(integers, [inputs_of(integers, r) for r in rows])
        states = layer_states(integers, want, got)
        findings = found(floats, integers, want, states)
    else:
        states, findings = (), ()
    labels = floats.tensors[floats.outputs[0]].dtype.is_integer
    right = real_outputs(floats, rows)

    def measured(graph: Graph) -> tuple[float, float | None]:
        outputs = real_outputs(graph, rows)
        return noise_db(right, outputs), agreement(right, outputs, labels=labels)

    db, same = measured(integers)
    made = Examination(len(rows), held_out is not None, db, same, states, findings, ())
    if not remedies or made.is_good or not is_network or scheme == "float16" or len(given) < ENOUGH_TO_CHOOSE:
        return made
    gained = []
    for text, change in _ways(floats, scheme, calibration, options):
        other = _quantized(floats, samples, {"scheme": scheme, "calibration": calibration, **options, **change})
        if other is not None:
            gained.append(Remedy(text, *measured(other)))
    better = [r for r in gained if r.noise_db > db + 1 or (r.agreement or 0) > (same or 0) + 0.01]
    better.sort(key=lambda r: (-(r.agreement or 0), -r.noise_db))
    return Examination(len(rows), held_out is not None, db, same, states, findings, tuple(better))


def _ways(graph: Graph, scheme: str, calibration: str, options: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Other options, as they are written in Python, the cheapest for the device first."""
    ways: list[tuple[str, dict[str, Any]]] = [
        (f'calibration="{c}"', {"calibration": c}) for c in ("minmax", "mse", "percentile") if c != calibration
    ]
    if not options.get("equalize"):
        ways.append(("equalize=True", {"equalize": True}))
    small = sum(len(n.inputs) > 1 for n in graph.nodes) <= LAYERS_OF_MIXED
    wider = {"int8": ("mixed", "int16x8"), "mixed": ("int16x8",)}.get(scheme, ("int8",) if scheme != "int16x8" else ())
    return ways + [(f'scheme="{s}"', {"scheme": s}) for s in wider if s != "mixed" or small]


def _quantized(graph: Graph, samples: Any, options: dict[str, Any]) -> Graph | None:
    from skosh.quantizer.quantize import quantize_graph

    try:
        return quantize_graph(graph, samples, **options)
    except SkoshError:  # an operator without that form: no remedy here
        return None


def _some(graph: Graph, rows: list[tuple[Array, ...]]) -> list[tuple[Array, ...]]:
    """Samples spread over all, as many as the model's work allows."""
    most = max(LEAST_SAMPLES, min(MOST_SAMPLES, WORK // max(_work(graph), 1)))
    if len(rows) <= most:
        return rows
    return [rows[i] for i in np.linspace(0, len(rows) - 1, most).astype(int)]


def _work(graph: Graph) -> int:
    """Multiplications and elements of one run."""
    return macs(graph) + 16 * sum(t.size for t in graph.tensors.values() if not t.is_constant)


def _collected(graph: Graph, rows: Sequence[Sequence[Array]]) -> Values:
    """All values that are not constant, over all samples."""
    names = [*graph.inputs, *(n for node in graph.nodes for n in node.outputs)]
    parts: dict[str, list[Array]] = {n: [] for n in names}
    for values in runs(graph, rows):
        for n in names:
            parts[n].append(np.atleast_1d(values[n]))
    return {n: np.concatenate(p) for n, p in parts.items()}
