"""A model that stops where it is sure: side heads on tensors inside it, fitted on samples, and the gates behind them.

    x -> layers -> t -> more layers -> scores
    ->  x -> layers -> t -> head -> early, sure;   t -> gate -> more layers -> late;   scores = early if sure else late

What such a graph means is that both sides are computed and one is chosen; C skips the other (``lower.exits``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.base.errors import InputError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph, Node, Quant, Tensor, node_macs
from skosh.ops.choices.confidence import Gate
from skosh.ops.elements.comparisons import Select
from skosh.ops.elements.quantization import Quantize
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean
from skosh.place.confidence import Temperature, fit_temperature, scores_of
from skosh.place.pieces import Cut, cuts
from skosh.quantizer.study.batch import runs

MOST_FEATURES = 1024  # of a tensor that a head reads whole; larger ones are averaged over their places
MOST_SHARE = 0.9  # of the MACs: a later exit saves too little
RIDGE = 1e-2
SEED = 0
GRID = 60  # thresholds that are tried for an exit
WORTH = 0.98  # a second exit must leave no more than this of the work


@dataclass(frozen=True, eq=False)
class Head:
    """A side head: nodes and tensors that make scores [1, classes] of a tensor. macs: its own; before: of what leads there."""

    cut: Cut
    nodes: tuple[Node, ...]
    tensors: tuple[Tensor, ...]
    scores: str
    before: int
    macs: int


@dataclass(frozen=True)
class Chosen:
    """An exit: which head, when it is sure."""

    head: Head
    rule: Temperature


def early_exit(graph: Graph, samples: Any, labels: Any, *, drop: float = 0.005, most: int = 2) -> Graph:
    """The classifier with up to ``most`` exits, placed where they save the most MACs for at most ``drop`` less accuracy.

    samples: in the model's own int8 types, or real, batch first. labels: indices of classes. Half of the samples fit the heads,
    a quarter chooses places and thresholds, a quarter tells what came of it: ``notes["exits"]`` has for each exit, and for the
    way to the end, after, threshold, share, accuracy and MACs; ``notes["exit_accuracy"]`` the accuracy with and without exits.
    Where no exit is worth it, the graph comes back as it is, with ``notes["exits"]`` empty.

    Raises InputError when the graph has no int8 scores, or samples and labels don't fit.
    """
    scores = scores_of(graph)
    x, y = checked(graph, samples, labels)
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(x))
    fit, tune, test = np.split(order, [len(x) // 2, len(x) - len(x) // 4])
    total = sum(node_macs(graph, n) for n in graph.nodes)
    places = _places(graph, scores, total)
    values = collect(graph, x, [*(c.wire[0] for c in places), scores])
    heads = [
        _head(graph, c, k, values[c.wire[0]][fit], y[fit], graph.tensors[scores].shape[-1])
        for k, c in enumerate(places)
    ]
    probe = _with_outputs(graph, heads)
    seen = collect(probe, x, [h.scores for h in heads])
    final = values[scores].reshape(len(x), -1)
    chosen = _choose(probe, heads, seen, final, y, tune, total, drop, most)
    made = _built(graph, scores, chosen)
    check_graph(made)
    told, examples = _told(made, chosen, seen, final, y, x, test, total)
    _, answers = _taken(probe, chosen, seen, final)
    accuracy = {
        "with": float((answers[test] == y[test]).mean()),
        "without": float((final.argmax(axis=1)[test] == y[test]).mean()),
    }
    notes = graph.notes.with_(exits=told, exit_examples=examples, exit_accuracy=accuracy)
    return made.with_(notes=notes)


def checked(graph: Graph, samples: Any, labels: Any) -> tuple[Array, Array]:
    """Samples [count, ...] in the graph's input type, labels [count] of classes. InputError otherwise."""
    if len(graph.inputs) != 1 or graph.states:
        raise InputError("the model must have one input and no state", loc=graph.loc)
    t = graph.tensors[graph.inputs[0]]
    x, y = np.asarray(samples), np.asarray(labels).reshape(-1)
    if x.dtype.kind == "f" and t.quant is not None and not t.quant.per_channel:
        x = np.clip(np.rint(x / t.quant.scale) + t.quant.zero_point, t.dtype.min, t.dtype.max).astype(t.dtype.np)
    if x.dtype != t.dtype.np:
        raise InputError(f"samples must be {t.dtype.np}, not {x.dtype}", loc=graph.loc)
    if x.size % t.size or not len(x) or x.size // t.size != len(y):
        raise InputError(
            f"there must be a label for each sample of shape {t.shape}, not {len(y)} for {list(x.shape)}", loc=graph.loc
        )
    if y.dtype.kind not in "iu":
        raise InputError(f"labels must be indices of classes, not {y.dtype}", loc=graph.loc)
    if len(y) < 20:
        raise InputError(f"at least 20 samples are needed, not {len(y)}", loc=graph.loc)
    return x.reshape(len(y), *t.shape), y.astype(np.int64)


