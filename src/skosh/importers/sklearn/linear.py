"""Linear models: one dense layer, and for a classifier what turns scores into probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.outputs import asked, columns, logistic, winner
from skosh.ops.classical.precise import PreciseDense
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul
from skosh.ops.elements.functions import Exp
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Sum
from skosh.ops.reductions.softmax import Softmax
from skosh.ops.text.text import SparseDense


def regression(model: Any, builder: Builder, x: str) -> str:
    """coef . x + intercept."""
    coef = np.asarray(model.coef_)
    y = dense(builder, x, np.atleast_2d(coef), model.intercept_, "values")
    return scalar(builder, y) if coef.ndim == 1 else y


def partial_least_squares(model: Any, builder: Builder, x: str) -> str:
    """coef . (x - mean) + intercept."""
    coef = np.asarray(model.coef_, np.float64)
    y = dense(builder, x, coef, np.asarray(model.intercept_) - coef @ np.asarray(model._x_mean), "values")
    return scalar(builder, y) if model._predict_1d else y


def log_linear_regression(model: Any, builder: Builder, x: str) -> str:
    """exp(coef . x + intercept): Poisson, gamma and Tweedie regression with the logarithm as link."""
    link = getattr(model, "link", "log")
    if link == "identity" or (link == "auto" and model.power <= 0):
        return regression(model, builder, x)
    y = dense(builder, x, np.atleast_2d(model.coef_), model.intercept_, "values")
    return scalar(builder, builder.apply(Exp(), y, name="mean"))


def logistic_regression(model: Any, builder: Builder, x: str) -> str:
    """Two classes: logistic of the score. More: softmax, or where each was fitted alone, logistics over their sum."""
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    mode = getattr(model, "multi_class", "auto")  # before scikit-learn 1.8
    two = len(model.classes_) == 2
    alone = mode == "ovr" or (mode in ("auto", "deprecated", "warn") and (two or model.solver == "liblinear"))

    def proba() -> str:
        both = len(coef) == 1 and not alone
        weights, bias = (
            (np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])) if both else (coef, intercept)
        )
        y = dense(builder, x, weights, bias, "scores")
        return likelihoods_alone(builder, y) if alone else builder.apply(Softmax(), y, name="probabilities")

    def decision() -> str:
        return dense(builder, x, coef, intercept, "scores")

    def label() -> str:
        return winner(builder, decision())

    return asked(builder, model, "proba", label=label, proba=proba, decision=decision)


def linear_classifier(model: Any, builder: Builder, x: str) -> str:
    """The class with the largest score; of two classes the second where the score is above 0."""
    check_one_label(model)

    def decision() -> str:
        return dense(builder, x, np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_), "scores")

    def label() -> str:
        return winner(builder, decision())

    if getattr(model, "loss", None) == "log_loss":
        return asked(
            builder, model, label=label, proba=lambda: likelihoods_alone(builder, decision()), decision=decision
        )
    if getattr(model, "loss", None) == "modified_huber":
        return asked(builder, model, label=label, proba=lambda: clipped_shares(builder, decision()), decision=decision)
    return asked(builder, model, label=label, decision=decision)


def clipped_shares(builder: Builder, scores: str) -> str:
    """(clip(score, -1, 1) + 1) / 2 over their sum, alike where that is 0 (Zhang 2002); the second class's alone of two."""
    one, half = builder.constant("one", [[1.0]]), builder.constant("half", [[0.5]])
    y = builder.apply(Minimum(), scores, one, name="not_above")
    y = builder.apply(Maximum(), y, builder.constant("minus_one", [[-1.0]]), name="clipped")
    y = builder.apply(Mul(), builder.apply(Add(), y, one, name="moved"), half, name="shares")
    return y if columns(builder, y) == 1 else shares_or_alike(builder, y)


