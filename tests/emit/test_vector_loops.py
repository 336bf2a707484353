"""Vector loops compute what the interpreter does, compiled and run: tails, tiles, branches, ranges, in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skosh import schedule
from skosh.base.errors import ScheduleError
from skosh.emit.expressions import Names
from skosh.emit.functions import kernel_text
from skosh.emit.vector.loops import why_scalar
from skosh.ir.kernel import Const, Kernel
from skosh.language import clamp, func, kernel, par, requantize_bounded, seq, set_word, widen, word, wrap
from skosh.language.dots import dot_pairs, halfwords
from skosh.schedule.lanes import can_vectorize, vectorize
from skosh.targets import missing, target
from tests.support.lanes import Trial, expected, run_here

LENGTHS = (1, 3, 4, 7, 8, 9, 16, 23, 24, 33, 40)
NATIVE = ("x86-64", "x86-64-avx2")


@func
def folded(x: i32, limit: i32) -> i32:
    """x reflected at the limit, with a branch in a branch."""
    y = x
    if x > limit:
        y = 2 * limit - x
        if y < 0:
            y = -y
    elif x < -limit:
        y = -x
    return y


@kernel
def branches(x: i8[N], z: i16[N], y: i16[N], *, limit):
    for i in par(N):
        v = folded(widen(x[i]) * 3, limit) + i
        if v % 65536 == v and widen(z[i]) > widen(x[i]):
            v = min(v, widen(z[i]))
        y[i] = wrap(i16, clamp(v, -20000, 20000))


@kernel
def plain_branches(x: i8[N], z: i16[N], y: i16[N], *, limit):
    """Conditions of lanes, of the loop, and of both."""
    for i in par(N):
        v = folded(widen(x[i]) * 3, limit) + i
        if widen(z[i]) > widen(x[i]) or v < 5:
            v = min(v, widen(z[i]))
        if limit > 50:
            v += 7
        else:
            v -= i
        y[i] = wrap(i16, clamp(v, -20000, 20000))


@kernel
def products(x: i16[M, 2 * K], w: i16[K, N, 2], bias: i32[N], right: i8[N], y: i8[M, N], *, lo, hi):
    for n, m in par(N, M):
        acc = bias[n]
        for k in seq(K):
            acc = dot_pairs(acc, word(x[m, 2 * k]), word(w[k, n, 0]))
        y[m, n] = wrap(i8, clamp(requantize_bounded(acc, 1518500250, widen(right[n])), lo, hi))


@kernel
def in_place(x: i8[N], y: i8[N]):
    """Reads what it writes: no iteration may run twice."""
    for i in par(N):
        y[i] = wrap(i8, widen(y[i]) + widen(x[i]))


@kernel
def ranges(x: u8[N + 5], y: i32[N + 5], *, first):
    for i in par(first, N + 5):
        y[i] = widen(x[i]) * i + first


@kernel
def pairs(x: i8[2 * N], y: i16[2 * N]):
    for i in par(N):
        set_word(y[2 * i], halfwords(widen(x[2 * i]), widen(x[2 * i + 1])))


@kernel
def sums(x: i8[R, N], y: i32[N], *, R2):
    """A loop that is the same for all lanes, over rows."""
    for n in par(N):
        best = -1000
        total = 0
        for r in seq(R):
            best = max(best, widen(x[r, n]))
            if r < R2:
                total += widen(x[r, n])
        y[n] = total * 2 if total > best else best


def trial(
    k: Kernel, loop: str, machine: str, vectors: int, numbers: dict[str, int], *, known: bool, tile: str = ""
) -> Trial:
    rng = np.random.default_rng(sum(numbers.values()) + vectors)
    made = vectorize(k, loop, machine, vectors)
    if tile:
        made = schedule.unroll_and_jam(made, tile, 2)
    if known:
        made = schedule.bind(made, numbers)
    buffers: dict[str, Any] = {}
    for p in schedule.bind(k, numbers).params:
        count = int(np.prod([d.value for d in p.shape if isinstance(d, Const)]))
        if p.name == "right":
            buffers[p.name] = rng.integers(1, 12, count).astype(p.dtype.np)
        else:
            span = 1 << min(p.dtype.bits, 12) - 1
            low = 0 if p.dtype.kind == "uint" else -span
            buffers[p.name] = rng.integers(low, span, count).astype(p.dtype.np)
    left = {v.name: numbers[v.name] for v in made.numbers}
    return Trial(f"{k.name} {numbers} {vectors} {known}", made, buffers, left)


def all_trials(machine: str) -> list[Trial]:
    out = []
    for n in LENGTHS:
        for known in (True, False):
            vectors = 1 + n % 3
            out += [
                trial(plain_branches, "i", machine, vectors, {"N": n, "limit": 40 + n}, known=known),
                trial(in_place, "i", machine, vectors, {"N": n}, known=known),
                trial(ranges, "i", machine, vectors, {"N": n, "first": n % 6}, known=known),
                trial(pairs, "i", machine, vectors, {"N": n}, known=known),
                trial(sums, "n", machine, vectors, {"N": n, "R": 1 + n % 4, "R2": 2}, known=known),
                trial(
                    products, "n", machine, vectors, {"N": n, "M": 1 + n % 5, "K": n % 7, "lo": -100, "hi": 127},
                    known=known, tile="m",
                ),
            ]  # fmt: skip
    return out


@pytest.mark.parametrize("name", NATIVE)
def test_lanes_compute_what_the_interpreter_does(name: str) -> None:
    chosen = target(name)
    if missing(chosen):
        pytest.skip(missing(chosen))
    found = all_trials(chosen.simd)
    for t, after in zip(found, run_here(found, chosen.flags), strict=True):
        want = expected(t)
        for buffer in want:
            assert np.array_equal(want[buffer], after[buffer]), f"{t.name}: {buffer}"


def test_enough_iterations_make_vectors() -> None:
    for t in all_trials("avx2"):
        text = kernel_text(t.kernel, "k", lambda name: name)
        known = "N" not in t.kernel.sizes
        if not known or "'N': 40" in t.name:
            assert "#if defined(__AVX2__)" in text, t.name


def test_a_vector_loop_is_a_plain_loop_elsewhere() -> None:
    made = vectorize(in_place, "i", "avx2")
    own, _, plain = kernel_text(made, "k", lambda name: name).partition("#else\n")
    assert "_mm256" in own
    assert "_mm256" not in plain
    assert plain.partition("#endif")[0].strip() in kernel_text(in_place, "k", lambda name: name)


def reason(k: Kernel, loop: str) -> str:
    (found,) = schedule.loops(vectorize(k, loop, "avx2"), loop)
    return why_scalar(found, Names(k.buffers, lambda name: name))


def test_reasons_to_stay_scalar() -> None:
    assert reason(branches, "i") == 'avx2 has no "% i32"'
    assert reason(in_place, "i") == ""


def test_an_ordered_loop_has_no_lanes() -> None:
    answer = can_vectorize(sums, "r")
    assert not answer
    with pytest.raises(ScheduleError, match="ordered"):
        vectorize(sums, "r", "avx2")
    with pytest.raises(ScheduleError, match='no loop over "q"'):
        vectorize(sums, "q", "avx2")
    with pytest.raises(ScheduleError, match="holds a vector loop"):
        vectorize(vectorize(products, "m", "avx2"), "n", "avx2")
