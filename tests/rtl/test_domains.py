"""The other readings of an instruction's body: arrays, and a solver's; and what another front end says of the Verilog."""

from __future__ import annotations

import numpy as np
import pytest
from pyslang.ast import Compilation
from pyslang.syntax import SyntaxTree

from skosh.base.dtypes import i32, i64
from skosh.base.errors import ScheduleError
from skosh.language import func, wrap
from skosh.machines.custom.instructions import of_24_bits
from skosh.machines.custom.lanes import LANES
from skosh.rtl.arrays import Units
from skosh.rtl.equivalence import random_issues
from skosh.rtl.golden import Golden
from skosh.rtl.prove import counterexample
from skosh.rtl.verilog import verilog

SHORT = {"set_shape": (3, 0x30003), "compute": (0xFFFFFFFF, 0x3F0703)}


def test_arrays_are_the_golden_model() -> None:
    """Six units at once, whose operands differ, so that loops and branches do."""
    count = 6
    units, golden = Units(LANES, count), [Golden(LANES, strict=False) for _ in range(count)]
    rng = np.random.default_rng(0)
    for name, a, b in random_issues(LANES, 120, 5, SHORT):
        masks = SHORT.get(name, (0xFFFFFFFF, 0xFFFFFFFF))
        left, right = (rng.integers(0, 1 << 32, count) & m for m in masks)
        left[0], right[0] = a, b
        want = [g.issue(name, int(x), int(y)) for g, x, y in zip(golden, left, right, strict=True)]
        assert units.issue(name, left, right).tolist() == want, name
    for name, held in units.state.items():
        np.testing.assert_array_equal(held, np.stack([g.state[name] for g in golden]), name)


@func
def rounded(v: i32, right: i32) -> i32:
    """v / 2^right, ties upwards: half of the divisor added first."""
    return wrap(i32, (i64(v) + (i64(1) << (right - 1))) >> right)


@func
def rounded_late(v: i32, right: i32) -> i32:
    """The same, with one added to twice the quotient: a shift of 33 bits instead of 64."""
    return wrap(i32, ((i64(v) >> (right - 1)) + 1) >> 1)


@func
def rounded_down(v: i32, right: i32) -> i32:
    return wrap(i32, i64(v) >> right)


@func
def masked(x: i32) -> i32:
    """x modulo 2^24, the other way."""
    low = x & 16777215
    return low - 16777216 if low > 8388607 else low


def test_a_solver_shows_small_functions_equal() -> None:
    assert counterexample(of_24_bits, masked) is None


@func
def by_five(v: i32) -> i32:
    return rounded(v, 5)


@func
def by_five_late(v: i32) -> i32:
    return rounded_late(v, 5)


@func
def by_five_down(v: i32) -> i32:
    return rounded_down(v, 5)


def test_the_rounding_of_the_unit_is_shown_right_for_every_sum() -> None:
    assert counterexample(by_five, by_five_late) is None
    found = counterexample(by_five, by_five_down)
    assert found is not None
    assert found["v"] & 16, "they differ where the half is reached"


def test_functions_of_other_types_are_not_compared() -> None:
    with pytest.raises(ScheduleError, match="rounded and masked must take and give the same types"):
        counterexample(rounded, masked)


def test_another_front_end_reads_the_verilog() -> None:
    """slang: it finds what Yosys lets pass, undeclared nets and widths that can't be."""
    assert not errors(verilog(LANES, "cfu"))
    assert errors("module m(output x); assign x = nothing; endmodule")


def errors(text: str) -> list[str]:
    compilation = Compilation()
    compilation.addSyntaxTree(SyntaxTree.fromText(text, "cfu.v"))
    return [str(d.code) for d in compilation.getAllDiagnostics() if d.isError()]
