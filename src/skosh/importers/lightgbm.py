"""LightGBM: a fitted Booster, LGBMClassifier or LGBMRegressor, or a model that one saved as text, as sums of trees.

LightGBM compares in float64 with <=, as scikit-learn does. NaN goes where a node says that was fitted with missing
values; at other nodes it counts as 0. ``missing=False`` leaves that out. Other options as for scikit-learn's trees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import InputError, ModelError
from skosh.importers.boosters import Link, Sums, answer, original, without_nan
from skosh.importers.fields import Fields
from skosh.importers.frames import Column, Frame
from skosh.importers.originals import Original
from skosh.importers.saved import named, place, read_text, well_formed
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.outputs import OUTPUTS
from skosh.importers.sklearn.preprocessing import chosen
from skosh.importers.tree_sets import whole_numbers, with_ranges
from skosh.importers.trees import Tree, constant_tree, fixed_point, fixed_points, float32_loses, forest, real
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Mul
from skosh.ops.elements.functions import Abs
from skosh.ops.moves.movement import Concat
from skosh.ops.reductions.reductions import Sum

FILE = "<lightgbm>"

LINKS = {
    (
        "regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg", "none", "custom",
    ): Link("identity"),
    ("binary", "multiclassova", "cross_entropy"): Link("logistic"),
    ("multiclass",): Link("softmax"),
    ("poisson", "gamma", "tweedie"): Link("exp"),
    ("cross_entropy_lambda",): Link("softplus"),
}  # fmt: skip


ZERO_IS = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: numbers that aren't farther from 0 count as 0."""


NO_CATEGORY = -2.0


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
    head = Fields(model.head, "the model")
    head.must_be(tree="", version="v4", label_index="0")
    groups = int(head.take("num_tree_per_iteration"))
    link = _link(head.take("objective", "none").split(), groups)
    names, features = head.take("feature_names", "").split(), int(head.take("max_feature_idx")) + 1
    spend("elements", max(groups, 0) + max(features, 0), "classes and features")
    mean = head.take("average_output", None) is not None
    head.ignore(("num_class", "feature_infos", "tree_sizes", "monotone_constraints", ""))
    infos = str(model.head.get("feature_infos", "")).split()
    head.done()
    read = [read_tree(tree, features) for tree in model.trees]
    if groups < 1 or len(read) % groups:
        raise ModelError(f"there must be a multiple of {groups} trees, not {len(read)}")
    read = [t for k in range(groups) for t in read[k::groups]] or [Leaves(constant_tree(0.0))] * groups
    x = builder.input("x", (1, features))
    y, sided = prepared(builder, x, read)
    if told := float32_loses([r.tree for r in read], spans(infos), names):
        builder.warn(told)
    each = groups / len(read) if mean and builder.output != "decision" else 1.0  # raw scores are sums, not means
    sums = summed(builder, x, y, read, groups, sided, each)
    frame = framed(names, infos, features, model.categories)
    if any(n != f"Column_{i}" for i, n in enumerate(frame.names)) or frame.has_categories:
        builder.frame = frame
    out = answer(builder, source, sums, link)
    builder.notes["library"] = asked_of(source, builder, frame)
    return out


def _link(words: Sequence[str], groups: int) -> Link:
    """What ``predict`` makes of the sums: ConvertOutput in LightGBM's src/objective/."""
    objective, *settings = words
    told = Fields({k: v or "1" for k, _, v in (s.partition(":") for s in settings)}, f"the objective {objective}")
    factor = float(told.take("sigmoid", 1.0))
    root = bool(int(told.take("sqrt", 0)))
    told.ignore(("num_class", "alpha", "c", "fair_c", "quantile", "tweedie_variance_power", "poisson_max_delta_step"))
    told.done()
    for names, link in LINKS.items():
        if objective in names:
            if root:
                return Link("signed_square")
            return Link(link.kind, factor) if link.kind == "logistic" else link
    raise ModelError(f"the objective {objective} is not compiled", hint="load a model with one of LightGBM's own objectives")


def prepared(builder: Builder, x: str, read: Sequence[Leaves]) -> tuple[str, bool]:
    """(the features as trees ask for them, whether NaN goes where nodes say). How LightGBM takes what is missing hangs on the
    feature: NaN may count as 0, or go its own way, or 0 may go that way too.

    The option ``missing``: False says that nothing is; True or nothing does what LightGBM does.
    """
    asked = builder.take("missing", None)
    builder.take("features", "float32")
    width = builder.tensors[x].shape[1]
    kinds = np.zeros(width, np.int64)
    used = np.zeros(width, bool)
    for r in read:
        kinds[r.tree.feature[r.nodes]] |= r.missing[r.nodes]
        used[r.tree.feature[r.nodes]] = True
    zero = (kinds & ZERO) != 0
    if asked is False or builder.options.get("features", "float32") != "float32":
        if zero.any():
            raise ModelError("0 stands for what is missing, so values can't be said to be always there",
                             hint="leave missing=False and features= out")  # fmt: skip
        return x, False
    if zero.any():
        tiny = builder.constant("tiny", np.where(zero, np.float32(ZERO_IS), np.float32(-1.0))[None])
        none = builder.apply(Compare("<="), builder.apply(Abs(), x, name="magnitudes"), tiny, name="none")
        nan = builder.floats("nan", np.full((1, 1), np.nan, np.float32))
        x = builder.apply(Select(), none, nan, x, name="with_missing")
    if (kinds != 0).any():
        return x, True
    if not any((r.tree.left >= 0).any() for r in read):
        return x, False
    return without_nan(builder, x, np.where(used, 0.0, NO_CATEGORY)), False


