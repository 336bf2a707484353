"""Operators of classical models: their kernels equal their meaning, whatever the sizes; and what they refuse."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from skosh.base.dtypes import DType, f32, f64, i32, i64, u8
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Op, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ops.classical.distances import Distances, TriangularQuadratics
from skosh.ops.classical.interpolation import Interpolated
from skosh.ops.classical.neighbor_trees import NearestInTree
from skosh.ops.classical.neighbors import InverseWeights, Nearest, Votes
from skosh.ops.classical.precise import PreciseDense
from skosh.ops.classical.svm import PairDecisions, PairProbabilities, PairVotes
from skosh.ops.classical.tables import AddRows, Encode, Products
from skosh.ops.classical.taming import Tamed
from skosh.ops.reductions.medians import WeightedMedian

TYPES: dict[str, DType] = {"float32": f32, "int32": i32, "int64": i64, "uint8": u8, "float64": f64}


def operand(name: str, values: Array) -> Tensor:
    return Tensor(name, values.shape, TYPES[values.dtype.name])


def check(op: Op, *values: Array) -> tuple[Array, ...]:
    """The reference's outputs, after seeing that the kernels give the same bits."""
    inputs = [operand(f"x{i}", v) for i, v in enumerate(values)]
    outputs = [Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(op.infer(inputs))]
    want = op.reference(inputs, outputs, values)
    got = run_calls(op, inputs, outputs, list(values), shuffle=random.Random(0))
    for t, w, g in zip(outputs, want, got, strict=True):
        assert (w.shape, w.dtype) == (t.shape, t.dtype.np)
        np.testing.assert_array_equal(np.asarray(g).reshape(w.shape), w)
    return want


def numbers(seed: int, *shape: int, whole: bool = False) -> Array:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.integers(-3, 4, shape) if whole else rng.normal(0, 2, shape), np.float32)


@pytest.mark.parametrize("metric", ["squared_euclidean", "manhattan"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 5, 7), (3, 4, 9)])
def test_distances(metric: str, sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    x, c = numbers(0, m, k), numbers(1, n, k)
    (y,) = check(Distances(metric), x, c)
    power = 1 if metric == "manhattan" else 2
    np.testing.assert_allclose(y, (np.abs(x[:, None] - c[None]) ** power).sum(axis=2), rtol=1e-5)


def test_scaled_distances() -> None:
    x, c, w = numbers(0, 2, 7), numbers(1, 5, 7), numbers(2, 5, 7)
    (y,) = check(Distances(), x, c, w)
    np.testing.assert_allclose(y, (((x[:, None] - c[None]) * w) ** 2).sum(axis=2), rtol=1e-5)


def test_relative_distances_keep_small_differences_beside_large_terms_that_are_shared() -> None:
    x, c, w = numbers(0, 2, 7), numbers(1, 5, 7), numbers(2, 5, 7)
    c[:, 3], w[:, 3] = c[0, 3], 1e4
    (y,) = check(Distances(relative=True), x, c, w)
    exact = (((x[:, None] - c[None]).astype(np.float64) * w) ** 2).sum(axis=2)
    np.testing.assert_allclose(
        y - y.min(axis=1, keepdims=True), exact - exact.min(axis=1, keepdims=True), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 4])
def test_triangular_quadratics(rows: int, shared: bool) -> None:
    x, c = numbers(0, 2, 4), numbers(1, 3, 4)
    full = np.triu(numbers(2, 1 if shared else 3, 4, 4))[:, :rows]
    packed = np.stack([np.concatenate([row[r:] for r, row in enumerate(w)]) for w in full])
    (y,) = check(TriangularQuadratics(rows), x, c, packed)
    z = (x[:, None] - c[None]).astype(np.float64)
    want = (np.einsum("nrk,mnk->mnr", np.broadcast_to(full, (3, rows, 4)), z) ** 2).sum(axis=2)
    np.testing.assert_allclose(y, want, rtol=1e-4)


@pytest.mark.parametrize("metric", ["squared_euclidean", "manhattan"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 20])
def test_nearest(metric: str, count: int) -> None:
    """Points on a lattice, so there are many ties."""
    for seed in range(4):
        x, c = numbers(seed, 1, 9, whole=True), numbers(seed + 50, 20, 9, whole=True)
        index, distance = check(Nearest(count, metric), x, c)
        power = 1 if metric == "manhattan" else 2
        every = (np.abs(x - c) ** power).sum(axis=1)
        np.testing.assert_array_equal(np.sort(distance[0]), np.sort(every)[:count])
        np.testing.assert_array_equal(every[index[0]], distance[0])
        assert len(set(index[0])) == count


