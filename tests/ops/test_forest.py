"""The Forest operator: its kernels say what its reference says, in every form, and what it refuses."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import DTYPES, bool_, from_numpy
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ops.trees.forest import Forest, depth, ordered
from skosh.ops.trees.forest_prune import pruned

FEATURES, TREES, CLASSES, LEAVES = 5, 6, 3, 7


def random_forest(seed: int, dtype: str, sums: str, largest: int = 1000) -> list[Array]:
    """feature, limit, left, right, missing, visits, root, value, bias: trees that grow downward at random."""
    rng = np.random.default_rng(seed)
    leaves = CLASSES if sums == "votes" else LEAVES
    left, right, root = [], [], []
    for _ in range(TREES):
        count, first = int(rng.integers(0, 9)), len(left)
        root.append(first if count else -1 - int(rng.integers(leaves)))
        for n in range(count):
            free = iter((2 * n + 1, 2 * n + 2))
            for side in (left, right):
                child = next(free)
                side.append(first + child if child < count else -1 - int(rng.integers(leaves)))
    nodes = len(left)
    limit = rng.integers(-4, 5, nodes) / 2 if dtype == "f32" else rng.integers(-6, 7, nodes)
    value = {"votes": (0,), "rows": (LEAVES, CLASSES), "groups": (LEAVES,)}[sums]
    bias = np.zeros(CLASSES) if sums == "votes" else rng.integers(-9, 9, CLASSES)
    return [
        rng.integers(0, FEATURES, nodes).astype(np.int32),
        limit.astype(np.float32 if dtype == "f32" else np.int32),
        np.array(left, np.int32), np.array(right, np.int32),
        rng.random(nodes) < 0.5,
        rng.integers(1, 50, nodes).astype(np.int32),
        np.array(root, np.int32),
        rng.integers(-largest, largest, value).astype(np.int32),
        bias.astype(np.int32),
    ]  # fmt: skip


def operands(x: Array, constants: list[Array]) -> list[Tensor]:
    made = [
        Tensor(f"c{i}", a.shape, bool_ if a.dtype == bool else from_numpy(a.dtype), data=a)
        for i, a in enumerate(constants)
    ]
    return [Tensor("x", x.shape, from_numpy(x.dtype)), *made]


def features(seed: int, dtype: str, rows: int) -> Array:
    rng = np.random.default_rng(seed + 100)
    if dtype != "f32":
        info = DTYPES[dtype]
        return rng.integers(max(info.min, -8), 9, (rows, FEATURES)).astype(info.np)
    x = (rng.integers(-5, 6, (rows, FEATURES)) / 2).astype(np.float32)
    strange = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 1e-45, -1e-45], np.float32)
    return np.where(rng.random(x.shape) < 0.2, rng.choice(strange, x.shape), x)


def check(op: Forest, x: Array, constants: list[Array]) -> Array:
    """Kernels in the interpreter equal the reference, row by row."""
    whole = operands(x, constants)
    (want,) = op.reference(whole, [], [x, *constants])
    for row, expected in zip(x, want, strict=True):
        inputs = operands(row[None], constants)
        (type_,) = op.infer(inputs)
        out = [Tensor("y", type_.shape, type_.dtype)]
        for shuffle in (None, random.Random(1)):
            (got,) = run_calls(op, inputs, out, [row[None], *constants], shuffle=shuffle)
            np.testing.assert_array_equal(got[0], expected)
    return want


@pytest.mark.parametrize("inline", [0, 4, 1000])
@pytest.mark.parametrize("sums", ["votes", "rows", "groups"])
@pytest.mark.parametrize("dtype", ["f32", "i8", "u8", "i16"])
def test_kernels_equal_the_reference(dtype: str, sums: str, inline: int) -> None:
    for seed in range(3):
        constants = random_forest(seed, dtype, sums, 10 if seed else 100_000)
        check(Forest(sums, inline=inline), features(seed, dtype, 12), constants)


@pytest.mark.parametrize("sums", ["votes", "rows", "groups"])
def test_missing_values(sums: str) -> None:
    check(Forest(sums, sided=True), features(0, "f32", 30), random_forest(0, "f32", sums))


def test_limits_that_are_all_positive_need_no_map() -> None:
    constants = random_forest(1, "f32", "groups")
    constants[1] = np.abs(constants[1])
    op = Forest("groups")
    check(op, features(1, "f32", 20), constants)
    inputs = operands(features(1, "f32", 1), constants)
    text = repr(op.calls(inputs, [])[0].kernel.body)
    assert "raw_bits" in text and "ordered_bits" not in text


def many_trees() -> list[Array]:
    """Random forests one after the other, that vote; more nodes than different limits."""
    made = [random_forest(seed, "f32", "votes") for seed in range(40)]
    shift = np.cumsum([0, *(len(m[2]) for m in made)])
    moved = [[np.where(m[i] < 0, m[i], m[i] + s) for i in (2, 3, 6)] for m, s in zip(made, shift, strict=False)]
    joined = [np.concatenate([m[i] for m in made]) for i in range(9)]
    for i, k in ((2, 0), (3, 1), (6, 2)):
        joined[i] = np.concatenate([m[k] for m in moved]).astype(np.int32)
    joined[7], joined[8] = np.zeros(0, np.int32), np.zeros(CLASSES, np.int32)
    return joined


def test_many_nodes_share_their_limits() -> None:
    joined = many_trees()
    check(Forest("votes"), features(2, "f32", 3), joined)
    names = [c.kernel.name for c in Forest("votes").calls(operands(features(0, "f32", 1), joined), [])]
    assert names == ["forest_votes_listed_f32"]


def large_forest(dtype: str, sums: str, nodes: int = 300) -> list[Array]:
    """One tree after the other that grow to one side: too large for children that are bytes."""
    made = random_forest(4, dtype, sums)
    rng = np.random.default_rng(9)
    leaves = CLASSES if sums == "votes" else LEAVES
    made[0] = rng.integers(0, FEATURES, 2 * nodes).astype(np.int32)
    made[1] = (rng.integers(-8, 9, 2 * nodes) / 2 if dtype == "f32" else rng.integers(-6, 7, 2 * nodes)).astype(
        made[1].dtype
    )
    down = np.arange(1, 2 * nodes + 1)
    down[nodes - 1 :: nodes] = -1
    aside = -1 - rng.integers(0, leaves, 2 * nodes)
    turned = rng.random(2 * nodes) < 0.5
    made[2] = np.where(turned, down, aside).astype(np.int32)
    made[3] = np.where(turned, aside, down).astype(np.int32)
    made[4], made[5] = rng.random(2 * nodes) < 0.5, np.arange(2 * nodes, 0, -1, np.int32)
    made[6] = np.array([0, nodes, -1], np.int32)
    return made


@pytest.mark.parametrize("sums", ["votes", "rows", "groups"])
@pytest.mark.parametrize("dtype", ["f32", "u8"])
def test_trees_too_large_for_bytes(dtype: str, sums: str) -> None:
    constants = large_forest(dtype, sums)
    x = features(3, dtype, 2)
    for op in (Forest(sums), Forest(sums, inline=9), Forest(sums, sided=True)):
        if dtype == "f32" or not op.sided:
            check(op, x, constants)
    (first, *_) = Forest(sums).calls(operands(x[:1], constants), [])
    assert first.kernel.name.startswith("descend")


@given(
    seed=st.integers(0, 2**31), dtype=st.sampled_from(["f32", "u8", "i16"]), sums=st.sampled_from(["rows", "groups"])
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_pruning_changes_no_sum(seed: int, dtype: str, sums: str) -> None:
    constants = random_forest(seed, dtype, sums)
    rng = np.random.default_rng(seed)
    for side in (2, 3):  # few leaves: siblings are often alike
        constants[side] = np.where(
            constants[side] < 0, -1 - rng.integers(0, 2, len(constants[side])), constants[side]
        ).astype(np.int32)
    constants[0] = (constants[0] % 2).astype(np.int32)  # few features: often asked again
    x = features(seed, dtype, 40)
    names = ("feature", "limit", "left", "right", "missing", "visits", "root", "value", "bias")
    for sided in (False, True) if dtype == "f32" else (False,):
        op = Forest(sums, sided=sided)
        made = list(pruned(dict(zip(names, constants, strict=True)), bounds=not sided).values())
        (want,) = op.reference([], [], [x, *constants])
        (got,) = op.reference([], [], [x, *made])
        np.testing.assert_array_equal(got, want)
        assert len(made[0]) <= len(constants[0])
        again = list(pruned(dict(zip(names, made, strict=True)), bounds=not sided).values())
        assert len(again[0]) == len(made[0])


def test_nodes_that_decide_nothing_go() -> None:
    a = np.array
    columns = {
        "feature": a([0, 0, 1]), "limit": a([3, 5, 0]), "left": a([1, -1, -3]), "right": a([2, -2, -3]),
        "missing": a([False] * 3), "visits": a([9, 8, 1]), "root": a([0]), "value": a([7, 8, 9]), "bias": a([0]),
    }  # fmt: skip
    made = pruned(columns, bounds=True)
    assert made["left"].tolist() == [-1] and made["right"].tolist() == [-3] and made["limit"].tolist() == [3]
    assert pruned(columns, bounds=False)["feature"].tolist() == [0, 0]


@pytest.mark.parametrize("inline", [100, 400])
def test_votes_by_ifs_and_table_in_one_kernel(inline: int) -> None:
    joined = many_trees()
    check(Forest("votes", inline=inline), features(2, "f32", 6), joined)
    (made,) = Forest("votes", inline=inline).calls(operands(features(0, "f32", 1), joined), [])
    assert made.kernel.name == "vote_mixed_f32"


def test_the_order_of_bits() -> None:
    x = np.array([-np.inf, -1.5, -1e-45, -0.0, 0.0, 1e-45, 2, np.inf], np.float32)
    assert (np.diff(ordered(x).astype(np.int64)) > 0).all()


def test_depth() -> None:
    a = np.array
    assert depth(a([1, -1]), a([-1, -1]), a([0, -1])) == 2
    assert depth(a([], np.int64), a([], np.int64), a([-1])) == 0


def broken(i: int, change: Any) -> list[Array]:
    constants = random_forest(1, "f32", "groups")
    constants[i] = change(constants[i])
    return constants


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        (broken(0, lambda a: a + 5), "a feature must be in"),
        (broken(0, lambda a: a[1:]), "every node must have a feature, a limit and two children"),
        (broken(1, lambda a: a * np.float32(np.nan)), "a limit must be a number, not NaN"),
        (broken(2, lambda a: a * 0), "one goes in a circle"),
        (broken(3, lambda a: a * 0 - 8), "every child must be a node or a leaf"),
        (broken(6, lambda a: a[:0]), "at least one tree"),
        (broken(6, lambda a: a[:4]), "4 trees can't be 3 groups of equal size"),
        (broken(7, lambda a: a * 0 + (1 << 30)), "the sums over all trees must fit 32 bits"),
    ],
)
def test_what_is_refused(constants: list[Array], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Forest("groups").infer(operands(np.zeros((1, FEATURES), np.float32), constants))


def test_more_that_is_refused() -> None:
    constants = random_forest(1, "f32", "rows")
    with pytest.raises(ModelError, match=r"a forest takes rows of features, not \(5,\)"):
        Forest("rows").infer(operands(np.zeros(FEATURES, np.float32), constants))
    with pytest.raises(ModelError, match="votes begin at 0 and count 1 each"):
        Forest("votes").infer(operands(np.zeros((1, FEATURES), np.float32), constants))
    constants[7] = constants[7][:, 1:]
    with pytest.raises(ModelError, match=r"a leaf must hold 3 values, not \(2,\)"):
        Forest("rows").infer(operands(np.zeros((1, FEATURES), np.float32), constants))
    integers = random_forest(1, "i8", "groups")
    with pytest.raises(ModelError, match="integers can't be missing"):
        Forest("groups", sided=True).infer(operands(np.zeros((1, FEATURES), np.int8), integers))
