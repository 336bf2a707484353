"""Steps of variable elimination: their kernels equal their meaning, and their meaning is that of probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import ModelError
from skosh.language.vectorized import apply
from skosh.ops.graphical.factors import BackTrack, Condition, Decide, Eliminate, Normalize, ReadEvidence, row_tables
from skosh.ops.graphical.semirings import (
    LINEAR,
    LOG_ZERO,
    LOGARITHMIC,
    ONE,
    TOTAL_LOG_ERROR,
    WIDE,
    WIDE_ZERO,
    Semiring,
    ratio_log,
    total_log,
)
from tests.ops.test_classical import check, operand

Array = np.ndarray[Any, Any]
RINGS = pytest.mark.parametrize("ring", [LINEAR, WIDE, LOGARITHMIC], ids=["float32", "wide", "log"])
IMPOSSIBLE, BAD = 16, 17


def real(ring: Semiring, values: Array) -> Array:
    """What numbers of this arithmetic stand for."""
    if ring is WIDE:
        return np.where(values < WIDE_ZERO // 2, 0, np.ldexp((values & 0xFFFFFFFF) / 2**31, values >> 32))
    return values.astype(np.float64) if ring is LINEAR else 2.0 ** (values / ONE)


def direction(values: Array) -> Array:
    return values / values.max()


@st.composite
def eliminations(draw: st.DrawFn) -> tuple[Eliminate, int, int | None]:
    """(operator, seed, rows of the spans input): random joints of up to 4 variables, up to 3 factors that cover them."""
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    last, count = len(sizes) - 1, draw(st.integers(1, 3))
    scopes = []
    for _ in range(count):
        others = draw(st.sets(st.integers(0, last - 1))) if last else set()
        scopes.append((*sorted(others), last))
    reduce = draw(st.sampled_from(["sum", "max"]))
    observed = draw(st.sampled_from([None, 0, 1])) if reduce == "sum" else None
    return Eliminate(sizes, tuple(scopes), reduce, observed), draw(st.integers(0, 99)), observed


@RINGS
@settings(max_examples=40)
@given(made=eliminations(), zeros=st.booleans())
def test_eliminate(ring: Semiring, made: tuple[Eliminate, int, int | None], zeros: bool) -> None:
    op, seed, observed = made
    rng = np.random.default_rng(seed)
    tables = [rng.random([op.sizes[v] for v in scope]) for scope in op.scopes]
    if zeros:
        tables[0][rng.random(tables[0].shape) < 0.4] = 0
    n = op.sizes[-1]
    start = int(rng.integers(0, n))
    spans = np.array([[start, start + 1], [0, n]], np.int32)
    more = [spans] if observed is not None else []
    got = check(op, *(ring.stored(t).reshape(-1) for t in tables), *more)

    product = np.ones(op.sizes)
    for t, scope in zip(tables, op.scopes, strict=True):
        product = product * t.reshape([s if v in scope else 1 for v, s in enumerate(op.sizes)])
    kept = product[..., slice(*spans[observed])] if observed is not None else product
    want = kept.sum(axis=-1) if op.reduce == "sum" else kept.max(axis=-1)
    if want.max() > 0:
        tolerance = 1e-3 if ring is LOGARITHMIC else 1e-6
        values = real(ring, got[0])
        np.testing.assert_allclose(direction(values), direction(want.reshape(-1)), rtol=tolerance, atol=1e-30)
        if ring is LINEAR:
            assert 1 <= got[0].max() < 2
    elif ring is LINEAR:
        assert not got[0].any()


def test_wide_numbers_are_kept_however_small() -> None:
    rng = np.random.default_rng(0)
    a, b = (10.0 ** rng.uniform(-150, 0, 500) for _ in "ab")
    wide = WIDE.stored(a), WIDE.stored(b)
    np.testing.assert_allclose(real(WIDE, wide[0]), a, rtol=WIDE.stored_error)
    np.testing.assert_allclose(real(WIDE, apply(WIDE.product, *wide)), a * b, rtol=4 * WIDE.product_error)
    np.testing.assert_allclose(real(WIDE, apply(WIDE.total, *wide)), a + b, rtol=4 * WIDE.total_error)
    total = apply(WIDE.total, *wide)
    np.testing.assert_allclose(apply(WIDE.ratio, wide[0], total), a / (a + b), rtol=2 * WIDE.ratio_error, atol=1e-37)
    zero = np.array([WIDE_ZERO])
    assert apply(WIDE.total, zero, zero) == zero and apply(WIDE.product, zero, wide[0][:1]) < WIDE_ZERO // 2
    assert (np.argsort(a, kind="stable") == np.argsort(wide[0], kind="stable")).all()


def test_a_product_keeps_small_numbers_that_others_make_large() -> None:
    """1e-30 next to 1, times 1e-30 once more: not lost when the 1 is ruled out in between."""
    small = np.array([1.0, 1e-30], np.float32)
    spans = np.array([[1, 2]], np.int32)
    (y,) = check(Eliminate((2,), ((0,),), "sum", 0), small, spans)
    (z,) = check(Eliminate((2, 1), ((), (0,)), "sum"), y, small)
    assert 1 <= z[0] < 2
    assert z[1] > 0


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_row_tables_name_the_rows_of_each_factor(sizes: list[int], data: st.DataObject) -> None:
    places = st.sets(st.integers(0, len(sizes) - 1)).map(sorted)
    scopes = data.draw(st.lists(places, min_size=1, max_size=3))
    tables, steps, inner = row_tables(sizes, scopes)
    index = np.indices(sizes).reshape(len(sizes), -1)
    for scope, table, step in zip(scopes, tables, steps, strict=True):
        rows = (table[:, None] + step * np.arange(inner)).reshape(-1)
        shape = [sizes[v] for v in scope]
        want = np.ravel_multi_index(tuple(index[scope]), shape) if scope else np.zeros(math.prod(sizes), int)
        np.testing.assert_array_equal(rows, want)


def test_neighbouring_variables_that_all_factors_walk_alike_are_one_loop() -> None:
    tables, steps, inner = row_tables((2, 3, 4), [(0, 1, 2), (0,)])
    assert (inner, steps) == (12, [1, 0])
    assert [t.tolist() for t in tables] == [[0, 12], [0, 1]]


def test_the_logarithm_of_a_sum_is_as_near_as_stated() -> None:
    """Every distance in the range where it matters."""
    d = np.arange(0, 19 * ONE)
    got = apply(total_log, np.zeros_like(d), -d) / ONE
    assert np.abs(got - np.log2(1 + 2.0 ** (-d / ONE))).max() <= TOTAL_LOG_ERROR
    far = apply(total_log, np.array([5, LOG_ZERO]), np.array([LOG_ZERO, -7]))
    assert far.tolist() == [5, -7]
    p = apply(ratio_log, -d[::61], np.zeros_like(d[::61]))
    np.testing.assert_allclose(p, 2.0 ** (-d[::61] / ONE), rtol=LOGARITHMIC.ratio_error)


@pytest.mark.parametrize("missing", [True, False])
@pytest.mark.parametrize(
    ("evidence", "spans", "wrong"),
    [
        ([1, 2], [[1, 2], [2, 3]], False),
        ([-1, 0], [[0, 2], [0, 1]], None),
        ([2, 0], [[0, 2], [0, 1]], True),
        ([0, -2], [[0, 1], [0, 3]], True),
        ([2**31 - 1, -(2**31)], [[0, 2], [0, 3]], True),
    ],
)
def test_evidence(evidence: list[int], spans: list[list[int]], wrong: bool | None, missing: bool) -> None:
    got, status = check(ReadEvidence((2, 3), missing, BAD), np.array([evidence], np.int32))
    assert got.tolist() == spans
    assert status[0] == (BAD if wrong or (wrong is None and not missing) else 0)


@RINGS
def test_normalize(ring: Semiring) -> None:
    p = np.array([0.2, 0.0, 0.5, 0.1])
    ok, bad = np.zeros(1, np.int32), np.array([BAD], np.int32)
    y, status = check(Normalize((2, 2), IMPOSSIBLE), ring.stored(p), ok)
    np.testing.assert_allclose(y, (p / p.sum()).reshape(1, 2, 2), rtol=2e-4)
    assert status[0] == 0
    for values, before, want in ((p, bad, BAD), (p * 0, ok, IMPOSSIBLE), (p * 0, bad, BAD)):
        y, status = check(Normalize((4,), IMPOSSIBLE), ring.stored(values), before)
        assert np.isnan(y).all() and status[0] == want


def test_condition_takes_the_row_that_was_observed() -> None:
    table = np.arange(30, dtype=np.float32).reshape(6, 5)
    (y,) = check(Condition((1, 0), (3, 2)), table, np.array([[1, 2], [2, 3]], np.int32))
    assert y.tolist() == table[2 * 2 + 1].tolist()


def test_back_track() -> None:
    best = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    (y,) = check(BackTrack(1, (2, 0), (2, 3)), best.reshape(-1), np.array([2, 9, 1], np.int32))
    assert y.tolist() == [2, 0, 1]
    (y,) = check(BackTrack(0, (), ()), np.array([1], np.uint8), np.zeros(2, np.int32))
    assert y.tolist() == [1, 0]


@RINGS
def test_decide(ring: Semiring) -> None:
    states, ok = np.array([1, 0], np.int32), np.zeros(1, np.int32)
    y, status = check(Decide(IMPOSSIBLE), states, ring.stored(np.array([0.3])), ok)
    assert (y.tolist(), status[0]) == ([[1, 0]], 0)
    y, status = check(Decide(IMPOSSIBLE), states, ring.stored(np.zeros(1)), ok)
    assert (y.tolist(), status[0]) == ([[-1, -1]], IMPOSSIBLE)


def test_refusals() -> None:
    with pytest.raises(ModelError, match=r'^"x0" must be a factor of 6 elements, not of shape \[5\]\.$'):
        Eliminate((2, 3), ((0, 1),)).infer([operand("x0", np.zeros(5, np.float32))])
    with pytest.raises(ModelError, match=r"^evidence must have shape \[1, 2\], not \[2\]\.$"):
        ReadEvidence((2, 3), True, BAD).infer([operand("e", np.zeros(2, np.int32))])