@pytest.mark.parametrize("metric", ["squared_euclidean", "manhattan"])
@pytest.mark.parametrize("balls", [False, True])
def test_nearest_by_a_tree(metric: str, balls: bool) -> None:
    """A tree of 7 nodes over points on a line through a lattice: as near as without it, whatever the tie."""
    c = numbers(3, 23, 4, whole=True)
    c = c[np.argsort(c[:, 0], kind="stable")]
    ends = [(0, 23), (0, 11), (11, 23), (0, 5), (5, 11), (11, 17), (17, 23)]
    parts = [c[a:b] for a, b in ends]
    low = np.stack([p.mean(axis=0) if balls else p.min(axis=0) for p in parts])
    power = 1 if metric == "manhattan" else 2
    radii = [((np.abs(p - m) ** power).sum(axis=1) ** (1 / power)).max() for p, m in zip(parts, low, strict=True)]
    high = np.array(radii, np.float32)[:, None] if balls else np.stack([p.max(axis=0) for p in parts])
    for seed in range(6):
        x = numbers(seed, 1, 4, whole=True)
        for count in (1, 4, 23):
            index, distance = check(NearestInTree(count, metric, balls), x, c, low, high, np.array(ends, np.int32))
            every = (np.abs(x - c) ** power).sum(axis=1)
            np.testing.assert_array_equal(np.sort(distance[0]), np.sort(every)[:count])
            np.testing.assert_array_equal(every[index[0]], distance[0])


def test_nearest_to_what_is_not_a_number() -> None:
    x = np.full((1, 3), np.nan, np.float32)
    index, distance = check(Nearest(2), x, numbers(0, 4, 3))
    assert index.tolist() == [[0, 0]]
    assert np.isinf(distance).all()


@pytest.mark.parametrize("root", [False, True])
@pytest.mark.parametrize("distances", [[1.5, 2.0, 4.0], [1.0, 0.0, 2.0, 0.0], [np.inf, 3.0]])
def test_inverse_weights(distances: list[float], root: bool) -> None:
    (y,) = check(InverseWeights(root), np.array([distances], np.float32))
    if 0.0 in distances:
        assert y[0].tolist() == [float(d == 0) for d in distances]


def test_votes() -> None:
    labels = np.array([[2, 0, 2, 3]], np.uint8)
    assert check(Votes(4), labels)[0].tolist() == [[1, 0, 2, 1]]
    assert check(Votes(4), labels, np.array([[1, 2, 0.5, 4]], np.float32))[0].tolist() == [[2, 0, 1.5, 4]]


