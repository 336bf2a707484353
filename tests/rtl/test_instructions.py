"""Instructions of custom function units: definition, golden model, hardware."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skosh.base.dtypes import i8, i32, i64
from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import run_function
from skosh.ir.kernel import Custom
from skosh.ir.kernel_text import text
from skosh.language import instr, kernel, register, requantize_bounded, seq, widen, word, wrap
from skosh.language.parse import parse
from skosh.machines.custom.instructions import cut, rescaled
from skosh.machines.custom.lanes import LANES
from skosh.machines.custom.quads import QUADS
from skosh.rtl.equivalence import difference, random_issues, simulate
from skosh.rtl.golden import Golden
from skosh.rtl.hardware import Hardware
from skosh.rtl.unit import Unit
from skosh.rtl.verilog import verilog


@instr(unit="small", number=0)
@kernel
def mac4(acc: i32[1], out: i32[1], *, a: u32, b: u32):
    """acc += the products of four bytes of a, with 128 added, and four of b; wraps."""
    total = 0
    for j in seq(4):
        total += (widen(wrap(i8, a >> 8 * j)) + 128) * widen(wrap(i8, b >> 8 * j))
    acc[0] = wrap(i32, i64(acc[0]) + i64(total))
    out[0] = acc[0]


@instr(unit="small", number=9, latency=1)
@kernel
def clear(acc: i32[1], *, a: i32):
    """acc = a."""
    acc[0] = a


@instr(unit="small", number=2)
@kernel
def odd(kept: i32[300], at: i32[1], out: i32[1], *, a: i32, b: i32):
    """Everything that hardware does of the language, and a memory; a and b in any relation."""
    here = at[0] & 255
    before = kept[here]
    x = wrap(i32, i64(max(a, b)) - i64(min(a, b))) if a != b else ~a
    if a < 0 and b >= 3:
        x = x ^ b
    elif not (a <= b):
        x = cut(x & 65535) | 7
    else:
        x = x >> (b & 15)
    kept[here] = wrap(i32, i64(x) + i64(before))
    at[0] = (here + 1) & 3
    out[0] = wrap(i32, i64(a if a == 5 else before) + i64(wrap(i8, x) if x > 100 else wrap(i8, 0 - (x & 1))))


SMALL = Unit("small", (mac4, clear, odd))


def test_the_definition_is_the_golden_model() -> None:
    golden = Golden(SMALL)
    golden.issue("clear", 1000)
    assert golden.issue("mac4", 0x01_00_FF_80, 0x02_05_03_01) == 1000 + 0 * 1 + 127 * 3 + 128 * 5 + 129 * 2


@pytest.mark.parametrize("seed", range(2))
def test_hardware_is_the_golden_model(seed: int) -> None:
    assert difference(SMALL, random_issues(SMALL, 250, seed)) is None


FILL = [
    x
    for i in range(48)
    for x in (
        ("put_input", i * 0x9E3779B1, i * 0x85EBCA77), ("put_filter", i * 0xC2B2AE3D, i * 0x27D4EB2F),
        ("put_bias", i * 0x165667B1, i), ("put_multiplier", i * 0x2545F491 & 0x7FFFFFFF, 0),
    )
]  # fmt: skip
SHORT = {"set_shape": (7, 0x30003), "compute": (0xFFFFFFFF, 0x3F1F03)}
"""Operands that keep loops short."""


def test_every_instruction_of_lanes_is_its_golden_model() -> None:
    issues = [*FILL, *random_issues(LANES, 120, 1, SHORT)]
    assert {name for name, _, _ in issues} == {k.name for k in LANES.instructions}
    assert difference(LANES, issues) is None


def test_every_instruction_of_quads_is_its_golden_model() -> None:
    issues = random_issues(QUADS, 200, 2)
    assert {name for name, _, _ in issues} == {k.name for k in QUADS.instructions}
    assert difference(QUADS, issues) is None
    assert QUADS.level == 1


def test_a_wrong_unit_is_found() -> None:
    """The comparison can fail: hardware of another body differs at once."""

    @instr(unit="small", number=0)
    @kernel
    def mac4(acc: i32[1], out: i32[1], *, a: u32, b: u32):
        """The products of three bytes."""
        total = 0
        for j in seq(3):
            total += (widen(wrap(i8, a >> 8 * j)) + 128) * widen(wrap(i8, b >> 8 * j))
        acc[0] = wrap(i32, i64(acc[0]) + i64(total))
        out[0] = acc[0]

    issues = random_issues(SMALL, 50, 0)
    wrong = simulate(Unit("small", (mac4, clear, odd)), issues).responses
    golden = Golden(SMALL)
    assert [golden.issue(*i) for i in issues] != list(wrong)


@pytest.mark.parametrize("x", [-(1 << 30) + 1, -12345, -1, 0, 1, 77777, (1 << 30) - 1])
@pytest.mark.parametrize(("multiplier", "right"), [(1 << 30, 1), (1518500250, 7), (2147483647, 30)])
def test_requantization_in_hardware_is_that_of_the_language(x: int, multiplier: int, right: int) -> None:
    assert run_function(rescaled, x, multiplier, right) == run_function(requantize_bounded, x, multiplier, right)


def test_an_issue_in_a_kernel_keeps_its_body_and_its_text() -> None:
    @kernel
    def product(x: i8[K], w: i8[K], y: i32[1]):
        acc = register(i32[1])
        got = register(i32[1])
        clear(acc, a=0)
        for k in seq(K // 4):
            mac4(acc, got, a=word(x[4 * k]), b=word(w[4 * k]))
        y[0] = got[0]

    assert mac4.custom is not None
    assert f"issue='{mac4.custom.where}'" in text(product)
    assert parse(text(product)) == product


def refused(said: str, make) -> None:
    with pytest.raises(ScheduleError) as caught:
        make()
    assert said in str(caught.value), str(caught.value)


def test_what_a_unit_refuses() -> None:
    again = replace(clear, custom=Custom("small", 0))
    refused('unit "small": clear and mac4 must not share function id 0', lambda: Unit("small", (mac4, again)))
    refused('clear must be an instruction of unit "other"', lambda: Unit("other", (clear,)))

    @instr(unit="small", number=3)
    @kernel
    def wide(acc: i64[1], *, a: i32):
        acc[0] = i64(a)

    said = '"acc" must be the same for all, but mac4 has i32[1, 1] and wide has i64[1, 1]'
    refused(said, lambda: Unit("small", (mac4, wide)))

    @instr(unit="small", number=4)
    @kernel
    def large(kept: i32[40000], *, a: i32):
        kept[a & 1023] = a

    refused("its memories must fit 1,048,576 bits, not 1,280,000", lambda: Unit("small", (large,)))


def test_what_an_instruction_refuses() -> None:
    def three() -> None:
        @instr(unit="small", number=5)
        @kernel
        def three(acc: i32[1], *, a: i32, b: i32, c: i32):
            acc[0] = a & b & c

    def far() -> None:
        @instr(unit="small", number=1024)
        @kernel
        def far(acc: i32[1], *, a: i32):
            acc[0] = a

    refused("three: an instruction must have at most 2 operands, not 3", three)
    refused("far: a function id must be from 0 to 1023, not 1024", far)


def test_a_latency_that_hardware_cant_keep_is_refused() -> None:
    @instr(unit="slow", number=0, latency=1)
    @kernel
    def slow(out: i32[1], *, a: i32):
        out[0] = cut(a & 255)

    unit = Unit("slow", (slow,))
    refused("slow: its latency must be at most 1 cycles, but in hardware it is 2", lambda: Hardware(unit).elaborate(None))


def test_a_cut_in_a_loops_own_sum_is_refused() -> None:
    @instr(unit="looped", number=0)
    @kernel
    def looped(out: i32[1], *, a: i32):
        acc = 0
        for k in seq(a & 15):
            acc = cut((acc + k) & 1023)
        out[0] = acc

    unit = Unit("looped", (looped,))
    refused('what the loop over "k" carries from round to round must not pass a cut', lambda: Hardware(unit).elaborate(None))


def test_a_loop_of_unknown_rounds_is_a_round_a_cycle() -> None:
    @instr(unit="looped", number=0)
    @kernel
    def squares(out: i32[1], *, a: i32):
        acc = 0
        for k in seq(a & 15):
            acc += cut(k * k)
        out[0] = acc

    unit = Unit("looped", (squares,))
    assert unit.level == 2
    ran = simulate(unit, [("squares", n, 0) for n in range(16)])
    assert ran.responses == tuple(sum(k * k for k in range(n)) for n in range(16))
    assert {later - sooner for sooner, later in zip(ran.cycles[1:], ran.cycles[2:], strict=False)} == {1}


def test_verilog_is_the_same_each_time() -> None:
    made = verilog(SMALL, "cfu")
    assert "module cfu(" in made
    assert made == verilog(SMALL, "cfu")