def shares_or_alike(builder: Builder, y: str) -> str:
    """A row over its sum; all alike where that is 0."""
    one = builder.constant("one", [[1.0]])
    total = builder.apply(Sum((1,), keep_dims=True), y, name="total")
    none = builder.apply(Compare("=="), total, builder.constant("zero", [[0.0]]), name="none")
    shares = builder.apply(Div(), y, builder.apply(Select(), none, one, total, name="divisor"), name="normalized")
    return builder.apply(Select(), none, builder.constant("alike", [[1 / columns(builder, y)]]), shares, name="probabilities")


def likelihoods_alone(builder: Builder, scores: str) -> str:
    """Logistics of scores that were fitted each alone, over their sum; the second class's alone when there are two."""
    y = logistic(builder, scores)
    if columns(builder, y) == 1:
        return y
    total = builder.apply(Sum((1,), keep_dims=True), y, name="total")
    return builder.apply(Div(), y, total, name="normalized")


def check_one_label(model: Any) -> None:
    """A ModelError when a ridge classifier was fitted with several labels for a sample."""
    if getattr(getattr(model, "_label_binarizer", None), "y_type_", "").startswith("multilabel"):
        raise ModelError(
            "each sample must have one label, not several at once", hint="fit one classifier for each label"
        )


# ---------------------------------------------------------------------------------------------------- used by others too


def dense(builder: Builder, x: str, weights: Any, bias: Any, name: str, activation: str = "none") -> str:
    """weights: [out, in]; bias: [out], or one number for all."""
    bias = np.broadcast_to(np.asarray(bias, np.float64), len(weights))
    if x in builder.sparse and activation == "none":
        turned = builder.constant(f"{name}_weight", np.asarray(weights).T)
        return builder.apply(SparseDense(), x, turned, builder.constant(f"{name}_bias", bias), name=name)
    if activation == "none" and cancels(builder, x, weights, bias):
        exact = builder.raw(f"{name}_weight", np.asarray(weights, np.float64)), builder.raw(f"{name}_bias", bias.copy())
        return builder.apply(PreciseDense(), x, *exact, name=name)
    w, b = builder.constant(f"{name}_weight", weights), builder.constant(f"{name}_bias", bias)
    return builder.apply(Dense(activation), x, w, b, name=name)


PLANE = 128.0
"""Widths of a feature from 0, of the plane where a sum is 0: beyond, what it is a sum of is much larger than it."""


def cancels(builder: Builder, x: str, weights: Any, bias: Any) -> bool:
    """Whether sums of these features may be small beside what they are sums of: their zeros are far from the origin, and no
    scaler comes before, which would bring the data there."""
    made = builder.nodes[-1] if builder.nodes else None
    if made is not None and x in made.outputs and made.op.kind in ("sub", "mul"):
        return False
    norms = np.linalg.norm(np.asarray(weights, np.float64), axis=1)
    return bool((np.abs(bias) > PLANE * norms).any() and (norms > 0).all() and np.isfinite(bias).all())


def scalar(builder: Builder, y: str) -> str:
    """[1, 1] as [1]: a batch of rows then gives a one-dimensional array, as the library does."""
    return builder.apply(Reshape((1,)), y, name="value")


CONVERTERS = {
    **dict.fromkeys(
        (
            "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "MultiTaskLasso",
            "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "Lars", "LarsCV", "LassoLars",
            "LassoLarsCV", "LassoLarsIC", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "BayesianRidge",
            "ARDRegression", "HuberRegressor", "TheilSenRegressor", "QuantileRegressor", "SGDRegressor",
            "PassiveAggressiveRegressor", "LinearSVR",
        ),
        regression,
    ),
    "PLSRegression": partial_least_squares,
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor", "TweedieRegressor"), log_linear_regression),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), logistic_regression),
    **dict.fromkeys(
        ("RidgeClassifier", "RidgeClassifierCV", "SGDClassifier", "Perceptron", "PassiveAggressiveClassifier", "LinearSVC"),
        linear_classifier,
    ),
}  # fmt: skip
