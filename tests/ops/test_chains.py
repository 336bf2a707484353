"""Hidden chains: kernels equal their meaning, and their meaning is that of probabilities, by enumeration."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import from_numpy
from skosh.base.errors import ModelError
from skosh.ir.graph import Op, Tensor
from skosh.ir.interpret_calls import run_calls
from skosh.ops.graphical.chains import FilterStep, ForwardBackward, LagStep, SequenceScore, Viterbi, split_moves
from skosh.ops.graphical.emissions import LOG_ZERO, GroupedLogSums, IndexedScores

Array = np.ndarray[Any, Any]
IMPOSSIBLE, BAD = 16, 17
few = settings(max_examples=25)


def check(op: Op, *values: Array) -> tuple[Array, ...]:
    """The reference's outputs, after seeing that the kernels give the same bits, whatever the types."""
    inputs = [Tensor(f"x{i}", v.shape, from_numpy(v.dtype)) for i, v in enumerate(values)]
    outputs = [Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(op.infer(inputs))]
    with np.errstate(all="ignore"):
        want = op.reference(inputs, outputs, values)
    got = run_calls(op, inputs, outputs, [v.copy() for v in values], shuffle=random.Random(0))
    for t, w, g in zip(outputs, want, got, strict=True):
        assert (w.shape, w.dtype) == (t.shape, t.dtype.np)
        np.testing.assert_array_equal(g, w)
    return want


def chain(seed: int, steps: int, states: int, zeros: bool = False) -> tuple[Array, Array, Array]:
    """(likelihoods, start, moves)"""
    rng = np.random.default_rng(seed)
    like = rng.random((steps, states))
    if zeros:
        like[rng.random(like.shape) < 0.4] = 0
    start, move = rng.dirichlet(np.ones(states)), rng.dirichlet(np.ones(states), states)
    return like.astype(np.float32), start.astype(np.float32), move.astype(np.float32)


def posteriors(like: Array, start: Array, move: Array) -> Array:
    """[T, K] by enumeration of all paths, unnormalized."""
    out = np.zeros(like.shape)
    for path in itertools.product(range(like.shape[1]), repeat=len(like)):
        p = float(start[path[0]]) * float(like[0, path[0]])
        for t in range(1, len(path)):
            p *= float(move[path[t - 1], path[t]]) * float(like[t, path[t]])
        for t, s in enumerate(path):
            out[t, s] += p
    return out


def logs(a: Array) -> Array:
    """float32 logarithms, LOG_ZERO for that of 0."""
    return np.asarray(np.where(a > 0, np.log(np.where(a > 0, a, 1)), LOG_ZERO), np.float32)


