"""Estimators made of others, side by side: columns with transformers of their own, unions of features, votes."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.outputs import asked, columns, largest, positive
from skosh.importers.sklearn.preprocessing import chosen
from skosh.ir.graph import Array
from skosh.ops.classical.neighbors import Votes
from skosh.ops.elements.elementwise import Mul
from skosh.ops.moves.movement import Concat
from skosh.ops.moves.reshape import Reshape


def column_transformer(model: Any, builder: Builder, x: str) -> str:
    """Each transformer's columns through it, the results behind one another."""
    results = []
    for name, transformer, which in model.transformers_:
        indices = column_indices(model, which)
        if len(indices) == 0 or (isinstance(transformer, str) and transformer == "drop"):
            continue
        kept, builder.prefix = builder.prefix, f"{builder.prefix}_{name}" if builder.prefix else name
        y = chosen(builder, x, indices)
        builder.prefix = kept
        results.append(y if isinstance(transformer, str) else builder.part(transformer, y, name))
    return joined(builder, results)


def column_indices(model: Any, which: Any) -> Array:
    """Column numbers from what a ColumnTransformer takes: numbers, names, a mask, a slice; one of them alone too."""
    count = model.n_features_in_
    if isinstance(which, slice):
        ends = [_number(model, e) if isinstance(e, str) else e for e in (which.start, which.stop)]
        if isinstance(which.stop, str):
            ends[1] += 1  # a slice of names includes its end
        return np.arange(count)[slice(ends[0], ends[1], which.step)]
    listed = np.asarray([which] if isinstance(which, str | int) else which)
    if listed.dtype == bool:
        return np.flatnonzero(listed)
    if listed.dtype.kind in "iu" or listed.size == 0:
        return np.asarray(listed.astype(np.int64) % count)
    return np.array([_number(model, n) for n in listed])


def _number(model: Any, name: Any) -> int:
    return int(np.flatnonzero(np.asarray(model.feature_names_in_) == name)[0])


def feature_union(model: Any, builder: Builder, x: str) -> str:
    """The results of all transformers, each times its weight, behind one another."""
    results = []
    for name, transformer in model.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        y = x if isinstance(transformer, str) else builder.part(transformer, x, name)
        weight = (model.transformer_weights or {}).get(name, 1.0)
        results.append(
            y if weight == 1 else builder.apply(Mul(), y, builder.constant("weight", [[weight]]), name="weighed")
        )
    return joined(builder, results)


def joined(builder: Builder, parts: list[str]) -> str:
    """Rows behind one another; a ModelError when there are none."""
    if not parts:
        raise ModelError("at least one column must be left")
    return parts[0] if len(parts) == 1 else builder.apply(Concat(1), *parts, name="joined")


# ---------------------------------------------------------------------------------------------------------------- votes


def voting_classifier(model: Any, builder: Builder, x: str) -> str:
    """Soft: the weighted mean of probabilities. Hard: the class with most votes, weighted; of equals the first."""
    _check_last(model, builder)
    weights = model_weights(model)
    if model.voting == "hard":

        def hard() -> str:
            labels = [builder.part(e, x, n, output="label") for n, e in members(model)]
            stacked = builder.apply(Concat(0), *labels, name="votes") if len(labels) > 1 else labels[0]
            row = builder.apply(Reshape((1, len(labels))), stacked, name="row")
            counts = builder.apply(
                Votes(len(model.classes_)), row, builder.constant("weights", weights[None]), name="counts"
            )
            return largest(builder, counts)

        return asked(builder, model, label=hard)

    def proba() -> str:
        rows = [builder.part(e, x, n, output="proba") for n, e in members(model)]
        y = mean(builder, rows, weights)
        return builder.apply(Reshape((1, columns(builder, rows[0]))), y, name="probabilities")

    def label() -> str:
        y = proba()
        if columns(builder, y) > 1:
            return largest(builder, y)
        return positive(builder, dense(builder, y, [[1.0]], -0.5, "advantage"))

    return asked(builder, model, label=label, proba=proba)


def voting_regressor(model: Any, builder: Builder, x: str) -> str:
    """The weighted mean of predictions."""
    _check_last(model, builder)
    rows = []
    for name, estimator in members(model):
        y = builder.part(estimator, x, name)
        rows.append(builder.apply(Reshape((1, 1)), y, name="value"))
    return scalar(builder, mean(builder, rows, model_weights(model)))


def mean(builder: Builder, rows: list[str], weights: Array) -> str:
    """[N, 1]: the weighted mean of rows [1, N], as one product."""
    count = columns(builder, rows[0])
    row = joined(builder, rows)
    shares = weights / weights.sum()
    spread = np.concatenate([np.eye(count) * s for s in shares], axis=1)  # [N, members * N]
    return dense(builder, row, spread, 0.0, "mean")


def members(model: Any) -> list[tuple[str, Any]]:
    """(name, fitted estimator) of those that were not dropped."""
    names = [n for n, e in model.estimators if not (isinstance(e, str) and e == "drop")]
    return list(zip(names, model.estimators_, strict=True))


def model_weights(model: Any) -> Array:
    """One weight for each member that was not dropped."""
    given = model._weights_not_none
    return np.ones(len(model.estimators_)) if given is None else np.asarray(given, np.float64)


def _check_last(model: Any, builder: Builder) -> None:
    if not builder.last:
        raise ModelError(f"{model.__class__.__name__} predicts, so it must be the last step", hint="compile it alone")


CONVERTERS = {
    "ColumnTransformer": column_transformer,
    "FeatureUnion": feature_union,
    "VotingClassifier": voting_classifier,
    "VotingRegressor": voting_regressor,
}