def summed(
    builder: Builder, x: str, y: str, read: Sequence[Leaves], groups: int, sided: bool, each: float
) -> Sums:
    """Sums over trees of what their leaves hold. x: the features, y: the same as trees ask for them.

    Leaves that are linear: a forest sums their coefficients, a vector for each feature that any of them uses, and one product
    with the features ends it. So a row with a missing value there gives NaN, where LightGBM falls back to the leaf's number.
    """
    trees = [r.tree for r in read]
    if not any(r.linear is not None for r in read):
        leaves, bias, step = fixed_point(trees, np.zeros(groups), each)
        unlike = set(builder.unlike)
        made = forest(builder, y, trees, [v[:, 0] for v in leaves], bias, "groups", sided=sided)
        builder.unlike = unlike if y != x else builder.unlike
        return Sums(made, step)
    if groups > 1:
        raise ModelError("linear leaves must be of one sum", hint="fit one model for each class")
    builder.unlike |= {"missing", "infinite", "huge"}
    used = np.flatnonzero(sum((r.coefficients(builder.tensors[x].shape[1]) != 0).any(axis=0) for r in read))
    width = builder.tensors[x].shape[1]
    linear = [replace(r.tree, value=np.hstack([r.coefficients(width)[:, used], r.constant()])) for r in read]
    vectors, bias, steps = fixed_points(linear, np.zeros(len(used) + 1), each)
    sums = forest(builder, y, trees, vectors, bias, "rows", sided=sided)
    weights = real(builder, sums, steps, "weights")
    rows = chosen(builder, x, used) if len(used) else None
    one = builder.constant("one", [[1.0]])
    row = one if rows is None else builder.apply(Concat(1), rows, one, name="row")
    products = builder.apply(Mul(), weights, row, name="products")
    return Sums(builder.apply(Sum((1,), keep_dims=True), products, name="linear_sum"), None)


def spans(infos: Sequence[str]) -> dict[int, tuple[float, float]]:
    """Feature -> (lowest, highest) in fitting, of those that are numbers: "[low:high]"."""
    ends = {n: info[1:-1].split(":") for n, info in enumerate(infos) if info.startswith("[") and info.endswith("]")}
    return {n: (float(e[0]), float(e[1])) for n, e in ends.items() if len(e) == 2}


def framed(names: Sequence[str], infos: Sequence[str], features: int, known: Sequence[Sequence[Any]]) -> Frame:
    """The columns: their names, and the categories that pandas had in fitting, in the order of the categorical columns."""
    waiting = list(known)
    columns = []
    for n in range(features):
        listed = n < len(infos) and ":" in infos[n] and not infos[n].startswith("[")
        kept = tuple(waiting.pop(0)) if listed and waiting else None
        columns.append(Column(names[n] if n < len(names) else "", kept))
    return Frame(tuple(columns), FILE)


def asked_of(source: Any, builder: Builder, frame: Frame) -> Original | None:
    """The object, as something to ask; None for a file."""
    if isinstance(source, str | Path):
        return None
    raw = partial(source.predict, raw_score=True)
    asks: dict[str, tuple[str, Any]] = {
        "values": ("predict", source.predict), "label": ("predict", source.predict),
        "decision": ("predict, raw_score=True", raw),
    }  # fmt: skip
    if hasattr(source, "predict_proba"):
        asks |= {"proba": ("predict_proba", source.predict_proba), "scores": ("predict_proba", source.predict_proba)}
    elif builder.output == "label":
        return None
    if builder.output == "decision":
        asks["values"] = asks["decision"]
    return original(builder, source, asks, frame if frame.has_categories else None)


@dataclass(frozen=True)
class Model:
    """A saved model: text of lines ``key=value``, the model's own, then those of each tree after its line ``Tree=n``."""

    head: dict[str, str]
    trees: tuple[dict[str, str], ...]
    categories: tuple[tuple[Any, ...], ...] = ()

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
                return Model(head, tuple(trees), _categories(lines))
            key, _, value = line.partition("=")
            if key == "Tree":
                here = {}
                trees.append(here)
            here[key.strip()] = value
        raise ModelError('a model that LightGBM saved must have a line "end of trees"', hint="the file is cut off")


