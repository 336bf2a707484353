"""``skosh.place``: a model is compiled and measured for the device, tried on samples, and every way to place it is costed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.base.errors import InputError
from skosh.base.files import write_file
from skosh.built import Build, quantized
from skosh.ir.graph import Array, Graph, Node, Tensor, macs, node_macs
from skosh.place.band import Band
from skosh.place.catalogue import catalogue as read_catalogue
from skosh.place.compress import Compressed, measure
from skosh.place.exits import early_exit
from skosh.place.flips import Flip
from skosh.place.hierarchy import hierarchy
from skosh.place.options import Option, Wants
from skosh.place.pieces import cuts
from skosh.place.planner import Answer, make_setting, plan
from skosh.place.work import CutWork, Partial, Work
from skosh.targets.toolchain import cached

CYCLES_PER_INSTRUCTION = Band(0.6, 1.5)  # assumed, for machines whose cycles aren't modelled
TOLERANCE = 0.005  # accuracy that early exits and hierarchies may lose
COST_RATIOS = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)
MOST_COMPRESSED = 200  # samples whose compressed size is measured


@dataclass(frozen=True)
class Placement:
    """Where a model should run. ``options``: every way, allowed or not; ``best``; ``flips``: what would make it another."""

    answer: Answer

    @property
    def options(self) -> tuple[Option, ...]:
        return self.answer.options

    @property
    def best(self) -> Option | None:
        return self.answer.best

    @property
    def flips(self) -> tuple[Flip, ...]:
        return self.answer.flips

    @cached_property
    def named(self) -> dict[str, Option]:
        """Options by name."""
        return {o.name: o for o in self.options}

    def report(self, path: str | Path | None = None) -> str:
        """The answer as a page, HTML; written to ``path`` too where one is given."""
        from skosh.deliver.placement_page import placement_html

        page: str = placement_html(self.answer)
        if path is not None:
            write_file(Path(path), page)
        return page

    def as_json(self) -> dict[str, Any]:
        """docs/placement.md tells the keys."""
        a, s = self.answer, self.answer.setting
        return {
            "best": None if a.best is None else a.best.name,
            "aim": a.aim,
            "options": [_option_json(o, o.name in a.front) for o in a.options],
            "break_even_macs_per_byte": [a.break_even.low, a.break_even.high],
            "flips": [
                {"what": f.what, "unit": f.unit, "from": f.now, "to": f.to, "best_then": f.best_then or None} for f in a.flips
            ],
            "not_tried": [{"name": n, "why_not": why} for n, why in a.not_tried],
            "model": a.work.name, "device": s.board.name, "link": s.link_record.id, "gateway": s.gateway.id,
            "cloud": s.cloud.id, "battery": s.battery.id, "rate": s.rate, "supply": s.supply,
            "cycles": [a.work.cycles.low, a.work.cycles.high], "macs": a.work.macs,
            "assumed": [f.as_json() for f in a.assumed],
        }  # fmt: skip

    def __repr__(self) -> str:
        a = self.answer
        where = "nothing is allowed" if a.best is None else f"best for {a.aim}: {a.best.name}"
        return f"Placement({a.work.name} on {a.setting.board.name} over {a.setting.link_record.id}; {where})"


def _option_json(o: Option, front: bool) -> dict[str, Any]:
    return {
        "name": o.name, "what": o.what, "where": o.where, "allowed": o.allowed, "why_not": o.why_not or None,
        "energy_uj": [o.energy_uj.low, o.energy_uj.high],
        "latency_ms": {"p50": o.latency_ms[0], "p95": o.latency_ms[1]}, "bytes": o.bytes,
        "life_days": [o.life_days.low, o.life_days.high], "money_month": o.money_month, "accuracy": o.accuracy,
        "leaves": o.leaves, "parts_uj": {n: [b.low, b.high] for n, b in o.parts}, "evidence": o.evidence,
        "after": o.after or None, "pareto": front,
    }  # fmt: skip


def place(
    model: Any,
    samples: Any = None,
    labels: Any = None,
    *,
    device: str,
    link: str,
    gateway: str = "pi4",
    cloud: str = "aws",
    battery: str = "cr2032",
    rate: float = 1.0,
    aim: str = "energy",
    deadline: float | str | None = None,
    accuracy: float | None = None,
    stay_on_device: bool = False,
    life: float | None = None,
    raw: Array | None = None,
    raw_bytes: int | None = None,
    small: Any = None,
    early: bool = False,
    optimize: str = "balanced",
    catalogue: Iterable[str | Path] = (),
    say: Callable[[str], None] = lambda text: None,
    **conditions: Any,
) -> Placement:
    """Where a model should run: on the device, in the fog, in the cloud, or in pieces; and what would change that.

    model: a Graph or anything that ``load`` takes. samples, labels: accuracy is measured on them, for each option. raw: the
    sensor's own samples [count, ...] of integers, or raw_bytes alone, where the model reads features of them. small: a small
    model for the same inputs, for hierarchical inference. early: fit early exits too, which takes a while. rate: decisions a
    second. aim: "energy", "latency", "life" or "cost". deadline: ms, or text like "200ms", of the 95th percentile. accuracy,
    stay_on_device, life (days): what an option must hold. conditions: supply, report, data_rate, distance, mah, loss,
    fragments, clock_mhz, as in ``place.setting.Setting``.

    Raises InputError for names that the catalogue doesn't know, samples that don't fit, an accuracy asked for unmeasured.
    """
    try:
        setting = make_setting(
            read_catalogue(catalogue), device=device, link=link, gateway=gateway, cloud=cloud, battery=battery, rate=rate,
            **conditions,
        )  # fmt: skip
    except TypeError as error:
        raise InputError(f"place has no such condition: {error}") from error
    wants = Wants(milliseconds(deadline), accuracy, stay_on_device, life)
    graph = model if isinstance(model, Graph) else skosh.load(model)
    say(f"compiling {graph.name} for {setting.board.target}, and running it there")
    build = skosh.compile(graph, target=setting.board.target, optimize=optimize)
    if samples is not None:
        say(f"running {graph.name} on the samples")
    work = measured(build, samples, labels, raw=raw, raw_bytes=raw_bytes)
    work = with_partial(work, build, samples, labels, small=small, early=early, say=say)
    say("trying every option")
    return Placement(plan(work, setting, wants, aim))


def milliseconds(told: float | str | None) -> float | None:
    """200 from 200, "200ms" or "0.2s"."""
    if told is None or isinstance(told, int | float):
        value = told
    else:
        match = re.fullmatch(r"\s*([0-9.]+(?:e-?\d+)?)\s*(ms|s|us)?\s*", told)
        if match is None:
            raise InputError(f'deadline must be a time like 200ms or 0.2s, not "{told}"')
        value = float(match[1]) * {"s": 1000.0, "us": 0.001}.get(match[2] or "ms", 1.0)
    if value is not None and not 0 < value < float("inf"):
        raise InputError(f"deadline must be > 0, not {told}")
    return value


# ------------------------------------------------------------------------------------------------------ measured


@dataclass(frozen=True)
class Costs:
    """A profile in short: sizes in bytes; (outputs, instructions, cycles or None, weights) of each layer."""

    code: int
    flash: int
    ram: int
    instructions: int
    cycles: int | None
    layers: tuple[tuple[tuple[str, ...], int, int | None, int], ...]


def costs_of(build: Build) -> Costs:
    """What one inference takes, counted by the emulator; kept under the hash of the C, so that it runs there only once."""
    key = ("placement profile", 2, sorted(build.sources.items()), build.target.name, build.optimize)

    def make(folder: Path) -> None:
        p = build.profile()
        layers = [
            (layer.node.outputs, q.instructions or 0, q.cycles_modelled, q.weights)
            for layer, q in zip(build.program.layers, p.layers, strict=True)
        ]
        told = Costs(p.flash.code, p.flash.total, p.ram.total, p.instructions or 0, p.cycles_modelled, tuple(layers))
        (folder / "costs.json").write_text(json.dumps(asdict(told)), encoding="utf-8")

    told = json.loads((cached(key, make) / "costs.json").read_text(encoding="utf-8"))
    layers = tuple((tuple(outputs), *rest) for outputs, *rest in told.pop("layers"))
    return Costs(**told, layers=layers)


def cycles_band(instructions: int, cycles: int | None) -> Band:
    return Band(cycles, cycles) if cycles is not None else CYCLES_PER_INSTRUCTION.scaled(instructions)


def measured(
    build: Build, samples: Any = None, labels: Any = None, *, raw: Array | None = None, raw_bytes: int | None = None
) -> Work:
    """The model as the planner sees it. samples: batch first, real or in the model's own types. labels: one for each."""
    source, found = build.source, costs_of(build)
    inputs = source.required(source.inputs)
    reads = sum(t.nbytes for t in inputs)
    values = None if samples is None else model_inputs(source, samples)
    raw_array = raw if raw is not None else values
    if raw is not None:
        raw = np.asarray(raw)
        if raw.dtype.kind not in "iu" or raw.ndim < 2 or not len(raw):
            raise InputError(f"raw samples must be integers, [count, ...], not {raw.dtype} of shape {raw.shape}")
        raw_array = raw
    gives = raw_bytes or (raw_array[0].nbytes if raw is not None and raw_array is not None else reads)
    return Work(
        source.name,
        build.target.name,
        cycles_band(found.instructions, found.cycles),
        macs(build.program.graph),
        found.flash,
        found.ram,
        found.code,
        gives,
        reads,
        result_bytes(source),
        gives > reads,
        _cuts(build, found, reads),
        _compressed(raw_array, gives, reads if raw is None else None),
        None if values is None or labels is None else accuracy_of(source, values, labels),
    )


