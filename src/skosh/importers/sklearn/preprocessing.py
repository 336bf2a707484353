"""Steps before a model: norms, monomials, projections, selections, what to put where a number is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.bayes import binarized
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense
from skosh.ops.comparisons import Compare, Select
from skosh.ops.elementwise import Div, Sub
from skosh.ops.functions import Abs, Sqrt, Square
from skosh.ops.gather import Gather
from skosh.ops.reductions import ReduceMax, Sum
from skosh.ops.tables import Products


def normalizer(model: Any, builder: Builder, x: str) -> str:
    """x / its norm: "l1", "l2" or "max"; a row of zeros stays."""
    if model.norm == "l2":
        total = builder.apply(Sum((1,), keep_dims=True), builder.apply(Square(), x, name="squares"), name="total")
        norm = builder.apply(Sqrt(), total, name="norm")
    else:
        reduce = Sum((1,), keep_dims=True) if model.norm == "l1" else ReduceMax((1,), keep_dims=True)
        norm = builder.apply(reduce, builder.apply(Abs(), x, name="magnitudes"), name="norm")
    zero, one = builder.constant("zero", [[0.0]]), builder.constant("one", [[1.0]])
    empty = builder.apply(Compare("=="), norm, zero, name="empty")
    return builder.apply(Div(), x, builder.apply(Select(), empty, one, norm, name="divisor"), name="normalized")


def polynomial_features(model: Any, builder: Builder, x: str) -> str:
    """All monomials, in the library's order: each is a shorter one that comes before it times its last feature."""
    powers = [tuple(int(p) for p in row) for row in model.powers_]  # [outputs, features]
    place = {monomial: n for n, monomial in enumerate(powers)}
    left, right = [], []
    for monomial in powers:
        last = max((k for k, p in enumerate(monomial) if p), default=-1)
        rest = tuple(p - (k == last) for k, p in enumerate(monomial))
        if any(rest) and rest not in place:
            raise ModelError(
                "the degree of PolynomialFeatures must begin with 0 or 1", hint="give one number, not a range"
            )
        left.append(place[rest] if any(rest) else -1)
        right.append(last)
    return builder.apply(Products(tuple(left), tuple(right)), x, name="monomials")


def pca(model: Any, builder: Builder, x: str) -> str:
    """components . (x - mean), over the standard deviations when whitening."""
    rows = np.asarray(model.components_, np.float64)
    if model.whiten:
        deviation = np.sqrt(np.asarray(model.explained_variance_, np.float64))[:, None]
        rows = rows / np.maximum(deviation, np.finfo(np.float64).eps)
    x = builder.apply(Sub(), x, builder.constant("center", np.asarray(model.mean_)[None]), name="centered")
    return dense(builder, x, rows, 0.0, "projected")


def truncated_svd(model: Any, builder: Builder, x: str) -> str:
    """components . x."""
    return dense(builder, x, model.components_, 0.0, "projected")


def selection(model: Any, builder: Builder, x: str) -> str:
    """Some of the features."""
    return chosen(builder, x, model.get_support(indices=True))


def chosen(builder: Builder, x: str, indices: Any) -> str:
    """[1, len(indices)]: those features, in that order; x itself when it is all of them."""
    indices = np.asarray(indices)
    if len(indices) == 0:
        raise ModelError("at least one feature must be left")
    if np.array_equal(indices, np.arange(builder.tensors[x].shape[1])):
        return x
    return builder.apply(Gather(axis=1), x, builder.integers("features", indices), name="selected")


def simple_imputer(model: Any, builder: Builder, x: str) -> str:
    """A number in place of each missing one. Features that had none in fitting are left out, as the library does."""
    if model.add_indicator:
        raise ModelError("SimpleImputer must not add indicators", hint="add_indicator=False")
    try:
        fill = np.asarray(model.statistics_, np.float64)
    except ValueError:
        raise ModelError("SimpleImputer must fill in numbers, not text") from None
    known = np.ones(len(fill), bool) if model.strategy == "constant" else ~np.isnan(fill)
    y = chosen(builder, x, np.flatnonzero(known))
    values = builder.constant("fill", fill[known][None])
    missing = model.missing_values
    if isinstance(missing, float) and np.isnan(missing):
        gone = builder.apply(Compare("!="), y, y, name="missing")  # only NaN differs from itself
    elif isinstance(missing, int | float):
        gone = builder.apply(Compare("=="), y, builder.constant("marker", [[missing]]), name="missing")
    else:
        raise ModelError(f"missing values must be a number or NaN, not {missing!r}")
    return builder.apply(Select(), gone, values, y, name="filled")


def binarizer(model: Any, builder: Builder, x: str) -> str:
    """1 where a feature is above the threshold, else 0."""
    return binarized(builder, x, model.threshold)


CONVERTERS = {
    "Normalizer": normalizer,
    "PolynomialFeatures": polynomial_features,
    "PCA": pca,
    "IncrementalPCA": pca,
    "TruncatedSVD": truncated_svd,
    "SimpleImputer": simple_imputer,
    "Binarizer": binarizer,
    **dict.fromkeys(
        (
            "SelectKBest", "SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe", "GenericUnivariateSelect",
            "VarianceThreshold", "SelectFromModel", "RFE", "RFECV", "SequentialFeatureSelector",
        ),
        selection,
    ),
}  # fmt: skip
