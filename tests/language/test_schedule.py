"""Schedules never change what a kernel computes: random steps, random shapes, against the unscheduled kernel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Kernel
from skosh.language import call, kernel, par, requantize_bounded, seq, widen
from skosh.lower.assemble import lay_out
from skosh.ops.layers.gemm import matmul


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
    k = schedule.unroll_and_jam(product, "n", 4, exact=True)
    assert len(schedule.loops(k, "n")) == 1
    assert len(schedule.loops(schedule.unroll_and_jam(product, "n", 4), "n")) == 2


def test_steps_are_remembered():
    k = schedule.pack(schedule.unroll_and_jam(product, "n", 4), "w", 4)
    assert k.steps == ('unroll and jam "n" by 4', 'pack "w" by 4 rows')


def test_call_refuses_what_is_not_bound():
    with pytest.raises(AssertionError, match="matmul has buffers"):
        call(matmul, rescale=requantize_bounded)
