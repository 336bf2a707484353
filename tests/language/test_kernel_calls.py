"""A kernel called from a kernel: its statements, in the caller's words."""

from __future__ import annotations

import linecache

import numpy as np
import pytest

from skosh.base.dtypes import i8, i16, i32
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel_text import text
from skosh.language import func, kernel, par, seq, widen, wrap
from skosh.language.decorators import resolve


@kernel
def add_row(x: i32[N], total: i32[N], *, times):
    """total += times * x."""
    for i in par(N):
        part = x[i] * times
        total[i] += part


@kernel
def columns(x: i32[M, N], y: i32[N], *, i):
    """y = the sum over rows m of (m + i) * x[m]."""
    part = i + 0
    for n in par(N):
        y[n] = 0
    for m in seq(M):
        add_row(x[m], y, times=m + part)


def test_names_are_kept_apart() -> None:
    assert text(columns).split('"""\n')[1] == (
        "    part = i + 0\n"
        "    for n in par(N):\n"
        "        y[n] = 0\n"
        "    for m in seq(M):\n"
        "        times = m + part\n"
        "        for i2 in par(N):\n"
        "            part2 = x[m, i2] * times\n"
        "            y[i2] += part2\n"
    )
    x, y = np.arange(12, dtype=np.int32), np.zeros(4, np.int32)
    run_kernel(columns, {"x": x, "y": y}, {"M": 3, "N": 4, "i": 5})
    assert y.tolist() == (np.array([5, 6, 7]) @ x.reshape(3, 4)).tolist()


@func
def doubled(x: i32) -> i32:
    return x + x


@kernel
def mapped(x: T[N], y: T[N], *, f: function):
    for i in par(N):
        y[i] = wrap(T, f(widen(x[i])))


@kernel
def twice(x: T[N], y: T[N], z: T[N]):
    mapped(x, y, f=doubled, T=T)
    mapped(y, z, f=doubled, T=T)


def test_type_variables_and_functions_are_handed_on() -> None:
    made = resolve(twice, {"T": i16})
    buffers = {n: np.array([1, 2, 300], np.int16) for n in "xyz"}
    run_kernel(made, buffers, {"N": 3})
    assert buffers["z"].tolist() == [4, 8, 1200]


def refused(line: str) -> str:
    source = f"@kernel\ndef bad(x: i32[M, N], y: i32[N], z: i8[N], *, a):\n    {line}\n"
    name = f"<test {abs(hash(line))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {"kernel": kernel, "i32": i32, "i8": i8, "add_row": add_row, "__name__": "test"}
    with pytest.raises(ScheduleError) as error:
        exec(compile(source, name, "exec"), names)
    assert str(error.value).startswith(f'{name}:3: "bad": ')
    return error.value.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("add_row(y, times=a)", "add_row takes 2 buffers, not 1"),
        ("add_row(x[a], y)", 'add_row must be given "times"'),
        ("add_row(x[a], y, times=a, many=a)", 'add_row has no number "many"'),
        ("add_row(x, y, times=a)", '"x" of add_row is i32[N], but "x" gives i32[M, N]'),
        ("add_row(z, y, times=a)", '"x" of add_row is i32[N], but "z" gives i8[N]'),
        ("add_row(x[a], y, times=i64(a))", '"times" of add_row is i32, not i64'),
        ("add_row(x[a], y, N=M, times=a)", '"x" of add_row is i32[N], which doesn\'t fit "x" i32[M, N]'),
        ("add_rows(x[a], y, times=a)", '"add_rows" is no kernel'),
        ("add_row(a, y, times=a)", "a kernel takes buffers, or rows of buffers, and then numbers by name"),
    ],
)
def test_what_is_refused(line: str, message: str) -> None:
    assert refused(line) == message
