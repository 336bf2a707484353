"""Trees of any library as one Forest node: nodes of all trees in one list, leaves as integers, equal leaves once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skosh.base.dtypes import DTYPES, DType, f32, from_numpy, i32
from skosh.base.errors import InputError, ModelError
from skosh.importers.sklearn.builder import Builder
from skosh.importers.sklearn.outputs import largest
from skosh.importers.tree_checks import check_trees
from skosh.ir.graph import Array, Tensor
from skosh.ops.elements.comparisons import Compare
from skosh.ops.elements.elementwise import Add, Mul
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.reshape import Reshape
from skosh.ops.trees.forest import AUTO, Forest, several_ways
from skosh.ops.trees.forest_prune import pruned

FEATURES = {"float32": "f32", "int8": "i8", "uint8": "u8", "int16": "i16"}
"""What the option ``features`` may say: the type of the model's input."""


FORMS = {"auto": -1.0, "table": 0.0, "mixed": 0.5, "code": 1.0}
"""What the option ``form`` may say, and the share of nodes that it makes code, the most visited ones: fewer instructions
for more flash. The share itself, a number from 0 to 1, may be said too. Left out, each target and aim takes what is
modelled to suit it: see ``lower.forest_forms``. Half of the nodes measured well on the digits' forests."""

@dataclass(frozen=True, eq=False)
class Tree:
    """One tree, a node an entry, the root first. left < 0: a leaf. At a node x goes left where x <= limit (float64).

    missing: NaN goes left. visits: samples that came by in fitting.
    value: [nodes, outputs], what a leaf gives; that of other nodes is never read.
    """

    feature: Array
    limit: Array
    left: Array
    right: Array
    missing: Array
    visits: Array
    value: Array


def constant_tree(value: float | Array) -> Tree:
    """A tree of one leaf."""
    one = np.zeros(1, np.int64)
    held = np.reshape(value, (1, -1)).astype(np.float64)
    return Tree(one, one.astype(np.float64), one - 1, one - 1, one.astype(bool), one, held)


def forest(
    builder: Builder, x: str, trees: Sequence[Tree], leaves: Sequence[Array], bias: Any, sums: str, *, sided: bool
) -> str:
    """A node that sums leaves. leaves: for each tree, integers by node, [nodes] for "groups" and "votes" (the class), else
    [nodes, K]. bias: [K] integers. Nodes are numbered so that a left child follows its parent."""
    check_trees(trees, builder.tensors[x].shape[-1])
    dtype = features_dtype(builder, x)
    if dtype.is_float and not sided:
        builder.unlike.add("missing")
    bias = np.asarray(bias, np.int64)
    stacked = np.concatenate([rows[t.left < 0] for t, rows in zip(trees, leaves, strict=True)])
    if sums == "votes":
        table, which = np.zeros(0, np.int64), stacked
    else:
        table, which = np.unique(stacked, axis=0, return_inverse=True)
    columns: dict[str, list[Any]] = {n: [] for n in ("feature", "limit", "left", "right", "missing", "visits")}
    roots, first_leaf = [], 0
    for t in trees:
        number, order = _numbering(t, which.reshape(-1)[first_leaf:], sum(map(len, columns["feature"])))
        roots.append(number[0])
        first_leaf += int((t.left < 0).sum())
        for name in ("feature", "limit", "missing", "visits"):
            columns[name].append(getattr(t, name)[order])
        columns["left"].append(number[t.left[order]])
        columns["right"].append(number[t.right[order]])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    data = {
        "feature": joined["feature"].astype(np.int32),
        "limit": limits(joined["limit"], dtype),
        "left": joined["left"].astype(np.int32),
        "right": joined["right"].astype(np.int32),
        "missing": joined["missing"].astype(bool),
        "visits": joined["visits"].astype(np.int32),
        "root": np.array(roots, np.int32),
        "value": table.astype(np.int32),
        "bias": bias.astype(np.int32),
    }
    if not several_ways(data["left"], data["right"], data["root"]):
        data = pruned(data, bounds=not sided)
    names = [_constant(builder, f"tree_{name}", values) for name, values in data.items()]
    return builder.apply(Forest(sums, sided, inlined(builder, len(data["left"]), sided)), x, *names, name="trees")


def _constant(builder: Builder, name: str, values: Array) -> str:
    """A constant of the values' own type; float32 ones may be infinite: a limit that only NaN is beyond."""
    if values.dtype != np.float32:
        return builder.integers(name, values, from_numpy(values.dtype))
    return builder.floats(name, values)