def collect(graph: Graph, x: Array, names: Sequence[str]) -> dict[str, Array]:
    """Values of tensors for all samples, [count, ...] each."""
    parts: dict[str, list[Array]] = {n: [] for n in names}
    for values in runs(graph, [(row,) for row in x]):
        for n in names:
            t = graph.tensors[n]
            parts[n].append(np.asarray(values[n]).reshape(-1, *(t.shape[1:] if t.shape[:1] == (1,) else t.shape)))
    return {n: np.concatenate(p) for n, p in parts.items()}


def _places(graph: Graph, scores: str, total: int) -> list[Cut]:
    """Cuts where one int8 tensor crosses, that lead to the scores, with work left behind them."""
    found = []
    for cut in cuts(graph):
        t = graph.tensors[cut.wire[0]]
        if len(cut.wire) > 1 or t.dtype != i8 or t.quant is None or t.quant.per_channel or t.shape[:1] != (1,):
            continue
        made = {name for i in cut.head for name in graph.nodes[i].outputs}
        if scores in made or before_macs(graph, cut) > MOST_SHARE * total:
            continue
        found.append(cut)
    return found


def before_macs(graph: Graph, cut: Cut) -> int:
    return sum(node_macs(graph, graph.nodes[i]) for i in cut.head)


def _head(graph: Graph, cut: Cut, number: int, values: Array, labels: Array, classes: int) -> Head:
    """A linear head, least squares on one value a class with a ridge, its weights and scores as int8."""
    t = graph.tensors[cut.wire[0]]
    assert t.quant is not None, "places have a scale"
    name = f"exit{number}"
    nodes, tensors, source = [], [], t
    features = values.reshape(len(values), -1).astype(np.float64)
    if t.size > MOST_FEATURES and len(t.shape) == 4:
        source = Tensor(f"{name}_mean", (1, t.shape[-1]), i8, t.quant)
        nodes.append(Node(Mean((1, 2)), (t.name,), (source.name,), source.name))
        tensors.append(source)
        features = values.reshape(len(values), -1, t.shape[-1]).astype(np.float64).mean(axis=1)
    elif len(t.shape) != 2:
        source = Tensor(f"{name}_flat", (1, t.size), i8, t.quant)
        nodes.append(Node(Reshape((1, t.size)), (t.name,), (source.name,), source.name))
        tensors.append(source)
    real = (features - t.quant.zero_point) * t.quant.scale
    w, b = ridge(real, np.eye(classes)[np.clip(labels, 0, classes - 1)])
    guess = real @ w.T + b
    low, high = min(float(guess.min()), 0.0), max(float(guess.max()), 1e-3)
    y_scale = float(np.float32((high - low) / 255))
    out_quant = Quant((y_scale,), (int(np.clip(round(-128 - low / y_scale), -128, 127)),))
    w_scale = float(np.float32(max(float(np.abs(w).max()), 1e-6) / 127))
    w_int = np.clip(np.rint(w / w_scale), -127, 127).astype(np.int8)
    b_scale = float(np.float32(w_scale * t.quant.scale))
    b_int = np.clip(np.rint(b / b_scale), -(1 << 30), 1 << 30).astype(np.int32)
    scores = Tensor(f"{name}_scores", (1, classes), i8, out_quant)
    tensors += [
        Tensor(f"{name}_weights", w_int.shape, i8, Quant((w_scale,), (0,)), w_int),
        Tensor(f"{name}_bias", b_int.shape, i32, Quant((b_scale,), (0,)), b_int), scores,
    ]  # fmt: skip
    nodes.append(Node(Dense(), (source.name, f"{name}_weights", f"{name}_bias"), (scores.name,), scores.name))
    extra = w_int.size + (t.size if source is not t and isinstance(nodes[0].op, Mean) else 0)
    return Head(cut, tuple(nodes), tuple(tensors), scores.name, before_macs(graph, cut), extra)


