"""Ensembles of whatever was fitted: boosted by weights, bagged, and isolation forests. Those of trees are one Forest.

What fitting left: ``estimators_``; ``estimator_weights_`` (AdaBoost); ``estimators_features_``, the columns that each
member of a bag sees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.composite import joined, mean
from skosh.importers.sklearn.linear import dense, scalar
from skosh.importers.sklearn.outputs import asked, columns, largest, positive
from skosh.importers.sklearn.preprocessing import chosen
from skosh.importers.sklearn.trees import missing, read, shares_outputs
from skosh.importers.trees import Tree, fixed_point, forest, label, real
from skosh.ir.graph import Array
from skosh.ops.classical.neighbors import Votes
from skosh.ops.elements.activations import Logistic
from skosh.ops.elements.elementwise import Mul, Sub
from skosh.ops.elements.functions import Exp
from skosh.ops.moves.movement import Concat
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.medians import WeightedMedian
from skosh.ops.reductions.softmax import Softmax

# ------------------------------------------------------------------------------------------------------- AdaBoost


def boosted_classifier(model: Any, builder: Builder, x: str) -> str:
    """SAMME (Zhu, Zou, Rosset, Hastie 2009): a member adds its weight to the class that it names, and takes the (K - 1)-th
    part of it from each other. The largest sum wins; of two classes the sign of the second one's decides."""
    classes, weights = len(model.classes_), _weights(model)
    each = np.full((classes, classes), -1.0 / max(classes - 1, 1)) + np.eye(classes) * (1 + 1.0 / max(classes - 1, 1))

    def sums() -> tuple[str, float]:
        trees = [_named(t, e, model) for t, e in zip(_trees(model), model.estimators_, strict=True)]
        weighed = [replace(t, value=w * each[t.value[:, 0].astype(int)]) for t, w in zip(trees, weights, strict=True)]
        if classes == 2:
            weighed = [replace(t, value=2 * t.value[:, 1:]) for t in weighed]
        leaves, bias, step = fixed_point(weighed, np.zeros(weighed[0].value.shape[1]))
        kind = "groups" if classes == 2 else "rows"
        rows = [v[:, 0] for v in leaves] if classes == 2 else leaves
        return forest(builder, x, trees, rows, bias, kind, sided=missing(builder, model)), step

    def decision() -> str:
        if _of_trees(model):
            return real(builder, *sums(), "scores")
        labels = [builder.part(e, x, f"member_{n}", output="label") for n, e in enumerate(model.estimators_)]
        counts = _counted(builder, labels, classes, weights)
        if classes == 2:
            return dense(builder, counts, [[-2.0, 2.0]], 0.0, "scores")
        return dense(builder, counts, each, 0.0, "scores")

    def index() -> str:
        if _of_trees(model):
            return label(builder, sums()[0])
        y = decision()
        return positive(builder, y) if classes == 2 else largest(builder, y)

    def proba() -> str:
        y = decision()
        if classes == 2:
            return builder.apply(Logistic(), y, name="probabilities")
        y = builder.apply(Mul(), y, builder.constant("part", [[1 / (classes - 1)]]), name="parts")
        return builder.apply(Softmax(), y, name="probabilities")

    if classes < 2:
        if not _of_trees(model):
            raise ModelError("there must be two classes at least", hint="fit on samples of both")
        trees = _trees(model)
        nothing = [np.zeros(len(t.left), np.int64) for t in trees]

        def only(what: str, plus: float) -> str:
            sums = forest(builder, x, trees, nothing, [0], "groups", sided=missing(builder, model))
            if what == "label":
                return builder.apply(Reshape((1,)), sums, name=what)
            return real(builder, sums, 1.0, what, plus=plus)

        return asked(builder, model, label=lambda: only("label", 0), proba=lambda: only("probabilities", 1))
    return asked(builder, model, label=index, decision=decision, proba=proba)


