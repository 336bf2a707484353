"""LightGBM: a fitted Booster, LGBMClassifier or LGBMRegressor, as sums of trees.

LightGBM compares in float64 with <=, as scikit-learn does. NaN goes where a node says that was fitted with missing
values; at other nodes it counts as 0 (``missing=True`` compiles that too). Options as for scikit-learn's trees.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import InputError, ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.sklearn.trees import scores
from skosh.importers.tree_sets import Ranges, whole_numbers, with_ranges
from skosh.importers.trees import Tree, fixed_point, forest, real
from skosh.ir.graph import Graph
from skosh.ops.functions import Exp

FILE = "<lightgbm>"

IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
LOGARITHM = ("poisson", "gamma", "tweedie")


def load(source: Any, name: str | None = None, output: str | None = None, **options: Any) -> Graph:
    """A Graph of what ``predict`` gives for a row; of a classifier's Booster that is its probabilities.

    output: "label", "proba" or "decision" (the raw score), for classifiers.
    """
    if output is not None and output not in OUTPUTS:
        raise InputError(f'output must be "label", "proba" or "decision", not {output!r}', loc=FILE)
    builder = Builder(FILE, output)
    builder.options = options
    try:
        value = convert(source, builder)
    except ModelError as error:
        raise ModelError(error.message, loc=error.loc or FILE, hint=error.hint) from error
    if unknown := sorted(set(options) - builder.taken):
        raise InputError(f'{type(source).__name__} has no option "{unknown[0]}"', loc=FILE)
    return builder.graph(name or "lightgbm", value)


def convert(source: Any, builder: Builder) -> str:
    """Trees, and the link that the objective puts behind them."""
    if hasattr(source, "__sklearn_is_fitted__") and not source.__sklearn_is_fitted__():
        raise ModelError(f"{type(source).__name__} must be fitted", hint="call its fit method first")
    model = (source.booster_ if hasattr(source, "booster_") else source).dump_model()
    objective, *settings = model.get("objective", "none").split()
    if objective not in (*IDENTITY, *LOGARITHM, "binary", "multiclass") or "sqrt" in settings:
        what = " ".join([objective, *settings])
        raise ModelError(f"the objective {what} is not compiled", hint="use a regression, binary or multiclass one")
    groups, infos = model["num_tree_per_iteration"], model["tree_info"]
    read = [read_tree(info["tree_structure"]) for info in infos]
    trees = [t for k in range(groups) for t, _ in read[k::groups]]
    each = groups / len(trees) if model.get("average_output") else 1.0
    leaves, bias, step = fixed_point(trees, np.zeros(groups), each)
    x = builder.input("x", (1, model["max_feature_idx"] + 1))
    sided = bool(builder.take("missing", any(fitted_with_nan for _, fitted_with_nan in read)))
    sums = forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
    if objective in ("binary", "multiclass"):
        sigmoid = next((float(s.partition(":")[2]) for s in settings if s.startswith("sigmoid:")), 1.0)
        default = "label" if hasattr(source, "classes_") else "proba"
        classes = getattr(source, "classes_", np.arange(max(2, groups)))
        return scores(source, builder, sums, step, sigmoid, above=0, default=default, classes=classes)
    y = real(builder, sums, step, "values")
    if objective in LOGARITHM:
        y = builder.apply(Exp(), y, name="exponentials")
    return scalar(builder, y)


def read_tree(root: dict[str, Any]) -> tuple[Tree, bool]:
    """(one tree of the dumped model, whether a node was fitted with NaN)."""
    feature: list[int] = []
    limit: list[float] = []
    left: list[int] = []
    right: list[int] = []
    missing: list[bool] = []
    visits: list[int] = []
    value: list[float] = []
    sets: dict[int, Ranges] = {}
    with_nan, waiting = False, [(root, -1, left)]
    while waiting:
        node, parent, side = waiting.pop()
        if parent >= 0:
            side[parent] = len(feature)
        inner = "split_feature" in node
        threshold = float(node["threshold"]) if inner and node["decision_type"] == "<=" else 0.0
        if inner and node["decision_type"] not in ("<=", "=="):
            raise ModelError(f"a split must be <= or ==, not {node['decision_type']}")
        if inner and node["decision_type"] == "==":  # cut off to a whole number, a category of the list goes left
            listed = (int(c) for c in str(node["threshold"]).split("||"))
            sets[len(feature)] = whole_numbers(listed, left=True, nan_left=False, from_below=True)
        if inner and node["decision_type"] == "<=" and node["missing_type"] == "Zero":
            raise ModelError("0 must not stand for what is missing", hint="fit with zero_as_missing=False")
        if "leaf_const" in node:
            raise ModelError("leaves must hold numbers, not linear models", hint="fit with linear_tree=False")
        by_flag = inner and node["missing_type"] == "NaN"
        with_nan |= by_flag
        here = len(feature)
        feature.append(node.get("split_feature", 0))
        limit.append(threshold)
        left.append(-1)
        right.append(-1)
        missing.append(bool(node["default_left"]) if by_flag else threshold >= 0)
        visits.append(node.get("internal_count", node.get("leaf_count", 0)))
        value.append(float(node.get("leaf_value", 0.0)))
        if inner:
            waiting += [(node["right_child"], here, right), (node["left_child"], here, left)]
    made = Tree(
        np.array(feature), np.array(limit), np.array(left), np.array(right), np.array(missing), np.array(visits),
        np.array(value)[:, None],
    )  # fmt: skip
    return with_ranges(made, sets), with_nan
