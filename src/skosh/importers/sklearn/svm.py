"""Support vector machines: kernel values of all support vectors, then decisions, then votes, as libsvm has them.

What fitting left: ``support_vectors_`` [S, features], ``dual_coef_`` [classes - 1, S], ``intercept_`` [pairs]. With two
classes scikit-learn turns libsvm's sign, so that a decision of 0 or more is for the second.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.framing import USUAL, middle_of, moved, scaled
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.outputs import Offer, asked, largest, positive, second
from skosh.ops.classical.distances import Distances
from skosh.ops.classical.svm import PairDecisions, PairProbabilities, PairVotes
from skosh.ops.elements.activations import Logistic, Tanh
from skosh.ops.elements.elementwise import Mul, Sub
from skosh.ops.elements.functions import Exp, Square

LARGEST = float(np.finfo(np.float32).max)
KERNELS = ("linear", "poly", "rbf", "sigmoid")


def classifier(model: Any, builder: Builder, x: str) -> str:
    """One decision a pair of classes; each is a vote, and the first class with most votes wins."""
    check(model)
    classes = len(model.classes_)
    if classes == 2:
        return asked(
            builder, model, "label", None, label=lambda: positive(builder, _sum(model, builder, x), ">="),
            decision=lambda: _sum(model, builder, x), **_proba(model, builder, x),
        )  # fmt: skip
    by_class = model.decision_function_shape == "ovr"

    def scores() -> str:
        return builder.apply(PairVotes(classes, scores=True), _pairs(model, builder, x), name="scores")

    def label() -> str:
        if model.break_ties and by_class:
            return largest(builder, scores())
        return largest(builder, builder.apply(PairVotes(classes), _pairs(model, builder, x), name="votes"))

    decision = scores if by_class else lambda: _pairs(model, builder, x)
    y = asked(builder, model, "label", None, label=label, decision=decision, **_proba(model, builder, x))
    if builder.notes["output"] == "decision" and not by_class:
        del builder.notes["classes"]  # there are pairs in the output, so labels can't be read off
    return y


def _proba(model: Any, builder: Builder, x: str) -> dict[str, Offer]:
    """The offer of probabilities, of a model fitted with them: a logistic of each pair's decision (Platt 1999, here
    1 / (1 + exp(a d + b))), then one distribution over all classes, see ``ops.svm``."""
    a, b = (np.asarray(getattr(model, f"_prob{n}", ()), np.float64) for n in "AB")
    if not a.size:
        return {}

    def proba() -> str:
        if len(model.classes_) == 2:  # scikit-learn turned the sign of these decisions
            y, slope = _sum(model, builder, x), a[0]
        else:
            y, slope = _pairs(model, builder, x), -a
        y = builder.apply(Mul(), y, builder.constant("slope", np.reshape(slope, (1, -1))), name="sloped")
        y = builder.apply(Sub(), y, builder.constant("offset", b[None]), name="exponents")
        y = builder.apply(Logistic(), y, name="between_pairs")
        return second(builder, builder.apply(PairProbabilities(len(model.classes_)), y, name="probabilities"))

    return {"proba": proba}


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


def linear_one_class(model: Any, builder: Builder, x: str) -> str:
    """1 where coef . x is the offset or more, else -1: a one-class machine fitted by gradient descent."""

    def decision() -> str:
        return dense(builder, x, np.atleast_2d(model.coef_), -np.atleast_1d(model.offset_), "decision")

    return asked(builder, model, classes=(-1, 1), label=lambda: positive(builder, decision(), ">="), decision=decision)


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
        middle = middle_of(vectors)
        x, points = moved(builder, x, middle), vectors if middle is None else vectors - middle
        by = (math.frexp(gamma)[1] // 2) if not 2.0 ** (-2 * USUAL) < gamma < 2.0 ** (2 * USUAL) else 0
        points = np.clip(points * 2.0**by, -LARGEST, LARGEST)  # so far from all others that it makes no difference
        y = builder.apply(Distances(), scaled(builder, x, by), builder.constant("support_vectors", points), name="distances")
        y = builder.apply(Mul(), y, builder.constant("minus_gamma", [[-gamma * 4.0**-by]]), name="exponents")
        return builder.apply(Exp(), y, name="kernel_values")
    if middle_of(vectors) is not None:
        builder.warn(
            f"features lie far from 0, where float32 loses what a {model.kernel} kernel makes of their differences: put a "
            "StandardScaler before it"
        )
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
    "SGDOneClassSVM": linear_one_class,
}
