"""pgmpy's, hmmlearn's and sklearn_crfsuite's own objects as oracles: what ``verify`` asks them for the samples.

Paths (hmmlearn's and CRFsuite's "viterbi", pgmpy's "map" of several variables) aren't asked for: of two that are equally
probable to within rounding either is right, and the libraries don't say by how much the best one is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from skosh.importers.originals import RTOL, Answers, Inputs, Original, called, quietly
from skosh.ir.graph import Array, Graph

MOST = 40
"""Samples for which a network is asked, or a model that runs step by step: milliseconds each in the library."""

CHAIN_RTOL = 2e-3
"""Probabilities of long chains, their logarithms in float32, beside those of float64."""


def of_network(source: Any, graph: Graph) -> Original | None:
    """pgmpy's ``VariableElimination.query``: probabilities of all variables together, or of each."""
    asked, evidence = tuple(graph.notes.query or ()), tuple(graph.notes.evidence or ())
    outputs = [n for n in graph.outputs if graph.status is None or n != graph.status.output]
    decided = graph.tensors[outputs[0]].dtype.kind != "float"
    if decided and len(asked) > 1:
        return None
    names = _state_names(source)

    def answers(inputs: Inputs) -> Answers:
        engine = import_module("pgmpy.inference").VariableElimination(source)
        groups = [asked] if len(outputs) == 1 else [(v,) for v in asked]
        found: list[list[Array]] = [[] for _ in groups]
        for (x, *_) in inputs[:MOST]:
            seen = {v: int(s) for v, s in zip(evidence, x.reshape(-1), strict=True) if s >= 0}
            given = {names[v][0]: names[v][1][s] for v, s in seen.items()}
            for k, group in enumerate(groups):
                found[k].append(quietly(partial(_distribution, engine, names, group), given))
        known = np.array([all(np.isfinite(f[i]).all() for f in found) for i in range(len(found[0]))])
        tables = [_padded(np.array(f), len(inputs)) for f in found]
        known = np.concatenate([known, np.zeros(len(inputs) - len(known), bool)])
        if decided:
            return Answers((tables[0].argmax(axis=1)[:, None],), tables[0], known)
        return Answers(tuple(tables), None, known)

    rtol = max(RTOL, graph.notes.error_bound or 0.0)
    return Original(called(source, "query"), answers, (), rtol, together=True)


def _state_names(source: Any) -> Mapping[str, tuple[Any, Sequence[Any]]]:
    """Variable as text -> (the library's name of it, those of its states in their order)."""
    tables = source.get_cpds() if hasattr(source, "get_cpds") else source.get_factors()
    return {str(v): (v, f.state_names[v]) for f in tables for v in f.variables}


def _distribution(engine: Any, names: Mapping[str, Any], group: Sequence[str], evidence: Mapping[Any, Any]) -> Array:
    """[states of the first, of the second, ...]"""
    variables = [names[v][0] for v in group]
    made = engine.query(variables, evidence=dict(evidence), show_progress=False)
    return np.asarray(made.values, np.float64).transpose([list(made.variables).index(v) for v in variables])


def of_chain(source: Any, graph: Graph, output: str, lag: int) -> Original | None:
    """hmmlearn's ``predict_proba`` and ``score``; for a model that runs step by step, of all observations so far."""
    if output == "viterbi":
        return None

    def observed(x: Array) -> Array:
        rows = x.reshape(-1, 1) if x.dtype.kind == "i" else x.reshape(-1, x.shape[-1]).astype(np.float64)
        if x.dtype.kind == "i" and (x < 0).any():
            raise ValueError("a symbol that wasn't observed")
        return rows

    def answers(inputs: Inputs) -> Answers:
        if output == "likelihood":
            made = np.array([[quietly(source.score, observed(x))] for (x, *_) in inputs])
            return Answers((made,), None, np.isfinite(made[:, 0]))
        if output == "posteriors":
            made = np.array([quietly(source.predict_proba, observed(x)) for (x, *_) in inputs])
        else:
            steps = [x for (x, *_) in inputs[:MOST]]
            gap = next((t for t, x in enumerate(steps) if x.dtype.kind == "i" and (x < 0).any()), len(steps))
            made = _step_by_step(source, [observed(x) for x in steps[:gap]], len(inputs), lag)
        return Answers((made,), None, np.isfinite(made).reshape(len(made), -1).all(axis=1))

    name = "score" if output == "likelihood" else "predict_proba"
    return Original(called(source, name), answers, (), RTOL if output == "likelihood" else CHAIN_RTOL, together=True)


def _step_by_step(source: Any, rows: Sequence[Array], steps: int, lag: int) -> Array:
    """[steps, K], of which ``rows`` are the first observations: at each step what is known of the states ``lag`` steps ago;
    nothing at the first ones, and from an impossible observation on, where the compiled filter begins anew."""
    made = np.full((steps, len(source.startprob_)), np.nan)
    for t in range(lag, len(rows)):
        given = quietly(source.predict_proba, np.concatenate(rows[: t + 1]))
        if not np.isfinite(given).all():
            break
        made[t] = given[t - lag]
    return made


def of_field(source: Any, graph: Graph, labels: Sequence[str], attributes: Sequence[str]) -> Original:
    """sklearn_crfsuite's ``predict_marginals_single``. labels, attributes: by number."""
    rows = graph.tensors[graph.outputs[0]].shape[1]
    place = {label: k for k, label in enumerate(labels)}

    def answers(inputs: Inputs) -> Answers:
        made = np.zeros((len(inputs), rows, len(labels)))
        for sample, (*ports, length) in zip(made, inputs, strict=True):
            items = _items(ports, attributes)[: int(length.reshape(-1)[0])]
            for row, told in zip(sample, quietly(source.predict_marginals_single, items), strict=False):
                for label, share in told.items():
                    row[place[label]] = share
        return Answers((made,))

    return Original(called(source, "predict_marginals_single"), answers, (), 1e-4, together=True)


def _items(ports: Sequence[Array], attributes: Sequence[str]) -> list[dict[str, float]]:
    """Items as the library takes them, of values of all attributes, or of numbers of attributes and their values."""
    if ports[0].dtype.kind == "f":
        return [{attributes[k]: float(v) for k, v in enumerate(row) if v} for row in ports[0][0]]
    values = ports[1][0] if len(ports) > 1 else np.ones(ports[0].shape[1:])
    items: list[dict[str, float]] = []
    for which, weights in zip(ports[0][0], values, strict=True):
        item: dict[str, float] = {}
        for k, v in zip(which.tolist(), weights.tolist(), strict=True):
            if k >= 0:
                item[attributes[k]] = item.get(attributes[k], 0.0) + v
        items.append(item)
    return items


def _padded(made: Array, rows: int) -> Array:
    return np.concatenate([made, np.zeros((rows - len(made), *made.shape[1:]))])


def with_original(graph: Graph, original: Original | None) -> Graph:
    """The graph, the library's own object in its notes."""
    return replace(graph, notes=graph.notes.with_(library=original))