def _compressed(raw: Array | None, gives: int, reads: int | None) -> Compressed | None:
    """reads: bytes of the model's input where the samples are that: raw ones only if as many come from the sensor."""
    if raw is None or raw.dtype.kind not in "iu" or (reads is not None and reads != gives):
        return None
    shape = raw.shape[2:] if raw.ndim > 2 and raw.shape[1] == 1 else raw.shape[1:]
    return measure(raw[:MOST_COMPRESSED].reshape(-1, *shape))


def result_bytes(graph: Graph) -> int:
    """A decision as it is sent: a class and its confidence, 2 bytes, where the outputs are scores; else the outputs."""
    first = graph.tensors[graph.outputs[0]]
    return (
        2
        if 1 < first.size <= 1000 and len(graph.outputs) == 1
        else sum(t.nbytes for t in graph.required(graph.outputs))
    )


def _cuts(build: Build, found: Costs, reads: int) -> tuple[CutWork, ...]:
    """Places to cut whose message is smaller than what goes in: cuts of the optimized graph that the model itself has too."""
    graph, source = build.program.graph, build.source
    known = {c.wire: c for c in cuts(source)}
    costs = {outputs: (i, c, w) for outputs, i, c, w in found.layers}
    result = []
    for cut in cuts(graph):
        size = sum(graph.tensors[n].nbytes for n in cut.wire)
        same = known.get(cut.wire)
        if same is None or size >= reads:
            continue
        nodes = [n for i, n in enumerate(graph.nodes) if i in cut.head]
        parts = [costs.get(n.outputs, (0, 0, 0)) for n in nodes]
        cycles = None if any(c is None for _, c, _ in parts) else sum(c or 0 for _, c, _ in parts)
        needs = max(sum(t.nbytes for t in _live(graph, n)) for n in nodes)
        tail = sum(node_macs(graph, n) for i, n in enumerate(graph.nodes) if i not in cut.head)
        spent = cycles_band(sum(i for i, _, _ in parts), cycles)
        result.append(CutWork(same.after, spent, tail, size, sum(w for _, _, w in parts), needs))
    return tuple(result)


