"""XGBoost: a fitted Booster, XGBClassifier, XGBRegressor or their forests, or a file that one saved, as sums of trees.

XGBoost goes left where x < a float32 threshold: that is x <= the float32 number below it. NaN goes where each node says
(``missing=False`` leaves that out, which is faster). Other options as for scikit-learn's trees. XGBoost adds float32
leaves in float32; here they are integers, see ``importers.trees.fixed_point``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import InputError, ModelError
from skosh.base.files import read_bytes
from skosh.importers.saved import named, place, read_text, well_formed
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import scalar
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.sklearn.trees import scores
from skosh.importers.tree_sets import whole_numbers, with_ranges
from skosh.importers.trees import Tree, fixed_point, forest, real
from skosh.importers.ubjson import read_ubjson
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.activations import Logistic
from skosh.ops.elements.functions import Exp

FILE = "<xgboost>"

IDENTITY = ("reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror")
LOGISTIC = ("binary:logistic", "binary:logitraw", "reg:logistic")
SEVERAL = ("multi:softprob", "multi:softmax")
LOGARITHM = ("count:poisson", "reg:gamma", "reg:tweedie")


def load(source: Any, name: str | None = None, output: str | None = None, **options: Any) -> Graph:
    """A Graph of what ``predict`` gives for a row; of a classifier's Booster that is its probabilities.

    output: "label", "proba" or "decision" (the sum before its link), for classifiers.
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
    return builder.graph(name or named(source, "xgboost"), value)


def convert(source: Any, builder: Builder) -> str:
    """Trees, and the link that the objective puts behind them."""
    if isinstance(source, str | Path):
        path = Path(source)
        with well_formed("XGBoost", str(source)):
            return converted(source, described(path)["learner"], builder)
    booster = source
    if hasattr(source, "get_booster"):
        if not source.__sklearn_is_fitted__():
            raise ModelError(f"{type(source).__name__} must be fitted", hint="call its fit method first")
        if not (isinstance(source.missing, float) and math.isnan(source.missing)):
            raise ModelError(
                f"only NaN may stand for what is missing, not {source.missing}", hint="fit with missing=np.nan"
            )
        booster = source.get_booster()
    return converted(source, json.loads(booster.save_raw("json"))["learner"], builder)


def described(path: Path) -> Any:
    """The model as XGBoost's JSON tells it, from a file of that or of its binary form (UBJSON), which skosh reads itself."""
    if path.suffix.lower() == ".ubj":
        found = read_ubjson(read_bytes(path))
    else:
        text = read_text(path, "XGBoost")
        spend("nodes", text.count("{") + text.count("["), "the model")
        found = json.loads(text)
    return found


def converted(source: Any, learner: dict[str, Any], builder: Builder) -> str:
    """A learner as XGBoost's JSON describes it."""
    objective, shape = learner["objective"]["name"], learner["learner_model_param"]
    if objective not in (*IDENTITY, *LOGISTIC, *SEVERAL, *LOGARITHM):
        raise ModelError(
            f"the objective {objective} is not compiled", hint="use a regression, binary or multi-class one"
        )
    if int(shape.get("num_target", 1)) > 1:
        raise ModelError("each sample must have one target, not several", hint="fit one model for each target")
    groups = max(1, int(shape["num_class"]))
    early = learner.get("attributes", {}).get("best_iteration")
    rounds = getattr(source, "best_iteration", None) if early and hasattr(source, "get_booster") else None
    trees = read(learner["gradient_booster"], groups, None if rounds is None else rounds + 1)
    if not groups <= max(1, len(trees)):
        raise ModelError(f"there must be trees for each of {groups:,} classes, not {len(trees)} in all")
    base = np.broadcast_to(np.atleast_1d(json.loads(shape["base_score"])).astype(np.float64), groups)
    leaves, bias, step = fixed_point(trees, margin(base, objective))
    x = builder.input("x", (1, int(shape["num_feature"])))
    if names := learner.get("feature_names"):
        builder.notes["features"] = tuple(str(n) for n in names)
    sided = bool(builder.take("missing", True))
    sums = forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
    return linked(source, builder, sums, step, objective, groups)


