"""Operators of classical models in integers: kernels equal meaning up to the ends of the types; what they refuse."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import DType, from_numpy, i8, i16, u8
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Op, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ops.classical.integer_features import IntegerFeatures
from skosh.ops.classical.integer_gaussians import IntegerGaussians, IntegerQuadratics, most_of
from skosh.ops.classical.integer_points import Curves, IntegerDistances, IntegerNearest, curve_scaling, reach_of
from skosh.ops.classical.integer_scores import Above, IntegerPairs, IntegerScores, IntegerVotes, LabelVotes

FEATURES = st.sampled_from([i8, u8, i16])


def check(op: Op, *values: Array) -> tuple[Array, ...]:
    """The reference's outputs, after seeing that the kernels give the same bits."""
    inputs = [Tensor(f"x{i}", v.shape, from_numpy(v.dtype), data=v if i else None) for i, v in enumerate(values)]
    outputs = [Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(op.infer(inputs))]
    if hasattr(op, "check_outputs"):
        op.check_outputs(inputs, outputs)
    want = op.reference(inputs, outputs, values)
    got = run_calls(op, inputs, outputs, list(values), shuffle=random.Random(0))
    for t, w, g in zip(outputs, want, got, strict=True):
        assert (w.shape, w.dtype) == (t.shape, t.dtype.np)
        np.testing.assert_array_equal(np.asarray(g).reshape(w.shape), w)
    return want


def drawn(rng: np.random.Generator, dtype: DType, *shape: int, reach: int | None = None) -> Array:
    """Integers of a type, its ends among them."""
    low, high = (dtype.min, dtype.max) if reach is None else (-reach, reach)
    values = rng.integers(low, high, shape, endpoint=True)
    ends = rng.choice([low, high, 0], shape)
    return np.where(rng.random(shape) < 0.2, ends, values).astype(dtype.np)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), FEATURES, st.integers(1, 6), st.integers(1, 9))
def test_scores(seed: int, dtype: DType, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = drawn(rng, dtype, 1, k), drawn(rng, i16, n, k, reach=7000)
    bias = rng.integers(-1000, 1000, n).astype(np.int32)
    (y,) = check(IntegerScores(), x, w, bias)
    np.testing.assert_array_equal(y[0], w.astype(np.int64) @ x[0].astype(np.int64) + bias)


def test_sums_that_may_leave_32_bits_are_refused() -> None:
    w = np.full((1, 3), 32767, np.int16)
    with pytest.raises(ModelError, match=r"sums must stay below 2\^31, but number 0 can reach 3221127168"):
        check(IntegerScores(), np.zeros((1, 3), np.int16), w, np.zeros(1, np.int32))
    with pytest.raises(ModelError, match=r"weights must be \[N, 3\] and biases \[N\], not \[1, 3\] and \[2\]"):
        check(IntegerScores(), np.zeros((1, 3), np.int16), w, np.zeros(2, np.int32))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), FEATURES, st.sampled_from(["squared_euclidean", "manhattan"]), st.integers(1, 20))
def test_distances_and_the_nearest(seed: int, dtype: DType, metric: str, k: int) -> None:
    rng = np.random.default_rng(seed)
    reach = reach_of(k)
    x = drawn(rng, dtype, 1, k)
    c = drawn(rng, dtype, 12, k, reach=min(reach, 12000) if dtype == i16 else None) if dtype != u8 else drawn(rng, u8, 12, k)
    (y,) = check(IntegerDistances(metric), x, c)
    inside = np.clip(x.astype(np.int64), -reach, reach) if dtype == i16 else x.astype(np.int64)
    d = np.abs(inside - c.astype(np.int64)) ** (1 if metric == "manhattan" else 2)
    np.testing.assert_array_equal(y[0], d.sum(axis=1))
    for count in (1, 3, 5, 12):
        index, distance = check(IntegerNearest(count, metric), x, c)
        np.testing.assert_array_equal(np.sort(distance[0]), np.sort(y[0])[:count])
        np.testing.assert_array_equal(y[0][index[0]], distance[0])


