"""Does the compiled model give what the library's own object gives? On samples, and on inputs at the edges.

A library computes in float64, or in float32 in another order, so numbers may differ by rounding: by ``rtol`` of a value plus
``rtol`` of the largest one. Labels must be equal, unless the library's own scores of both classes are equal to within that;
such ties are counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.importers.originals import Answers, Inputs, Original
from skosh.ir.graph import Array, Graph


@dataclass(frozen=True)
class Agreement:
    """What asking the library came to. name: which object was asked for what. rows: samples and edge inputs compared;
    edges: of these at each kind of edge; refused: kind -> what the library said of such inputs; ties: labels that differ
    where the library's own scores are equal; largest_error: between numbers, relative to the largest one."""

    name: str
    rows: int
    edges: dict[str, int]
    refused: dict[str, str]
    ties: int
    largest_error: float


@dataclass(frozen=True, eq=False)
class Compared:
    """One output against the library's: which elements differ [rows, ...], how many labels were ties, the largest error."""

    want: Array
    differ: Array
    ties: int
    error: float


def asked(original: Original, inputs: Inputs, *, one_by_one: bool) -> tuple[Answers | None, str]:
    """(the library's answers, "" or what it said when it refused). one_by_one: rows that it refuses are left out alone."""
    try:
        return original.answers(inputs), ""
    except Exception as error:  # a library refuses inputs by any of its own exceptions
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    if not one_by_one or len(inputs) < 2:
        return None, said
    each = [asked(original, [x], one_by_one=False)[0] for x in inputs]
    good = [a for a in each if a is not None]
    if not good:
        return None, said
    outputs = tuple(
        np.concatenate([(good[0] if a is None else a).outputs[k] for a in each]) for k in range(len(good[0].outputs))
    )
    scores = None if good[0].scores is None else np.concatenate([_scores(good[0] if a is None else a) for a in each])
    return Answers(outputs, scores, np.array([a is not None for a in each])), said


def _scores(answers: Answers) -> Array:
    assert answers.scores is not None, "a library gives scores for all samples or for none"
    return answers.scores


def compared(original: Original, graph: Graph, answers: Answers, got: Sequence[Sequence[Array]]) -> list[Compared]:
    """For each output that the library answers for: the rows of ``got`` against it."""
    known = np.ones(len(got), bool) if answers.known is None else answers.known
    found = []
    for k, want in enumerate(answers.outputs):
        have = np.stack([np.asarray(row[k]) for row in got]).reshape(want.shape)
        labels = graph.tensors[graph.outputs[k]].dtype.kind != "float"
        if labels and have.dtype.kind in "iub" and want.dtype.kind in "iub":
            differ, ties, error = _labels(original, answers, want, have, known)
        else:
            # targets may have units of their own
            apart = not original.together and graph.notes.output in (None, "values")
            differ, ties, error = _numbers(original, want, have, known, apart)
        found.append(Compared(want, differ & known.reshape(-1, *[1] * (want.ndim - 1)), ties, error))
    return found


def _numbers(original: Original, want: Array, have: Array, known: Array, each: bool) -> tuple[Array, int, float]:
    """each: the largest number is one for each element of a row, not one for all."""
    want, have = want.astype(np.float64), have.astype(np.float64)
    used = np.where(np.isfinite(want), np.abs(want), 0.0)[known]
    largest = used.max(axis=0, initial=0.0) if each else used.max(initial=0.0)
    with np.errstate(all="ignore"):
        apart = np.abs(want - have)
        apart[(want == have) | (np.isnan(want) & np.isnan(have))] = 0.0
        beyond = np.abs(want) > np.finfo(np.float32).max  # more than float32 holds is an infinity there
        apart[beyond & np.isinf(have) & (np.sign(want) == np.sign(have))] = 0.0
        differ = ~(apart <= original.rtol * (np.where(np.isfinite(want), np.abs(want), 0.0) + largest))
    shares = np.where(np.isfinite(apart), apart, 0.0)[known] / np.where(largest > 0, largest, 1.0)
    return differ, 0, float(shares.max(initial=0.0))


def _labels(original: Original, answers: Answers, want: Array, have: Array, known: Array) -> tuple[Array, int, float]:
    differ = want != have
    if answers.scores is None or want[0].size != 1:
        return differ, 0, 0.0
    ties, every = 0, answers.scores[known].astype(np.float64)
    scale = np.abs(every[np.isfinite(every)]).max(initial=0.0)
    for row in np.flatnonzero(differ.reshape(len(want), -1).any(axis=1) & known):
        scores = answers.scores[row].astype(np.float64)
        mine = int(have[row].reshape(-1)[0])
        if 0 <= mine < len(scores) and scores[mine] >= scores.max() - original.rtol * scale:
            differ[row] = False
            ties += 1
    return differ, ties, 0.0
