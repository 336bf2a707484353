"""Many rows at once: bit vectors and steps give what the reference gives, for every kind of forest."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from skosh.ir.graph import Array, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ops.trees.forest import Forest
from skosh.ops.trees.forest_batch import BITS
from tests.ops.test_forest import CLASSES, FEATURES, features, many_trees, operands, random_forest


def check(op: Forest, x: Array, constants: list[Array]) -> list[str]:
    """The names of the kernels, after seeing that they give what the reference gives."""
    inputs = operands(x, constants)
    (want,) = op.reference(inputs, [], [x, *constants])
    (type_,) = op.infer(inputs)
    out = [Tensor("y", type_.shape, type_.dtype)]
    for shuffle in (None, random.Random(1)):
        (got,) = run_calls(op, inputs, out, [x, *constants], shuffle=shuffle)
        np.testing.assert_array_equal(got.reshape(want.shape), want)
    return [c.kernel.name for c in op.calls(inputs, [])]


@pytest.mark.parametrize("sums", ["votes", "rows", "groups"])
@pytest.mark.parametrize("dtype", ["f32", "i8", "u8", "i16"])
def test_bit_vectors(dtype: str, sums: str) -> None:
    for seed in range(3):
        names = check(Forest(sums), features(seed, dtype, 5), random_forest(seed, dtype, sums))
        assert any(n.startswith("exit_leaves") for n in names)


@pytest.mark.parametrize("sums", ["votes", "rows", "groups"])
def test_missing_values(sums: str) -> None:
    names = check(Forest(sums, sided=True), features(0, "f32", 16), random_forest(0, "f32", sums))
    assert names[0].startswith("step_down_sided")


def comb(nodes: int) -> list[Array]:
    """One tree with a leaf at each node and two at the last: nodes + 1 leaves, -1 - l at depth l + 1."""
    n = np.arange(nodes)
    return [
        (n % FEATURES).astype(np.int32), (n % 7 - 3).astype(np.float32), (-1 - n).astype(np.int32),
        np.append(n[1:], -1 - nodes).astype(np.int32), np.zeros(nodes, bool), np.ones(nodes, np.int32),
        np.zeros(1, np.int32), np.arange(nodes + 1, dtype=np.int32) * 3, np.zeros(1, np.int32),
    ]  # fmt: skip


@pytest.mark.parametrize("nodes", [1, BITS - 1, BITS, 40])
def test_as_many_leaves_as_there_are_bits(nodes: int) -> None:
    names = check(Forest("groups"), features(nodes, "f32", 12), comb(nodes))
    assert any(n.startswith("exit_leaves") for n in names) == (nodes < BITS)


def test_nodes_that_several_ways_lead_to() -> None:
    constants = comb(40)
    constants[2][:20] = 30
    names = check(Forest("groups"), features(1, "f32", 12), constants)
    assert names[0].startswith("step_down")


def test_only_leaves() -> None:
    none: list[Any] = [np.zeros(0, t) for t in (np.int32, np.float32, np.int32, np.int32, bool, np.int32)]
    constants = [*none, np.array([-1, -2, -2], np.int32), np.array([5, 9], np.int32), np.array([1], np.int32)]
    check(Forest("groups"), features(0, "f32", 2), constants)


def test_votes_of_many_trees() -> None:
    assert CLASSES == 3
    check(Forest("votes"), features(2, "f32", 4), many_trees())
