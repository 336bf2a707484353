"""What boosting libraries make of the sum over their trees, and what they call it.

``predict`` of a classifier gives labels; of anything else (a Booster, a regressor with a logistic objective) it gives the
sum through the objective's link, in the library's own shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import ModelError
from skosh.importers.frames import Frame
from skosh.importers.originals import EDGES, Answers, Inputs, Original, called, quietly, rows_of
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import Offer, asked, largest
from skosh.importers.trees import label, real
from skosh.ir.graph import Array
from skosh.ops.elements.activations import Logistic
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Maximum, Mul, Sub
from skosh.ops.elements.functions import Abs, Exp, Log
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.softmax import Softmax

LINKS = ("identity", "logistic", "softmax", "class", "exp", "step", "signed_square", "softplus")


@dataclass(frozen=True)
class Link:
    """kind: one of ``LINKS``; "class" is the number of the largest sum, "step" 1 where the sum is above 0, "signed_square"
    x |x|, "softplus" log(1 + exp(x)). factor: multiplies the sum before a logistic. middle: the sum above which a classifier
    of two classes names the second."""

    kind: str = "identity"
    factor: float = 1.0
    middle: float = 0.0


@dataclass(frozen=True, eq=False)
class Sums:
    """A tensor [1, K] of sums: integers of ``step`` each, one for all or one for each column, or float32 (step None)."""

    name: str
    step: float | Array | None

    def real(self, builder: Builder, factor: float = 1.0) -> str:
        """float32."""
        if self.step is not None:
            return real(builder, self.name, self.step * factor, "scores")
        if factor == 1:
            return self.name
        return builder.apply(Mul(), self.name, builder.constant("factor", [[factor]]), name="scaled")


def linked(builder: Builder, sums: Sums, link: Link) -> str:
    """[1, K]: the sums through the link."""
    y = sums.real(builder, link.factor)
    if link.kind == "logistic":
        return builder.apply(Logistic(), y, name="probabilities")
    if link.kind == "softmax":
        return builder.apply(Softmax(), y, name="probabilities")
    if link.kind == "exp":
        return builder.apply(Exp(), y, name="exponentials")
    if link.kind == "step":
        more = builder.apply(Compare(">"), y, builder.constant("zero", [[0.0]]), name="is_more")
        return builder.apply(Cast(f32), more, name="steps")
    if link.kind == "signed_square":
        return builder.apply(Mul(), y, builder.apply(Abs(), y, name="magnitudes"), name="squares")
    if link.kind == "softplus":  # max(y, 0) + log(1 + exp(-|y|))
        none = builder.constant("zero", [[0.0]])
        small = builder.apply(Exp(), builder.apply(Sub(), none, builder.apply(Abs(), y, name="far"), name="near"), name="small")
        rest = builder.apply(Log(), builder.apply(Add(), small, builder.constant("one", [[1.0]]), name="more"), name="rest")
        return builder.apply(Add(), builder.apply(Maximum(), y, none, name="above"), rest, name="values")
    return y


def answer(
    builder: Builder, source: Any, sums: Sums, link: Link, *, labels_apart: bool = False
) -> str:
    """The output that was asked for. labels_apart: each sum is a label of its own, not a class among several."""
    groups = builder.tensors[sums.name].shape[1]
    if hasattr(source, "classes_"):
        return _classifier(builder, source, sums, link, groups, labels_apart)
    output = builder.output
    if output == "decision":
        y = sums.real(builder)
    elif output is None and link.kind == "class":
        return asked(builder, source, "label", np.arange(groups, dtype=np.float32), label=lambda: _label(builder, sums, link))
    elif output is None or (output == "proba" and link.kind in ("logistic", "softmax")):
        y = linked(builder, sums, link)
    elif output == "label" and link.kind in ("logistic", "softmax", "class", "step"):
        return asked(builder, source, "label", np.arange(max(2, groups)), label=lambda: _label(builder, sums, link))
    else:
        have = '"proba" or "label"' if link.kind in ("logistic", "softmax") else '"decision"'
        raise ModelError(f'output of {type(source).__name__} must be {have}, not "{output}"')
    builder.notes["output"] = "values"
    return scalar(builder, y) if groups == 1 else y


def _classifier(builder: Builder, source: Any, sums: Sums, link: Link, groups: int, labels_apart: bool) -> str:
    if labels_apart:
        offers: dict[str, Offer] = {
            "label": lambda: _labels(builder, sums, link), "proba": lambda: linked(builder, sums, link),
            "decision": lambda: sums.real(builder),
        }  # fmt: skip
        output = builder.output or "label"
        builder.notes["output"] = {"label": "labels"}.get(output, output)
        return offers[output]()
    inner = Link("softmax") if link.kind == "class" else link
    return asked(
        builder, source, "label", source.classes_, label=lambda: _label(builder, sums, link),
        proba=lambda: linked(builder, sums, inner), decision=lambda: sums.real(builder),
    )  # fmt: skip


def _label(builder: Builder, sums: Sums, link: Link) -> str:
    """int32 [1]: the class of the largest sum; of one sum the second class where it is above the middle."""
    if builder.tensors[sums.name].shape[1] > 1:
        return largest(builder, sums.name)
    if sums.step is None:
        return builder.apply(Reshape((1,)), _labels(builder, sums, link), name="label")
    return label(builder, sums.name, above=math.floor(link.middle / float(np.max(sums.step))))


def _labels(builder: Builder, sums: Sums, link: Link) -> str:
    """int32 [1, K]: 1 where a sum is above the middle."""
    if sums.step is None:
        bound = builder.constant("middle", [[link.middle]])
    else:
        bound = builder.integers("middle", np.floor(link.middle / np.reshape(sums.step, (1, -1))))
    return builder.apply(Cast(i32), builder.apply(Compare(">"), sums.name, bound, name="is_more"), name="labels")


def without_nan(builder: Builder, x: str, values: Any = 0.0) -> str:
    """x with a number in place of NaN, one for all columns or one for each."""
    gone = builder.apply(Compare("!="), x, x, name="missing")
    row = np.reshape(values, (1, -1))
    row = row[:, :1] if (row == row[0, 0]).all() else row
    return builder.apply(Select(), gone, builder.constant("in_place", row), x, name="with_numbers")


def with_nan(builder: Builder, x: str, value: float) -> str:
    """x with NaN in place of a number."""
    if math.isnan(value):
        return x
    gone = builder.apply(Compare("=="), x, builder.constant("marker", [[value]]), name="missing")
    nan = builder.floats("nan", np.full((1, 1), np.nan, np.float32))
    return builder.apply(Select(), gone, nan, x, name="with_missing")


Ask = Callable[[Any], Any]
"""What the library takes -> what it gives."""


def original(
    builder: Builder, source: Any, asks: dict[str, tuple[str, Ask]], frame: Frame | None, dtype: Any = np.float64
) -> Original | None:
    """Asks the library by ``notes["output"]``; asks: for each output the method's name and the method. It is given frames, or
    without one rows of dtype."""
    output = builder.notes["output"]
    if output not in asks:
        return None
    name, ask = asks[output]
    place = {c: n for n, c in enumerate(builder.notes.get("classes", ()))}

    def answers(inputs: Inputs) -> Answers:
        rows = rows_of(inputs)
        taken = rows.astype(dtype) if frame is None else frame.decode(rows)
        known = None if frame is None else frame.tells(rows)
        given = np.asarray(quietly(ask, taken))
        if output == "label":
            scores = np.asarray(quietly(asks["scores"][1], taken), np.float64) if "scores" in asks else None
            if scores is not None and scores.ndim == 1:
                scores = np.stack([1 - scores, scores], axis=1)
            return Answers((np.array([[place[c]] for c in given.tolist()]),), scores, known)
        if output == "labels":
            return Answers((given.astype(np.int64).reshape(len(given), -1),), None, known)
        if output == "proba" and given.ndim == 2 and given.shape[1] == 2 and 1 <= len(place) <= 2:
            given = given[:, 1:]
        return Answers((given.astype(np.float64).reshape(len(given), -1),), None, known)

    return Original(called(source, name), answers, tuple(e for e in EDGES if e not in builder.unlike))
