"""Trees and their ensembles: the same leaf for every float32 input, and the same sums.

scikit-learn compares float32(x) <= a float64 threshold; the threshold rounded down to float32 says the same.

Options of ``skosh.load``, beside ``output``:
features="int8", "uint8" or "int16": the model's input holds integers. Fewer instructions, less flash, still exact.
form="table" (small), "code" (nested ifs: fast), "mixed" (half of the nodes, those that are visited most, as ifs), or the share
that becomes ifs, from 0 to 1; left out, what is modelled to suit the target and the aim: see ``lower.forest_forms``.
missing=True: NaN goes where the library sends it. That is so anyway where trees were fitted with NaN, which shows in them.

Class shares of leaves are integers: see ``importers.trees.shares`` for how exact, ``fixed_point`` for other values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.frames import is_missing
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import asked
from skosh.importers.sklearn.several import labels_of_groups
from skosh.importers.tree_sets import Ranges, below, ranges_of, with_ranges
from skosh.importers.trees import Tree, fixed_point, fixed_points, float32_loses, forest, label, real, shares
from skosh.ir.graph import Array
from skosh.ops.elements.activations import Logistic
from skosh.ops.elements.functions import Exp
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.softmax import Softmax


def classifier(model: Any, builder: Builder, x: str) -> str:
    """A tree, or the mean of trees' class shares."""
    sided, made = missing(builder, model), _estimators(model)
    if model.n_outputs_ > 1:
        counts = [int(n) for n in model.n_classes_]

        def every(t: Any) -> Any:
            return np.concatenate([t.value[:, o, :n] for o, n in enumerate(counts)], axis=1)

        both = [read(e.tree_, every) for e in made]
        leaves, _ = shares(both, [np.asarray(e.tree_.weighted_n_node_samples) for e in made])
        sums = forest(builder, x, both, leaves, [0] * sum(counts), "rows", sided=sided)
        return labels_of_groups(builder, sums, model.classes_, model)
    trees = [read(e.tree_, lambda t: t.value[:, 0, :]) for e in made]
    weights = [np.asarray(e.tree_.weighted_n_node_samples) for e in made]

    return shares_outputs(builder, model, x, trees, weights, sided)


def shares_outputs(
    builder: Builder, model: Any, x: str, trees: Sequence[Tree], weights: Sequence[Array], sided: bool
) -> str:
    """The mean of trees' class shares, or the class where it is largest."""

    def proba() -> str:
        sums, one = _shares(builder, x, trees, weights, sided)
        if len(model.classes_) == 2:
            return real(builder, sums, 0.5 / (one * len(trees)), "probabilities", plus=0.5)
        return real(builder, sums, 1 / (one * len(trees)), "probabilities")

    def index() -> str:
        if len(model.classes_) == 1:  # whatever the trees say
            sums = forest(builder, x, trees, [np.zeros(len(t.left), np.int64) for t in trees], [0], "groups", sided=sided)
            return builder.apply(Reshape((1,)), sums, name="label")
        if len(trees) > 1:
            return label(builder, _shares(builder, x, trees, weights, sided)[0])
        sums = forest(builder, x, trees, [trees[0].value.argmax(axis=1)], [0], "groups", sided=sided)
        return builder.apply(Reshape((1,)), sums, name="label")

    return asked(builder, model, label=index, proba=proba)


def _shares(
    builder: Builder, x: str, trees: Sequence[Tree], weights: Sequence[Array], sided: bool
) -> tuple[str, float]:
    """(sums of class shares, what stands for 1). Pure leaves are votes; two classes need one sum: share 1 - share 0."""
    classes = trees[0].value.shape[1]
    if classes > 2 and all((t.value[t.left < 0].max(axis=1) == 1).all() for t in trees):
        votes = [t.value.argmax(axis=1) for t in trees]
        return forest(builder, x, trees, votes, [0] * classes, "votes", sided=sided), 1
    leaves, one = shares(trees, weights)
    if classes > 2:
        return forest(builder, x, trees, leaves, [0] * classes, "rows", sided=sided), one
    turned = [v[:, 1] - v[:, 0] if classes == 2 else v[:, 0] for v in leaves]
    return forest(builder, x, trees, turned, [0], "groups", sided=sided), one


