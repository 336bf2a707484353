"""Thumb-1: loops in assembly compute what the interpreter does, and what the hot loop costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import i8, i16, i32, u32
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import Binary, CallExpr, Cast, Const, Expr, For, Kernel, Load, Var
from skosh.language import assume, clamp, func, kernel, par, seq, widen, wrap
from skosh.language.decorators import resolve
from skosh.lower.unused import without_unused_locals
from skosh.machines.arm_m.thumb import assemble
from skosh.machines.arm_m.thumb.code import Ins, Reg
from skosh.machines.arm_m.thumb.two_address import two_address
from skosh.machines.words.twin_kernels import quads, split_rescaled
from skosh.schedule.assembled import assemble as in_assembly
from skosh.targets import target
from skosh.targets.assembler import Assembled, NotAssembled
from tests.emit.test_thumb import DEPTH, ROWS, Maker, run_loops, trial

M0 = target("cortex-m0plus")


@func
def mixed(a: u32, b: u32) -> u32:
    """A function with a local, a constant that takes several bytes, and halves of words."""
    low = (a & 65535) * (b >> 16)
    return (low ^ 305419896) + wrap(u32, widen(wrap(i16, b)))


class NarrowMaker(Maker):
    dialect = "thumb-1"
    factors = (1, 2, 4)  # there is no division

    def word(self, known: Sequence[Var], index: tuple[Expr, ...], depth: int = 0) -> Expr:
        r = self.random
        deep = depth < 2
        match r.randrange(9) if deep else 8:
            case 0:
                return CallExpr(mixed, (self.word(known, index, depth + 1), self.word(known, index, depth + 1)), u32)
            case 1:
                a = Cast("wrap", self.word(known, index, depth + 1), i32)
                b = Cast("wrap", self.word(known, index, depth + 1), i32)
                return Cast("wrap", Binary(r.choice(("min", "max")), a, b, i32), u32)
            case 2:
                a = Cast("wrap", self.word(known, index, depth + 1), i32)
                low = Binary("min", Binary("max", a, Const(-128), i32), Const(127), i32)
                return Cast("wrap", low, u32)
            case 3:
                half = Cast("wrap", self.word(known, index, depth + 1), r.choice((i8, i16)))
                return Cast("wrap", Cast("widen", half, i32), u32)
            case 4:
                by = Binary("&", self.word(known, index, depth + 1), Const(15, u32), u32)
                return Binary(r.choice(("<<", ">>")), self.word(known, index, depth + 1), Cast("wrap", by, i32), u32)
            case 5:
                amount = Const(r.randrange(1, 31), i32)
                return Binary(r.choice(("<<", ">>")), self.word(known, index, depth + 1), amount, u32)
            case 6 | 7:
                op = r.choice(("+", "-", "*", "&", "|", "^"))
                return Binary(op, self.word(known, index, depth + 1), self.word(known, index, depth + 1), u32)
        n = index[0]
        match r.randrange(4):
            case 0:
                return Load("a", (n, Const(r.randrange(8))), u32)
            case 1:
                return Cast("wrap", Cast("widen", Load("b", (n, Const(r.randrange(8))), i8), i32), u32)
            case 2 if known:
                return r.choice(known)
        return Const(r.choice((0, 1, 7, 8, 255, 256, 1000, 65535, 0xFFFF00FF, 0xFFFFFF80)), u32)

    def sum(self, known: Sequence[Var], acc: Expr, index: tuple[Expr, ...]) -> Expr:
        product = Binary("*", self.word(known, index, 1), self.word(known, index, 1), u32)
        return Cast("wrap", Binary("+", Cast("wrap", acc, u32), product, u32), i32)


@pytest.mark.parametrize("first", range(0, 32, 16))
def test_random_loops(first: int) -> None:
    trials = [t for t in (trial(first + i, NarrowMaker) for i in range(16)) if fits(t.kernel)]
    assert len(trials) > 12
    assembled, plain = run_loops(trials, plain=False, machine=M0), run_loops(trials, plain=True, machine=M0)
    for t, fast, slow in zip(trials, assembled, plain, strict=True):
        want = {name: data.copy() for name, data in t.buffers.items()}
        run_kernel(t.kernel, want, {"N": ROWS, "K": DEPTH})
        for name in ("y", "z"):
            assert np.array_equal(slow[name], want[name])
            assert np.array_equal(fast[name], want[name])


def fits(k: Kernel) -> bool:
    found = lines_of(k, "n")
    assert isinstance(found, Assembled) or "longer than a branch reaches" in str(found)
    return isinstance(found, Assembled)


def lines_of(k: Kernel, name: str) -> Assembled | NotAssembled:
    k = replace(k, body=without_unused_locals(k.body))  # promises are no code
    (loop,) = [s for s in in_assembly(k, name, "thumb-1").body if isinstance(s, For) and s.var == name]
    return assemble(loop, {p.name: p for p in k.params}, {}, k.numbers)


def test_the_hot_loop_takes_six_instructions_for_four_products() -> None:
    """A group of four steps: 16 products in 22 instructions (the first two sums begin with a product), 10 to take the two
    words apart, 2 for the loop: 34, and none goes to the frame.
    """
    k = resolve(quads, {"rescale": split_rescaled})
    k = schedule.bind(k, {"T": 1, "B": 16, "G": 4, "F": 4, "N4": 8, "N": 32, "lo": -128, "hi": 127, "low_bits": 11})
    found = lines_of(schedule.unroll(k, "g", 3, exact=True), "n")
    assert isinstance(found, Assembled)
    text = [line for line, _ in found.lines]
    labels = [i for i, line in enumerate(text) if line.endswith(":")]
    end = next(i for i in range(labels[1], len(text)) if text[i].startswith("blo"))
    inner = text[labels[1] + 1 : end + 1]
    assert sum(line.startswith("muls") for line in inner) == 8
    assert not any("sp" in line for line in inner)
    assert len(inner) <= 34


def test_a_product_that_is_still_needed_is_moved_first() -> None:
    a, b, t = Reg(1, "a"), Reg(2, "b"), Reg(3, "t")
    product = Ins("muls {o0}, {i1}, {o0}", (t,), (a, b), tied=True, swaps=True)

    def texts(alive: set[Reg]) -> list[tuple[str, tuple[Reg, ...], tuple[Reg, ...]]]:
        done = two_address([product], frozenset(alive), lambda name: Reg(9, name))
        return [(i.text.split()[0], i.outs, i.ins) for i in done]

    assert texts({t}) == [("mov", (t,), (a,)), ("muls", (t,), (t, b))]
    assert texts({t, a}) == [("mov", (t,), (b,)), ("muls", (t,), (t, a))]


@kernel
def placed(x: i32[N], order: i32[N], y: i8[N]):
    for n in seq(N):
        where = order[n]
        assume(0 <= where < N)
        y[where] = wrap(i8, clamp(x[n], -128, 127))


@kernel
def far_apart(x: i32[N, 300], y: i32[N]):
    for n in par(N):
        y[n] = x[n, 0] + x[n, 31] + x[n, 32] + x[n, 100] + x[n, 299]


def test_bytes_are_stored_where_the_loop_says_and_words_loaded_from_afar() -> None:
    assert any(line.startswith("strb") and "]" in line for line, _ in lines_of(placed, "n").lines)  # type: ignore[union-attr]
    assert isinstance(lines_of(far_apart, "n"), Assembled)
