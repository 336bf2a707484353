"""The object that a graph was made from, kept so that it can be asked for its own answers.

``skosh.importers.load`` puts an ``Original`` into ``notes["library"]`` of a graph that came from an object with scikit-learn's
interface; an importer that knows better puts its own there, and one that wants none puts None. ``skosh verify`` compares the
compiled model with it (``verify.library``). What changes the model's meaning, such as quantization, leaves it out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.ir.graph import Array, Graph

Inputs = Sequence[tuple[Array, ...]]
"""Samples in order, each with one array for each input of the graph."""

EDGES = ("thresholds", "tiny", "huge", "missing", "infinite")
"""Kinds of inputs at the edges: on and beside the thresholds of trees, denormal numbers and zeros, numbers as large as
float32 has, NaN, infinities."""

STEADY = ("thresholds", "tiny")
"""The kinds that any model of real numbers is compared on."""

RTOL = 1e-5
"""How far float32 sums may be from the library's, relative to a value and to the largest of its kind."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What the library gives for some samples.

    outputs: for each output of the graph (a status aside) [samples, ...]; of labels the number of the class.
    scores: [samples, classes], what the library chose its labels by, where it says: classes whose scores are equal to within
    rounding are equally right. known: [samples], False where the library has no answer that could be compared.
    """

    outputs: tuple[Array, ...]
    scores: Array | None = None
    known: Array | None = None


@dataclass(frozen=True, eq=False)
class Original:
    """name: which object, of which library, is asked for what.

    answers: asks it; raises whatever the library raises for inputs that it refuses. The samples are consecutive: a model
    with states has its own there too. edges: the kinds of inputs beside the samples that it is to be compared on; those that
    it refuses are left out. rtol: see ``RTOL``. together: the largest number is one for
    all elements, as of probabilities, whatever the notes say.
    """

    name: str
    answers: Callable[[Inputs], Answers]
    edges: tuple[str, ...] = EDGES
    rtol: float = RTOL
    together: bool = False


def of_estimator(source: Any, graph: Graph) -> Original | None:
    """An estimator with scikit-learn's interface: its ``predict``, ``predict_proba``, ``decision_function`` or ``transform``,
    whichever the graph computes. None where it has none, or where the graph's inputs are no rows of numbers.

    ``notes["decode"]``, rows [samples, features] -> what the library takes, is for models of frames; ``notes["tells"]``, rows
    -> [samples], for rows that have no such form.
    """
    methods = {None: "predict", "label": "predict", "proba": "predict_proba", "decision": "decision_function"}
    output = graph.notes.output
    method = methods[output] if hasattr(source, methods[output]) else "transform"
    decode, tells = graph.notes.decode, graph.notes.tells
    if not hasattr(source, method) or len(graph.inputs) != 1 or graph.states or graph.notes.predict is not None:
        return None
    if decode is None and graph.notes.encode is not None and graph.notes.features is None:
        return None

    def answers(inputs: Inputs) -> Answers:
        rows = rows_of(inputs)
        taken = rows if decode is None else decode(rows)
        given = quietly(getattr(source, method), taken)
        made = estimator_answers(graph, given, scores_of(source, taken) if output == "label" else None)
        return made if tells is None else replace(made, known=tells(rows))

    alike = EDGES if graph.notes.edges is None else graph.notes.edges
    return Original(called(source, method), answers, tuple(kind for kind in edges_of(graph) if kind in alike))


def edges_of(graph: Graph) -> tuple[str, ...]:
    """All kinds for trees that read the model's inputs, or a choice of them; where there is arithmetic on floats before a
    decision, those that don't ask how it overflows."""
    chosen = {*graph.inputs}
    for node in graph.nodes:
        if node.inputs[0] in chosen and node.op.kind in ("gather", "reshape"):
            chosen.update(node.outputs)
    trees = [n for n in graph.nodes if n.op.kind == "forest"]
    return EDGES if trees and all(n.inputs[0] in chosen for n in trees) else STEADY


def rows_of(inputs: Inputs) -> Array:
    """[samples, features] float64: the numbers that the C sees, with room for more digits."""
    return np.concatenate([np.reshape(x[0], (1, -1)) for x in inputs]).astype(np.float64)


def estimator_answers(graph: Graph, given: Any, scores: Array | None) -> Answers:
    """What an estimator gave, in the form of the graph's output."""
    output, classes = graph.notes.output, graph.notes.classes
    values = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    if output == "label" and classes is not None:
        place = {label: n for n, label in enumerate(classes or ())}
        return Answers((np.array([[place[label]] for label in values.tolist()]),), scores)
    if output == "proba" and values.shape[1] == 2 and graph.tensors[graph.outputs[0]].shape[-1] == 1:
        values = values[:, 1:]
    return Answers((values.astype(np.float64).reshape(len(values), *graph.tensors[graph.outputs[0]].shape[1:]),))


def scores_of(source: Any, taken: Any) -> Array | None:
    """[samples, classes]: what a classifier chooses by, as far as it tells."""
    for method in ("decision_function", "predict_proba"):
        if hasattr(source, method):
            try:
                scores = np.asarray(quietly(getattr(source, method), taken), np.float64)
            except (AttributeError, NotImplementedError, ValueError):
                continue
            if scores.ndim == 2:
                return scores
            if scores.ndim == 1:
                return np.stack([-scores, scores], axis=1)
    return None


def quietly(ask: Callable[[Any], Any], taken: Any) -> Any:
    """The answer without the library's warnings: about names of columns, and about numbers that overflow at the edges."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return ask(taken)


def called(source: Any, method: str) -> str:
    """For people: which method of what."""
    return f"{type(source).__name__}.{method}"
