"""Discriminant analysis: linear, and quadratic with one Gaussian a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.framing import within_densities
from skosh.importers.sklearn.linear import dense
from skosh.importers.sklearn.outputs import asked, columns, largest, likelihoods, logistic, winner
from skosh.ir.graph import Array
from skosh.ops.classical.distances import TriangularQuadratics
from skosh.ops.elements.elementwise import Sub
from skosh.ops.moves.movement import Slice


def linear(model: Any, builder: Builder, x: str) -> str:
    """Scores coef . x + intercept. Before other steps, the projection that tells the classes apart."""
    if not builder.last:
        return _projection(model, builder, x)

    def decision() -> str:
        return dense(builder, x, model.coef_, model.intercept_, "scores")

    def proba() -> str:
        y = decision()
        return logistic(builder, y) if columns(builder, y) == 1 else likelihoods(builder, y)

    return asked(builder, model, label=lambda: winner(builder, decision()), proba=proba, decision=decision)


def _projection(model: Any, builder: Builder, x: str) -> str:
    """(x - mean) . scalings, as ``transform``."""
    if model.solver == "lsqr":
        raise ModelError('LinearDiscriminantAnalysis before other steps must have solver "svd" or "eigen", not "lsqr"')
    rows = np.asarray(model.scalings_)[:, : model._max_components].T
    if model.solver == "svd":
        x = builder.apply(Sub(), x, builder.constant("center", model.xbar_[None]), name="centered")
    return dense(builder, x, rows, 0.0, "projected")


def quadratic(model: Any, builder: Builder, x: str) -> str:
    """log prior - (log |covariance| + squared Mahalanobis distance) / 2 of each class."""
    if getattr(model, "rotations_", None) is None or any(r is None for r in model.rotations_):
        raise ModelError('QuadraticDiscriminantAnalysis must have solver "svd"')
    weights = [(r * np.asarray(s) ** -0.5).T for r, s in zip(model.rotations_, model.scalings_, strict=True)]
    bias = np.log(model.priors_) - 0.5 * np.array([np.log(s).sum() for s in model.scalings_])

    def scores() -> str:
        return gaussians(builder, x, model.means_, weights, bias)

    def decision() -> str:
        y = scores()
        return difference(builder, y) if columns(builder, y) == 2 else y

    return asked(
        builder, model, label=lambda: largest(builder, scores()), proba=lambda: likelihoods(builder, scores()),
        decision=decision,
    )  # fmt: skip


def gaussians(builder: Builder, x: str, means: Any, weights: list[Any], bias: Any) -> str:
    """[1, N]: bias[n] - |weights[n] (x - means[n])|^2 / 2. weights: one [R, K] each, or one for all.

    Only |W z| matters, so each W is replaced by the triangle of its QR decomposition: half the numbers.
    """
    triangles = [np.linalg.qr(np.asarray(w, np.float64) * 0.5**0.5, mode="r") for w in weights]
    rows = {len(t) for t in triangles}
    if len(rows) > 1:
        raise ModelError(
            f"the covariances of all classes must have one rank, not {' and '.join(map(str, sorted(rows)))}"
        )
    packed: Array = np.stack([np.concatenate([row[r:] for r, row in enumerate(t)]) for t in triangles])
    steepest = max(float(np.linalg.norm(t, 2)) for t in triangles)
    x, near = within_densities(builder, x, means, steepest, 1 / steepest if steepest > 0 else 0.0)
    c, w = builder.constant("means", near), builder.constant("triangles", packed)
    y = builder.apply(TriangularQuadratics(rows.pop()), x, c, w, name="mahalanobis")
    return builder.apply(Sub(), builder.constant("log_weight", np.asarray(bias)[None]), y, name="log_likelihoods")


def difference(builder: Builder, y: str) -> str:
    """[1, 1] from [1, 2]: the second less the first."""
    first, second = (
        builder.apply(Slice((0, i), (1, 1), (1, 1), (1, 1)), y, name=n) for i, n in enumerate(("first", "second"))
    )
    return builder.apply(Sub(), second, first, name="decision")


CONVERTERS = {"LinearDiscriminantAnalysis": linear, "QuadraticDiscriminantAnalysis": quadratic}