def regressor(model: Any, builder: Builder, x: str) -> str:
    """A tree's values, or their mean over trees."""
    sided, made = missing(builder, model), _estimators(model)
    trees = [read(e.tree_, lambda t: t.value[:, :, 0]) for e in made]
    if model.n_outputs_ > 1:
        leaves, bias, steps = fixed_points(trees, np.zeros(model.n_outputs_), 1 / len(trees))
        return real(builder, forest(builder, x, trees, leaves, bias, "rows", sided=sided), steps, "values")
    leaves, bias, step = fixed_point(trees, np.zeros(1), 1 / len(trees))
    sums = forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
    return scalar(builder, real(builder, sums, step, "values"))


# ------------------------------------------------------------------------------------------------------- boosting


def boosted_classifier(model: Any, builder: Builder, x: str) -> str:
    """Raw scores are sums; their logistic or softmax are probabilities. At a score of 0 the second class wins."""
    sums, step = _boosted(model, builder, x, missing(builder, model))
    return scores(model, builder, sums, step, 2.0 if model.loss == "exponential" else 1.0, above=-1)


def boosted_regressor(model: Any, builder: Builder, x: str) -> str:
    sided = missing(builder, model)
    return scalar(builder, real(builder, *_boosted(model, builder, x, sided), "values"))


def _boosted(model: Any, builder: Builder, x: str, sided: bool) -> tuple[str, float]:
    kind = type(model.init_).__name__
    if not isinstance(model.init_, str) and not kind.startswith("Dummy"):
        raise ModelError(f'init must be None or "zero", not {kind}', hint="fit without init")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))[0]
    made = model.estimators_.T.reshape(-1)  # all trees of one class, then those of the next
    trees = [read(e.tree_, lambda t: t.value[:, :, 0]) for e in made]
    leaves, bias, step = fixed_point(trees, start, model.learning_rate)
    return forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided), step


def histogram_classifier(model: Any, builder: Builder, x: str) -> str:
    sums, step = _histogram(model, builder, x, missing(builder, model))
    return scores(model, builder, sums, step, 1.0, above=0)


def histogram_regressor(model: Any, builder: Builder, x: str) -> str:
    """The sum of the trees' values; of a Poisson or gamma regression its exponential."""
    sided = missing(builder, model)
    y = real(builder, *_histogram(model, builder, x, sided), "values")
    if model.loss in ("poisson", "gamma"):
        y = builder.apply(Exp(), y, name="exponentials")
    return scalar(builder, y)


def _histogram(model: Any, builder: Builder, x: str, sided: bool) -> tuple[str, float]:
    rounds = model._predictors
    known = _categories(model, builder, x)
    trees = [read_histogram(p[k], known) for k in range(len(rounds[0])) for p in rounds]
    bins = {n: np.asarray(b, np.float64) for n, b in enumerate(model._bin_mapper.bin_thresholds_) if len(b)}
    spans = {int(n if known is None else known.columns[n]): (float(b.min()), float(b.max())) for n, b in bins.items()}
    if told := float32_loses(trees, spans, [str(n) for n in getattr(model, "feature_names_in_", ())]):
        builder.warn(told)
    leaves, bias, step = fixed_point(trees, np.asarray(model._baseline_prediction).reshape(-1))
    return forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided), step


