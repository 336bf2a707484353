"""TreeEnsembleClassifier and TreeEnsembleRegressor (ai.onnx.ml): one Forest, as the tree libraries' own objects give it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.learned import ML, above, best, finished, float_input, labelled, labels, numbers, two_columns
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import plain
from skosh.importers.sklearn.builder import Builder
from skosh.importers.tree_sets import below
from skosh.importers.trees import Tree, fixed_point, forest, real
from skosh.ir.graph import Array

MODES = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "LEAF"}
TURNED = {"BRANCH_GTE", "BRANCH_GT"}
"""Kinds of nodes whose true side is that of larger numbers."""
STRICT = {"BRANCH_LT", "BRANCH_GTE"}
"""Kinds for which the limit itself is on the other side."""


def trees_of(record: Record, prefix: str, outputs: int, features: int) -> list[Tree]:
    """The trees in the order of their numbers. prefix: of the attributes about leaves, "class" or "target"."""
    a = record.attributes
    tree, node, feature = (np.asarray(a.get(f"nodes_{n}", ()), np.int64) for n in ("treeids", "nodeids", "featureids"))
    yes, no = (np.asarray(a.get(f"nodes_{n}nodeids", ()), np.int64) for n in ("true", "false"))
    modes, limit = list(a.get("nodes_modes", ())), numbers(record, "nodes_values")
    tracks = np.asarray(a.get("nodes_missing_value_tracks_true", ()), np.int64)
    visits = numbers(record, "nodes_hitrates")
    count = len(tree)
    if (
        not count
        or {len(node), len(feature), len(yes), len(no), len(modes), len(limit)} != {count}
        or tracks.size not in (0, count)
    ):
        raise ModelError("its lists about nodes must be of one length")
    spend("nodes", count, "the nodes of its trees")
    if set(modes) - MODES:
        raise ModelError(f"its nodes must be {', '.join(sorted(MODES))}, not {sorted(set(modes) - MODES)[0]}")
    place = {(int(t), int(n)): i for i, (t, n) in enumerate(zip(tree, node, strict=True))}
    if len(place) != count:
        raise ModelError("each node must have a number of its own in its tree")
    ids, owner, leaf = (np.asarray(a.get(f"{prefix}_{n}", ()), np.int64) for n in ("ids", "treeids", "nodeids"))
    weights = numbers(record, f"{prefix}_weights")
    if not len(ids) == len(owner) == len(leaf) == len(weights):
        raise ModelError("its lists about leaves must be of one length")
    value = np.zeros((count, outputs))
    for k, t, n, w in zip(ids, owner, leaf, weights, strict=True):
        if (int(t), int(n)) not in place or not 0 <= k < outputs:
            raise ModelError(f"a leaf must be a node, and give one of {outputs} outputs")
        value[place[int(t), int(n)], k] += w
    return [
        one_tree(
            np.flatnonzero(tree == t), t, place, modes, yes, no, feature, limit, tracks, visits, value, features
        )
        for t in dict.fromkeys(tree.tolist())
    ]


def one_tree(
    rows: Array, number: int, place: dict[tuple[int, int], int], modes: list[str], yes: Array, no: Array, feature: Array,
    limit: Array, tracks: Array, visits: Array, value: Array, features: int,
) -> Tree:  # fmt: skip
    """One tree, its root first, each branch as x <= limit to the left."""
    index = {int(r): k for k, r in enumerate(rows)}
    n = len(rows)
    left, right, missing = np.full(n, -1), np.full(n, -1), np.zeros(n, bool)
    bound, which = np.zeros(n), np.zeros(n, np.int64)
    children: set[int] = set()
    for k, r in enumerate(rows):
        mode = modes[r]
        if mode == "LEAF":
            continue
        ends = [place.get((number, int(side[r]))) for side in (yes, no)]
        if None in ends or not 0 <= feature[r] < features:
            raise ModelError("a branch must lead to nodes of its tree, and read one of the features")
        sides = [index[int(e)] for e in ends if e is not None]
        children.update(sides)
        turned = mode in TURNED
        left[k], right[k] = sides[::-1] if turned else sides
        missing[k] = (bool(tracks[r]) if tracks.size else False) != turned
        bound[k] = below(limit[r], np.float32) if mode in STRICT else limit[r]
        which[k] = feature[r]
    roots = [k for k in range(n) if k not in children]
    if len(roots) != 1:
        raise ModelError("a tree must have one root")
    order = [roots[0], *(k for k in range(n) if k != roots[0])]
    position = np.empty(n, np.int64)
    position[order] = np.arange(n)
    counts = np.maximum(1, np.rint(visits[rows])) if visits.size == value.shape[0] else np.ones(n)

    def child(side: Array) -> Array:
        return np.where(side < 0, -1, position[side])[order]

    return Tree(
        which[order], bound[order], child(left), child(right), missing[order], counts[order], value[rows][order]
    )


def sums(b: Body, record: Record, prefix: str, outputs: int) -> tuple[str, Array]:
    """(the name of [N, outputs], sums over the trees and the base values; the trees' weights)."""
    ctx, a = b.ctx, record.attributes
    x = float_input(b, record)
    trees = trees_of(record, prefix, outputs, b.shape(x)[-1])
    base = numbers(record, "base_values")
    if base.size not in (0, outputs):
        raise ModelError(f"there must be {outputs} base values, not {base.size}")
    how = str(a.get("aggregate_function", "SUM"))
    if how not in ("SUM", "AVERAGE"):
        raise ModelError(f"aggregate_function must be SUM or AVERAGE, not {how}")
    factor = 1.0 / len(trees) if how == "AVERAGE" else 1.0
    sided = any((t.missing & (t.left >= 0)).any() for t in trees)
    leaves, bias, step = fixed_point(trees, base if base.size else np.zeros(outputs), factor)
    builder = Builder(ctx.model.loc.file)
    builder.tensors, builder.nodes, builder.prefix = ctx.tensors, ctx.nodes, record.name
    before = len(ctx.nodes)
    total = forest(builder, ctx.laid(ctx.value(x)), trees, leaves, bias, "rows", sided=sided)
    tensor = real(builder, total, step, "scores")
    for k in range(before, len(ctx.nodes)):
        ctx.nodes[k] = replace(ctx.nodes[k], loc=record.loc)
    name = ctx.fresh(f"{record.name}/scores")
    ctx.values[name] = plain(tensor, ctx.tensors[tensor].shape)
    return name, np.concatenate([t.value[t.left < 0].reshape(-1) for t in trees])


def classifier(ctx: Context, record: Record) -> None:
    """One column of weights and two classes: the score of the second class alone, a share where no weight is negative."""
    b, a = Body(ctx, record), record.attributes
    how = str(a.get("post_transform", "NONE"))
    classes, texts = labels(ctx, record, "classlabels_strings", "classlabels_int64s")
    ids = set(a.get("class_ids", ()))
    base = numbers(record, "base_values")
    if len(classes) == 2 and len(ids) == 1:
        if base.size > 1:
            raise ModelError("there must be one base value where one score decides between two classes")
        moved = replace_ids(record)
        score, weights = sums(b, moved, "class", 1)
        record.attributes.asked.update(moved.attributes.asked)
        shares = bool((weights >= 0).all())
        b.end(labelled(b, above(b, score, 0.5 if shares else 0.0), classes, texts), 0)
        b.end(two_columns(b, score, how, shares=shares), 1)
        return
    scores, _ = sums(b, record, "class", len(classes))
    b.end(labelled(b, best(b, scores), classes, texts), 0)
    b.end(finished(b, scores, how), 1)


def replace_ids(record: Record) -> Record:
    """All weights for output 0."""
    a = dict(record.attributes.plain)
    a["class_ids"] = (0,) * len(a["class_ids"])
    return replace(record, attributes=type(record.attributes)(a))


def regressor(ctx: Context, record: Record) -> None:
    b, a = Body(ctx, record), record.attributes
    scores, _ = sums(b, record, "target", int(a.get("n_targets", 1)))
    b.end(finished(b, scores, str(a.get("post_transform", "NONE"))))


CONVERTERS: dict[str, Any] = {f"{ML}.TreeEnsembleClassifier": classifier, f"{ML}.TreeEnsembleRegressor": regressor}
