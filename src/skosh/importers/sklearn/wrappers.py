"""Estimators that lead others: one for each class, pair or target, stacked, calibrated, or of a transformed target."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.composite import joined, mean, members
from skosh.importers.sklearn.expansions import function
from skosh.importers.sklearn.linear import likelihoods_alone, scalar, shares_or_alike
from skosh.importers.sklearn.outputs import Offer, asked, columns, largest, logistic, positive, second
from skosh.ops.classical.interpolation import Interpolated
from skosh.ops.classical.svm import PairVotes
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Div, Mul, Sub
from skosh.ops.elements.functions import Log
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.movement import Slice
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Sum
from skosh.ops.reductions.softmax import Softmax


def one_versus_rest(model: Any, builder: Builder, x: str) -> str:
    """An estimator for each class; the one that is surest wins. Of two classes, one estimator for the second."""
    if model.multilabel_:
        raise ModelError("each sample must have one label, not several at once", hint="fit one classifier for each label")
    parts = list(model.estimators_)
    signed = all(hasattr(e, "decision_function") for e in parts)

    def rows(output: str) -> str:
        return joined(builder, [builder.part(e, x, f"class_{n}", output=output) for n, e in enumerate(parts)])

    def label() -> str:
        y = rows("decision" if signed else "proba")
        if len(parts) > 1:
            return largest(builder, y)
        half = builder.constant("half", [[0.5]])
        return positive(builder, y if signed else builder.apply(Sub(), y, half, name="advantage"))

    def proba() -> str:
        y = rows("proba")
        if len(parts) == 1:
            return y
        return builder.apply(Div(), y, builder.apply(Sum((1,), keep_dims=True), y, name="total"), name="normalized")

    offers: dict[str, Offer] = {"label": label}
    if all(hasattr(e, "predict_proba") for e in parts):
        offers["proba"] = proba
    if signed:
        offers["decision"] = lambda: rows("decision")
    return asked(builder, model, "label", None, **offers)


def one_versus_one(model: Any, builder: Builder, x: str) -> str:
    """An estimator for each pair of classes; each gives a vote, and decisions break ties."""
    if model.pairwise_indices_ is not None or not all(hasattr(e, "decision_function") for e in model.estimators_):
        raise ModelError("each estimator of a pair must have a decision_function, and take the features themselves")
    classes = len(model.classes_)

    def scores() -> str:
        parts = [builder.part(e, x, f"pair_{n}", output="decision") for n, e in enumerate(model.estimators_)]
        minus = builder.constant("minus", [[-1.0]])  # in a pair, above 0 is for the second; PairVotes takes it for the first
        y = builder.apply(Mul(), joined(builder, parts), minus, name="decisions")
        return builder.apply(PairVotes(classes, scores=True), y, name="scores")

    def decision() -> str:
        y = scores()
        return builder.apply(Slice((0, 1), (1, 1), (1, 1), (1, 1)), y, name="second") if classes == 2 else y

    def label() -> str:
        return positive(builder, decision()) if classes == 2 else largest(builder, scores())

    return asked(builder, model, label=label, decision=decision)


def stacking_classifier(model: Any, builder: Builder, x: str) -> str:
    """A classifier of what others say."""
    final = model.final_estimator_

    def offer(output: str) -> Offer:
        return lambda: builder.part(final, stacked(model, builder, x), "final", output=output)

    methods = {"label": "predict", "proba": "predict_proba", "decision": "decision_function"}
    offers = {output: offer(output) for output, method in methods.items() if hasattr(final, method)}
    return asked(builder, model, "label", None, **offers)


def stacking_regressor(model: Any, builder: Builder, x: str) -> str:
    """A regressor of what others say."""
    return builder.part(model.final_estimator_, stacked(model, builder, x), "final")


def stacked(model: Any, builder: Builder, x: str) -> str:
    """[1, N]: what the members give, one behind another, and x itself when it passes through."""
    outputs = {"predict_proba": "proba", "decision_function": "decision", "predict": None}
    rows = []
    for (name, estimator), method in zip(members(model), model.stack_method_, strict=True):
        classifies = hasattr(estimator, "classes_")
        y = builder.part(estimator, x, name, output=outputs[method] or ("label" if classifies else None))
        if method == "predict":
            y = builder.apply(Cast(f32), y, name=f"{name}_number") if classifies else y
            y = builder.apply(Reshape((1, builder.tensors[y].size)), y, name=f"{name}_row")
        rows.append(y)
    return joined(builder, rows + ([x] if model.passthrough else []))


def multi_output(model: Any, builder: Builder, x: str) -> str:
    """[1, targets]: a regressor for each."""
    parts = [builder.part(e, x, f"target_{n}") for n, e in enumerate(model.estimators_)]
    rows = [builder.apply(Reshape((1, 1)), y, name="value") for y in parts]
    return joined(builder, rows)


def transformed_target(model: Any, builder: Builder, x: str) -> str:
    """The regressor's values, transformed back."""
    y = builder.part(model.regressor_, x, "regressor")
    size = builder.tensors[y].size
    y = builder.apply(Reshape((1, size)), y, name="row")
    back = model.transformer_
    kind = type(back).__name__
    if kind == "FunctionTransformer":
        y = function(back.inverse_func, builder, y)
    elif kind == "StandardScaler":
        y = affine(builder, y, back.scale_ if back.with_std else 1.0, back.mean_ if back.with_mean else 0.0)
    elif kind == "RobustScaler":
        y = affine(builder, y, back.scale_ if back.with_scaling else 1.0, back.center_ if back.with_centering else 0.0)
    elif kind == "MaxAbsScaler":
        y = affine(builder, y, back.scale_, 0.0)
    elif kind == "MinMaxScaler":
        y = affine(builder, y, 1 / np.asarray(back.scale_), -np.asarray(back.min_) / back.scale_)
    else:
        raise ModelError(f"a target can't be transformed back by {kind}",
                         hint="use StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, or inverse_func=")  # fmt: skip
    return scalar(builder, y) if model._training_dim == 1 else y