def test_points_beyond_what_squares_leave_room_for_are_refused() -> None:
    with pytest.raises(ModelError, match=r"points of 4 int16 features must lie in \[-11585, 11585\]"):
        check(IntegerNearest(1), np.zeros((1, 4), np.int16), np.full((2, 4), 12000, np.int16))
    with pytest.raises(ModelError, match="one row must ask for 1 to 2 points, not for 3"):
        check(IntegerNearest(3), np.zeros((1, 4), np.uint8), np.zeros((2, 4), np.uint8))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), FEATURES, st.integers(1, 8), st.integers(8, 30))
def test_curves(seed: int, dtype: DType, k: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    span = int(rng.integers(1 << (bits - 1), 1 << bits)) + 256
    right, multiplier, down = curve_scaling(span)
    table = drawn(rng, i16, 258)
    x = drawn(rng, dtype, 1, k)
    c = drawn(rng, dtype, 5, k, reach=reach_of(k)) if dtype == i16 else drawn(rng, dtype, 5, k)
    check(Curves("distance", 0, span, right, multiplier, down), x, c, table)
    check(Curves("product", -span // 3, span, right, multiplier, down), x, c, table)


def test_a_curve_follows_its_function() -> None:
    from skosh.quantizer.classical.whole import curve

    op, table, scale = curve("distance", lambda t: np.exp(-t), 1e-3, 0, 1e6)
    x = np.zeros((1, 1), np.int16)
    points = np.arange(0, 120, dtype=np.int16)[:, None]
    (y,) = check(op, x, points, table)
    np.testing.assert_allclose(y[0] * scale, np.exp(-1e-3 * points[:, 0].astype(float) ** 2), atol=3e-4)


@pytest.mark.parametrize("support", [(1, 1), (3, 1, 2), (2, 3, 1, 4)])
def test_pairs_and_votes(support: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    classes, vectors = len(support), sum(support)
    pairs = classes * (classes - 1) // 2
    x, w = drawn(rng, i16, 1, vectors), drawn(rng, i16, classes - 1, vectors, reach=5000)
    (y,) = check(IntegerPairs(support), x, w, rng.integers(-9, 9, pairs).astype(np.int32))
    (votes,) = check(IntegerVotes(classes), y)
    assert votes.sum() == pairs
    assert check(LabelVotes(4), np.array([[2, 0, 2, 3]], np.uint8))[0].tolist() == [[1, 0, 2, 1]]
    assert check(Above(-1), np.array([[-2, -1, 0, 5]], np.int32))[0].tolist() == [[0, 0, 1, 1]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), FEATURES, st.integers(1, 8))
def test_gaussians(seed: int, dtype: DType, k: int) -> None:
    """Whatever the constants, no sum leaves 32 bits: the interpreter would stop."""
    rng = np.random.default_rng(seed)
    unit = 1 if dtype == i16 else 64
    x, c = drawn(rng, dtype, 1, k), drawn(rng, i16, 3, k)
    w = rng.integers(0, 1 << 16, (3, k)).astype(np.uint16)
    bias = rng.integers(-(1 << 28), 0, 3).astype(np.int32)
    check(IntegerGaussians(unit), x, c, w, bias)
    rows = min(k, 3)
    length = rows * k - rows * (rows - 1) // 2
    for many in (1, 3):
        triangles = drawn(rng, i16, many, length, reach=1500)
        right = rng.integers(0, 20, (many, rows)).astype(np.int8)
        check(IntegerQuadratics(rows, unit), x, c, triangles, right, bias)


def test_squares_of_all_distances_stay_below_a_sum() -> None:
    for terms in (1, 64, 1000):
        assert terms * (most_of(terms) ** 2 >> 6) <= 1 << 30


@pytest.mark.parametrize("dtype", [i8, u8, i16])
def test_features_are_rounded_and_kept_inside(dtype: DType) -> None:
    x = np.array([[np.nan, np.inf, -np.inf, 1.25, -0.5, 3e38]], np.float32)
    scale, zero = np.full(6, 10, np.float32), 7
    op = IntegerFeatures(dtype, dtype.min, dtype.max)
    (y,) = check(op, x, scale, np.full(6, zero + 0.5 - dtype.min, np.float32))
    assert y[0].tolist() == [dtype.min, dtype.max, dtype.min, 20, max(2, dtype.min), dtype.max]
