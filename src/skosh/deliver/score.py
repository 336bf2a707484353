"""How right a compiled model is, where the right answers are given: who is taken for whom, or errors of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import InputError
from skosh.deliver.markup import Markup, el, number, percent
from skosh.emulate.answers import dequantized
from skosh.ir.graph import Array, Graph


@dataclass(frozen=True, eq=False)
class Confusion:
    """counts[i, j]: samples of class i that were taken for class j."""

    classes: tuple[str, ...]
    counts: Array

    @property
    def right(self) -> int:
        return int(np.trace(self.counts))

    @property
    def samples(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True)
class Errors:
    """Of numbers against the right ones: root mean square, mean and largest absolute difference; cosine: of the angle between
    all of both, 1 where they are alike up to a factor."""

    rmse: float
    mae: float
    largest: float
    cosine: float
    numbers: int


def scored(graph: Graph, run: Callable[[Any], Any], inputs: Sequence[tuple[Array, ...]], right: Array) -> Confusion | Errors:
    """What the first output is worth. run: batches of inputs -> outputs. right: for classes [samples], numbers from 0 or
    names; for numbers the outputs' own shape, floats: measured values, or the outputs of the model in floats.

    InputError where there are more or fewer answers than samples, or an answer is none of the classes.
    """
    if len(right) != len(inputs):
        raise InputError(f"there must be as many answers as samples, {len(inputs)}, not {len(right)}")
    batches = [np.concatenate([x[k].reshape(1, *_one(graph, k)) for x in inputs]) for k in range(len(graph.inputs))]
    got = run(batches[0] if len(batches) == 1 else batches)
    first = np.asarray(got[0] if isinstance(got, tuple) else got)
    out = graph.tensors[graph.outputs[0]]
    values = dequantized(first, out) if out.quant is not None else first
    flat = values.reshape(len(inputs), -1)
    if right.dtype.kind == "f" and right.reshape(len(inputs), -1).shape == flat.shape:
        return errors_of(right.reshape(flat.shape), flat)
    if right.size != len(inputs):
        raise InputError(f"answers must be one class for each sample, or floats of shape {flat.shape}, not {right.shape}")
    return confusion_of(graph, right.reshape(-1), flat)


def _one(graph: Graph, k: int) -> tuple[int, ...]:
    shape = graph.tensors[graph.inputs[k]].shape
    return shape[1:] if shape[:1] == (1,) else shape


def errors_of(want: Array, got: Array) -> Errors:
    a, b = want.astype(np.float64).reshape(-1), got.astype(np.float64).reshape(-1)
    apart = np.abs(a - b)
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b / length) if length else 1.0
    return Errors(float(np.sqrt((apart**2).mean())), float(apart.mean()), float(apart.max(initial=0)), cosine, a.size)


def confusion_of(graph: Graph, right: Array, flat: Array) -> Confusion:
    """flat: [samples, scores], or [samples, 1]: the class's number, or one score."""
    known, whole = graph.notes.classes, graph.tensors[graph.outputs[0]].dtype.is_integer
    if flat.shape[1] > 1:
        said = flat.argmax(axis=1)
    elif graph.notes.output == "label" or (whole and flat.max(initial=0) > 1):
        said = flat[:, 0].astype(int)
    else:
        said = (flat[:, 0] > (0.0 if graph.notes.output == "decision" else 0.5)).astype(int)
    count = max(flat.shape[1], 2, len(known or ()))
    names = [str(c) for c in known] if known is not None else [str(k) for k in range(count)]
    place = {name: k for k, name in enumerate(names)}
    found = [place.get(str(r), int(r) if right.dtype.kind in "iu" and 0 <= int(r) < len(names) else -1) for r in right.tolist()]
    if -1 in found:
        raise InputError(f"an answer must be one of {', '.join(names[:8])}, not {right[found.index(-1)]!s}")
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (found, said), 1)
    return Confusion(tuple(names), counts)


MOST_CLASSES = 20


def score_section(score: Confusion | Errors | None) -> Markup | None:
    """A matrix with a row for each right class, or the errors of numbers."""
    if score is None:
        return None
    if isinstance(score, Errors):
        shown = (("root mean square", score.rmse), ("mean absolute", score.mae), ("largest", score.largest))
        rows = [el("tr", el("th", name, scope="row"), el("td", f"{v:.4g}", class_="n")) for name, v in shown]
        rows.append(el("tr", el("th", "cosine", scope="row"), el("td", f"{score.cosine:.6f}", class_="n")))
        note = f"The device's {number(score.numbers)} numbers against the right ones."
        return el("section", el("h2", "Errors"), el("p", note, class_="note"), el("table", el("tbody", *rows)))
    if len(score.classes) > MOST_CLASSES:
        return None
    most = score.counts.max(initial=1) or 1
    columns = (el("th", c, scope="col", class_="n") for c in score.classes)
    head = el("tr", el("th", "is \\ said to be"), *columns, el("th", "right", class_="n"))
    rows = []
    for i, name in enumerate(score.classes):
        total, line = int(score.counts[i].sum()), score.counts[i]
        cells = [
            el("td", number(n) if n else "·", class_=f"n {kind(n, i == j)}", style=f"--s:{n / most:.2f}")
            for j, n in enumerate(line.tolist())
        ]
        share = percent(line[i] / total) if total else "–"
        rows.append(el("tr", el("th", name, scope="row"), *cells, el("td", share, class_="n")))
    note = f"{number(score.right)} of {number(score.samples)} right. A row is a class, a column what the device said."
    matrix = el("table", el("thead", head), el("tbody", *rows), class_="confusion")
    scrolled = el("div", matrix, class_="scroll", tabindex=0)
    return el("section", el("h2", "Which is taken for which"), el("p", note, class_="note"), scrolled)


def kind(count: int, right: bool) -> str:
    """The class that colours a cell."""
    return "hit" if right else "miss" if count else "faint"
