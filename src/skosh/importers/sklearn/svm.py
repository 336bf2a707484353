"""Support vector machines: kernel values of all support vectors, then decisions, then votes, as libsvm has them.

What fitting left: ``support_vectors_`` [S, features], ``dual_coef_`` [classes - 1, S], ``intercept_`` [pairs]. With two
classes scikit-learn turns libsvm's sign, so that a decision of 0 or more is for the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.outputs import asked, largest, positive
from skosh.ops.activations import Tanh
from skosh.ops.distances import Distances
from skosh.ops.elementwise import Mul
from skosh.ops.functions import Exp, Square
from skosh.ops.svm import PairDecisions, PairVotes

KERNELS = ("linear", "poly", "rbf", "sigmoid")


def classifier(model: Any, builder: Builder, x: str) -> str:
    """One decision a pair of classes; each is a vote, and the first class with most votes wins."""
    check(model)
    classes = len(model.classes_)
    if classes == 2:
        return asked(
            builder, model, label=lambda: positive(builder, _sum(model, builder, x), ">="),
            decision=lambda: _sum(model, builder, x),
        )  # fmt: skip
    by_class = model.decision_function_shape == "ovr"

    def scores() -> str:
        return builder.apply(PairVotes(classes, scores=True), _pairs(model, builder, x), name="scores")

    def label() -> str:
        if model.break_ties and by_class:
            return largest(builder, scores())
        return largest(builder, builder.apply(PairVotes(classes), _pairs(model, builder, x), name="votes"))

    y = asked(builder, model, label=label, decision=scores if by_class else lambda: _pairs(model, builder, x))
    if builder.notes["output"] == "decision" and not by_class:
        del builder.notes["classes"]  # there are pairs in the output, so labels can't be read off
    return y


def regressor(model: Any, builder: Builder, x: str) -> str:
    """The sum over the support vectors."""
    check(model)
    return scalar(builder, _sum(model, builder, x))


def one_class(model: Any, builder: Builder, x: str) -> str:
    """1 where the sum is above 0, else -1."""
    check(model)
    return asked(
        builder, model, classes=(-1, 1), label=lambda: positive(builder, _sum(model, builder, x)),
        decision=lambda: _sum(model, builder, x),
    )  # fmt: skip


def check(model: Any) -> None:
    """A ModelError for kernels that aren't known and for sparse support vectors."""
    if model.kernel not in KERNELS:
        raise ModelError(f"the kernel must be {', '.join(KERNELS[:-1])} or {KERNELS[-1]}, not {model.kernel!r}")
    if not isinstance(model.support_vectors_, np.ndarray):
        raise ModelError("the support vectors must be dense, not sparse", hint="fit on X.toarray()")


def _sum(model: Any, builder: Builder, x: str) -> str:
    """[1, 1]: dual_coef . kernel values + intercept; a linear kernel is one product with coef_."""
    if model.kernel == "linear":
        return dense(builder, x, model.coef_, model.intercept_, "decision")
    values = kernel_values(model, builder, x)
    return dense(builder, values, model.dual_coef_, model.intercept_, "decision")


def _pairs(model: Any, builder: Builder, x: str) -> str:
    """[1, pairs]: a decision for each pair of classes."""
    if model.kernel == "linear":
        return dense(builder, x, model.coef_, model.intercept_, "decisions")
    values = kernel_values(model, builder, x)
    coefs, bias = builder.constant("coefficients", model.dual_coef_), builder.constant("bias", model.intercept_)
    support = tuple(int(n) for n in model.n_support_)
    return builder.apply(PairDecisions(support), values, coefs, bias, name="decisions")


def kernel_values(model: Any, builder: Builder, x: str) -> str:
    """[1, S]: the kernel of x and each support vector. sklearn/svm/src/libsvm/svm.cpp, Kernel::k_function."""
    vectors, gamma = np.asarray(model.support_vectors_, np.float64), float(model._gamma)
    if model.kernel == "rbf":  # exp(-gamma |x - v|^2)
        y = builder.apply(Distances(), x, builder.constant("support_vectors", vectors), name="distances")
        y = builder.apply(Mul(), y, builder.constant("minus_gamma", [[-gamma]]), name="exponents")
        return builder.apply(Exp(), y, name="kernel_values")
    y = dense(builder, x, gamma * vectors, model.coef0, "products")  # gamma <x, v> + coef0
    if model.kernel == "sigmoid":
        return builder.apply(Tanh(), y, name="kernel_values")
    return power(builder, y, int(model.degree))


def power(builder: Builder, y: str, degree: int) -> str:
    """y^degree by squaring, as libsvm's powi."""
    if degree < 1:
        raise ModelError(f"the degree of a polynomial kernel must be at least 1, not {degree}")
    result = ""
    while True:
        if degree % 2:
            result = builder.apply(Mul(), result, y, name="kernel_values") if result else y
        degree //= 2
        if not degree:
            return result
        y = builder.apply(Square(), y, name="squares")


CONVERTERS = {
    "SVC": classifier,
    "NuSVC": classifier,
    "SVR": regressor,
    "NuSVR": regressor,
    "OneClassSVM": one_class,
}
