"""Elements of four bits, bools and unsigned numbers, and a kernel's own buffers: the same in the interpreter and as C."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import i4, u4
from skosh.base.errors import ScheduleError
from skosh.emit.functions import kernel_text
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.language import flash, kernel, par, ram, register, sat, seq, widen, wrap
from skosh.language.parse import parse
from tests.language.host_c import Library


@kernel
def nibbles(x: i4[N], w: u4[N] @ flash, y: i4[N], z: u4[N], total: i32[1], even: bool[N]):
    """Four-bit arithmetic: y = the difference, saturated; z = the low bits of the sum."""
    total[0] = 0
    for i in seq(N):
        y[i] = sat(i4, widen(x[i]) - widen(w[i]))
        z[i] = wrap(u4, widen(x[i]) + widen(w[i]))
        even[i] = (widen(w[i]) & 1) == 0
        total[0] += widen(y[i])


@kernel
def averaged(x: u8[N], y: u16[N], *, half):
    """A window of five, kept in a ring, and its sum: buffers of the kernel's own."""
    ring = ram(u16[5])
    sums = register(u32[2])
    for k in par(5):
        ring[k] = 0
    sums[0] = 0
    sums[1] = u32(0)
    for i in seq(N):
        sums[0] -= wrap(u32, widen(ring[i % 5]))
        ring[i % 5] = wrap(u16, widen(x[i]) + half)
        sums[0] += wrap(u32, widen(ring[i % 5]))
        y[i] = wrap(u16, sums[0])


NIBBLES = Library([nibbles, schedule.bind(averaged, {"half": 3})])


def unpacked(data: np.ndarray, count: int, signed: bool) -> list[int]:
    halves = [h for b in data.view(np.uint8) for h in (int(b) & 15, int(b) >> 4)][:count]
    return [h - 16 if signed and h > 7 else h for h in halves]


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(0, 999))
def test_two_elements_lie_in_a_byte(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = {name: rng.integers(0, 256, (n + 1) // 2).astype(np.uint8) for name in "xwyz"}
    made["x"], made["y"] = made["x"].view(np.int8), made["y"].view(np.int8)
    made |= {"total": np.zeros(1, np.int32), "even": np.zeros(n, np.bool_)}
    c = {k: v.copy() for k, v in made.items()}
    x, w = unpacked(made["x"], n, True), unpacked(made["w"], n, False)
    run_kernel(nibbles, made, {"N": n})
    NIBBLES.run(0, c, {"N": n})
    y = [max(-8, min(7, a - b)) for a, b in zip(x, w, strict=True)]
    assert unpacked(made["y"], n, True) == y
    assert unpacked(made["z"], n, False) == [(a + b) % 16 for a, b in zip(x, w, strict=True)]
    assert made["total"][0] == sum(y) and made["even"].tolist() == [b % 2 == 0 for b in w]
    assert all(np.array_equal(made[k], c[k]) for k in made)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=12))
def test_own_buffers(values: list[int]) -> None:
    want, got = np.zeros(len(values), np.uint16), np.zeros(len(values), np.uint16)
    x = np.array(values, np.uint8)
    run_kernel(averaged, {"x": x, "y": want}, {"N": len(values), "half": 3})
    NIBBLES.run(1, {"x": x, "y": got}, {"N": len(values)})
    assert np.array_equal(got, want)
    assert want.tolist() == [sum(v + 3 for v in values[max(0, i - 4) : i + 1]) for i in range(len(values))]


def test_registers_become_scalars() -> None:
    bound = schedule.bind(averaged, {"half": 3})
    text = kernel_text(schedule.registers(bound, "sums"), "averaged", lambda name: name)
    assert "    uint16_t ring[5];\n" in text
    assert "    uint32_t sums_0 = 0u;\n" in text and "sums[" not in text
    assert schedule.can_registers(bound, "ring") == schedule.No('"ring" isn\'t in registers')


@pytest.mark.parametrize("read", ["a[1]", "wrap(i32, word(b[1]))"])
def test_own_buffers_are_set_before_they_are_read(read: str) -> None:
    own = "    a = ram(i32[2])\n    b = ram(i16[3])\n    a[0] = 1\n    b[1] = 1\n"
    junk = f"@kernel\ndef k(y: i32[1]):\n{own}    y[0] = {read}\n"
    with pytest.raises(Trap, match=r"[ab]\[1\] is read before it is set"):
        run_kernel(parse(junk), {"y": np.zeros(1, np.int32)}, {})


def test_a_packed_buffer_must_hold_all_elements() -> None:
    with pytest.raises(AssertionError, match="x must hold 2 elements, not 1"):
        run_kernel(nibbles, {n: np.zeros(1, np.int8 if n in "xy" else np.uint8) for n in "xwyz"}, {"N": 3})


def test_what_is_refused() -> None:
    with pytest.raises(ScheduleError, match='"w" is in flash and can\'t be written'):

        @kernel
        def burnt(w: i4[N] @ flash):
            for i in par(N):
                w[i] = sat(i4, i)

    with pytest.raises(ScheduleError, match="arithmetic is on i32, i64, u32, u64, f32, f64, not i4"):

        @kernel
        def narrow(x: i4[N], y: i4[N]):
            for i in par(N):
                y[i] = x[i] + x[i]

    assert (i4.min, i4.max, u4.max) == (-8, 7, 15)


def test_an_own_buffer_has_its_bounds() -> None:
    outside = "@kernel\ndef k(y: i32[N]):\n    a = ram(i32[2])\n    for i in seq(N):\n        a[i] = i\n"
    with pytest.raises(Trap, match=r"a\[2\] is outside a\[2\]"):
        run_kernel(parse(outside), {"y": np.zeros(3, np.int32)}, {"N": 3})
