"""What a classifier gives: the option ``output`` of ``skosh.load``.

"label": the index of the predicted class, int32 [1]; ``Build.predict`` makes labels of it.
"proba": probabilities [1, classes], as ``predict_proba``; of two classes only the second one's, [1, 1].
"decision": what ``decision_function`` gives, [1, n], [1, 1] where it is one number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.ops.elements.activations import Logistic
from skosh.ops.elements.comparisons import Compare
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.movement import Slice
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMax
from skosh.ops.reductions.softmax import Softmax

OUTPUTS = ("label", "proba", "decision")

Offer = Callable[[], str]
"""Makes the nodes of one output and gives its name."""


def asked(builder: Builder, model: Any, default: str = "label", classes: Any = None, **offers: Offer) -> str:
    """The output that was asked for, of those that the model offers.

    classes: the labels in the order of the outputs, ``model.classes_`` when absent.
    """
    output = builder.output or default
    if output not in offers:
        have = " or ".join(f'"{n}"' for n in offers)
        raise ModelError(f'output of {model.__class__.__name__} must be {have}, not "{output}"')
    found = offers[output]()
    builder.notes["classes"] = tuple(np.asarray(model.classes_ if classes is None else classes).tolist())
    builder.notes["output"] = output
    return found


def several(builder: Builder, scores: Offer, proba: Offer) -> str:
    """Labels that a sample may have several of at once: "label" is int32 [1, labels] of 0 and 1, as ``predict`` gives,
    "proba" the probability of each."""
    output = builder.output or "label"
    if output not in ("label", "proba"):
        raise ModelError(f'output must be "label" or "proba" where a sample may have several labels, not "{output}"')
    builder.notes["output"] = output
    builder.notes["several"] = True
    if output == "proba":
        return proba()
    y = builder.apply(Compare(">"), scores(), builder.constant("zero", [[0.0]]), name="positive")
    return builder.apply(Cast(i32), y, name="labels")


def largest(builder: Builder, scores: str) -> str:
    """The index of the first largest of scores [1, classes]: int32 [1]."""
    return builder.apply(ArgMax(1), scores, name="label")


def positive(builder: Builder, score: str, op: str = ">") -> str:
    """1 if ``score op 0`` else 0, for a score [1, 1]: int32 [1]."""
    zero = builder.constant("zero", [[0.0]])
    y = builder.apply(Compare(op), score, zero, name="positive")
    return builder.apply(Reshape((1,)), builder.apply(Cast(i32), y, name="second"), name="label")


def winner(builder: Builder, scores: str) -> str:
    """The label from scores [1, classes], or [1, 1] of which the sign decides."""
    return positive(builder, scores) if columns(builder, scores) == 1 else largest(builder, scores)


def likelihoods(builder: Builder, scores: str) -> str:
    """Softmax of log-likelihoods [1, classes]; the second of two."""
    y = builder.apply(Softmax(), scores, name="probabilities")
    return second(builder, y)


def second(builder: Builder, y: str) -> str:
    """Of [1, 2] the second alone, [1, 1]; else all."""
    if columns(builder, y) != 2:
        return y
    return builder.apply(Slice((0, 1), (1, 1), (1, 1), (1, 1)), y, name="second_class")


def logistic(builder: Builder, score: str) -> str:
    """The logistic function of a score."""
    return builder.apply(Logistic(), score, name="probabilities")


def columns(builder: Builder, name: str) -> int:
    """How many numbers a row has."""
    return builder.tensors[name].shape[-1]
