"""Schedules never change what a kernel computes: random steps, random shapes, against the unscheduled kernel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import i32
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Assign, Const, Kernel, Var
from skosh.ir.kernel_text import text
from skosh.language import assume, call, kernel, par, requantize_bounded, seq, widen
from skosh.language.parse import parse
from skosh.lower.assemble import lay_out
from skosh.ops.layers.gemm import matmul
from skosh.schedule.assembled import can_assemble
from skosh.schedule.lanes import can_vectorize
from skosh.schedule.sums import can_vectorize_sum


@kernel
def product(x: i8[M, K], w: i8[N, K], bias: i32[N], y: i32[M, N]):
    """Rows times filters."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += widen(x[m, k]) * widen(w[n, k])
        y[m, n] = acc


@kernel
def branches(x: i8[M, N], y: i32[M, N], *, limit):
    """Locals, branches and loops whose bounds depend on the loops around them."""
    for m in par(M):
        start = m * 2
        for n in par(N):
            total = start
            if widen(x[m, n]) > limit:
                total += widen(x[m, n])
            else:
                total -= n
            for j in seq(m, M):
                total += widen(x[j, n]) * (j - m)
            y[m, n] = total


STEPS = st.lists(st.tuples(st.sampled_from(["jam", "unroll"]), st.sampled_from("mnkj"), st.integers(2, 5)), max_size=4)


def apply(k: Kernel, steps: list[tuple[str, str, int]]) -> Kernel:
    for what, loop, factor in steps:
        step, can = {
            "jam": (schedule.unroll_and_jam, schedule.can_unroll_and_jam),
            "unroll": (schedule.unroll, schedule.can_unroll),
        }[what]
        if can(k, loop):
            k = step(k, loop, factor)
        else:
            with pytest.raises(ScheduleError):
                step(k, loop, factor)
    return k


@settings(max_examples=60)
@given(
    st.integers(1, 5), st.integers(1, 6), st.integers(1, 7), STEPS, st.integers(1, 4), st.booleans(), st.integers(0, 99)
)
def test_random_schedules_of_a_product(M, N, K, steps, tile, bound, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, M * K).astype(np.int8)
    w = rng.integers(-128, 128, N * K).astype(np.int8)
    bias = rng.integers(-1000, 1000, N).astype(np.int32)
    numbers = dict(M=M, N=N, K=K)
    k = schedule.bind(product, numbers) if bound else product
    k = apply(k, steps)
    k = schedule.pack(k, "w", tile) if tile > 1 else k
    y = np.zeros(M * N, np.int32)
    run_kernel(k, dict(x=x, w=lay_out(w, (N, K), tile), bias=bias, y=y), numbers)
    want = x.reshape(M, K).astype(np.int32) @ w.reshape(N, K).astype(np.int32).T + bias
    assert np.array_equal(y.reshape(M, N), want)


@settings(max_examples=60)
@given(st.integers(1, 5), st.integers(1, 6), STEPS, st.integers(-100, 100), st.booleans(), st.integers(0, 99))
def test_random_schedules_of_branches(M, N, steps, limit, bound, seed):
    x = np.random.default_rng(seed).integers(-128, 128, M * N).astype(np.int8)
    numbers = dict(M=M, N=N, limit=limit)
    want, got = np.zeros(M * N, np.int32), np.zeros(M * N, np.int32)
    run_kernel(branches, dict(x=x, y=want), numbers)
    k = schedule.bind(branches, numbers) if bound else branches
    run_kernel(apply(k, steps), dict(x=x, y=got), numbers)
    assert np.array_equal(got, want)


def test_an_ordered_loop_is_not_jammed():
    with pytest.raises(ScheduleError) as error:
        schedule.unroll_and_jam(product, "k", 2)
    assert str(error.value).endswith(
        'unroll and jam "k" by 2 is not legal: the loop over "k" is ordered (seq): its iterations may depend on each other.'
    )


def test_a_loop_that_is_not_there():
    assert schedule.can_unroll(product, "q") == schedule.No('there is no loop over "q"')


def test_a_written_buffer_is_not_packed():
    with pytest.raises(ScheduleError, match='"y" is written; only constants are re-laid at compile time'):
        schedule.pack(product, "y", 4)


def test_an_exact_tile_leaves_no_rest_loop():
    k = schedule.unroll_and_jam(schedule.bind(product, {"N": 8}), "n", 4, exact=True)
    assert len(schedule.loops(k, "n")) == 1
    assert len(schedule.loops(schedule.unroll_and_jam(product, "n", 4), "n")) == 2


