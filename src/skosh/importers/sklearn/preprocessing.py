"""Steps before a model: norms, monomials, projections, selections, what to put where a number is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.importers.sklearn.bayes import binarized
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.framing import tamed
from skosh.importers.sklearn.linear import dense
from skosh.ops.classical.tables import Products
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Div, Sub
from skosh.ops.elements.functions import Abs, Sqrt, Square
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.gather import Gather
from skosh.ops.moves.movement import Concat
from skosh.ops.reductions.reductions import ReduceMax, Sum

SMALLEST_NORM = 10 * float(np.finfo(np.float64).eps)
"""Of a row that isn't left as it is: sklearn/preprocessing/_data.py, _handle_zeros_in_scale."""


def normalizer(model: Any, builder: Builder, x: str) -> str:
    """x / its norm: "l1", "l2" or "max"; a row whose norm is all but 0 stays, as the library has it. Rows are pulled in from
    where float32 could not hold their norm, which leaves their direction."""
    if model.norm != "max":
        x = tamed(builder, x, 60 if model.norm == "l2" else 100)
    if model.norm == "l2":
        total = builder.apply(Sum((1,), keep_dims=True), builder.apply(Square(), x, name="squares"), name="total")
        norm = builder.apply(Sqrt(), total, name="norm")
    else:
        reduce = Sum((1,), keep_dims=True) if model.norm == "l1" else ReduceMax((1,), keep_dims=True)
        norm = builder.apply(reduce, builder.apply(Abs(), x, name="magnitudes"), name="norm")
    least, one = builder.constant("least", [[SMALLEST_NORM]]), builder.constant("one", [[1.0]])
    empty = builder.apply(Compare("<"), norm, least, name="empty")
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
    """A number in place of each missing one. Features that had none in fitting are left out, as the library does.

    With indicators, behind them: 1 where a feature was missing.
    """
    try:
        fill = np.asarray(model.statistics_, np.float64)
    except ValueError:  # text: the codes of the encoder behind it say what stands for it
        if model.add_indicator:
            raise ModelError("SimpleImputer of text must have no indicator", hint="add_indicator=False") from None
        builder.fills[x] = np.asarray(model.statistics_, dtype=object).tolist()
        return x
    known = np.ones(len(fill), bool) if model.strategy == "constant" else ~np.isnan(fill)
    y = chosen(builder, x, np.flatnonzero(known))
    values = builder.constant("fill", fill[known][None])
    filled = builder.apply(Select(), absent(builder, y, model.missing_values), values, y, name="filled")
    if not model.add_indicator or len(model.indicator_.features_) == 0:
        return filled
    return builder.apply(Concat(1), filled, missing_indicator(model.indicator_, builder, x), name="joined")


def missing_indicator(model: Any, builder: Builder, x: str) -> str:
    """1 where one of the features that had missing values in fitting has one now, else 0."""
    if len(model.features_) == 0:
        raise ModelError("at least one feature must have missing values in fitting")
    gone = absent(builder, chosen(builder, x, model.features_), model.missing_values)
    return builder.apply(Cast(f32), gone, name="indicators")


def absent(builder: Builder, x: str, missing: Any) -> str:
    """bool, where x is missing."""
    if isinstance(missing, float) and np.isnan(missing):
        return builder.apply(Compare("!="), x, x, name="missing")  # only NaN differs from itself
    if isinstance(missing, int | float):
        return builder.apply(Compare("=="), x, builder.constant("marker", [[missing]]), name="missing")
    raise ModelError(f"missing values must be a number or NaN, not {missing!r}")


def binarizer(model: Any, builder: Builder, x: str) -> str:
    """1 where a feature is above the threshold, else 0."""
    return binarized(builder, x, model.threshold)


def fast_ica(model: Any, builder: Builder, x: str) -> str:
    """components . (x - mean)."""
    rows = np.asarray(model.components_, np.float64)
    mean = np.asarray(model.mean_) if model.whiten else np.zeros(rows.shape[1])
    x = builder.apply(Sub(), x, builder.constant("center", mean[None]), name="centered")
    return dense(builder, x, rows, 0.0, "projected")


def factor_analysis(model: Any, builder: Builder, x: str) -> str:
    """The expected factors given x: (1 + W' N W)^-1 W' N (x - mean), W the loadings, N the inverse noise (Bishop 12.2.4)."""
    loadings = np.asarray(model.components_, np.float64)
    weighed = loadings / np.asarray(model.noise_variance_)
    rows = np.linalg.solve(np.eye(len(loadings)) + weighed @ loadings.T, weighed)
    x = builder.apply(Sub(), x, builder.constant("center", np.asarray(model.mean_)[None]), name="centered")
    return dense(builder, x, rows, 0.0, "projected")


def random_projection(model: Any, builder: Builder, x: str) -> str:
    """components . x."""
    rows = model.components_
    return dense(builder, x, rows.toarray() if hasattr(rows, "toarray") else rows, 0.0, "projected")


def binned(model: Any, builder: Builder, x: str) -> str:
    """How many of a feature's inner edges it has reached; or 1 for that bin and 0 for the others."""
    inner = [np.asarray(e, np.float64)[1:-1] for e in model.bin_edges_]
    features = np.repeat(np.arange(len(inner)), [len(e) for e in inner])
    if len(features) == 0:
        raise ModelError("at least one feature must have two bins")
    spread = builder.apply(Gather(axis=1), x, builder.integers("features", features), name="spread")
    edges = np.concatenate(inner)
    upper = edges.astype(np.float32)
    upper = np.where(upper < edges, np.nextafter(upper, np.float32(np.inf)), upper)  # changes no comparison of float32 numbers
    reached = builder.apply(Compare(">="), spread, builder.constant("edges", upper[None]), name="reached")
    ones = builder.apply(Cast(f32), reached, name="ones")
    codes = dense(builder, ones, np.arange(len(inner))[:, None] == features, 0.0, "codes")
    if model.encode == "ordinal":
        return codes
    counts = [int(n) for n in model.n_bins_]
    return one_hot_of(builder, codes, [(f, k) for f, count in enumerate(counts) for k in range(count)])


def one_hot_of(builder: Builder, x: str, pairs: Any) -> str:
    """For each pair (feature, value), 1 where the feature has the value, else 0."""
    features = builder.integers("one_hot_features", [f for f, _ in pairs])
    spread = builder.apply(Gather(axis=1), x, features, name="one_hot_spread")
    same = builder.apply(Compare("=="), spread, builder.constant("categories", [[v for _, v in pairs]]), name="same")
    one, zero = builder.constant("one", [[1.0]]), builder.constant("zero", [[0.0]])
    return builder.apply(Select(), same, one, zero, name="one_hot")


CONVERTERS = {
    "MissingIndicator": missing_indicator,
    "FastICA": fast_ica,
    "FactorAnalysis": factor_analysis,
    "GaussianRandomProjection": random_projection,
    "SparseRandomProjection": random_projection,
    "KBinsDiscretizer": binned,
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
