"""XGBoost: a fitted Booster, XGBClassifier, XGBRegressor or their forests, or a file that one saved, as sums of trees.

XGBoost goes left where x < a float32 threshold: that is x <= the float32 number below it. NaN goes where each node says
(``missing=False`` leaves that out, which is faster). Other options as for scikit-learn's trees. XGBoost adds float32
leaves in float32; here they are integers, see ``importers.trees.fixed_point``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import InputError, ModelError
from skosh.base.files import read_bytes
from skosh.importers.boosters import Link, Sums, answer, original, with_nan, without_nan
from skosh.importers.fields import Fields
from skosh.importers.frames import Column, Frame
from skosh.importers.originals import Original
from skosh.importers.saved import named, place, read_text, well_formed
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.linear import dense
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.tree_sets import whole_numbers, with_ranges
from skosh.importers.trees import Tree, constant_tree, fixed_point, fixed_points, forest
from skosh.importers.ubjson import read_ubjson
from skosh.ir.graph import Array, Graph

FILE = "<xgboost>"

LOGISTIC = ("binary:logistic", "reg:logistic")
LOGARITHM = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox")
LINKS = {
    (
        "reg:squarederror", "reg:linear", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror",
        "reg:squaredlogerror", "rank:pairwise", "rank:ndcg", "rank:map",
    ): Link("identity"),
    ("binary:logistic", "reg:logistic"): Link("logistic"),
    ("binary:logitraw",): Link("identity", middle=0.5),  # XGBClassifier compares the sum itself with 0.5
    ("binary:hinge",): Link("step"),
    ("multi:softprob",): Link("softmax"),
    ("multi:softmax",): Link("class"),
    LOGARITHM: Link("exp"),
}  # fmt: skip
"""What ``predict`` makes of the sums (the objectives' ``PredTransform`` in XGBoost's src/objective/)."""


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
    parts = Fields(learner, "the learner")
    objective = str(parts.take("objective")["name"])  # its other fields tell of fitting
    attributes = parts.take("attributes", {})
    shape = Fields(parts.take("learner_model_param"), "learner_model_param")
    names, kinds = parts.take("feature_names", []), parts.take("feature_types", [])
    gradient_booster = parts.take("gradient_booster")
    parts.done()
    targets, classes = int(shape.take("num_target", 1)), int(shape.take("num_class", 0))
    groups = max(1, targets, classes)
    features = int(shape.take("num_feature"))
    spend("elements", groups + max(features, 0), "classes and features")
    given = shape.take("base_score")
    base = np.broadcast_to(np.atleast_1d(json.loads(given)).astype(np.float64), groups)
    shape.ignore(("boost_from_average",))
    shape.done()
    link = _link(objective, targets)

    x = builder.input("x", (1, features))
    absent = getattr(source, "missing", math.nan) if hasattr(source, "get_booster") else math.nan
    if not isinstance(absent, int | float):
        raise ModelError(f"what stands for missing values must be a number, not {absent!r}")
    y = with_nan(builder, x, float(absent))
    if gradient_booster["name"] == "gblinear":
        sums = Sums(linear(builder, y, gradient_booster, features, margin(base, objective)), None)
        frame = framed(names, kinds, features, [])
    else:
        rounds = getattr(source, "best_iteration", None) if "best_iteration" in attributes and hasattr(
            source, "get_booster") else None  # fmt: skip
        trees, vectors, known = read(gradient_booster, groups, None if rounds is None else rounds + 1)
        frame = framed(names, kinds, features, known)
        if any("\ufffd" in str(c) for column in known for c in column or ()):
            builder.warn("XGBoost cut the text of categories that aren't plain ASCII when it stored them, so they can't be "
                         "told by name. Hint: fit with ASCII names, or give codes")  # fmt: skip
        sums = summed(builder, y, trees, vectors, margin(base, objective), apart=targets > 1)
    put_frame(builder, frame)
    out = answer(builder, source, sums, link, labels_apart=targets > 1 and link.kind == "logistic")
    builder.notes["library"] = asked_of(source, builder, frame)
    return out


def summed(builder: Builder, x: str, trees: Sequence[Tree], vectors: bool, bias: Array, *, apart: bool) -> Sums:
    """The sum over trees of one leaf value each, in groups, or of leaves that hold a vector each. apart: the sums are targets
    with units of their own, not scores to be compared."""
    sided = bool(builder.take("missing", True))
    if not trees:  # no round of boosting, or none that counts
        builder.take("features", None), builder.take("form", None)
        trees = [constant_tree(0.0)] * (1 if vectors else len(bias))
    step: float | Array
    leaves, bias, step = (fixed_points if apart else fixed_point)(trees, bias)
    if vectors:
        return Sums(forest(builder, x, trees, leaves, bias, "rows", sided=sided), step)
    return Sums(forest(builder, x, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided), step)


def linear(builder: Builder, x: str, gradient_booster: dict[str, Any], features: int, base: Array) -> str:
    """gblinear: weights of each feature, then the bias, for each group. What is missing counts as 0."""
    fields = Fields(gradient_booster["model"], "the linear model")
    weights = np.array(fields.take("weights"), np.float64).reshape(features + 1, len(base))
    fields.ignore(("boosted_rounds",))
    fields.done()
    builder.take("missing", True)
    base = base[:1]  # XGBoost 3 adds the first group's to all of them
    return dense(builder, without_nan(builder, x), weights[:-1].T, weights[-1] + base, "margins")


def framed(names: Sequence[str], kinds: Sequence[str], features: int, known: Sequence[tuple[Any, ...] | None]) -> Frame:
    """The columns: their names, and the categories that the model keeps since XGBoost 3.1."""
    columns = []
    for n in range(features):
        kept = known[n] if n < len(known) else None
        columns.append(Column(str(names[n]) if n < len(names) else "", kept or None, None))
    return Frame(tuple(columns), FILE)


def put_frame(builder: Builder, frame: Frame) -> None:
    if any(frame.names) or frame.has_categories:
        builder.frame = frame


def asked_of(source: Any, builder: Builder, frame: Frame) -> Original | None:
    """The object, as something to ask; None for a file."""
    if isinstance(source, str | Path):
        return None
    if not hasattr(source, "get_booster"):
        matrix = type(source).__module__.partition(".")[0]
        xgboost = import_module(matrix)

        def predict(margin: bool) -> Any:
            names, kinds = list(frame.names) if any(frame.names) else None, source.feature_types
            return lambda rows: source.predict(
                rows if isinstance(rows, xgboost.DMatrix) else xgboost.DMatrix(
                    rows, feature_names=None if frame.has_categories else names,
                    feature_types=None if frame.has_categories else kinds, enable_categorical=True,
                ),
                output_margin=margin,
            )  # fmt: skip

        asks = {"values": ("predict", predict(builder.output == "decision")), "label": ("predict", predict(False))}
        return None if builder.output == "label" else original(
            builder, source, asks, frame if frame.has_categories else None, np.float32)  # fmt: skip
    ask: dict[str, tuple[str, Any]] = {
        "values": ("predict", source.predict), "label": ("predict", source.predict), "labels": ("predict", source.predict),
        "decision": ("predict, output_margin=True", lambda rows: source.predict(rows, output_margin=True)),
    }  # fmt: skip
    if hasattr(source, "predict_proba"):
        ask |= {"proba": ("predict_proba", source.predict_proba), "scores": ("predict_proba", source.predict_proba)}
    if builder.output == "decision" and builder.notes["output"] == "values":
        ask["values"] = ask["decision"]
    return original(builder, source, ask, frame if any(frame.names) else None, np.float32)


def _link(objective: str, targets: int) -> Link:
    for names, link in LINKS.items():
        if objective in names:
            return link
    raise ModelError(f"the objective {objective} is not compiled", hint="load a model with one of XGBoost's own objectives")


def margin(base: Array, objective: str) -> Array:
    """base_score, which is in the units of the prediction, as what the trees' sums begin with."""
    if objective in LOGISTIC:  # in float32, as XGBoost does, and away from 0 and 1
        p = np.clip(base.astype(np.float32), np.float32(1e-6), np.float32(1) - np.float32(1e-6))
        return np.asarray(-np.log((np.float32(1) / p - np.float32(1)).astype(np.float64)))
    return np.log(base) if objective in LOGARITHM else base


