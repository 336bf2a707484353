"""Races and indices outside are refused at the user's line when a kernel is defined, or when a call binds its numbers."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import i8, i16, i32
from skosh.base.errors import ScheduleError
from skosh.ir.call import In, Out
from skosh.ir.checks.bounds import outside
from skosh.ir.checks.races import races
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.language import assume, call, kernel, par, seq, widen
from skosh.language.decorators import Generic
from tests.language.corpus import calls
from tests.language.zoo import ZOO


def defined(body: str, head: str = "x: i32[N], y: i32[N], b: i16[M, N], *, a") -> Any:
    source = f"@kernel\ndef made({head}):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    name = f"<test {abs(hash(source))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names: dict[str, Any] = {"kernel": kernel, "i8": i8, "i16": i16, "i32": i32, "__name__": "test"}
    exec(compile(source, name, "exec"), names)
    return names["made"]


def refused(body: str) -> str:
    """Line in the body, and message, of the error for a kernel with this body."""
    with pytest.raises(ScheduleError) as error:
        defined(body)
    line = int(str(error.value.loc).split(":")[1]) - 2
    return f"{line}: {error.value.message}" + (f" Hint: {error.value.hint}" if error.value.hint else "")


WRITE = 'one round may write an element of "y" that another may write'
RACES = [
    ("for i in par(N):\n    y[0] = x[i]", WRITE),
    ("for i in par(N):\n    y[i // 2] = x[i]", WRITE),
    ("for i in par(N - 1):\n    y[i] = y[i + 1]", 'one round may write an element of "y" that another may read'),
    ("t = 0\nfor i in par(N):\n    t += x[i]", 'its rounds share the local "t", which each of them changes'),
    ("for i in par(N):\n    assume(0 <= x[i] < N)\n    y[x[i]] = 1", WRITE),
    ("t = ram(i32[4])\nfor i in par(N):\n    t[i % 4] = x[i]", 'one round may write an element of "t" that another may write'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "what"), RACES)
def test_races_are_refused(body: str, what: str) -> None:
    last = len(body.splitlines())
    loop = "i"
    assert refused(body) == f'{last}: the loop over "{loop}" is par, but {what} Hint: seq runs them in order'


OUTSIDE = [
    ("y[0] = x[N]", "x[N] of x[N] is outside, always"),
    ("for i in par(N):\n    y[i] = x[i - N]", "x[i - N] of x[N] is outside, always"),
    (
        "for i in par(N):\n    y[i] = x[x[i]]",
        "x[x[i]] of x[N] hangs on data, and may lie outside "
        "Hint: clamp(...) keeps it inside, and assume(...) says what a kernel relies on",
    ),
]


@pytest.mark.parametrize(("body", "what"), OUTSIDE)
def test_indices_outside_are_refused(body: str, what: str) -> None:
    assert refused(body) == f"{len(body.splitlines())}: {what}"


def test_sizes_that_show_it_are_told() -> None:
    with pytest.raises(ScheduleError) as error:
        defined("for i in par(N):\n    y[i] = x[i + 1]", "x: i32[N], y: i32[N]")
    assert error.value.message == "x[i + 1] of x[N] reaches outside: with N = 2, x[2] is outside x[2]"


FINE = [
    "for i in par(N - 1):\n    y[i] = x[i + 1]",
    "for i in par(N):\n    if i > 0:\n        y[i] = x[i - 1]",
    "for i in par(N):\n    y[i] = x[min(max(x[i], 0), N - 1)]",
    "for i in par(N):\n    assume(0 <= x[i] < N)\n    y[i] = x[x[i]]",
    "for i in par(N):\n    y[N - 1 - i] = x[i]",
    "for i in par(N // 2):\n    y[2 * i] = x[i]\n    y[2 * i + 1] = x[i]",
    "for m in par(M):\n    for n in seq(N):\n        b[m, n] = b[m, N - 1 - n]",
    "for i in par(N):\n    t = x[i]\n    t += 1\n    y[i] = t",
    "for i in par(N):\n    y[i] = x[i] if i < 3 else 0",
]


@pytest.mark.parametrize("body", FINE)
def test_what_can_be_shown_is_taken(body: str) -> None:
    assert not isinstance(defined(body), Generic)


@kernel
def strided(x: i8[N], y: i8[M], *, step, first):
    for i in par(N):
        y[first + i * step] = x[i]


def bound(**numbers: int) -> None:
    call(strided, x=In(0), y=Out(0), **numbers)


def test_what_hangs_on_numbers_is_asked_when_they_are_known() -> None:
    bound(N=4, M=8, step=2, first=1)
    bound(N=4, M=8, step=-2, first=7)
    with pytest.raises(ScheduleError) as error:
        bound(N=4, M=8, step=0, first=1)
    assert (
        'one round may write an element of "y" that another may write (with N = 4, M = 8, step = 0, first = 1)'
        in str(error.value)
    )
    with pytest.raises(ScheduleError) as error:
        bound(N=4, M=8, step=2, first=2)
    assert "y[2 + i * 2] of y[8] may lie outside (with N = 4, M = 8, step = 2, first = 2)" in str(error.value)


@kernel
def promised(x: i8[N], y: i32[N], *, a):
    assume(a < N)
    for i in seq(a):
        y[i] = widen(x[i + 1])


def test_a_promise_is_a_fact() -> None:
    assert not list(outside(promised))


def test_our_own_kernels_keep_to_it() -> None:
    for c in calls():
        k = schedule.bind(c.kernel, c.numbers)
        assert not list(races(k)), k.name
        assert not list(outside(k)), k.name


@pytest.mark.parametrize("name", [n for n in ZOO if n != "tree"])
def test_so_does_the_zoo(name: str) -> None:
    k = schedule.bind(ZOO[name].kernel, ZOO[name].numbers)
    assert not list(races(k))
    assert not list(outside(k))


def test_the_interpreter_holds_promises() -> None:

    buffers = {"x": np.zeros(2, np.int8), "y": np.zeros(2, np.int32)}
    run_kernel(promised, buffers, {"N": 2, "a": 1})
    with pytest.raises(Trap, match="an assumption of the kernel doesn't hold"):
        run_kernel(promised, buffers, {"N": 2, "a": 2})