def ridge(x: Array, y: Array) -> tuple[Array, Array]:
    """Weights [outputs, features] and biases of the least squares solution with a ridge."""
    mean, target = x.mean(axis=0), y.mean(axis=0)
    centred = x - mean
    scatter = centred.T @ centred
    weight = RIDGE * max(float(np.trace(scatter)) / len(scatter), 1e-12)
    w = np.linalg.solve(scatter + weight * np.eye(len(scatter)), centred.T @ (y - target)).T
    return w, target - w @ mean


def _with_outputs(graph: Graph, heads: Sequence[Head]) -> Graph:
    """The graph with all heads, and their scores as outputs too."""
    tensors = {**graph.tensors, **{t.name: t for h in heads for t in h.tensors}}
    nodes = (*graph.nodes, *(n for h in heads for n in h.nodes))
    return replace(
        graph, tensors=tensors, nodes=nodes, outputs=(*graph.outputs, *(h.scores for h in heads)), status=None
    )


# ------------------------------------------------------------------------------------------------------ choosing


def _choose(
    probe: Graph, heads: Sequence[Head], seen: Mapping[str, Array], final: Array, labels: Array, tune: Array, total: int,
    drop: float, most: int,
) -> list[Chosen]:  # fmt: skip
    """Greedily: the exit that leaves the least work, then perhaps another, as long as accuracy holds on the tuning part."""
    right = final.argmax(axis=1)[tune] == labels[tune]
    chosen: list[Chosen] = []
    work = float(total)
    for _ in range(most):
        best: tuple[float, list[Chosen]] | None = None
        for head in heads:
            if any(c.head is head for c in chosen):
                continue
            for rule in _rules(probe, head, seen[head.scores], labels, tune):
                trial = sorted([*chosen, Chosen(head, rule)], key=lambda c: c.head.before)
                still, spent = _tried(probe, trial, seen, final, labels, tune, total)
                if holds(right, still, drop) and (best is None or spent < best[0]):
                    best = (spent, trial)
        if best is None or best[0] > WORTH * work:
            break
        work, chosen = best
    return chosen


def holds(before: Array, after: Array, drop: float) -> bool:
    """Is the loss of right answers at most ``drop``, with a standard error of what was seen to change on top?"""
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    return lost - gained + math.sqrt(lost + gained) <= drop * len(before)


def _rules(probe: Graph, head: Head, values: Array, labels: Array, tune: Array) -> list[Temperature]:
    """Thresholds at quantiles of the confidence, at the temperature that fits best."""
    q = values.reshape(len(values), -1)[tune]
    scale = scale_of(probe, head.scores)
    temperature = fit_temperature(q, scale, labels[tune])
    confidence = Temperature(temperature, 0.5).confidence(q, scale)
    levels = np.unique(np.quantile(confidence, np.linspace(0, 1, GRID)))
    return [Temperature(temperature, float(t)) for t in levels]


def scale_of(graph: Graph, name: str) -> float:
    quant = graph.tensors[name].quant
    assert quant is not None, "scores have a scale"
    return quant.scale


def _tried(
    probe: Graph,
    chosen: Sequence[Chosen],
    seen: Mapping[str, Array],
    final: Array,
    labels: Array,
    rows: Array,
    total: int,
) -> tuple[Array, float]:
    """(which answers are right, mean MACs) on some samples."""
    taken, answers = _taken(probe, chosen, seen, final)
    spent = np.full(len(final), float(total))
    for k, c in enumerate(chosen):
        spent[taken == k] = c.head.before
    spent += sum(c.head.macs * ((taken >= k) | (taken < 0)) for k, c in enumerate(chosen))
    return answers[rows] == labels[rows], float(spent[rows].mean())