def linked(source: Any, builder: Builder, sums: str, step: float, objective: str, groups: int) -> str:
    if objective in SEVERAL or (objective in LOGISTIC and objective != "reg:logistic"):
        default = "label" if hasattr(source, "classes_") or objective == "multi:softmax" else "proba"
        classes = getattr(source, "classes_", np.arange(max(2, groups)))
        default = "decision" if objective == "binary:logitraw" and default == "proba" else default
        return scores(source, builder, sums, step, 1.0, above=0, default=default, classes=classes)
    y = real(builder, sums, step, "values")
    if objective == "reg:logistic":
        y = builder.apply(Logistic(), y, name="shares")
    if objective in LOGARITHM:
        y = builder.apply(Exp(), y, name="exponentials")
    return scalar(builder, y)


def margin(base: Array, objective: str) -> Array:
    """base_score, which is in the units of the prediction, as what the trees' sums begin with."""
    if objective in LOGISTIC:
        return np.asarray(np.log(base / (1 - base)))
    return np.log(base) if objective in LOGARITHM else base


def read(gradient_booster: dict[str, Any], groups: int, rounds: int | None) -> list[Tree]:
    """All trees of the first class, then those of the second, and so on. rounds: how many of the boosting rounds count."""
    weights = gradient_booster.get("weight_drop")
    kind = gradient_booster["name"]
    if kind not in ("gbtree", "dart"):
        raise ModelError(f"the booster must be gbtree or dart, not {kind}")
    model = gradient_booster["gbtree"]["model"] if kind == "dart" else gradient_booster["model"]
    count = len(model["trees"])
    if not set(map(int, model["tree_info"])) <= set(range(min(groups, count))):
        raise ModelError(f"each tree must be of one of the {groups:,} classes")
    if rounds is not None:
        count = min(count, rounds * groups * int(model["gbtree_model_param"]["num_parallel_tree"]))
    made = [read_tree(t, 1.0 if weights is None else weights[i]) for i, t in enumerate(model["trees"][:count])]
    return [t for _, t in sorted(zip(model["tree_info"], made, strict=False), key=itemgetter(0))]  # stable: in order


def read_tree(tree: dict[str, Any], weight: float) -> Tree:
    """One tree of the model's JSON; split_conditions holds thresholds, and the values of leaves."""
    if int(tree["tree_param"].get("size_leaf_vector") or 1) > 1:
        raise ModelError(
            "a leaf must hold one value, not several", hint='fit with multi_strategy="one_output_per_tree"'
        )
    left, right = np.array(tree["left_children"], np.int64), np.array(tree["right_children"], np.int64)
    condition = np.array(tree["split_conditions"], np.float32)
    leaf = left < 0
    with np.errstate(over="ignore", under="ignore"):
        limit = np.where(leaf, 0.0, np.nextafter(condition, np.float32(-np.inf)).astype(np.float64))
    weights = np.nan_to_num(np.array(tree["sum_hessian"], np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(0.0)
    visits = np.rint(weights / max(weights.max(), 1e-30) * 1e6).astype(np.int64)
    value = np.where(leaf, condition.astype(np.float64) * weight, 0.0)[:, None]
    feature = np.where(leaf, 0, np.array(tree["split_indices"], np.int64))
    missing = np.array(tree["default_left"]).astype(bool)
    made = Tree(feature, limit, left, right, missing, visits, value)
    return with_ranges(made, {n: whole_numbers(c, left=False, nan_left=bool(missing[n])) for n, c in categories(tree)})


def categories(tree: dict[str, Any]) -> Iterator[tuple[int, list[int]]]:
    """(node, its categories): what is one of them goes right, all else left, and what is missing as elsewhere."""
    for n, start, size in zip(
        tree.get("categories_nodes", ()), tree.get("categories_segments", ()), tree.get("categories_sizes", ()),
        strict=True,
    ):  # fmt: skip
        yield int(n), tree["categories"][int(start) : int(start) + int(size)]
