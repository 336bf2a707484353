"""What the kernel language takes, what it refuses, and that its interpreter stops where C would be undefined."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skosh.base import arith
from skosh.base.dtypes import f32, i8, i32
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import Trap, run_function, run_kernel
from skosh.language import arithmetic, bits, clamp, from_bits, func, kernel, par, sat, trunc, widen, wrap
from skosh.language.decorators import resolve
from skosh.language.parse import parse

I32 = st.integers(-(2**31), 2**31 - 1)


@given(I32, st.integers(2**30, 2**31 - 1), st.integers(-31, 12))
def test_requantize_is_what_base_arith_says(x, multiplier, shift):
    want = int(arith.requantize(x, multiplier, shift))
    assert run_function(arithmetic.requantize, x, multiplier, shift) == want


@given(st.integers(-(2**30) + 1, 2**30 - 1), st.integers(2**30, 2**31 - 1), st.integers(1, 30))
def test_the_short_requantization_is_the_long_one(x, multiplier, right):
    want = run_function(arithmetic.requantize, x, multiplier, -right)
    assert run_function(arithmetic.requantize_bounded, x, multiplier, right) == want


@given(st.integers(-64, 64), st.integers(1, 12))
def test_ties_round_away_from_zero(quotient, right):
    # accumulators whose high product is an exact half: where the two ways could part
    high = quotient * 2**right + 2 ** (right - 1)
    x = high * 2
    if abs(x) < 2**30:
        want = int(arith.requantize(x, 2**30, -right))
        assert run_function(arithmetic.requantize_bounded, x, 2**30, right) == want


@func
def mixed(a: i32, b: i32) -> i32:
    """Shifts, masks, selects and casts."""
    x = wrap(i8, a * 3)
    y = sat(i8, b)
    z = (widen(x) << 4) | (widen(y) & 15)
    return clamp(z if a < b else -z, -1000, 1000) + trunc(i32, f32(a) / 2.0)


@given(st.integers(-10000, 10000), st.integers(-10000, 10000))
def test_expressions_mean_what_python_would(a, b):
    x = int(np.int8((a * 3) & 0xFF if (a * 3) & 0xFF < 128 else ((a * 3) & 0xFF) - 256))
    y = max(-128, min(127, b))
    z = (x << 4) | (y & 15)
    want = max(-1000, min(1000, z if a < b else -z)) + int(a / 2)
    assert run_function(mixed, a, b) == want


@func
def identity_by_bits(x: f32) -> f32:
    return from_bits(bits(x))


@given(st.floats(width=32, allow_nan=False))
def test_bits_go_there_and_back(x):
    assert run_function(identity_by_bits, x) == np.float32(x)


@kernel
def overflowing(x: i32[N], y: i32[N]):
    for i in par(N):
        y[i] = x[i] + 1


def test_signed_overflow_is_a_trap():
    with pytest.raises(Trap, match="2147483648 overflows i32"):
        run_kernel(overflowing, dict(x=np.array([2**31 - 1], np.int32), y=np.zeros(1, np.int32)), dict(N=1))


BEYOND = """
@kernel
def beyond(x: i8[N], y: i8[N]):
    for i in par(N):
        y[i] = x[i + 1]
"""  # a text isn't looked at for races and bounds


def test_an_index_out_of_bounds_is_a_trap():
    with pytest.raises(Trap, match=r"x\[2\] is outside x\[2\]"):
        run_kernel(parse(BEYOND), dict(x=np.zeros(2, np.int8), y=np.zeros(2, np.int8)), dict(N=2))


RACING = """
@kernel
def racing(x: i32[N], y: i32[1]):
    for i in par(N):
        y[0] = x[i]
"""


def test_a_race_shows_when_iterations_are_shuffled():
    results = set()
    for seed in range(8):
        y = np.zeros(1, np.int32)
        run_kernel(parse(RACING), dict(x=np.arange(4, dtype=np.int32), y=y), dict(N=4), shuffle=random.Random(seed))
        results.add(int(y[0]))
    assert len(results) > 1


@kernel
def doubled(x: T[N], y: T[N]):
    for i in par(N):
        y[i] = x[i]


def test_type_variables_make_kernels_of_their_own():
    assert resolve(doubled, {"T": i8}).name == "doubled_i8"
    assert resolve(doubled, {"T": i8}) is resolve(doubled, {"T": i8})
    assert resolve(doubled, {"T": f32}).param("x").dtype == f32


def test_an_unbound_type_is_named():
    with pytest.raises(ScheduleError, match='"T" of kernel doubled must be bound'):
        resolve(doubled, {})


def refused(text: str) -> str:
    """The error for a kernel whose body is ``text``."""
    import linecache

    source = "@kernel\ndef bad(x: i8[N], y: i32[N], *, a):\n" + "\n".join("    " + t for t in text.splitlines()) + "\n"
    name = f"<test {abs(hash(text))}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    names = {"kernel": kernel, "i8": i8, "i32": i32, "__name__": "test"}
    with pytest.raises(ScheduleError) as error:
        exec(compile(source, name, "exec"), names)
    return error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("with a:\n    pass", "the kernel language has no with here"),
        ("for i in range(3):\n    pass", "a loop must run over par(...) or seq(...)"),
        ("y[0] = x[0] + x[1]", "arithmetic is on i32, i64, u32, u64, f32, f64, not i8"),
        ("y[0] = x[0]", '"y" holds i32, not i8'),
        ("b = q", '"q" has no value here'),
        ("b += 1", '"b" must have a value before it is changed'),
        ("y[0, 1] = a", '"y" has 1 dimensions, not 2'),
        ("for i in par(N):\n    i = 3", '"i" is a loop variable or a buffer and can\'t be assigned'),
        ("for a in par(N):\n    pass", 'loop variable "a" must be a new name'),
        ("y[0] = a / 2", "/ is for floats"),
        ("y[0] = trunc(i32, a)", "trunc can't take i32"),
        ("b = a\nb = i64(a)", '"b" is i32 and can\'t hold i64'),
        ("if a:\n    pass", "a condition must be bool, not i32"),
        ("y[0] = unknown(a)", '"unknown" is no function of the kernel language'),
    ],
)
def test_what_is_refused(text, message):
    assert refused(text) == message