def _taken(probe: Graph, chosen: Sequence[Chosen], seen: Mapping[str, Array], final: Array) -> tuple[Array, Array]:
    """For each sample the number of the exit that it takes, -1 for none; and the class it gets."""
    taken, answers = np.full(len(final), -1), final.argmax(axis=1)
    for k, c in reversed(list(enumerate(chosen))):
        q = seen[c.head.scores].reshape(len(final), -1)
        sure = c.rule.sure(q, scale_of(probe, c.head.scores))
        taken[sure], answers[sure] = k, q.argmax(axis=1)[sure]
    return taken, answers


def _built(graph: Graph, scores: str, chosen: Sequence[Chosen]) -> Graph:
    """The graph with the chosen exits, the last one innermost."""
    tensors, nodes, outputs = dict(graph.tensors), list(graph.nodes), graph.outputs
    wanted = graph.tensors[scores]
    for number, c in reversed(list(enumerate(chosen))):
        name, wire = f"exit{number}", c.head.cut.wire[0]
        tensors |= {t.name: t for t in c.head.tensors}
        extra = list(c.head.nodes)
        partial = replace(graph, tensors=tensors)
        rule_tensors, rule = c.rule.nodes(partial, c.head.scores, f"{name}_sure")
        tensors |= {t.name: t for t in rule_tensors}
        extra.append(rule)
        early = c.head.scores
        if tensors[early].quant != wanted.quant or tensors[early].shape != wanted.shape:
            flat = Tensor(f"{name}_early", tensors[early].shape, i8, wanted.quant)
            tensors[flat.name] = flat
            extra.append(Node(Quantize(i8), (early,), (flat.name,), flat.name))
            early = flat.name
        if tensors[early].shape != wanted.shape:
            shaped = Tensor(f"{name}_shaped", wanted.shape, i8, wanted.quant)
            tensors[shaped.name] = shaped
            extra.append(Node(Reshape(wanted.shape), (early,), (shaped.name,), shaped.name))
            early = shaped.name
        gated = replace(tensors[wire], name=f"{name}_gate")
        tensors[gated.name] = gated
        extra.append(Node(Gate(), (wire, rule.outputs[0], early), (gated.name,), gated.name))
        at = max(i for i, n in enumerate(nodes) if wire in n.outputs) + 1
        tail = [_renamed(n, wire, gated.name) for n in nodes[at:]]
        late = Tensor(f"{name}_late", wanted.shape, i8, wanted.quant)
        tensors[late.name] = late
        index = next(i for i, n in enumerate(tail) if scores in n.outputs)
        tail[index] = replace(tail[index], outputs=tuple(late.name if o == scores else o for o in tail[index].outputs))
        choice = Node(Select(), (rule.outputs[0], early, late.name), (scores,), f"{name}_choice")
        nodes = [*nodes[:at], *extra, *tail[: index + 1], choice, *tail[index + 1 :]]
    return replace(graph, tensors=tensors, nodes=tuple(nodes), outputs=outputs)


def _renamed(n: Node, old: str, new: str) -> Node:
    return replace(n, inputs=tuple(new if i == old else i for i in n.inputs))


def _told(
    graph: Graph, chosen: Sequence[Chosen], seen: Mapping[str, Array], final: Array, labels: Array, x: Array, test: Array,
    total: int,
) -> tuple[list[dict[str, Any]], list[Array | None]]:  # fmt: skip
    """What each exit does on the samples kept for that, the way to the end last; and a sample, of all, that takes each."""
    if not chosen:
        return [], []
    taken, answers = _taken(graph, chosen, seen, final)
    told: list[dict[str, Any]] = []
    examples: list[Array | None] = []
    ways: list[tuple[int, Chosen | None]] = [*enumerate(chosen), (-1, None)]
    for k, c in ways:
        all_rows = np.flatnonzero(taken == k)
        rows = test[taken[test] == k]
        heads = sum(o.head.macs for i, o in enumerate(chosen) if k < 0 or i <= k)
        told.append(
            {
                "exit": "end" if c is None else f"exit{k}", "after": None if c is None else c.head.cut.after,
                "threshold": None if c is None else c.rule.threshold,
                "temperature": None if c is None else c.rule.temperature, "share": len(rows) / len(test),
                "accuracy": float((answers[rows] == labels[rows]).mean()) if len(rows) else None,
                "macs": (total if c is None else c.head.before) + heads,
            }
        )  # fmt: skip
        examples.append(x[all_rows[0]] if len(all_rows) else None)
    return told, examples
