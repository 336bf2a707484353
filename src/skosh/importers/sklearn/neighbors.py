"""Nearest neighbours and nearest centroids."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import u8, u16
from skosh.base.errors import ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.discriminant import difference
from skosh.importers.sklearn.framing import squarable
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import asked, columns, largest, likelihoods, positive, second
from skosh.ir.graph import Array
from skosh.ops.classical.distances import Distances
from skosh.ops.classical.neighbor_trees import NearestInTree
from skosh.ops.classical.neighbors import InverseWeights, Nearest, Votes
from skosh.ops.elements.elementwise import Add, Div, Maximum, Mul, Sub
from skosh.ops.elements.functions import Sqrt
from skosh.ops.layers.dense import BatchMatMul
from skosh.ops.moves.gather import Gather
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import ArgMin, Mean, Sum

METRICS = {
    "euclidean": "squared_euclidean", "l2": "squared_euclidean", "sqeuclidean": "squared_euclidean",
    "manhattan": "manhattan", "cityblock": "manhattan", "l1": "manhattan",
}  # fmt: skip


def classifier(model: Any, builder: Builder, x: str) -> str:
    """The class that most of the nearest are of, or that weighs most; of equals the first."""
    if model.outputs_2d_:
        raise ModelError(
            "each sample must have one label, not several at once", hint="fit one classifier for each label"
        )
    classes = len(model.classes_)

    def votes() -> str:
        index, weights = nearest(model, builder, x)
        labels = builder.integers("labels", np.asarray(model._y)[order_of(model)], u8 if classes <= 256 else u16)
        found = builder.apply(Gather(), labels, index, name="votes")
        return builder.apply(Votes(classes), found, *weights, name="counts")

    def proba() -> str:
        y = votes()
        total = builder.apply(Sum((1,), keep_dims=True), y, name="total")
        return second(builder, builder.apply(Div(), y, total, name="probabilities"))

    return asked(builder, model, label=lambda: largest(builder, votes()), proba=proba)


def regressor(model: Any, builder: Builder, x: str) -> str:
    """The mean of the nearest one's values, or their weighted mean."""
    values = np.asarray(model._y, np.float64)[order_of(model)]
    index, weights = nearest(model, builder, x)
    table = builder.constant("values", values.reshape(len(values), -1))
    found = builder.apply(Gather(), table, index, name="neighbours")  # [1, neighbors, targets]
    if weights:
        total = builder.apply(Sum((1,), keep_dims=True), weights[0], name="total")
        shares = builder.apply(Div(), weights[0], total, name="shares")
        y = builder.apply(BatchMatMul(), reshaped(builder, shares, (1, 1, -1)), found, name="sums")
        y = reshaped(builder, y, (1, -1))
    else:
        y = builder.apply(Mean((1,)), found, name="mean")
    return scalar(builder, y) if values.ndim == 1 else y


def novelty(model: Any, builder: Builder, x: str) -> str:
    """Local outlier factor: 1 where the density around a row is much as around its neighbours, else -1 (Breunig 2000).

    The mean of the neighbours' densities over the row's own, which is one over the mean of its distances to them, each at
    least what the neighbour's farthest one is.
    """
    if not model.novelty:
        raise ModelError("LocalOutlierFactor must be fitted to find novelties", hint="LocalOutlierFactor(novelty=True)")

    def decision() -> str:
        index, distance = found(model, builder, x, int(model.n_neighbors_))
        order, count = order_of(model), int(model.n_neighbors_)
        farthest = builder.constant("reach", np.asarray(model._distances_fit_X_)[order, count - 1])
        densities = builder.constant("densities", np.asarray(model._lrd)[order])
        reach = builder.apply(Maximum(), distance, builder.apply(Gather(), farthest, index, name="reaches"), name="reached")
        spread = builder.apply(Mean((1,), keep_dims=True), reach, name="spread")
        least = builder.constant("least", [[1e-10]])
        around = builder.apply(Gather(), densities, index, name="neighbours")
        around = builder.apply(Mean((1,), keep_dims=True), around, name="around")
        y = builder.apply(Mul(), around, builder.apply(Add(), spread, least, name="above_0"), name="factor")
        return builder.apply(Sub(), builder.constant("limit", [[-float(model.offset_)]]), y, name="decision")

    return asked(builder, model, classes=(-1, 1), label=lambda: positive(builder, decision(), ">="), decision=decision)


def found(model: Any, builder: Builder, x: str, count: int) -> tuple[str, str]:
    """(indices of the nearest samples [1, count] in the search's order, distances as the metric has them)."""
    metric = _metric(model)
    x, points, scale = squarable(builder, x, dense_samples(model))
    samples = builder.constant("samples", points[order_of(model)])
    op, tree = searched(model, builder, METRICS[metric], model._fit_X, points, scale, count)
    index, distance = builder.apply_all(op, x, samples, *tree, names=("nearest", "distance"))
    unit = 1 / scale
    if METRICS[metric] == "squared_euclidean":
        if metric == "sqeuclidean":
            unit = unit**2
        else:
            distance = builder.apply(Sqrt(), distance, name="roots")
    return index, distance if unit == 1 else builder.apply(Mul(), distance, builder.constant("unit", [[unit]]), name="in_units")


def dense_samples(model: Any) -> Array:
    """The samples that the model was fitted on. ModelError for sparse ones."""
    if not isinstance(model._fit_X, np.ndarray):
        raise ModelError("the samples must be dense, not sparse", hint="fit on X.toarray()")
    return model._fit_X