def read(
    gradient_booster: dict[str, Any], groups: int, rounds: int | None
) -> tuple[list[Tree], bool, list[tuple[Any, ...] | None]]:
    """(all trees of the first group, then those of the second, and so on; whether leaves hold a vector for all groups
    instead; the categories of each column). rounds: how many of the boosting rounds count."""
    outer = Fields(gradient_booster, "the booster")
    kind, weights = outer.take("name"), outer.take("weight_drop", None)
    if kind not in ("gbtree", "dart"):
        raise ModelError(f"the booster must be gbtree, dart or gblinear, not {kind}")
    inner = outer.take("gbtree")["model"] if kind == "dart" else outer.take("model")
    outer.done()
    model = Fields(inner, "the trees' model")
    shape = Fields(model.take("gbtree_model_param"), "gbtree_model_param")
    parallel = int(shape.take("num_parallel_tree", 1))
    shape.ignore(("num_trees", "size_leaf_vector", "num_feature", "num_roots", "num_output_group"))
    shape.done()
    trees, info, ends = model.take("trees"), model.take("tree_info"), model.take("iteration_indptr", None)
    known = category_values(model.take("cats", {}))
    model.done()
    count = len(trees)
    if count and not set(map(int, info)) <= set(range(min(groups, count))):
        raise ModelError(f"each tree must be of one of the {groups:,} classes or targets")
    vectors = any(int(t["tree_param"].get("size_leaf_vector") or 1) > 1 for t in trees)
    if rounds is not None:
        count = int(ends[min(rounds, len(ends) - 1)]) if ends else min(count, rounds * groups * parallel)
    made = [read_tree(t, 1.0 if weights is None else weights[i]) for i, t in enumerate(trees[:count])]
    if vectors:
        return made, True, known
    found = [[t for t, g in zip(made, info, strict=False) if g == k] for k in range(groups)]
    if len({len(f) for f in found}) != 1:
        raise ModelError("every class or target must have as many trees as the others")
    return [t for f in found for t in f], False, known