def scores(
    model: Any, builder: Builder, sums: str, step: float, link: float, *, above: int, default: str = "label",
    classes: Any = None,
) -> str:  # fmt: skip
    """Sums as a label, as scores, or as probabilities: logistic(link * score), or softmax of several.

    above: the integer that one sum must be above for the second class.
    """
    single = builder.tensors[sums].shape == (1, 1)

    def proba() -> str:
        y = real(builder, sums, step * (link if single else 1.0), "scores")
        return builder.apply(Logistic() if single else Softmax(), y, name="probabilities")

    return asked(
        builder, model, default, classes,
        label=lambda: label(builder, sums, above=above), proba=proba, decision=lambda: real(builder, sums, step, "scores"),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------------- reading


def read(tree: Any, value: Callable[[Any], Any]) -> Tree:
    """A fitted ``tree_``: its arrays."""
    left, right = np.asarray(tree.children_left, np.int64), np.asarray(tree.children_right, np.int64)
    sides = np.asarray(getattr(tree, "missing_go_to_left", np.zeros(len(left)))).astype(bool)  # since scikit-learn 1.3
    limit = np.where(left < 0, 0.0, tree.threshold)
    visits = np.asarray(tree.n_node_samples)
    return Tree(np.asarray(tree.feature), limit, left, right, sides, visits, np.asarray(value(tree), np.float64))


def read_histogram(predictor: Any, known: Categories | None = None) -> Tree:
    """The records of a histogram predictor, with its sets of categories as ranges."""
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    limit = np.where(leaf, 0.0, nodes["num_threshold"])
    sides = nodes["missing_go_to_left"].astype(bool)
    feature = np.where(leaf, 0, nodes["feature_idx"].astype(np.int64))
    sets: dict[int, Ranges] = {}
    if known is not None:
        for n in np.flatnonzero(nodes["is_categorical"] & ~leaf):
            bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][n]]
            codes = enumerate(known.values[int(feature[n])])
            points = [(below(v), v, bool(bits[code // 32] >> (code % 32) & 1)) for code, v in codes]
            sets[int(n)] = ranges_of(points, bool(sides[n]), bool(sides[n]))
        feature = known.columns[feature]
    made = Tree(feature, limit, left, right, sides, nodes["count"].astype(np.int64), nodes["value"][:, None])
    return with_ranges(made, sets)


@dataclass(frozen=True, eq=False)
class Categories:
    """What a histogram model does with columns before its trees see them. columns: [features], the model's own of each that
    the trees count; values: the numbers that stand for categories, of the first of them."""

    columns: Array
    values: tuple[tuple[float, ...], ...]


def _categories(model: Any, builder: Builder, x: str) -> Categories | None:
    """Of a model with categorical columns: their codes are their places among the values seen, all else is missing. Of text the
    model's input holds the codes."""
    encoder = getattr(model, "_preprocessor", None)
    if encoder is None:
        return None
    chosen = np.asarray(model.is_categorical_, bool)
    values = []
    for column, found in zip(np.flatnonzero(chosen), encoder.named_transformers_["encoder"].categories_, strict=True):
        if np.asarray(found).dtype.kind not in "biuf":
            listed = [c for c in np.asarray(found, dtype=object).tolist() if not is_missing(c)]
            builder.told_categories(x, int(column), listed, float("nan"), float("nan"))
            values.append(tuple(float(n) for n in range(len(listed))))
            continue
        numbers = np.asarray(found, np.float64)
        values.append(tuple(float(v) for v in numbers[~np.isnan(numbers)]))
    return Categories(np.concatenate([np.flatnonzero(chosen), np.flatnonzero(~chosen)]), tuple(values))


def missing(builder: Builder, model: Any) -> bool:
    """Whether NaN goes where the trees say: as asked, or when the trees were fitted with it.

    Without NaN in fitting, NaN is sent to the child that saw more samples: another choice shows that there was some.
    """
    asked = builder.take("missing", None)
    if asked is not None:
        return bool(asked)
    if hasattr(model, "_predictors"):
        if getattr(model, "_preprocessor", None) is not None:
            return True  # categories that were never seen are missing
        found = [(n["left"], n["right"], n["count"], n["missing_go_to_left"], n["is_leaf"]) for p in model._predictors
                 for n in (q.nodes for q in p)]  # fmt: skip
    else:
        fitted = [e.tree_ for e in _estimators(model)]
        found = [
            (t.children_left, t.children_right, t.n_node_samples, t.missing_go_to_left, t.children_left < 0)
            for t in fitted if hasattr(t, "missing_go_to_left")
        ]  # fmt: skip
    return any(_unusual(*map(np.asarray, arrays)) for arrays in found)


def _unusual(left: Any, right: Any, count: Any, goes_left: Any, leaf: Any) -> bool:
    inner = np.flatnonzero(leaf == 0)
    more = count[left[inner]] > count[right[inner]]
    return bool(np.any(more != goes_left[inner].astype(bool)))


def _estimators(model: Any) -> Sequence[Any]:
    made = getattr(model, "estimators_", None)
    return [model] if made is None else list(np.asarray(made, dtype=object).reshape(-1))


CONVERTERS = {
    **dict.fromkeys(
        ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"), classifier
    ),
    **dict.fromkeys(
        ("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor"), regressor
    ),
    "GradientBoostingClassifier": boosted_classifier,
    "GradientBoostingRegressor": boosted_regressor,
    "HistGradientBoostingClassifier": histogram_classifier,
    "HistGradientBoostingRegressor": histogram_regressor,
}