def _categories(lines: Sequence[str]) -> tuple[tuple[Any, ...], ...]:
    """What pandas had: the last line, a list of categories for each categorical column."""
    found = next((line for line in reversed(lines) if line.startswith("pandas_categorical:")), "")
    known = json.loads(found.partition(":")[2] or "null")
    return tuple(tuple(c) for c in known or ())


@dataclass(frozen=True, eq=False)
class Leaves:
    """A tree, and what of it a Tree doesn't tell. nodes: [entries], where it asks about numbers; missing: [entries], 0, ZERO or
    NAN, what counts as missing there. linear: for each leaf (constant, features, coefficients), None without."""

    tree: Tree
    nodes: Array = field(default_factory=lambda: np.zeros(1, bool))
    missing: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    linear: tuple[tuple[float, tuple[int, ...], tuple[float, ...]], ...] | None = None

    def coefficients(self, features: int) -> Array:
        """[entries, features] of the leaves, 0 elsewhere."""
        out = np.zeros((len(self.tree.left), features))
        ends = np.flatnonzero(self.tree.left < 0)
        for n, (_, which, factors) in zip(ends[-len(self.linear or ()) :], self.linear or (), strict=False):
            out[n, list(which)] = factors
        return out

    def constant(self) -> Array:
        """[entries, 1]."""
        if self.linear is None:
            return self.tree.value
        out = np.zeros((len(self.tree.left), 1))
        ends = np.flatnonzero(self.tree.left < 0)
        out[ends[-len(self.linear) :], 0] = [c for c, _, _ in self.linear]
        return out


CATEGORICAL, DEFAULT_LEFT, ZERO, NAN = 1, 2, 4, 8
"""Bits of a node's decision_type; of the last two, which number stands for what is missing, one is set at the most."""


def read_tree(tree: Mapping[str, str], features: int) -> Leaves:
    """One tree of the file. Leaves stand behind the nodes."""
    fields = Fields(tree, "a tree")
    fields.ignore(("Tree", "split_gain", "leaf_weight", "internal_value", "internal_weight", "shrinkage", ""))

    def numbers(key: str, dtype: Any, size: int) -> Array:
        found = np.array([dtype(n) for n in fields.take(key, "").split()], dtype)
        if len(found) != size:
            raise ModelError(f"{key} of a tree must be {size} numbers, not {len(found)}")
        return found

    leaves = int(fields.take("num_leaves"))
    inner = leaves - 1
    feature, kind = numbers("split_feature", int, inner), numbers("decision_type", int, inner)
    threshold = numbers("threshold", float, inner)
    plain = np.where((threshold >= -ZERO_IS) & (threshold < 0), np.nextafter(-ZERO_IS, -1.0), threshold)
    plain = np.where((plain >= 0) & (plain < ZERO_IS), ZERO_IS, plain)  # what isn't beyond these counts as 0
    left, right = (
        np.where(c < 0, inner - 1 - c, c)
        for c in (numbers("left_child", int, inner), numbers("right_child", int, inner))
    )
    if inner and (min(left.min(), right.min()) < 0 or max(left.max(), right.max()) >= inner + leaves):
        raise ModelError("every child must be a node or a leaf")
    if inner and not 0 <= feature.min() <= feature.max() < features:
        raise ModelError(f"a feature must be in [0, {features}), not {feature.max()}")
    of_set = kind & CATEGORICAL != 0
    by_flag = kind & (NAN | ZERO) != 0
    sets = {}
    fields.ignore(("num_cat",))
    if of_set.any():
        count = int(fields.take("num_cat"))
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
        np.concatenate([np.where(of_set, 0.0, plain), zeros]),
        np.concatenate([left, ends_here]),
        np.concatenate([right, ends_here]),
        np.concatenate([np.where(by_flag, kind & DEFAULT_LEFT != 0, threshold >= 0), zeros.astype(bool)]).astype(bool),
        np.concatenate(visits).astype(np.int64),
        np.concatenate([np.zeros(inner), numbers("leaf_value", float, leaves)])[:, None],
    )
    linear = None
    if int(fields.take("is_linear", 0)):
        each = numbers("num_features", int, leaves)
        which = iter(numbers("leaf_features", int, int(each.sum())).tolist())
        factors = iter(numbers("leaf_coeff", float, int(each.sum())).tolist())
        constants = numbers("leaf_const", float, leaves).tolist()
        linear = tuple(
            (c, tuple(islice(which, int(n))), tuple(islice(factors, int(n)))) for c, n in zip(constants, each, strict=True)
        )
    fields.done()
    tree_made = with_ranges(made, sets)
    more = np.zeros(len(tree_made.left) - inner, np.int64)
    nodes = np.concatenate([~of_set, more.astype(bool)])
    return Leaves(tree_made, nodes, np.concatenate([np.where(of_set, 0, kind & (NAN | ZERO)), more]), linear)
