"""Clusters and densities: k-means, Gaussian mixtures, the elliptic envelope."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.importers.sklearn.bayes import independent_gaussians
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.discriminant import gaussians
from skosh.importers.sklearn.framing import exponent_of, middle_of, moved, squarable, tamed
from skosh.importers.sklearn.outputs import asked, largest, positive
from skosh.ir.graph import Array
from skosh.ops.classical.distances import Distances
from skosh.ops.elements.elementwise import Mul
from skosh.ops.elements.functions import Sqrt
from skosh.ops.layers.dense import Dense
from skosh.ops.reductions.reductions import ArgMax
from skosh.ops.reductions.softmax import Softmax


def k_means(model: Any, builder: Builder, x: str) -> str:
    """The number of the nearest center. Before other steps, the distances to all centers.

    Of |x - c|^2 all but c.x - |c|^2 / 2 is the same for all centers; the library too leaves it out.
    """
    centers = np.asarray(model.cluster_centers_, np.float64)
    if not builder.last:
        x, points, scale = squarable(builder, x, centers, tame=False)
        y = builder.apply(Distances(), x, builder.constant("centers", points), name="distances")
        y = builder.apply(Sqrt(), y, name="roots")
        return y if scale == 1 else builder.apply(Mul(), y, builder.constant("unit", [[1 / scale]]), name="in_units")

    def label() -> str:
        middle = middle_of(centers)
        near, points = moved(builder, x, middle), centers if middle is None else centers - middle
        power = exponent_of(points)
        near = tamed(builder, near, 90 + power)
        scaled = points * 2.0**-power
        bias = -0.5 * (points * scaled).sum(axis=1)
        scores = builder.apply(
            Dense(), near, builder.constant("centers", scaled), builder.constant("half_squares", bias), name="scores"
        )
        return builder.apply(ArgMax(1), scores, name="label")

    return asked(builder, model, classes=_numbers(model.n_clusters), label=label)


def gaussian_mixture(model: Any, builder: Builder, x: str) -> str:
    """The number of the likeliest component; "proba": of all of them, [1, components], also when they are two."""
    return mixture(model, builder, x, np.log(model.weights_))


def bayesian_mixture(model: Any, builder: Builder, x: str) -> str:
    """The same, expected over what is not known of weights and precisions (Bishop 2006, 10.65 to 10.67)."""
    from scipy.special import digamma

    features = np.shape(model.means_)[1]
    freedom = np.broadcast_to(np.asarray(model.degrees_of_freedom_, np.float64), np.shape(model.weights_))
    log_lambda = features * np.log(2) + digamma(0.5 * (freedom - np.arange(features)[:, None])).sum(axis=0)
    spread = features / np.asarray(model.mean_precision_, np.float64)
    expected = 0.5 * (log_lambda - spread - features * np.log(freedom))
    return mixture(model, builder, x, np.asarray(model._estimate_log_weights()) + expected)


def mixture(model: Any, builder: Builder, x: str, log_weights: Array) -> str:
    """The likeliest of Gaussians with these logarithms of weights."""
    means, root = np.asarray(model.means_, np.float64), np.asarray(model.precisions_cholesky_, np.float64)

    def scores() -> str:
        if model.covariance_type in ("diag", "spherical"):
            variances = np.broadcast_to(root if root.ndim == 2 else root[:, None], means.shape) ** -2.0
            return independent_gaussians(builder, x, means, variances, log_weights)
        all_roots = root if root.ndim == 3 else root[None]
        log_det = np.log(np.diagonal(all_roots, axis1=1, axis2=2)).sum(axis=1)
        bias = log_weights + log_det - 0.5 * means.shape[1] * np.log(2 * np.pi)
        return gaussians(builder, x, means, [r.T for r in all_roots], bias)

    return asked(
        builder, model, classes=_numbers(len(means)), label=lambda: largest(builder, scores()),
        proba=lambda: builder.apply(Softmax(), scores(), name="probabilities"),
    )  # fmt: skip


def elliptic_envelope(model: Any, builder: Builder, x: str) -> str:
    """1 where -(squared Mahalanobis distance) - offset is 0 or more, else -1."""
    values, directions = np.linalg.eigh(np.asarray(model.get_precision(), np.float64))
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * directions.T  # precision = root.T root; some values may be 0

    def decision() -> str:
        return gaussians(builder, x, np.asarray(model.location_)[None], [root * 2**0.5], [-model.offset_])

    return asked(builder, model, classes=(-1, 1), label=lambda: positive(builder, decision(), ">="), decision=decision)


def _numbers(count: int) -> tuple[int, ...]:
    return tuple(range(count))


CONVERTERS = {
    "KMeans": k_means,
    "MiniBatchKMeans": k_means,
    "GaussianMixture": gaussian_mixture,
    "BayesianGaussianMixture": bayesian_mixture,
    "EllipticEnvelope": elliptic_envelope,
}