def boosted_regressor(model: Any, builder: Builder, x: str) -> str:
    """The weighted median of what the members say (Drucker 1997)."""
    weights = tuple(np.rint(_weights(model) * (1 << 30)).astype(np.int64).tolist())
    if _of_trees(model):
        sided, trees = missing(builder, model), _trees(model)
        leaves, bias, step = fixed_point(trees, np.zeros(len(trees)))
        values = forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
        middle = builder.apply(WeightedMedian(weights), values, name="median")
        return scalar(builder, real(builder, middle, step, "values"))
    rows = [
        builder.apply(Reshape((1, 1)), builder.part(e, x, f"member_{n}"), name=f"value_{n}")
        for n, e in enumerate(model.estimators_)
    ]
    return scalar(builder, builder.apply(WeightedMedian(weights), joined(builder, rows), name="median"))


def _weights(model: Any) -> Array:
    """Of the members, with the sum 1."""
    weights = np.asarray(model.estimator_weights_[: len(model.estimators_)], np.float64)
    total = float(np.asarray(model.estimator_weights_, np.float64).sum())
    if not total > 0 or not np.isfinite(weights).all():
        raise ModelError("the members' weights must be finite and have a sum above 0")
    return np.asarray(weights / total)


def _named(tree: Tree, estimator: Any, model: Any) -> Tree:
    """The tree with the number of the class that each leaf names, the first of equals."""
    place = np.searchsorted(model.classes_, estimator.classes_)
    return replace(tree, value=place[tree.value.argmax(axis=1)][:, None])


# -------------------------------------------------------------------------------------------------------- bagging


def bagged_classifier(model: Any, builder: Builder, x: str) -> str:
    """The mean of members' probabilities; the votes of those that give none."""
    classes = len(model.classes_)
    if _of_trees(model):
        weights = [np.asarray(e.tree_.weighted_n_node_samples) for e in model.estimators_]
        trees = [_all_classes(t, e, classes) for t, e in zip(_trees(model), model.estimators_, strict=True)]
        return shares_outputs(builder, model, x, trees, weights, missing(builder, model))
    for e in model.estimators_:
        if len(e.classes_) != classes:
            raise ModelError("every member must have seen all classes", hint="fit with more samples for each member")

    def proba() -> str:
        made = [(e, chosen(builder, x, f), f"member_{n}") for n, (e, f) in enumerate(_members(model))]
        if hasattr(model.estimators_[0], "predict_proba"):
            rows = [builder.part(e, y, n, output="proba") for e, y, n in made]
            y = mean(builder, rows, np.ones(len(rows)))
            return builder.apply(Reshape((1, columns(builder, rows[0]))), y, name="probabilities")
        labels = [builder.part(e, y, n, output="label") for e, y, n in made]
        counts = _counted(builder, labels, classes, np.ones(len(labels)) / len(labels))
        return dense(builder, counts, [[0.0, 1.0]], 0.0, "probabilities") if classes == 2 else counts

    def index() -> str:
        y = proba()
        if classes > 2:
            return largest(builder, y)
        return positive(builder, dense(builder, y, [[1.0]], -0.5, "advantage"))

    return asked(builder, model, label=index, proba=proba)


def bagged_regressor(model: Any, builder: Builder, x: str) -> str:
    """The mean of what the members say."""
    if _of_trees(model):
        trees = _trees(model)
        leaves, bias, step = fixed_point(trees, np.zeros(1), 1 / len(trees))
        sided = missing(builder, model)
        sums = forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
        return scalar(builder, real(builder, sums, step, "values"))
    rows = []
    for n, (e, features) in enumerate(_members(model)):
        y = builder.part(e, chosen(builder, x, features), f"member_{n}")
        rows.append(builder.apply(Reshape((1, 1)), y, name=f"value_{n}"))
    return scalar(builder, mean(builder, rows, np.ones(len(rows))))


def _members(model: Any) -> list[tuple[Any, Array]]:
    """(estimator, its columns)."""
    everything = np.arange(model.n_features_in_)
    features = getattr(model, "estimators_features_", [everything] * len(model.estimators_))
    return list(zip(model.estimators_, map(np.asarray, features), strict=True))