def affine(builder: Builder, x: str, scale: Any, offset: Any) -> str:
    """x * scale + offset, one number a column or for all."""
    factor, bias = (builder.constant(n, np.reshape(v, (1, -1))) for n, v in (("scale", scale), ("offset", offset)))
    return builder.apply(Add(), builder.apply(Mul(), x, factor, name="scaled"), bias, name="moved")


def calibrated(model: Any, builder: Builder, x: str) -> str:
    """The mean of classifiers whose decisions became probabilities: 1 / (1 + exp(a d + b)) for each class (Platt 1999), by
    isotonic regression, or a softmax after one temperature for all."""
    parts = model.calibrated_classifiers_
    if unknown := {p.method for p in parts} - {"sigmoid", "isotonic", "temperature"}:
        raise ModelError(f'the method of calibration must be "sigmoid", "isotonic" or "temperature", not "{min(unknown)}"')

    def one(part: Any, n: int) -> str:
        signed = hasattr(part.estimator, "decision_function")
        y = builder.part(part.estimator, x, f"part_{n}", output="decision" if signed else "proba")
        if part.method == "temperature":
            return tempered(builder, y, float(part.calibrators[0].beta_), signed)
        if columns(builder, y) != len(part.calibrators):
            raise ModelError("every part must know all classes", hint="fit on samples of all classes")
        if part.method == "isotonic":
            return isotonic(builder, y, part.calibrators)
        slope, offset = (np.array([[getattr(c, name) for c in part.calibrators]]) for name in ("a_", "b_"))
        y = affine(builder, y, -slope, -offset)
        return logistic(builder, y) if len(part.calibrators) == 1 else likelihoods_alone(builder, y)

    def proba() -> str:
        rows = [one(part, n) for n, part in enumerate(parts)]
        return mean(builder, rows, np.ones(len(rows))) if len(rows) > 1 else rows[0]

    def label() -> str:
        y = builder.apply(Reshape((1, 1 if len(model.classes_) == 2 else len(model.classes_))), proba(), name="row")
        if columns(builder, y) > 1:
            return largest(builder, y)
        return positive(builder, builder.apply(Sub(), y, builder.constant("half", [[0.5]]), name="advantage"))

    return asked(builder, model, label=label, proba=proba)


def isotonic(builder: Builder, y: str, calibrators: Any) -> str:
    """Lines between the knots of each class, over their sum: all alike where that is 0."""
    if len(calibrators) == 1 and (pair := pair_behind(builder, y)) is not None:
        return isotonic_of_pair(builder, pair, calibrators[0])
    knots = [(np.atleast_1d(c.X_thresholds_), np.atleast_1d(c.y_thresholds_)) for c in calibrators]
    y = lines(builder, y, knots)
    return y if len(knots) == 1 else shares_or_alike(builder, y)


