"""LightGBM: a fitted Booster, LGBMClassifier or LGBMRegressor, or a model that one saved as text, as sums of trees.

LightGBM compares in float64 with <=, as scikit-learn does. NaN goes where a node says that was fitted with missing
values; at other nodes it counts as 0 (``missing=True`` compiles that too). Options as for scikit-learn's trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.errors import InputError, ModelError
from skosh.importers.saved import named, place, read_text, well_formed
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.sklearn.trees import scores
from skosh.importers.tree_sets import whole_numbers, with_ranges
from skosh.importers.trees import Tree, fixed_point, forest, real
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.functions import Exp

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
        raise ModelError(error.message, loc=error.loc or place(source, FILE), hint=error.hint) from error
    if unknown := sorted(set(options) - builder.taken):
        what = "the file" if isinstance(source, str | Path) else type(source).__name__
        raise InputError(f'{what} has no option "{unknown[0]}"', loc=place(source, FILE))
    return builder.graph(name or named(source, "lightgbm"), value)


def convert(source: Any, builder: Builder) -> str:
    """Trees, and the link that the objective puts behind them."""
    if hasattr(source, "__sklearn_is_fitted__") and not source.__sklearn_is_fitted__():
        raise ModelError(f"{type(source).__name__} must be fitted", hint="call its fit method first")
    if isinstance(source, str | Path):
        text = read_text(Path(source), "LightGBM")
        with well_formed("LightGBM", f"{source}"):
            return converted(source, Model.of(text), builder)
    booster = source.booster_ if hasattr(source, "booster_") else source
    return converted(source, Model.of(booster.model_to_string()), builder)


def converted(source: Any, model: Model, builder: Builder) -> str:
    """The model, and what its objective makes of the sums."""
    objective, *settings = model.head.get("objective", "none").split()
    if objective not in (*IDENTITY, *LOGARITHM, "binary", "multiclass") or "sqrt" in settings:
        what = " ".join([objective, *settings])
        raise ModelError(f"the objective {what} is not compiled", hint="use a regression, binary or multiclass one")
    groups = int(model.head["num_tree_per_iteration"])
    read = [read_tree(tree) for tree in model.trees]
    if not read or groups < 1 or len(read) % groups:
        raise ModelError(f"there must be a multiple of {groups} trees, not {len(read)}")
    trees = [t for k in range(groups) for t, _ in read[k::groups]]
    each = groups / len(trees) if "average_output" in model.head else 1.0
    leaves, bias, step = fixed_point(trees, np.zeros(groups), each)
    x = builder.input("x", (1, int(model.head["max_feature_idx"]) + 1))
    names = model.head.get("feature_names", "").split()
    if any(n != f"Column_{i}" for i, n in enumerate(names)):  # else LightGBM made them up
        builder.notes["features"] = tuple(names)
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


@dataclass(frozen=True)
class Model:
    """A saved model: text of lines ``key=value``, the model's own, then those of each tree after its line ``Tree=n``."""

    head: dict[str, str]
    trees: tuple[dict[str, str], ...]

    @staticmethod
    def of(text: str) -> Model:
        lines = text.splitlines()
        if not lines or lines[0].strip() != "tree":
            raise ModelError(
                'a model that LightGBM saved must begin with the line "tree"', hint="booster.save_model(path)"
            )
        head: dict[str, str] = {}
        trees: list[dict[str, str]] = []
        here = head
        for line in lines:
            if line.strip() == "end of trees":
                return Model(head, tuple(trees))
            key, _, value = line.partition("=")
            if key == "Tree":
                here = {}
                trees.append(here)
            here[key.strip()] = value
        raise ModelError('a model that LightGBM saved must have a line "end of trees"', hint="the file is cut off")


CATEGORICAL, DEFAULT_LEFT, ZERO, NAN = 1, 2, 4, 8
"""Bits of a node's decision_type; of the last two, which number stands for what is missing, one is set at the most."""


def read_tree(tree: Mapping[str, str]) -> tuple[Tree, bool]:
    """(one tree of the file, whether a node was fitted with NaN). Leaves stand behind the nodes."""
    if int(tree.get("is_linear", 0)):
        raise ModelError("leaves must hold numbers, not linear models", hint="fit with linear_tree=False")

    def numbers(key: str, dtype: Any, size: int) -> Array:
        found = np.array([dtype(n) for n in tree.get(key, "").split()], dtype)
        if len(found) != size:
            raise ModelError(f"{key} of a tree must be {size} numbers, not {len(found)}")
        return found

    leaves = int(tree["num_leaves"])
    inner = leaves - 1
    feature, kind = numbers("split_feature", int, inner), numbers("decision_type", int, inner)
    threshold = numbers("threshold", float, inner)
    left, right = (
        np.where(c < 0, inner - 1 - c, c)
        for c in (numbers("left_child", int, inner), numbers("right_child", int, inner))
    )
    if inner and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= inner + leaves):
        raise ModelError("every child must be a node or a leaf")
    of_set = kind & CATEGORICAL != 0
    if ((kind & ZERO != 0) & ~of_set).any():
        raise ModelError("0 must not stand for what is missing", hint="fit with zero_as_missing=False")
    by_flag = kind & NAN != 0
    sets = {}
    if of_set.any():
        count = int(tree["num_cat"])
        ends = numbers("cat_boundaries", int, count + 1)
        words = numbers("cat_threshold", int, int(ends[-1]))
        for n in np.flatnonzero(of_set):
            which = int(threshold[n])
            mine = words[int(ends[which]) : int(ends[which + 1])].tolist()
            listed = [32 * w + b for w, word in enumerate(mine) for b in range(32) if word >> b & 1]
            sets[int(n)] = whole_numbers(listed, left=True, nan_left=False, from_below=True)
    ends_here = np.full(leaves, -1)
    zeros = np.zeros(leaves)
    visits = [numbers(key, float, size) if key in tree else np.zeros(size)
              for key, size in (("internal_count", inner), ("leaf_count", leaves))]  # fmt: skip
    made = Tree(
        np.concatenate([feature, zeros.astype(int)]),
        np.concatenate([np.where(of_set, 0.0, threshold), zeros]),
        np.concatenate([left, ends_here]),
        np.concatenate([right, ends_here]),
        np.concatenate([np.where(by_flag, kind & DEFAULT_LEFT != 0, threshold >= 0), zeros.astype(bool)]).astype(bool),
        np.concatenate(visits).astype(np.int64),
        np.concatenate([np.zeros(inner), numbers("leaf_value", float, leaves)])[:, None],
    )
    return with_ranges(made, sets), bool(by_flag.any())
