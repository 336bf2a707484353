"""Kernels print as text that people read, and what is printed reads back to an equal kernel."""

from __future__ import annotations

import pytest

from skosh import schedule
from skosh.base.errors import ScheduleError
from skosh.ir.kernel_text import text
from skosh.language import assume, flash, kernel, par, ram, register, seq, widen, word, wrap
from skosh.language.arithmetic import requantize
from skosh.language.decorators import resolve
from skosh.language.parse import parse
from skosh.ops.layers.gemm import matmul
from tests.language.corpus import calls, kernels


def test_every_kernel_reads_back() -> None:
    for k in kernels():
        assert parse(text(k)) == k, text(k)


def test_every_kernel_reads_back_when_its_numbers_are_bound() -> None:
    for c in calls():
        k = schedule.bind(c.kernel, c.numbers)
        assert parse(text(k)) == k, text(k)


@kernel
def everything(x: i8[N, K], w: i4[K] @ flash, y: i32[N], f: f32[N], a: i64, *, lo, b: f64):
    """All that the language has.

    In two paragraphs, with a \\ and "quotes".
    """
    assume(lo >= 0 and lo < N)
    for i in par(N):
        sums = register(i32[2])
        row = ram(i8[K])
        sums[0] = 0
        for k in par(K):
            row[k] = x[i, k]
        for k in seq(2, K - 1, 3):
            sums[0] += widen(row[k]) * widen(w[k]) - (lo - (k - 1))
        if not 0 <= i - lo < N and (i == 3 or i > 4):
            y[i] = sums[0] if a > 7 else -sums[0]
        elif i % 2 == 0:
            y[i] = wrap(i32, wrap(u32, sums[0]) >> (lo & 3) | word(x[i, 0]))
        else:
            f[i] = (1.5 - f[i]) * f32(-2.0) + f32(i)
            y[i] = min(~lo, max(i, 2) // 3)


def test_all_that_the_language_has() -> None:
    assert (
        text(everything)
        == '''\
@kernel
def everything(x: i8[N, K], w: i4[K] @ flash, y: i32[N], f: f32[N], *, a: i64, lo, b: f64):
    """All that the language has.

    In two paragraphs, with a \\\\ and "quotes".
    """
    assume(lo >= 0 and lo < N)
    for i in par(N):
        sums = register(i32[2])
        row = ram(i8[K])
        sums[0] = 0
        for k in par(K):
            row[k] = x[i, k]
        for k in seq(2, K - 1, 3):
            sums[0] += widen(row[k]) * widen(w[k]) - (lo - (k - 1))
        if not (0 <= i - lo and i - lo < N) and (i == 3 or i > 4):
            y[i] = sums[0] if a > i64(7) else -sums[0]
        elif i % 2 == 0:
            y[i] = wrap(i32, wrap(u32, sums[0]) >> (lo & 3) | word(x[i, 0]))
        else:
            f[i] = (1.5 - f[i]) * -2.0 + f32(i)
            y[i] = min(~lo, max(i, 2) // 3)
'''
    )
    assert parse(text(everything)) == everything


def test_the_history_is_kept() -> None:
    k = schedule.pack(schedule.unroll_and_jam(resolve(matmul, {"rescale": requantize}), "n", 2), "w", 2)
    assert "@steps('unroll and jam \"n\" by 2', 'pack \"w\" by 2 rows')" in text(k)
    assert "w: i8[N, K] @ rows(2)" in text(k)
    assert parse(text(k)) == k


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("def f(:", "<text>:1: a kernel's text must be Python's syntax: "),
        ("x = 1", "<text>:1: a kernel's text is made of functions."),
        ("def f(x):\n    return x", '<text>:1: "f": a function must be decorated with @kernel or @func.'),
        ("@func\ndef f(x: i32) -> i32:\n    return x", "<text>: there is no kernel in this text."),
        (
            "@kernel\ndef k(x: i32[N]):\n    x[0] = 5 / 2",
            '<text>:3: "k": / is for floats. Hint: // divides integers, toward zero',
        ),
        ("@kernel\n@steps(3)\ndef k(x: i8[N]):\n    pass", '<text>:2: "k": what stands in a decorator must be texts.'),
    ],
)
def test_what_is_no_text_of_a_kernel(words: str, message: str) -> None:
    with pytest.raises(ScheduleError) as error:
        parse(words)
    assert str(error.value).startswith(message)