def _live(graph: Graph, n: Node) -> list[Tensor]:
    """The tensors that must be in RAM while a node runs, at the least."""
    return [t for t in (*graph.operands(n.inputs), *graph.operands(n.outputs)) if t is not None and not t.is_constant]


# ------------------------------------------------------------------------------------------------------ accuracy


def model_inputs(graph: Graph, samples: Any) -> Array:
    """Samples in the model's own types, batch first. Real numbers are quantized as the model's input says."""
    if len(graph.inputs) != 1:
        raise InputError("samples can be tried on models with one input only", loc=graph.loc)
    tensor = graph.tensors[graph.inputs[0]]
    encode = graph.notes.encode
    x = np.asarray(samples)
    if x.dtype == tensor.dtype.np:
        return x
    x = encode(x) if encode is not None else x
    if tensor.quant is not None and x.dtype.kind == "f":
        return quantized(x, tensor)
    if tensor.dtype.is_float and x.dtype.kind in "fiu":
        return x.astype(tensor.dtype.np)
    raise InputError(f"samples must be {tensor.dtype.np} or real numbers, not {x.dtype}", loc=graph.loc)


def labels_of(graph: Graph, outputs: Array) -> Array:
    """The class of each row of a classifier's first output: its index."""
    flat = np.asarray(outputs).reshape(len(outputs), -1)
    if graph.notes.output == "label":
        return np.asarray(flat[:, 0].astype(np.int64))
    if flat.shape[1] > 1:
        return np.asarray(flat.argmax(axis=1))
    out = graph.tensors[graph.outputs[0]]
    real = flat[:, 0] if out.quant is None else (flat[:, 0].astype(np.float64) - out.quant.zero_point) * out.quant.scale
    return np.asarray((real > (0.0 if graph.notes.output == "decision" else 0.5)).astype(np.int64))