def read_tree(tree: dict[str, Any], weight: float) -> Tree:
    """One tree of the model's JSON; split_conditions holds thresholds, and the values of leaves."""
    fields = Fields(tree, "a tree")
    shape = Fields(fields.take("tree_param"), "tree_param")
    size = int(shape.take("size_leaf_vector", 1) or 1)
    shape.ignore(("num_deleted", "num_feature", "num_nodes", "num_roots"))
    shape.done()
    left, right = np.array(fields.take("left_children"), np.int64), np.array(fields.take("right_children"), np.int64)
    condition = np.array(fields.take("split_conditions"), np.float32)
    leaf = left < 0
    with np.errstate(over="ignore", under="ignore"):
        limit = np.where(leaf, 0.0, np.nextafter(condition, np.float32(-np.inf)).astype(np.float64))
    weights = np.array(fields.take("sum_hessian", np.ones(len(left))), np.float64)
    weights = np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0).clip(0.0)
    visits = np.rint(weights / max(weights.max(), 1e-30) * 1e6).astype(np.int64)
    value: Array
    if size > 1:
        held = np.array(fields.take("leaf_weights"), np.float64).reshape(-1, size) * weight
        value = np.where(leaf[:, None], held[np.where(leaf, right, 0)], 0.0)
        right = np.where(leaf, -1, right)
    else:
        value = np.where(leaf, condition.astype(np.float64) * weight, 0.0)[:, None]
        fields.take("leaf_weights", None)
    feature = np.where(leaf, 0, np.array(fields.take("split_indices"), np.int64))
    missing = np.array(fields.take("default_left")).astype(bool)
    sets = dict(categories({name: fields.take(name, []) for name in CATEGORIES}))
    fields.ignore(("base_weights", "id", "loss_changes", "parents", "split_type"))
    fields.done()
    made = Tree(feature, limit, left, right, missing, visits, value)
    return with_ranges(made, {n: whole_numbers(c, left=False, nan_left=bool(missing[n])) for n, c in sets.items()})


def category_values(cats: dict[str, Any]) -> list[tuple[Any, ...] | None]:
    """The categories of each column in the order of their codes, None for numbers; [] in models that keep none.

    Text is stored as its bytes one after another, with the place where each begins; numbers as they are.
    """
    found: list[tuple[Any, ...] | None] = []
    for column in cats.get("enc", ()):
        values, offsets = column.get("values", []), column.get("offsets")
        if offsets:
            data = bytes(int(v) & 255 for v in values)
            found.append(tuple(data[a:b].decode("utf-8", "replace") for a, b in pairwise(offsets)))
        else:
            found.append(tuple(values) or None)
    return found


CATEGORIES = ("categories", "categories_nodes", "categories_segments", "categories_sizes")


def categories(tree: dict[str, Any]) -> Iterator[tuple[int, list[int]]]:
    """(node, its categories): what is one of them goes right, all else left, and what is missing as elsewhere."""
    for n, start, size in zip(
        tree.get("categories_nodes", ()), tree.get("categories_segments", ()), tree.get("categories_sizes", ()),
        strict=True,
    ):  # fmt: skip
        yield int(n), tree["categories"][int(start) : int(start) + int(size)]
