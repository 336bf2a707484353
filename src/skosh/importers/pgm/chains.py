"""What is asked of a hidden chain, as nodes: the forward filter, smoothing, probabilities over a window, the best path, the
likelihood of a sequence.

scores [T, K]: logarithms of what each item says of each label, status [1] of reading it. start [K]: logarithms. move [K, K]:
factors >= 0, which need not be normalized; logarithms of them for the best path. Each gives (answer, status).
"""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i16
from skosh.importers.pgm.builder import BAD_INPUT, IMPOSSIBLE, ModelBuilder
from skosh.ir.graph import Array
from skosh.ops.graphical.chains import FilterStep, ForwardBackward, LagStep, SequenceScore, Viterbi, split_moves
from skosh.ops.moves.reshape import Reshape


def filtered(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array) -> tuple[str, str]:
    """Probabilities [1, K] given all items so far."""
    predicted = builder.state("predicted", start.astype(np.float32))
    y, following, after = builder.apply_all(
        FilterStep(IMPOSSIBLE), scores, status, *moves(builder, move), predicted,
        names=("probabilities", "predicted_next", "status"),
    )  # fmt: skip
    builder.keep("predicted", following)
    return y, after


def smoothed(
    builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, lag: int
) -> tuple[str, str]:
    """Probabilities [1, K] of what was ``lag`` items ago, given all items so far."""
    before = (
        builder.state("window", np.zeros((lag + 1, len(start)), np.float32)),
        builder.state("predicted", start.astype(np.float32)),
        builder.state("held", np.zeros(1, np.int32)),
    )
    y, *after, status = builder.apply_all(
        LagStep(IMPOSSIBLE), scores, status, *moves(builder, move), *before,
        names=("probabilities", "window_next", "predicted_next", "held_next", "status"),
    )  # fmt: skip
    for state, kept in zip(before, after, strict=True):
        builder.keep(state, kept)
    return y, status


def posteriors(
    builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, length: str
) -> tuple[str, str]:
    """Probabilities [1, T, K] given the first ``length`` (a tensor, int32 [1]) items of the window; 0 beyond."""
    factors = builder.constant("start", start), *moves(builder, move)
    y, after = builder.apply_all(
        ForwardBackward(IMPOSSIBLE, BAD_INPUT), scores, *factors, length, status, names=("posteriors", "status")
    )
    return builder.apply(Reshape((1, *builder.tensors[y].shape)), y, name="probabilities"), after


def likelihood(builder: ModelBuilder, scores: str, status: str, start: Array, move: Array) -> tuple[str, str]:
    """The logarithm of the likelihood of the whole window, [1, 1]."""
    factors = builder.constant("start", start), *moves(builder, move)
    return builder.apply(SequenceScore(), scores, *factors, status, name="log_likelihood"), status


def moves(builder: ModelBuilder, move: Array) -> tuple[str, str]:
    """The constants of moves: numbers, and powers of two where some are very small."""
    number, power = split_moves(move)
    return builder.constant("move", number), builder.integers("move_power", power, i16)


def best_path(
    builder: ModelBuilder, scores: str, status: str, start: Array, move: Array, length: str, *, name: str
) -> tuple[str, str]:
    """int32 [1, T]: the most probable path through the first ``length`` items, -1 beyond. start, move: logarithms."""
    logs = builder.constant("start", start), builder.constant("move", move)
    path, after = builder.apply_all(
        Viterbi(IMPOSSIBLE, BAD_INPUT), scores, *logs, length, status, names=("path", "status")
    )
    return builder.apply(Reshape((1, *builder.tensors[path].shape)), path, name=name), after