def nearest(model: Any, builder: Builder, x: str) -> tuple[str, tuple[str, ...]]:
    """(indices of the nearest samples [1, n_neighbors], their weights if they don't all weigh the same)."""
    metric = _metric(model)
    if model.weights not in ("uniform", "distance", None):
        raise ModelError('weights must be "uniform" or "distance", not a function')
    x, points, scale = squarable(builder, x, dense_samples(model))
    samples = builder.constant("samples", points[order_of(model)])
    op, tree = searched(model, builder, METRICS[metric], model._fit_X, points, scale, int(model.n_neighbors))
    index, distance = builder.apply_all(op, x, samples, *tree, names=("nearest", "distance"))
    if model.weights != "distance":
        return index, ()
    root = METRICS[metric] == "squared_euclidean" and metric != "sqeuclidean"
    return index, (builder.apply(InverseWeights(root), distance, name="weights"),)


def tree_of(model: Any) -> Any:
    """The library's search tree; made again from the samples, to the same one, where a file left only its shell."""
    if hasattr(model._tree, "get_arrays"):
        return model._tree
    from sklearn.neighbors import BallTree, KDTree

    kind = KDTree if model._fit_method == "kd_tree" else BallTree
    more = model.effective_metric_params_ or {}
    return kind(model._fit_X, leaf_size=model.leaf_size, metric=model.effective_metric_, **more)


def order_of(model: Any) -> Array:
    """[samples]: the order in which the search takes the samples: a tree's own, or as they were given."""
    if model._fit_method == "brute":
        return np.arange(len(model._fit_X))
    return np.asarray(tree_of(model).get_arrays()[1])


def searched(
    model: Any, builder: Builder, metric: str, given: Array, points: Array, scale: float, count: int
) -> tuple[Nearest, tuple[str, ...]]:
    """The operator that finds the neighbours, and the tables of the tree that it searches.

    Which of equally near samples are neighbours depends on the order of the search, so it is the library's. The tree's bounds
    are moved and scaled as the samples ``given`` were to become ``points``.
    """
    if model._fit_method == "brute":
        return Nearest(count, metric), ()
    _, _, nodes, bounds = tree_of(model).get_arrays()
    if len(nodes) == 1:  # a tree that is one leaf
        return Nearest(count, metric), ()
    balls = model._fit_method == "ball_tree"
    moved = given[0] * scale - points[0]
    low = builder.constant("tree_low", bounds[0] * scale - moved)
    high = builder.constant("tree_high", nodes["radius"][:, None] * scale if balls else bounds[1] * scale - moved)
    spans = builder.integers("tree_spans", np.stack([nodes["idx_start"], nodes["idx_end"]], axis=1))
    return NearestInTree(count, metric, balls), (low, high, spans)


def _metric(model: Any) -> str:
    """The name of the metric in use; a ModelError for one that isn't known."""
    metric, p = model.effective_metric_, model.effective_metric_params_.get("p")
    if metric == "minkowski":
        metric = {1: "manhattan", 2: "euclidean"}.get(p, f"minkowski with p = {p}")
    if not isinstance(metric, str) or metric not in METRICS or model.effective_metric_params_.get("w") is not None:
        raise ModelError(
            f"the metric must be euclidean or manhattan, not {metric if isinstance(metric, str) else 'a function'}"
        )
    return metric


def reshaped(builder: Builder, x: str, shape: tuple[int, ...]) -> str:
    """x under a shape of which one size may be -1."""
    full = np.empty(builder.tensors[x].shape, np.bool_).reshape(shape).shape
    return builder.apply(Reshape(full), x, name="shaped")


def nearest_centroid(model: Any, builder: Builder, x: str) -> str:
    """The class of the nearest centroid; where priors differ, of the largest 2 log prior - (scaled distance)^2."""
    if model.metric not in ("euclidean", "manhattan"):
        raise ModelError(f'the metric must be "euclidean" or "manhattan", not {model.metric!r}')
    centroids, prior = np.asarray(model.centroids_, np.float64), np.asarray(model.class_prior_)
    metric = METRICS[model.metric]

    def scores() -> str:
        deviation = np.where(model.within_class_std_dev_ == 0, 1.0, model.within_class_std_dev_)
        if metric == "manhattan":
            scale = builder.constant("inverse_deviation", 1 / deviation[None])
            scaled = builder.apply(Mul(), x, scale, name="scaled")
            y = builder.apply(
                Distances(metric), scaled, builder.constant("centroids", centroids / deviation), name="distances"
            )
            y = builder.apply(Mul(), y, y, name="squares")
        else:
            factors = builder.constant("factors", np.broadcast_to(1 / deviation, centroids.shape))
            y = builder.apply(Distances(), x, builder.constant("centroids", centroids), factors, name="distances")
        return builder.apply(Sub(), builder.constant("log_prior", 2 * np.log(prior)[None]), y, name="scores")

    def label() -> str:
        if not np.isclose(prior, 1 / len(prior)).all():
            return largest(builder, scores())
        near, points, _ = squarable(builder, x, centroids)
        y = builder.apply(Distances(metric), near, builder.constant("centroids", points), name="distances")
        return builder.apply(ArgMin(1), y, name="label")

    def decision() -> str:
        y = scores()
        return difference(builder, y) if columns(builder, y) == 2 else y

    def proba() -> str:
        return likelihoods(builder, scores())

    if metric == "manhattan":
        return asked(builder, model, label=label)
    return asked(builder, model, label=label, proba=proba, decision=decision)


CONVERTERS = {
    "KNeighborsClassifier": classifier,
    "KNeighborsRegressor": regressor,
    "LocalOutlierFactor": novelty,
    "NearestCentroid": nearest_centroid,
}