@pytest.mark.parametrize("support", [(1, 1), (3, 1, 2), (2, 3, 1, 4)])
def test_pair_decisions(support: tuple[int, ...]) -> None:
    classes, vectors = len(support), sum(support)
    x, w = numbers(0, 1, vectors), numbers(1, classes - 1, vectors)
    check(PairDecisions(support), x, w, numbers(2, classes * (classes - 1) // 2))


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_pair_votes(classes: int, scores: bool) -> None:
    pairs = classes * (classes - 1) // 2
    for x in (numbers(0, 1, pairs), numbers(1, 1, pairs, whole=True), np.zeros((1, pairs), np.float32)):
        (y,) = check(PairVotes(classes, scores), x)
        assert scores or y.sum() == pairs


@pytest.mark.parametrize("dtype", [f32, i32])
@pytest.mark.parametrize("weights", [(1,), (1, 1), (3, 0, 1, 5), (2, 2, 2, 2, 2)])
def test_weighted_medians(dtype: Any, weights: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = rng.integers(-2, 3, (3, len(weights))).astype(dtype.np)
        (got,) = check(WeightedMedian(weights), x)
        for row, median in zip(x, got, strict=True):
            spread = np.sort(np.repeat(row, weights))
            assert median[0] == spread[(len(spread) - 1) // 2]


def test_weighted_medians_refuse() -> None:
    x = Tensor("x", (1, 3), f32)
    with pytest.raises(ModelError, match="2 weights must have as many values in a row"):
        WeightedMedian((1, 2)).infer([x])
    with pytest.raises(ModelError, match="their sum from 1 to 2"):
        WeightedMedian((0, 0, 0)).infer([x])


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_pair_probabilities_equal_their_reference(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for spread in (0.5, 1.0):
        x = (0.5 + spread * (rng.random((1, classes * (classes - 1) // 2)) - 0.5)).astype(np.float32)
        (p,) = check(PairProbabilities(classes), x)
        assert abs(float(p.sum()) - 1) < 1e-5
    check(PairProbabilities(2), np.array([[1.5]], np.float32))


def test_a_decision_of_zero_is_for_the_second_as_libsvm_has_it() -> None:
    assert check(PairVotes(3), np.zeros((1, 3), np.float32))[0].tolist() == [[0, 1, 2]]


def test_encode() -> None:
    known = np.array([1, 3, 5, -1, 0], np.float32)
    assert check(Encode((3, 2), -1.0), np.array([[5, 0]], np.float32), known)[0].tolist() == [[2, 1]]
    assert check(Encode((3, 2), 9.0), np.array([[2, np.nan]], np.float32), known)[0].tolist() == [[9, 9]]


@pytest.mark.parametrize("row", [[0, 1], [2, 0], [7.5, -3], [np.nan, np.inf], [1.9, 0.5]])
def test_add_rows(row: list[float]) -> None:
    check(AddRows((3, 2)), np.array([row], np.float32), numbers(0, 5, 4), numbers(1, 4))


def test_products() -> None:
    x = np.array([[2, 3]], np.float32)
    (y,) = check(Products((-1, -1, -1, 1, 1, 2), (-1, 0, 1, 0, 1, 1)), x)
    assert y.tolist() == [[1, 2, 3, 4, 6, 9]]


REFUSED = [
    (Distances(), (numbers(0, 1, 3), numbers(0, 2, 4)), "rows of 3 elements must meet points as long, not 4"),
    (Distances(), (numbers(0, 3), numbers(0, 2, 3)), '"x0" must have 2 dimensions, not 1'),
    (
        Distances("manhattan"),
        (numbers(0, 1, 3),) + (numbers(0, 2, 3),) * 2,
        "only squared Euclidean distances can be scaled",
    ),
    (TriangularQuadratics(2), (numbers(0, 1, 3), numbers(0, 2, 3), numbers(0, 2, 6)), "must have 5 elements each"),
    (Nearest(3), (numbers(0, 1, 3), numbers(0, 2, 3)), "one row must ask for 1 to 2 points, not 1 for 3"),
    (Votes(2), (np.zeros((2, 2), np.uint8),), "labels and weights must be one row"),
    (
        PairDecisions((1, 2)),
        (numbers(0, 1, 3), numbers(0, 2, 3), numbers(0, 1)),
        "2 classes with 3 support vectors must",
    ),
    (PairVotes(3), (numbers(0, 1, 2),), "3 classes must have 3 decisions"),
    (Encode((1, 2), 0.0), (numbers(0, 1, 2), numbers(0, 4)), "2 features with 3 values must be one row"),
    (AddRows((1, 2)), (numbers(0, 1, 2), numbers(0, 3, 2), numbers(0, 3)), "a bias must have the 2 columns"),
    (Products((0,), (0,)), (numbers(0, 1, 2),), "each product must be an earlier one times one of 2 features"),
]


@pytest.mark.parametrize(("op", "values", "message"), REFUSED, ids=lambda v: getattr(v, "kind", ""))
def test_what_does_not_fit(op: Op, values: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ModelError) as info:
        op.infer([operand(f"x{i}", v) for i, v in enumerate(values)])
    assert message in str(info.value)


def test_tamed_rows_keep_their_direction() -> None:
    x = np.array([[1e38, -2e37, 0], [3, -4, 1e-40], [np.nan, 1e30, 2], [2.0**40, 1, 0], [np.inf, 1, 0]], np.float32)
    (y,) = check(Tamed(40, 10), x)
    assert y[1].tolist() == x[1].tolist()
    for row in (0, 2, 3):
        assert 2.0**10 <= np.nanmax(np.abs(y[row])) < 2.0**11
    np.testing.assert_allclose(y[0, 1] / y[0, 0], -0.2, rtol=1e-6)
    assert np.isinf(y[4, 0])


def test_lines_between_knots() -> None:
    knots = [([-1.0, 0.5, 2.0], [0.0, 0.25, 1.0]), ([3.0], [0.75]), ([0.0, 0.0, 1.0], [0.1, 0.2, 0.3])]
    at, height = (np.concatenate([k[n] for k in knots]).astype(np.float32) for n in (0, 1))
    starts = np.array([0, 3, 4, 7], np.int32)
    for v in (-np.inf, -1, -0.3, 0.0, 0.5, 1.2, 2.0, 9.0):
        (y,) = check(Interpolated(), np.full((1, 3), v, np.float32), at, height, starts)
        np.testing.assert_allclose(y[0, :2], [np.interp(v, *knots[0]), 0.75], rtol=1e-6)
    assert 0.1 <= y[0, 2] <= 0.31


def test_precise_products_cancel_without_loss() -> None:
    x = (1e6 + numbers(0, 3, 4)).astype(np.float32)
    w = np.array([[1 / 3, -1 / 3, 0.1, -0.1], [0.7, 0.1, -0.5, -0.3]])
    bias = np.array([0.25, -1.0])
    (y,) = check(PreciseDense(), x, w, bias)
    np.testing.assert_allclose(y, x.astype(np.float64) @ w.T + bias, rtol=1e-6, atol=1e-9)
