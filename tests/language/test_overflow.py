"""Overflow: proved, refused at the user's line, or left open and said so; never proved where the interpreter stops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i8, i32
from skosh.base.errors import ScheduleError
from skosh.ir.call import Const, In, Out
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.language import arithmetic_of, call, kernel, seq, widen
from skosh.language.parse import parse
from tests.language.random_arithmetic import INPUTS, SIZE, kernels
from tests.language.test_checks import defined

DOT = "acc = 0\nfor k in seq({n}):\n    acc += widen(x[k]) * widen(w[k])\ny[0] = acc"
DOT_HEAD = "x: i8[{n}], w: i8[{n}], y: i32[1]"
HINT = (
    "i64(...) on both sides makes it wide, wrap and sat say what becomes of it, and assume(...) says what a kernel relies on"
)


def letter(body: str, head: str) -> str:
    """Line in the body, message and hint of the error for a kernel with this body."""
    with pytest.raises(ScheduleError) as error:
        defined(body, head)
    line = int(str(error.value.loc).split(":")[1]) - 2
    return f"{line}: {error.value.message} Hint: {error.value.hint}"


def test_a_sum_that_is_too_long_is_refused_with_the_data_that_shows_it() -> None:
    what = '"acc + widen(x[k]) * widen(w[k])" reaches 3276800000, beyond i32, where every x is -128 and every w is -128'
    assert letter(DOT.format(n=200000), DOT_HEAD.format(n=200000)) == f"3: {what} Hint: {HINT}"
    assert arithmetic_of(defined(DOT.format(n=131071), DOT_HEAD.format(n=131071))).proved  # 131072 * 2^14 is 2^31


def test_what_overflows_for_certain_is_refused() -> None:
    body = "for i in par(N):\n    y[i] = 2147483647 + (2 if x[i] > 5 else 3)"
    assert letter(body, "x: i32[N], y: i32[N]") == (
        f'2: "2147483647 + (2 if x[i] > 5 else 3)" reaches 2147483650, beyond i32 Hint: {HINT}'
    )
    rarely = body.replace("    y[i] =", "    if x[i] > 3:\n        y[i] =")
    assert not arithmetic_of(defined(rarely, "x: i32[N], y: i32[N]")).proved
    shift = "clamp(...) or if keeps it away, and assume(...) says what a kernel relies on"
    assert letter("y[0] = x[0] << (32 + widen(n[0]))", "x: i32[N], n: u8[N], y: i32[N]") == (
        f'1: "x[0] << 32 + widen(n[0])" shifts by 287, and i32 has 32 bits Hint: {shift}'
    )


def test_constants_that_fold_to_zero_divide_nothing() -> None:
    assert letter("d = 4 - 4\ny[0] = x[0] // d", "x: i32[N], y: i32[N]") == (
        '2: "x[0] // d" may divide by zero Hint: clamp(...) or if keeps it away, '
        "and assume(...) says what a kernel relies on"
    )


@kernel
def dot(x: i8[K], w: i8[K], y: i32[1]):
    acc = 0
    for k in seq(K):
        acc += widen(x[k]) * widen(w[k])
    y[0] = acc


def bound(n: int, w: object) -> None:
    call(dot, x=In(0), w=w, y=Out(0), K=n)


def test_what_hangs_on_numbers_is_asked_when_they_are_known() -> None:
    bound(131071, In(1))
    with pytest.raises(ScheduleError) as error:
        bound(200000, In(1))
    line = dot.loc.file.split(":")[0]
    assert str(error.value) == (
        f'{line}:{int(dot.loc.file.split(":")[1]) + 3}: "dot": "acc + widen(x[k]) * widen(w[k])" reaches 3276800000, '
        f"beyond i32, where every x is -128 and every w is -128 (with K = 200000). Hint: {HINT}"
    )


def test_constants_bound_sums_by_what_they_are() -> None:
    small = np.resize(np.array([1, -2, 3], np.int8), 200000)
    bound(200000, Const(small, "w"))
    assert arithmetic_of(dot, {"K": 200000}, {"w": small}).proved
    mixed = np.resize(np.array([127, -128], np.int8), 200000)
    open_ = arithmetic_of(dot, {"K": 200000}, {"w": mixed})
    assert not open_.proved and open_.refused is None  # no data that is the same everywhere does it
    assert str(open_) == (
        'dot: not proved, checked by the interpreter: "acc + widen(x[k]) * widen(w[k])" reaches 3251316384, beyond i32'
    )


PROVED = [
    ("for i in par(N):\n    assume(x[i] < 100)\n    y[i] = x[i] + 1", "x: i32[N], y: i32[N]"),
    ("for i in par(N):\n    if x[i] != -2147483648:\n        y[i] = -x[i]", "x: i32[N], y: i32[N]"),
    ("for i in par(N):\n    y[i] = x[i] // d[i] if d[i] > 0 else 0", "x: i32[N], d: i32[N], y: i32[N]"),
    ("for i in par(N):\n    y[i] = wrap(i32, i64(x[i]) + 1)", "x: i32[N], y: i32[N]"),
    ("for i in par(N):\n    y[i] = clamp(x[i], -5, 5) * 1000", "x: i32[N], y: i32[N]"),
    ("best = 0\nfor i in seq(N):\n    best = max(best, widen(x[i]))\ny[0] = best + 1", "x: i8[N], y: i32[N]"),
    ("t = 1\nfor i in seq(30):\n    t = t * 2 if t < 1000 else t\ny[0] = t", "y: i32[N]"),
    ("at = 0\nfor i in seq(N):\n    y[0] = at\n    at = (at + 1) & 511", "x: i8[N], y: i32[512]"),
    ("at = 0\nfor i in seq(N):\n    y[0] = at\n    at = (at + 1) & 511\n    if at == 7:\n        at = (at + 100) & 511",
     "x: i8[N], y: i32[512]"),
    ("t = ram(i32[4])\nfor i in par(4):\n    t[i] = widen(x[i])\nfor i in par(4):\n    t[i] += 7\ny[0] = t[0] * 1000000",
     "x: i8[4], y: i32[1]"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "head"), PROVED)
def test_what_is_proved(body: str, head: str) -> None:
    made = arithmetic_of(defined(body, head))
    assert made.proved, str(made)


OPEN = [
    ("for i in par(N):\n    y[i] = x[i] + 1", "x: i32[N], y: i32[N]", '"x[i] + 1" reaches 2147483648, beyond i32'),
    ("for i in par(N):\n    y[i] = -x[i]", "x: i32[N], y: i32[N]", '"-x[i]" reaches 2147483648, beyond i32'),
    ("for i in par(N):\n    y[i] = x[i] // d[i]", "x: i32[N], d: i32[N], y: i32[N]", '"x[i] // d[i]" may divide by zero; '
     '"x[i] // d[i]" reaches 2147483648, beyond i32'),
    ("for i in par(N):\n    y[i] = 1 << x[i]", "x: i32[N], y: i32[N]", '"1 << x[i]" shifts by 2147483647, and i32 has 32 bits'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "head", "what"), OPEN)
def test_what_hangs_on_full_width_data_is_left_open_and_said(body: str, head: str, what: str) -> None:
    made = arithmetic_of(defined(body, head))
    assert str(made) == f"made: not proved, checked by the interpreter: {what}"


# ------------------------------------------------------------------------------------------------ against the interpreter


def inputs(draw: st.DrawFn, seed: int) -> dict[str, np.ndarray]:
    """Small, or at the ends of the types."""
    rng = np.random.default_rng(seed)
    out = {}
    for name, t in INPUTS.items():
        dtype = {"i8": np.int8, "i16": np.int16, "i32": np.int32, "u8": np.uint8}[t]
        info = np.iinfo(dtype)
        ends = np.array([info.min, info.max, 0, 1], np.int64)
        out[name] = rng.choice(ends, SIZE).astype(dtype) if draw(st.booleans()) else rng.integers(0, 9, SIZE).astype(dtype)
    return {**out, "y": np.zeros(SIZE, np.int32)}


@settings(max_examples=150)
@given(data=st.data())
def test_nothing_is_proved_that_the_interpreter_stops_at(data: st.DataObject) -> None:
    source = data.draw(kernels())
    made = parse(source)
    known = arithmetic_of(made)
    if not known.proved:
        return
    buffers = inputs(data.draw, data.draw(st.integers(0, 999)))
    try:
        run_kernel(made, buffers, {})
    except Trap as trap:
        assert "assumption" in str(trap) or "rounds" in str(trap), (source, str(trap))


@settings(max_examples=80)
@given(data=st.data())
def test_what_is_refused_does_overflow_with_the_data_that_is_named(data: st.DataObject) -> None:
    made = parse(data.draw(kernels()))
    known = arithmetic_of(made)
    if known.refused is None or not known.when or "assume" in str(made):
        return
    buffers = {"y": np.zeros(SIZE, np.int32)}
    for p in made.params:
        if p.name != "y":
            buffers[p.name] = np.zeros(SIZE, p.dtype.np)
    for part in known.when.split(" and "):
        _, name, _, value = part.split()
        buffers[name][:] = int(value)
    with pytest.raises(Trap):
        run_kernel(made, buffers, {})


