"""Blocks, orders, panels and held sums never change what is computed, not even the order of a sum."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import f32, f64, i8
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Const, Kernel
from skosh.ladder.matmul import matmul_of
from skosh.ladder.native import shared
from skosh.ladder.pairs import pair
from skosh.ladder.rungs import Tile, panels, tiled
from skosh.ladder.steps import blocks, can_blocks, can_hold, can_interchange, can_panel, hold, interchange, order, panel
from skosh.language import kernel, par, seq


@kernel
def ordered(x: f32[N, N], y: f32[N]):
    """Two loops that may not change places, and a sum that is no element."""
    for i in seq(N):
        for j in seq(N):
            y[j] = y[j] + x[i, j] * y[i]


@kernel
def skewed(x: f32[N, N], y: f32[N, N]):
    """An inner loop whose end depends on the outer one."""
    for i in par(N):
        for j in par(i):
            y[i, j] = x[j, i] + x[i, j]


def bound(m: int, k: int, n: int) -> Kernel:
    return schedule.bind(matmul_of(f32), {"M": m, "K": k, "N": n})


def run(k: Kernel, m: int, depth: int, n: int, parts: int = 1, seed: int = 0) -> np.ndarray:
    """c of a scheduled product of random matrices, all parts one after another, par loops in any order."""
    rng = np.random.default_rng(seed)
    buffers = {
        "a": rng.standard_normal(m * depth).astype(np.float32),
        "b": rng.standard_normal(depth * n).astype(np.float32),
        "c": rng.standard_normal(m * n).astype(np.float32),
    }
    for p in k.params:
        if p.name not in buffers:
            size = int(np.prod([d.value for d in p.shape if isinstance(d, Const)]))
            buffers[p.name] = np.full(size, np.nan, p.dtype.np)
    names = {v.name for v in k.numbers}
    for part in random.Random(seed).sample(range(parts), parts):
        numbers = {name: {"part": part, "parts": parts}[name] for name in names}
        run_kernel(k, buffers, numbers, shuffle=random.Random(seed))
    return buffers["c"]


SIZES = st.integers(1, 6)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(m=SIZES, depth=SIZES, n=SIZES, data=st.data())
def test_random_schedules_agree(m: int, depth: int, n: int, data: st.DataObject) -> None:
    k = bound(m, depth, n)
    want = run(k, m, depth, n)
    for loop in data.draw(st.permutations("ijk")):
        factor, name = data.draw(st.integers(1, 5)), loop + "b"
        if data.draw(st.booleans()) and can_blocks(k, loop, factor, name):
            k = blocks(k, loop, factor, name)
    for _ in range(data.draw(st.integers(0, 6))):
        loop = data.draw(st.sampled_from(["i", "j", "k", "ib", "jb", "kb"]))
        if can_interchange(k, loop):
            k = interchange(k, loop)
    inside = data.draw(st.sampled_from(["i", "j", "k", "ib", "jb", "kb"]))
    dims = data.draw(st.permutations([d for d in ("jb", "j", "k") if schedule.loops(k, d)]))
    if can_panel(k, "b", inside, "copy", dims):
        k = panel(k, "b", inside, "copy", dims)
    if can_hold(k, "k"):
        k = hold(k, "k")
    assert np.array_equal(run(k, m, depth, n), want)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(n=st.integers(2, 11), threads=st.integers(1, 4), rows=st.integers(1, 4), columns=st.integers(1, 3))
def test_the_schedules_of_the_rungs_agree(n: int, threads: int, rows: int, columns: int) -> None:
    want = run(bound(n, n, n), n, n, n)
    assert np.array_equal(run(tiled(f32, n, threads), n, n, n, threads), want)
    tile = Tile("avx2-f32", lanes=2, rows=rows, vectors=columns, depth=7, block=6 * columns, most=5)
    k = panels(f32, n, threads, tile, fuse=False)
    assert np.array_equal(run(k, n, n, n, threads), want)


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_parts_are_the_whole(parts: int) -> None:
    want = run(bound(5, 4, 6), 5, 4, 6)
    assert np.array_equal(run(shared(schedule.parallelize(bound(5, 4, 6), "i")), 5, 4, 6, parts), want)
    k = shared(schedule.parallelize(blocks(bound(5, 4, 6), "i", 2, "ib"), "ib"))
    assert np.array_equal(run(k, 5, 4, 6, parts), want)


def message(step: object, *args: object) -> str:
    with pytest.raises(ScheduleError) as caught:
        step(*args)  # type: ignore[operator]
    return str(caught.value)


@settings(deadline=None, derandomize=True, max_examples=20)
@given(n=st.integers(2, 9), threads=st.integers(1, 2), depth=st.integers(1, 6), block=st.integers(1, 3))
def test_pairs_of_bytes_agree(n: int, threads: int, depth: int, block: int) -> None:
    rng = np.random.default_rng(n)
    a, b = (rng.integers(-128, 127, n * n, np.int8, endpoint=True) for _ in "ab")
    tile = Tile("avx2", lanes=2, rows=3, vectors=1, depth=depth, block=2 * block, most=4)
    k = panels(i8, n, threads, tile)
    scratch = {p.name: np.zeros(int(np.prod([d.value for d in p.shape])), p.dtype.np) for p in k.params[3:]}  # type: ignore[attr-defined]
    buffers = {"a": a, "b": b, "c": np.zeros(n * n, np.int32), **scratch}
    for part in range(threads):
        run_kernel(k, buffers, {"part": part, "parts": threads}, shuffle=random.Random(n))
    want = a.reshape(n, n).astype(np.int32) @ b.reshape(n, n).astype(np.int32)
    assert np.array_equal(buffers["c"].reshape(n, n), want)
    assert [p.dtype.name for p in k.params[3:]] == ["u32", "u32"]


def test_illegal_steps_say_why() -> None:
    k = schedule.bind(matmul_of(f64), {"M": 8, "K": 8, "N": 8})
    assert "already split" in message(blocks, blocks(k, "i", 4, "ib"), "ib", 2, "x")
    assert 'there is a "j" already' in message(blocks, k, "i", 4, "j")
    assert 'there must be one loop over "q", not 0' in message(blocks, k, "q", 4, "qb")
    assert "at least one round, not 0" in message(blocks, k, "i", 0, "ib")
    assert "must hold one loop and nothing else" in message(interchange, k, "k")
    assert '"i" and "j" are both ordered (seq)' in message(interchange, schedule.bind(ordered, {"N": 4}), "i")
    assert 'the bounds of "j" depend on "i"' in message(interchange, schedule.bind(skewed, {"N": 4}), "i")
    assert '"c" must be a buffer that is only read' in message(panel, k, "c", "i", "p", ("j", "k"))
    assert 'depends on "k", which must be a dimension' in message(panel, k, "b", "i", "p", ("j",))
    assert 'there is no loop over "i" inside "i"' in message(panel, k, "b", "i", "p", ("i", "j", "k"))
    assert "must be read at one place" in message(panel, schedule.bind(skewed, {"N": 4}), "x", "i", "p", ("j",))
    assert 'is another one in each round of "j"' in message(hold, schedule.bind(ordered, {"N": 4}), "j")
    assert "loops to reorder must be some of" in message(order, k, ("i", "q"))
    assert "one sum of products of widened elements" in message(pair, hold(k, "k"), "k")
    held = hold(schedule.bind(matmul_of(i8), {"M": 8, "K": 8, "N": 8}), "k")
    assert '"a" must be a panel' in message(pair, held, "k")
    assert "share only a parallelized loop that is all of the kernel" in message(shared, k)


def test_a_schedule_tells_itself() -> None:
    k = tiled(i8, 512, 1)
    assert k.steps == (
        'blocks of 64 of "i": "ib"', 'blocks of 256 of "j": "jb"', 'blocks of 64 of "k": "kb"',
        "order of loops: ib, jb, kb, i, k, j", 'parallelize "ib"',
    )  # fmt: skip