def classes_of(graph: Graph, labels: Any) -> Array:
    """Labels as indices of classes: numbers are, names are looked up in what the importer knows."""
    given, known = np.asarray(labels).reshape(-1), graph.notes.classes
    if known is not None:
        places = {str(name): i for i, name in enumerate(known)}
        if all(str(x) in places for x in given):
            return np.array([places[str(x)] for x in given], np.int64)
    if given.dtype.kind not in "iub":
        raise InputError(
            f"labels must be indices of classes, or names that the model knows, not {given.dtype}", loc=graph.loc
        )
    return given.astype(np.int64)


def accuracy_of(graph: Graph, values: Array, labels: Any) -> float:
    """Share of samples that the C of a model, on this computer, gives the right class. values: in the model's types."""
    wanted = classes_of(graph, labels)
    if len(wanted) != len(values):
        raise InputError(f"there must be as many labels as samples, {len(values)}, not {len(wanted)}", loc=graph.loc)
    outputs = skosh.compile(graph, target="host").run(values)
    first = outputs[0] if isinstance(outputs, tuple) else outputs
    return float(np.mean(labels_of(graph, first) == wanted))


def with_partial(
    work: Work, build: Build, samples: Any, labels: Any, *, small: Any, early: bool, say: Callable[[str], None]
) -> Work:
    """With early exits and a small model in front, as ``skosh.early_exit`` and ``skosh.hierarchy`` make them of the samples.

    Both may lose as much accuracy as TOLERANCE.
    """
    if samples is None or labels is None:
        return work
    graph = build.source
    wanted = classes_of(graph, labels)
    if early:
        say("fitting early exits")
        made = early_exit(graph, model_inputs(graph, samples), wanted, drop=TOLERANCE)
        if made.notes.exits:
            work = replace(work, early=_early(made, build, work.accuracy or 0.0))
        else:
            work = replace(
                work, why_no_early=f"no exit saves anything for at most {100 * TOLERANCE:g} points of accuracy"
            )
    else:
        work = replace(work, why_no_early="not fitted: ask for it by --early-exit")
    if small is not None:
        say("fitting when to ask the large model")
        work = replace(work, hierarchy=_hierarchy(_graph(small), build, samples, wanted, work.accuracy or 0.0))
    return work


def _graph(model: Any) -> Graph:
    return model if isinstance(model, Graph) else skosh.load(model)


def _early(made: Graph, build: Build, whole: float) -> Partial:
    """What a model with exits costs in the mean and at the 95th percentile, each way run in the emulator.

    whole: accuracy without exits, on all samples; what exits change of it is known from samples that fitted nothing.
    """
    compiled = skosh.compile(made, target=build.target.name, optimize=build.optimize)
    profile = compiled.profile()
    ways = sorted(
        ((cycles_band(e.instructions, e.cycles_modelled), e.share) for e in profile.exits),
        key=lambda way: way[0].middle,
    )
    mean, late, seen = Band(0, 0), ways[-1][0], 0.0
    for cycles, share in reversed(ways):
        mean += cycles.scaled(share)
    for cycles, share in ways:
        seen += share
        if seen >= 0.95:
            late = cycles
            break
    places = ", ".join(f"{100 * e.share:.0f} % after {e.after}" for e in profile.exits if e.after)
    told = made.notes.exit_accuracy or {}
    accuracy = whole + told["with"] - told["without"]
    return Partial(mean, late, accuracy, flash=profile.flash.total, ram=profile.ram.total, note=places)


def _hierarchy(small: Graph, build: Build, samples: Any, labels: Array, whole: float) -> Partial:
    """The dearest sending at which both models together are as good as the large one alone, but for TOLERANCE."""
    found = [hierarchy(small, build.source, samples, labels, cost_ratio=r) for r in COST_RATIOS]
    good = [h for h in found if h.accuracy >= h.accuracy_large - TOLERANCE] or [max(found, key=lambda h: h.accuracy)]
    h = min(good, key=lambda h: h.sent)
    compiled = skosh.compile(h.graph, target=build.target.name, optimize=build.optimize)
    costs = costs_of(compiled)
    cycles = cycles_band(costs.instructions, costs.cycles)
    accuracy, note = whole + h.accuracy - h.accuracy_large, f"by {h.rule.kind}"
    return Partial(cycles, cycles, accuracy, h.sent, macs(build.source), costs.flash, costs.ram, note)


__all__: Sequence[str] = ("Costs", "Partial", "Placement", "accuracy_of", "costs_of", "measured", "place")