def test_exact_is_proved_not_promised():
    assert schedule.can_unroll(product, "k", factor=2, exact=True) == schedule.No(
        'the loop over "k" from 0 to K isn\'t shown to run a multiple of 2 rounds; bind its numbers, or '
        "assume(K % 2 == 0) in the kernel"
    )
    with pytest.raises(ScheduleError, match="isn't shown to run a multiple of 4 rounds"):
        schedule.unroll_and_jam(schedule.bind(product, {"N": 6}), "n", 4, exact=True)
    with pytest.raises(ScheduleError, match="isn't shown to run a multiple of 2 rounds"):
        schedule.split(product, "k", 2, exact=True, cases=[{"M": 1, "N": 1, "K": 4}, {"M": 1, "N": 1, "K": 5}])
    assert schedule.can_unroll(product, "k", factor=2, exact=True, cases=[{"M": 1, "N": 1, "K": 4}])


@kernel
def promised(x: i32[K], y: i32[K]):
    """A number that is a multiple of four."""
    assume(K % 4 == 0)
    for k in seq(K):
        y[k] = x[k] + 1
    for k in seq(K - 1):
        y[k] += y[k + 1]


def test_a_promise_proves_exactness_of_the_loop_that_it_is_about():
    k = schedule.unroll(promised, "k#1", 2, exact=True)
    assert len(schedule.loops(k, "k#1")) == 1
    assert not schedule.can_unroll(promised, "k#2", factor=2, exact=True)
    assert not schedule.can_unroll(promised, "k#*", factor=2, exact=True)
    assert not schedule.can_unroll(promised, "k#1", factor=8, exact=True)


def test_a_number_that_the_kernel_changes_proves_nothing():
    k = replace(promised, body=(*promised.body, Assign(Var("K", i32), Const(3))))
    assert not schedule.can_unroll(k, "k#1", factor=2, exact=True)
    assert not schedule.can_unroll(k, "k#1", factor=2, exact=True, cases=[{"K": 4}])


STEPS_OF_A_LOOP = {
    "unroll": schedule.can_unroll, "jam": schedule.can_unroll_and_jam, "split": schedule.can_split, "peel": schedule.can_peel,
    "hoist": schedule.can_hoist, "fission": schedule.can_fission, "parallelize": schedule.can_parallelize,
    "stage": lambda k, name: schedule.can_stage(k, "x", name), "reorder": lambda k, name: schedule.can_reorder(k, name, name),
    "fuse": lambda k, name: schedule.can_fuse(k, name, name), "tile": lambda k, name: schedule.can_tile(k, (name, name)),
    "vectorize": can_vectorize, "sum": can_vectorize_sum, "assemble": can_assemble,
}  # fmt: skip


@pytest.mark.parametrize("step", STEPS_OF_A_LOOP)
def test_no_step_takes_the_first_of_two_loops(step):
    """A kernel written with two loops over a variable: which one, or each, must be said."""
    assert STEPS_OF_A_LOOP[step](promised, "k") == schedule.No(
        '2 loops are written over "k": say "k#1", "k#2", or "k#*" for each'
    )


def test_loops_keep_their_numbers_through_steps_and_text():
    k = schedule.unroll(schedule.unroll(promised, "k#2", 2), "k#1", 4)
    assert [loop.nth for loop in schedule.loops(k, "k")] == [1, 2, 2]
    assert parse(text(k)) == k
    assert "@nth('k 1 2 2')" in text(k)
    with pytest.raises(ScheduleError, match='@nth must have a number for each of the 3 loops over "k", not 2'):
        parse(text(k).replace("k 1 2 2", "k 1 2"))


@kernel
def twice(x: i32[2, K], y: i32[2, K]):
    """A kernel called twice is copied, and the copies of a loop are one loop to a schedule."""
    promised(x[0], y[0])
    promised(x[1], y[1])


def test_copies_of_a_called_kernel_are_one_loop_to_a_step():
    assert [loop.nth for loop in schedule.loops(twice, "k")] == [1, 2, 1, 2]
    assert len(schedule.loops(twice, "k#2")) == 2


def test_a_number_is_counted_and_not_said():
    with pytest.raises(ScheduleError, match="a loop has no nth"):

        @kernel
        def said(x: i32[K]):
            for k in seq(0, K, nth=2):
                x[k] = 0


def test_steps_are_remembered():
    k = schedule.pack(schedule.unroll_and_jam(product, "n", 4), "w", 4)
    assert k.steps == ('unroll and jam "n" by 4', 'pack "w" by 4 rows')


def test_call_refuses_what_is_not_bound():
    with pytest.raises(AssertionError, match="matmul has buffers"):
        call(matmul, rescale=requantize_bounded)
