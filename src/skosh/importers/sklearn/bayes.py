"""Naive Bayes: the joint log-likelihood of each class, its softmax, its largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.framing import within_densities
from skosh.importers.sklearn.linear import dense
from skosh.importers.sklearn.outputs import asked, largest, likelihoods
from skosh.ir.graph import Array
from skosh.ops.classical.distances import Distances
from skosh.ops.classical.tables import AddRows
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Sub

Scores = Callable[[Any, Builder, str], str]


def gaussian(model: Any, builder: Builder, x: str) -> str:
    """log prior - sum of log(2 pi var) / 2 - sum of (x - mean)^2 / (2 var)."""
    return independent_gaussians(builder, x, model.theta_, model.var_, np.log(model.class_prior_))


def independent_gaussians(
    builder: Builder, x: str, means: Any, variances: Any, log_weights: Any, absolute: bool = False
) -> str:
    """[1, N]: the log-density of each Gaussian with independent features, plus its log weight. means, variances: [N, K].

    If not absolute, perhaps less a number that all of them share.
    """
    variances = np.asarray(variances, np.float64)
    if not np.all(variances > 0):
        raise ModelError("the variance of every feature must be above 0", hint="raise var_smoothing")
    means, factors = np.asarray(means, np.float64), (2 * variances) ** -0.5
    bias = np.asarray(log_weights) - 0.5 * np.log(2 * np.pi * variances).sum(axis=1)
    x, near = within_densities(builder, x, means, float(factors.max()), np.sqrt(variances).min(axis=0))
    c, w = builder.constant("means", near), builder.constant("factors", factors)
    relative = not absolute and largest_exponent(means, variances) > EXACT_BELOW
    y = builder.apply(Distances(relative=relative), x, c, w, name="distances")
    return builder.apply(Sub(), builder.constant("log_weight", bias[None]), y, name="log_likelihoods")


EXACT_BELOW = 1e5
"""Exponents that float32 holds to about 1/100, enough for what is likely at all; beyond, sums are kept in two parts."""


def largest_exponent(means: Array, variances: Array) -> float:
    """How far out usual data may be: the exponent of one Gaussian where another one's features are, 3 deviations away."""
    reach = 3 * np.sqrt(variances)
    span = (means + reach).max(axis=0) - (means - reach).min(axis=0)
    return float((span**2 / (2 * variances)).sum(axis=1).max())


def multinomial(model: Any, builder: Builder, x: str) -> str:
    """log prior + sum of x * log probability."""
    return likelihoods_of_counts(builder, x, model.feature_log_prob_, model.class_log_prior_)


def complement(model: Any, builder: Builder, x: str) -> str:
    """The sum of x * weight, where weights come from what the other classes have."""
    prior = model.class_log_prior_ if len(model.classes_) == 1 else np.zeros(len(model.classes_))
    return likelihoods_of_counts(builder, x, model.feature_log_prob_, prior)


def bernoulli(model: Any, builder: Builder, x: str) -> str:
    """Features are 0 or 1; log prior + the sum of the log probability of what each is."""
    absent = np.log1p(-np.exp(model.feature_log_prob_))
    if model.binarize is not None:
        x = binarized(builder, x, model.binarize)
    return likelihoods_of_counts(
        builder, x, model.feature_log_prob_ - absent, model.class_log_prior_ + absent.sum(axis=1)
    )


def likelihoods_of_counts(builder: Builder, x: str, weights: Any, bias: Any) -> str:
    """[1, classes]: weights . x + bias less their mean over the classes. What all classes share decides nothing, and without
    it float32 has more bits for what does."""
    return dense(builder, x, without_mean(weights), without_mean(bias), "log_likelihoods")


def without_mean(values: Any) -> Array:
    """[classes, ...]: the values less their mean over the classes."""
    exact = np.asarray(values, np.float64)
    return np.asarray(exact - exact.mean(axis=0))


def binarized(builder: Builder, x: str, threshold: float) -> str:
    """1.0 where x > threshold, else 0.0. The threshold is rounded down to float32, which changes no comparison."""
    level = np.float32(threshold)
    if level > threshold:
        level = np.nextafter(level, np.float32(-np.inf))
    above = builder.apply(Compare(">"), x, builder.constant("threshold", [[level]]), name="above")
    one, zero = builder.constant("one", [[1.0]]), builder.constant("zero", [[0.0]])
    return builder.apply(Select(), above, one, zero, name="binary")


def categorical(model: Any, builder: Builder, x: str) -> str:
    """log prior + the log probability of each feature's category. Beyond the known categories, the last one."""
    tables = [np.asarray(t).T for t in model.feature_log_prob_]  # [categories, classes] each
    table, bias = (
        builder.constant("table", np.concatenate(tables)),
        builder.constant("log_prior", model.class_log_prior_),
    )
    return builder.apply(AddRows(tuple(len(t) for t in tables)), x, table, bias, name="log_likelihoods")


def classifier(scores: Scores) -> Callable[[Any, Builder, str], str]:
    """The converter for a model with these joint log-likelihoods."""

    def convert(model: Any, builder: Builder, x: str) -> str:
        return asked(
            builder,
            model,
            label=lambda: largest(builder, scores(model, builder, x)),
            proba=lambda: likelihoods(builder, scores(model, builder, x)),
        )

    return convert


CONVERTERS = {
    "GaussianNB": classifier(gaussian),
    "MultinomialNB": classifier(multinomial),
    "ComplementNB": classifier(complement),
    "BernoulliNB": classifier(bernoulli),
    "CategoricalNB": classifier(categorical),
}