def far_apart(seed: int, steps: int, states: int) -> tuple[Array, Array, Array]:
    """(log-likelihoods hundreds apart, start, moves of a chain that only goes forward, some of them tiny), float64."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 200, (steps, states)).astype(np.float32).astype(np.float64)
    move = np.triu(rng.random((states, states)) * 10.0 ** rng.integers(-90, 1, (states, states)))
    move[-1, -1] = 1
    start = np.eye(states)[0]
    return score, start, move / move.sum(axis=1, keepdims=True)


def log_joint(score: Array, start: Array, move: Array) -> tuple[Array, float]:
    """([T, K], one number): logarithms of what ``posteriors`` gives, and of the sum of all paths, in float64."""
    paths = np.array(list(itertools.product(range(score.shape[1]), repeat=len(score))))
    with np.errstate(divide="ignore"):
        total = np.log(start)[paths[:, 0]] + score[0][paths[:, 0]]
        for t in range(1, len(score)):
            total = total + np.log(move)[paths[:, t - 1], paths[:, t]] + score[t][paths[:, t]]
    out = np.array([[np.logaddexp.reduce(total[paths[:, t] == s]) for s in range(score.shape[1])] for t in range(len(score))])
    return out, float(np.logaddexp.reduce(total))


@few
@given(st.integers(0, 999), st.integers(1, 5), st.integers(1, 3))
def test_nothing_is_lost_however_improbable(seed: int, steps: int, states: int) -> None:
    """All ways around a chain, beside sums of all paths in float64 logarithms."""
    score, start, move = far_apart(seed, steps, states)
    factors = logs(start), *split_moves(move)
    each, total = log_joint(score, start, move)
    want, given_scores = np.exp(each - total), score.astype(np.float32)
    y, status = check(ForwardBackward(IMPOSSIBLE, BAD), given_scores, *factors, ints(steps), ints(0))
    assert status[0] == 0
    np.testing.assert_allclose(y, want, atol=2e-4)  # of logarithms near 1000, float32 holds no more
    (likelihood,) = check(SequenceScore(), given_scores, *factors, ints(0))
    np.testing.assert_allclose(likelihood[0, 0], total, rtol=1e-6, atol=1e-3)
    predicted = factors[0]
    window, before, held = np.zeros((3, states), np.float32), factors[0], ints(0)
    for t in range(steps):
        now = given_scores[t : t + 1]
        each, total = log_joint(score[: t + 1], start, move)
        y, predicted, status = check(FilterStep(IMPOSSIBLE), now, ints(0), *factors[1:], predicted)
        np.testing.assert_allclose(y[0], np.exp(each[-1] - total), atol=2e-4)
        y, window, before, held, _ = check(LagStep(IMPOSSIBLE), now, ints(0), *factors[1:], window, before, held)
        np.testing.assert_allclose(y[0], np.exp(each[max(0, t - 2)] - total), atol=2e-4)


@few
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_the_likelihood_of_a_sequence(seed: int, steps: int, states: int, zeros: bool) -> None:
    like, start, move = chain(seed, steps, states, zeros)
    total = posteriors(like, start, move)[0].sum()
    (y,) = check(SequenceScore(), logs(like), logs(start), *split_moves(move), ints(0))
    if total == 0:
        assert y[0, 0] == -np.inf
    else:
        np.testing.assert_allclose(y[0, 0], np.log(total), atol=1e-5)
    assert np.isnan(check(SequenceScore(), logs(like), logs(start), *split_moves(move), ints(BAD))[0])


def ints(*values: int) -> Array:
    return np.array(values, np.int32)


@few
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 3), st.integers(-1, 5), st.booleans())
def test_forward_backward(seed: int, steps: int, states: int, length: int, zeros: bool) -> None:
    like, start, move = chain(seed, steps, states, zeros)
    y, status = check(
        ForwardBackward(IMPOSSIBLE, BAD), logs(like), logs(start), *split_moves(move), ints(length), ints(0)
    )
    if not 1 <= length <= steps:
        assert status[0] == BAD and np.isnan(y).all()
        return
    want = posteriors(like[:length], start, move)
    if want.sum() == 0:
        assert status[0] == IMPOSSIBLE and np.isnan(y).all()
        return
    assert status[0] == 0
    np.testing.assert_allclose(y[:length], want / want.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-7)
    assert not y[length:].any()


@few
@given(st.integers(0, 99), st.integers(1, 4), st.integers(1, 3), st.integers(-1, 5), st.booleans())
def test_viterbi(seed: int, steps: int, states: int, length: int, zeros: bool) -> None:
    like, start, move = chain(seed, steps, states, zeros)
    y, status = check(Viterbi(IMPOSSIBLE, BAD), *map(logs, (like, start, move)), ints(length), ints(0))
    if not 1 <= length <= steps:
        assert status[0] == BAD and (y == -1).all()
        return
    paths = list(itertools.product(range(states), repeat=length))

    def probability(p: tuple[int, ...]) -> float:
        return float(np.prod([start[p[0]] if t == 0 else move[p[t - 1], p[t]] for t in range(length)])) * float(
            np.prod([like[t, p[t]] for t in range(length)])
        )

    best = max(map(probability, paths))
    if best == 0:
        assert status[0] == IMPOSSIBLE and (y == -1).all()
        return
    assert probability(tuple(y[:length])) >= best * (1 - 1e-5)
    assert (y[length:] == -1).all()


def test_of_equal_paths_the_first() -> None:
    zero = np.zeros((3, 2), np.float32)
    y, _ = check(Viterbi(IMPOSSIBLE, BAD), zero, zero[0], zero[:2], ints(3), ints(0))
    assert y.tolist() == [0, 0, 0]


@few
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 6))
def test_filter_step_by_step(seed: int, states: int, steps: int) -> None:
    like, start, move = chain(seed, steps, states)
    predicted = logs(start)
    for t in range(steps):
        y, predicted, status = check(FilterStep(IMPOSSIBLE), logs(like[t : t + 1]), ints(0), *split_moves(move), predicted)
        want = posteriors(like[: t + 1], start, move)[-1]
        np.testing.assert_allclose(y[0], want / want.sum(), rtol=1e-5, atol=1e-7)
        assert status[0] == 0


@few
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 6), st.integers(0, 3))
def test_smoothing_with_a_lag(seed: int, states: int, steps: int, lag: int) -> None:
    like, start, move = chain(seed, steps, states)
    window, predicted, held = np.zeros((lag + 1, states), np.float32), logs(start), ints(0)
    for t in range(steps):
        y, window, predicted, held, status = check(
            LagStep(IMPOSSIBLE), logs(like[t : t + 1]), ints(0), *split_moves(move), window, predicted, held
        )
        want = posteriors(like[: t + 1], start, move)[max(0, t - lag)]
        np.testing.assert_allclose(y[0], want / want.sum(), rtol=1e-5, atol=1e-7)
        assert status[0] == 0


def test_an_observation_that_no_state_explains_is_passed_over() -> None:
    like, start, move = chain(1, 3, 3)
    like[1] = 0
    score, first, moves = logs(like), logs(start), split_moves(move)
    y, predicted, status = check(FilterStep(IMPOSSIBLE), score[1:2], ints(0), *moves, first)
    assert np.isnan(y).all() and status[0] == IMPOSSIBLE
    assert np.ptp(predicted - np.log(start @ move)) < 1e-6
    y, again, status = check(FilterStep(IMPOSSIBLE), score[:1], ints(BAD), *moves, first)
    assert np.isnan(y).all() and status[0] == BAD
    np.testing.assert_array_equal(again, predicted)
    window, held = np.zeros((2, 3), np.float32), ints(0)
    statuses = []
    for t in (0, 1, 2, 0, 2):
        _, window, first, held, status = check(LagStep(IMPOSSIBLE), score[t : t + 1], ints(0), *moves, window, first, held)
        statuses.append(int(status[0]))
    assert statuses == [0, IMPOSSIBLE, IMPOSSIBLE, 0, 0]
    y, *_, status = check(LagStep(IMPOSSIBLE), score[:1], ints(BAD), *moves, window, first, held)
    assert np.isnan(y).all() and status[0] == BAD


@few
@given(st.integers(0, 99), st.integers(1, 3), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_indexed_scores(seed: int, steps: int, each: int, rows: int, states: int, values: bool) -> None:
    rng = np.random.default_rng(seed)
    index = rng.integers(-1, rows, (steps, each)).astype(np.int32)
    value, weight = rng.normal(size=(steps, each)).astype(np.float32), rng.normal(size=(rows, states)).astype(np.float32)
    more = [value] if values else []
    y, status = check(IndexedScores(BAD), index, *more, weight)
    padded = np.concatenate([weight, np.zeros((1, states), np.float32)])
    factor = value[..., None] if values else 1.0
    np.testing.assert_allclose(y, (padded[index] * factor).sum(axis=1), atol=1e-5)
    assert status[0] == 0
    for wrong in (-2, rows, 2**31 - 1):
        index[0, 0] = wrong
        assert check(IndexedScores(BAD), index, *more, weight)[1][0] == BAD


def test_mixtures() -> None:
    x = np.array([[-3, 0.5, 2, -80], [LOG_ZERO] * 4, [-1e30, -5, 2e4, np.nan], [np.nan, 1, 2, 3], [-np.inf] * 4], np.float32)
    (z,) = check(GroupedLogSums(2), x)
    np.testing.assert_allclose(z[0], [np.log(np.exp(-3) + np.exp(0.5)), np.log(np.exp(2) + np.exp(-80))], rtol=1e-6)
    assert z[1, 0] == np.float32(LOG_ZERO)


def test_refusals() -> None:
    scores = (np.zeros((4, 2), np.float32), np.zeros(2, np.float32), np.zeros((3, 3), np.float32))
    with pytest.raises(ModelError, match=r"^a chain of 2 states must have moves \[2, 2\], not \[3, 3\]\.$"):
        check(Viterbi(IMPOSSIBLE, BAD), *scores, ints(1), ints(0))
    with pytest.raises(ModelError, match=r"^5 columns must make 2 groups of one size\.$"):
        check(GroupedLogSums(2), np.zeros((1, 5), np.float32))