def lines(builder: Builder, x: str, knots: list[tuple[Any, Any]]) -> str:
    """Each element of x on the lines between its (knots, heights)."""
    starts = np.concatenate([[0], np.cumsum([len(k) for k, _ in knots])])
    at, heights = (np.concatenate([k[n] for k in knots]) for n in (0, 1))
    tables = builder.constant("knots", at), builder.constant("heights", heights), builder.integers("starts", starts)
    return builder.apply(Interpolated(), x, *tables, name="lines")


def pair_behind(builder: Builder, y: str) -> str | None:
    """Both probabilities [1, 2] of which y is the second: float32 holds whichever is small to all its digits."""
    made = next((n for n in builder.nodes if y in n.outputs), None)
    if made is None or not isinstance(made.op, Slice) or columns(builder, made.inputs[0]) != 2:
        return None
    return made.inputs[0]


def isotonic_of_pair(builder: Builder, pair: str, calibrator: Any) -> str:
    """Lines of the second of two probabilities; above 1/2 as lines of what is left to 1, the first one."""
    at, heights = np.atleast_1d(calibrator.X_thresholds_), np.atleast_1d(calibrator.y_thresholds_)
    both = lines(builder, pair, [((1 - at)[::-1], heights[::-1]), (at, heights)])

    def column(x: str, n: int, name: str) -> str:
        return builder.apply(Slice((0, n), (1, 1), (1, 1), (1, 1)), x, name=name)

    first, other, rest = column(both, 0, "upper_half"), column(both, 1, "lower_half"), column(pair, 0, "rest")
    upper = builder.apply(Compare("<"), rest, builder.constant("half", [[0.5]]), name="likely")
    return builder.apply(Select(), upper, first, other, name="calibrated")


def tempered(builder: Builder, y: str, beta: float, signed: bool) -> str:
    """Softmax of beta times the decisions, or the logarithms of probabilities; of two classes the second one's."""
    one = columns(builder, y) == 1
    if signed:
        y = builder.apply(Mul(), y, builder.constant("beta", [[2 * beta if one else beta]]), name="cooled")
        return logistic(builder, y) if one else builder.apply(Softmax(), y, name="probabilities")
    if one and (pair := pair_behind(builder, y)) is not None:
        y = pair
    elif one:
        rest = builder.apply(Sub(), builder.constant("one", [[1.0]]), y, name="rest")
        y = joined(builder, [rest, y])
    y = builder.apply(Log(), builder.apply(Add(), y, builder.constant("least", [[1e-12]]), name="above_0"), name="logits")
    y = builder.apply(Mul(), y, builder.constant("beta", [[beta]]), name="cooled")
    y = builder.apply(Softmax(), y, name="probabilities")
    return second(builder, y) if one else y


CONVERTERS = {
    "OneVsRestClassifier": one_versus_rest,
    "OneVsOneClassifier": one_versus_one,
    "StackingClassifier": stacking_classifier,
    "StackingRegressor": stacking_regressor,
    "MultiOutputRegressor": multi_output,
    "TransformedTargetRegressor": transformed_target,
    "CalibratedClassifierCV": calibrated,
}

PREDICTING = (
    "MultiOutputClassifier", "RegressorChain", "ClassifierChain",
    "OneVsRestClassifier", "OneVsOneClassifier", "StackingClassifier", "StackingRegressor", "MultiOutputRegressor",
    "TransformedTargetRegressor", "CalibratedClassifierCV",
)  # fmt: skip
"""Those whose parts may be predictors."""


def parts_inside(model: Any) -> list[tuple[str, Any]]:
    """(name, fitted estimator) of what one of these is made of; nothing before it is fitted."""
    found: list[tuple[str, Any]] = [(f"part_{n}", e) for n, e in enumerate(getattr(model, "estimators_", ()))]
    found += [(name, getattr(model, attribute)) for name, attribute in (
        ("final", "final_estimator_"), ("regressor", "regressor_")) if hasattr(model, attribute)]  # fmt: skip
    return found + [(f"part_{n}", c.estimator) for n, c in enumerate(getattr(model, "calibrated_classifiers_", ()))]