def _all_classes(tree: Tree, estimator: Any, classes: int) -> Tree:
    """Class shares with a column for each class of the bag: a member may have seen some of them only."""
    value = np.zeros((len(tree.value), classes))
    value[:, np.asarray(estimator.classes_).astype(np.int64)] = tree.value
    return replace(tree, value=value)


# ----------------------------------------------------------------------------------------------- isolation forests


def isolation_forest(model: Any, builder: Builder, x: str) -> str:
    """1 for what takes long to isolate, else -1 (Liu, Ting, Zhou 2008): the score is -2^(-mean depth / c(samples)).

    The label compares the sum of depths with a number, so it needs no power. Samples whose score is the offset itself, as
    a percentile of the training scores is, count as inside, and so does what is nearer than rounding could tell.
    """
    trees = _trees(model)
    depths = [
        np.asarray(depth, np.float64) + np.asarray(rest, np.float64) - 1.0
        for depth, rest in zip(model._decision_path_lengths, model._average_path_length_per_tree, strict=True)
    ]
    trees = [replace(t, value=d[:, None]) for t, d in zip(trees, depths, strict=True)]
    leaves, bias, step = fixed_point(trees, np.zeros(1))
    scale = len(trees) * float(average_path_length(model._max_samples))

    def sums() -> str:
        rows = [v[:, 0] for v in leaves]
        return forest(builder, x, trees, rows, bias, "groups", sided=missing(builder, model))

    def decision() -> str:
        y = real(builder, sums(), -step * math.log(2) / scale, "exponents")
        y = builder.apply(Exp(), y, name="anomaly")
        return builder.apply(Sub(), builder.constant("minus_offset", [[-model.offset_]]), y, name="decision")

    def index() -> str:
        if not -1 <= model.offset_ < 0:
            raise ModelError(f"the offset must be in [-1, 0), not {model.offset_}")
        least = -scale * math.log2(-model.offset_) / step - (len(trees) + 1) / 2
        return label(builder, sums(), above=math.ceil(least) - 1)

    return asked(builder, model, classes=(-1, 1), label=index, decision=decision)


def average_path_length(samples: float) -> float:
    """c(n): the mean depth of a search tree's failed searches (Liu, Ting, Zhou 2008, equation 1)."""
    if samples <= 2:
        return float(samples == 2)
    return float(2.0 * (math.log(samples - 1.0) + np.euler_gamma) - 2.0 * (samples - 1.0) / samples)


# ---------------------------------------------------------------------------------------------------------- shared


def _of_trees(model: Any) -> bool:
    return all(hasattr(e, "tree_") for e in model.estimators_)


def _trees(model: Any) -> list[Tree]:
    """The members' trees, on the ensemble's own columns."""
    made = []
    for e, features in _members(model):
        if getattr(e, "n_outputs_", 1) > 1:
            raise ModelError("each sample must have one target, not several", hint="fit one model for each target")
        t = read(e.tree_, lambda t: t.value[:, 0, :])
        made.append(replace(t, feature=np.where(t.left < 0, 0, features[np.maximum(t.feature, 0)])))
    return made


def _counted(builder: Builder, labels: Sequence[str], classes: int, weights: Array) -> str:
    """[1, classes]: the weights of the members that name each class."""
    stacked = builder.apply(Concat(0), *labels, name="votes") if len(labels) > 1 else labels[0]
    row = builder.apply(Reshape((1, len(labels))), stacked, name="row")
    return builder.apply(Votes(classes), row, builder.constant("weights", weights[None]), name="counts")


CONVERTERS = {
    "AdaBoostClassifier": boosted_classifier,
    "AdaBoostRegressor": boosted_regressor,
    "BaggingClassifier": bagged_classifier,
    "BaggingRegressor": bagged_regressor,
    "IsolationForest": isolation_forest,
}