def _numbering(t: Tree, leaf: Array, first: int) -> tuple[Array, Array]:
    """(number of each node of the tree: its place in the list of all, or -1 - leaf; nodes that aren't leaves, in order)."""
    number = np.zeros(len(t.left), np.int64)
    ends = t.left < 0
    number[ends] = -1 - leaf[: int(ends.sum())]
    seen = ends.copy()  # a search among categories leads to the same node by several ways
    order: list[int] = []
    waiting = [0]
    while waiting:
        node = waiting.pop()
        if not seen[node]:
            seen[node] = True
            number[node] = first + len(order)
            order.append(node)
            waiting += [int(t.right[node]), int(t.left[node])]
    return number, np.array(order, np.int64)


def limits(limit: Array, dtype: DType) -> Array:
    """The largest number of the type that is not above the limit: float32 for floats, else int32.

    For x of that type x <= limit and x <= limits(limit) say the same, whatever precision the limit has.
    """
    if np.isnan(limit).any():
        raise ModelError("a threshold must be a number, not NaN")
    if not dtype.is_float:
        return np.clip(np.floor(limit), dtype.min - 1, dtype.max).astype(np.int32)
    with np.errstate(over="ignore", under="ignore"):
        near = limit.astype(np.float32)
        below = np.nextafter(near, np.float32(-np.inf))
    return np.where(near > limit, below, near) + np.float32(0)


def features_dtype(builder: Builder, x: str) -> DType:
    """The type of the features; the option ``features`` makes the model's input integers."""
    asked = builder.take("features", "float32")
    if asked not in FEATURES:
        raise InputError(f'features must be one of {", ".join(FEATURES)}, not "{asked}"')
    dtype = DTYPES[FEATURES[asked]]
    if dtype != f32:
        if x not in builder.inputs:
            raise InputError(f"features can't be {asked}: a step before the trees computes floats")
        builder.tensors[x] = Tensor(x, builder.tensors[x].shape, dtype)
    return builder.tensors[x].dtype


def inlined(builder: Builder, nodes: int, sided: bool) -> int:
    """How many of the nodes become code: the option ``form``."""
    form = builder.take("form", "auto")
    share = float(form) if isinstance(form, int | float) else FORMS.get(form)
    if share is None or not (0 <= share <= 1 or form == "auto"):
        raise InputError(f'form must be one of {", ".join(FORMS)}, or a share from 0 to 1, not "{form}"')
    if sided and share > 0:
        raise InputError(
            f'form must be "table" where values may be missing, not "{form}"', hint="leave them out: missing=False"
        )
    if form == "auto":
        return 0 if sided else AUTO
    return int(np.ceil(nodes * share))


def float32_loses(trees: Sequence[Tree], spans: Mapping[int, tuple[float, float]], names: Sequence[str]) -> str:
    """What to say of a model that was fitted in float64, where float32, which the C computes in, is too coarse for a feature;
    nothing where it isn't. spans: feature -> (lowest, highest) in fitting, where they are known.

    Too coarse: more than a hundredth of the thresholds are one number in float32, or it has fewer than 1,000 numbers in the
    span.
    """
    feature = np.concatenate([t.feature[t.left >= 0] for t in trees]) if trees else np.zeros(0, np.int64)
    limit = np.concatenate([t.limit[t.left >= 0] for t in trees]) if trees else np.zeros(0)
    found = {}
    for f in np.unique(feature).tolist():
        here = np.unique(limit[(feature == f) & np.isfinite(limit)])
        lost = len(here) - len(np.unique(limits(here, f32)))
        low, high = spans.get(int(f), (0.0, 0.0))
        step = float(np.spacing(np.float32(min(max(abs(low), abs(high)), 3e38))))
        if lost > len(here) // LOST:
            found[int(f)] = f"of the {len(here)} thresholds of {{}} {lost} are the same number as another"
        elif low < high and math.isfinite(high - low) and (high - low) / step < COARSE:
            found[int(f)] = f"{{}}, from {low:.9g} to {high:.9g}, has steps of {step:.3g}"
    if not found:
        return ""
    first = next(iter(found))
    name = f'"{names[first]}"' if first < len(names) else f"feature {first}"
    others = f"; {len(found) - 1} other features are like it" if len(found) > 1 else ""
    return (
        f"in float32, which the C computes in, {found[first].format(name)}{others}. The model was fitted in float64, so it "
        "answers otherwise near thresholds. Hint: subtract an offset, such as the mean, from the feature, or scale it to whole "
        'numbers and load with features="int16", and fit again'
    )


LOST, COARSE = 100, 1000


# --------------------------------------------------------------------------------------------------------- leaves


