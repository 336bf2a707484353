"""Linear models: one dense layer, and for a classifier what turns scores into probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.importers.sklearn.builder import Builder
from skosh.ops.activations import Logistic
from skosh.ops.dense import Dense
from skosh.ops.elementwise import Div
from skosh.ops.reductions import Sum
from skosh.ops.reshape import Reshape
from skosh.ops.softmax import Softmax


def regression(model: Any, builder: Builder, x: str) -> str:
    """coef . x + intercept."""
    coef = np.asarray(model.coef_)
    y = dense(builder, x, np.atleast_2d(coef), model.intercept_, "values")
    return scalar(builder, y) if coef.ndim == 1 else y


def logistic_regression(model: Any, builder: Builder, x: str) -> str:
    """Two classes: logistic of the score. More: softmax, or where each was fitted alone, logistics over their sum."""
    classes = note_classes(builder, model)
    coef, intercept = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    mode = getattr(model, "multi_class", "auto")  # before scikit-learn 1.8
    alone = mode == "ovr" or (mode in ("auto", "deprecated", "warn") and (classes == 2 or model.solver == "liblinear"))
    if len(coef) == 1 and not alone:
        coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
    y = dense(builder, x, coef, intercept, "scores")
    if not alone:
        return builder.apply(Softmax(), y, name="probabilities")
    y = builder.apply(Logistic(), y, name="likelihood")
    if classes == 2:
        return y
    total = builder.apply(Sum((1,), keep_dims=True), y, name="total")
    return builder.apply(Div(), y, total, name="probabilities")


# ---------------------------------------------------------------------------------------------------- used by others too


def dense(builder: Builder, x: str, weights: Any, bias: Any, name: str, activation: str = "none") -> str:
    """weights: [out, in]; bias: [out], or one number for all."""
    bias = np.broadcast_to(np.asarray(bias, np.float64), len(weights))
    w, b = builder.constant(f"{name}_weight", weights), builder.constant(f"{name}_bias", bias)
    return builder.apply(Dense(activation), x, w, b, name=name)


def note_classes(builder: Builder, model: Any) -> int:
    """Leave the labels to ``predict``, in the order of the outputs; how many there are."""
    builder.notes["classes"] = tuple(np.asarray(model.classes_).tolist())
    return len(builder.notes["classes"])


def scalar(builder: Builder, y: str) -> str:
    """[1, 1] as [1]: a batch of rows then gives a one-dimensional array, as the library does."""
    return builder.apply(Reshape((1,)), y, name="value")


CONVERTERS = {
    **dict.fromkeys(
        ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"), regression
    ),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), logistic_regression),
}
