"""A conditional random field as a Graph: scores of items, then the operators of hidden chains.

Its weights are logarithms of what a hidden Markov model calls probabilities, only not normalized; so the forward filter,
smoothing and the best path are the same sums and comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.errors import InputError, Loc
from skosh.importers.crf.items import Items, Steps, Windows
from skosh.importers.crf.reader import Crf
from skosh.importers.pgm.builder import BAD_INPUT, ModelBuilder
from skosh.importers.pgm.chains import best_path, filtered, posteriors, smoothed
from skosh.ir.graph import Array, Graph
from skosh.ops.graphical.emissions import IndexedScores
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape

OUTPUTS = {"viterbi": "length", "marginals": "length", "filter": None, "smooth": "lag"}
"""What can be asked for, and the option that it needs."""

@dataclass(frozen=True)
class Question:
    """The options of ``crf_graph``."""

    output: str
    lag: int | None
    length: int | None
    attributes: int | None
    values: bool

    @property
    def rows(self) -> int:
        """Items of a run."""
        return self.length or 1


def crf_graph(
    model: Crf,
    name: str,
    loc: Loc,
    output: str = "viterbi",
    lag: int | None = None,
    length: int | None = None,
    attributes: int | None = None,
    values: bool = True,
    **options: object,
) -> Graph:
    """The Graph that labels items.

    output="viterbi": up to ``length`` items a run; gives labels int32 [1, length] of the best path, -1 beyond the last, as
    ``predict``. "marginals": the same items; gives probabilities [1, length, K], 0 beyond the last, as
    ``predict_marginals``. Both take int32 ``length`` [1], how many items there are. "filter": one item a run; gives the
    probabilities [1, K] of its label given all items so far. "smooth": the same for ``lag`` items ago.

    attributes=N: an item is given as at most N numbers of attributes, int32, -1 for none, and their values, float32
    (values=False: all are 1, and there is no such input). Left out: as a float32 value for each attribute of the model.

    Raises InputError for options that don't fit.
    """
    if options:
        raise InputError(f'a conditional random field has no option "{min(options)}"', loc=loc,
                         hint="it has output, lag, length, attributes, values")  # fmt: skip
    asked = Question(output, lag, length, attributes, values)
    check_question(asked, loc)
    builder = ModelBuilder(loc.file)
    scores, status = _scores(model, builder, asked)
    made, after = _answer(builder, scores, status, model.move, asked)
    known = "; ".join(f"{k}: {label}" for k, label in enumerate(model.labels))
    builder.meaning[made] = f"labels: {known}" if len(known) <= 400 else f"labels, from 0 to {len(model.labels) - 1}"
    items = Items({a: i for i, a in enumerate(model.attributes)}, attributes, values)
    builder.notes["attributes"], builder.notes["labels"] = model.attributes, model.labels
    if OUTPUTS[output] == "length":
        builder.notes["predict"] = Windows(items, model.labels, asked.rows, output == "marginals")
    else:
        builder.notes["predict"] = Steps(items, model.labels)
    return builder.finish(name, [made], after)


def check_question(asked: Question, loc: Loc) -> None:
    """An InputError when an option is missing, out of range, or one that the output has no use for."""
    if asked.output not in OUTPUTS:
        raise InputError(f'output must be one of {", ".join(OUTPUTS)}, not "{asked.output}"', loc=loc)
    wanted = OUTPUTS[asked.output]
    for option, value in (("lag", asked.lag), ("length", asked.length)):
        least = 0 if option == "lag" else 1
        if option == wanted and not _number(value, least):
            raise InputError(f'output="{asked.output}" must have {option}, a number from {least} on, not {value}', loc=loc)
        if option != wanted and value is not None:
            raise InputError(f'output="{asked.output}" has no option "{option}"', loc=loc)
    if asked.attributes is not None and not _number(asked.attributes, 1):
        raise InputError(f"attributes must be a number from 1 on, not {asked.attributes}", loc=loc)
    if asked.attributes is None and not asked.values:
        raise InputError("values=False goes with attributes=, how many an item has at most", loc=loc)


def _number(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


# ----------------------------------------------------------------------------------------------------------------- scores


def _scores(model: Crf, builder: ModelBuilder, asked: Question) -> tuple[str, str]:
    """(scores [rows, K], status)"""
    labels = model.state.shape[1]
    state = model.state if len(model.state) else np.zeros((1, labels))  # one label only needs no attributes
    count = len(state)
    window = OUTPUTS[asked.output] == "length"
    if asked.attributes is None:
        shape = (1, asked.rows, count) if window else (1, count)
        x = builder.input("values", shape)
        builder.meaning[x] = "the value of each attribute of the model, 0 where an item has it not"
        if window:
            x = builder.apply(Reshape((asked.rows, count)), x, name="rows")
        weight, bias = builder.constant("state", state.T), builder.constant("zero", np.zeros(labels))
        return builder.apply(Dense(), x, weight, bias, name="scores"), builder.integers("no_status", np.zeros(1))
    shape = (1, asked.rows, asked.attributes) if window else (1, asked.attributes)
    rows = Reshape((asked.rows, asked.attributes))
    which = builder.integer_input("attributes", shape, -1, count - 1, f"numbers of attributes, from 0 to {count - 1}; -1: none")
    ports = [builder.apply(rows, which, name="indices")]
    if asked.values:
        x = builder.input("values", shape)
        builder.meaning[x] = "the values of these attributes"
        ports.append(builder.apply(rows, x, name="weights"))
    weight = builder.constant("state", state)
    scores, status = builder.apply_all(IndexedScores(BAD_INPUT), *ports, weight, names=("scores", "read"))
    return scores, status


def moves(move: Array) -> Array:
    """exp(weights), the largest 1: how labels follow each other, up to a factor."""
    return np.asarray(np.exp(move - move.max()))


def _answer(builder: ModelBuilder, scores: str, status: str, move: Array, asked: Question) -> tuple[str, str]:
    """(answer, status)"""
    start = np.zeros(len(move))
    if OUTPUTS[asked.output] == "length":
        length = builder.integer_input(
            "length", (1,), 1, asked.rows, f"how many items there are, from 1 to {asked.rows}"
        )
        if asked.output == "viterbi":
            return best_path(builder, scores, status, start, move, length, name="labels")
        return posteriors(builder, scores, status, start, moves(move), length)
    if asked.lag is not None:
        return smoothed(builder, scores, status, start, moves(move), asked.lag)
    return filtered(builder, scores, status, start, moves(move))