def fixed_point(trees: Sequence[Tree], bias: Any, factor: float = 1.0) -> tuple[list[Array], Array, float]:
    """(leaves as integers, bias as integers, step): real = step * integer, step a power of two, sums below 2^31.

    factor: multiplies every leaf (a learning rate, 1 / number of trees). A sum over R trees is off by (R + 1) / 2 steps at
    the most, and the step is at most 2^-29 of the largest sum that the trees could give.
    """
    bias = np.asarray(bias, np.float64)
    held = [np.where((t.left < 0)[:, None], t.value * factor, 0.0) for t in trees]
    largest = float(sum(np.abs(v).max() for v in held) + np.abs(bias).max())
    if not math.isfinite(largest):
        raise ModelError("every leaf must hold finite numbers only")
    step = math.ldexp(1.0, math.frexp(largest)[1] - 30) if largest else 1.0
    return [np.rint(v / step).astype(np.int64) for v in held], np.rint(bias / step).astype(np.int64), step


def fixed_points(trees: Sequence[Tree], bias: Any, factor: float = 1.0) -> tuple[list[Array], Array, Array]:
    """``fixed_point`` with a step of its own for each of several targets, whose units may be far apart: (leaves, bias, steps
    [targets]). The trees' leaves hold all targets, or the trees are as many groups of equal size, one for each target."""
    count = len(bias)
    bias = np.asarray(bias, np.float64)
    if trees[0].value.shape[1] == count:
        made = [fixed_point([replace(t, value=t.value[:, [k]]) for t in trees], bias[[k]], factor) for k in range(count)]
        leaves = [np.concatenate([m[0][n] for m in made], axis=1) for n in range(len(trees))]
    else:
        each = len(trees) // count
        made = [fixed_point(trees[k * each : (k + 1) * each], bias[[k]], factor) for k in range(count)]
        leaves = [rows for m in made for rows in m[0]]
    return leaves, np.concatenate([m[1] for m in made]), np.array([m[2] for m in made])


def shares(trees: Sequence[Tree], weights: Sequence[Array]) -> tuple[list[Array], float]:
    """(class shares of leaves as integers [nodes, classes], what stands for 1). weights: [nodes], samples of each node.

    Exact where all leaves' shares are fractions with a common denominator that leaves room for the sum; else rounded to
    2^-s, with 2^s * trees < 2^31, so that a mean over the trees is off by 2^-(s + 1) at the most.

    So labels are the library's unless two classes' means, neither of pure leaves, are equal to within that: then rounding
    decides here and in float64 there (measured: 5 of 512,328 rows, where float64 sums differed by 1e-16 or not at all).
    """
    counts = [np.rint(t.value * w[:, None]) for t, w in zip(trees, weights, strict=True)]
    exact = all(
        np.array_equal(w[t.left < 0], np.rint(w[t.left < 0]))
        and np.allclose(c / w[:, None], t.value, rtol=0, atol=1e-12)
        for t, w, c in zip(trees, weights, counts, strict=True)
    )
    if exact:
        one = math.lcm(
            *(_denominator(c[t.left < 0], w[t.left < 0]) for t, w, c in zip(trees, weights, counts, strict=True))
        )
        if one * len(trees) < 1 << 31:
            return [np.rint(c * (one / w[:, None])).astype(np.int64) for w, c in zip(weights, counts, strict=True)], one
    one = 1 << (30 - math.ceil(math.log2(len(trees))))
    return [np.rint(t.value * one).astype(np.int64) for t in trees], one


def _denominator(counts: Array, weights: Array) -> int:
    """The least common denominator of counts / weights, row by row; more than 2^31 says that it is too large."""
    common = 1
    for row, weight in zip(counts.astype(np.int64), weights.astype(np.int64), strict=True):
        common = math.lcm(common, int(weight) // math.gcd(int(weight), *map(int, row)))
        if common >= 1 << 31:
            break
    return common


# -------------------------------------------------------------------------------------------------------- outputs


def label(builder: Builder, sums: str, *, above: int = 0) -> str:
    """[1] int32: the class with the largest sum, the first of equals; of one sum: class 1 where it is above a number."""
    if builder.tensors[sums].shape != (1, 1):
        return largest(builder, sums)
    bound = builder.integers("above", np.full((1, 1), above))
    more = builder.apply(Compare(">"), sums, bound, name="is_more")
    return builder.apply(Reshape((1,)), builder.apply(Cast(i32), more, name="index"), name="label")


def real(builder: Builder, sums: str, step: float | Array, name: str, plus: float = 0.0) -> str:
    """float32: sums * step + plus. step: one for all, or one a column."""
    y = builder.apply(Cast(f32), sums, name=f"{name}_steps")
    y = builder.apply(
        Mul(), y, builder.constant(f"{name}_step", np.reshape(step, (1, -1))), name=name if plus == 0 else f"{name}_scaled"
    )
    return builder.apply(Add(), y, builder.constant(f"{name}_plus", [[plus]]), name=name) if plus else y
