"""Loops in assembly compute what the interpreter does: random loops, in the emulator, and the C beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from skosh import schedule
from skosh.base.dtypes import DTYPES, i8, i32, u32
from skosh.build import compile_firmware
from skosh.emit.assembly import assembly_switch
from skosh.emit.functions import builtins_used, function_text, kernel_text
from skosh.emit.model import fill
from skosh.emulate import Machine
from skosh.ir.interpret_kernel import run_kernel
from skosh.ir.kernel import (
    Assign,
    Binary,
    CallExpr,
    Cast,
    Const,
    Expr,
    For,
    Function,
    Kernel,
    Let,
    Load,
    Param,
    Store,
    Var,
    functions,
)
from skosh.language import clamp, kernel, par, seq, widen
from skosh.machines.arm_m import instructions as arm_dsp
from skosh.machines.arm_m.thumb import assemble
from skosh.machines.arm_m.thumb.code import THUMB_2, Ins, Reg
from skosh.machines.arm_m.thumb.order import arranged
from skosh.machines.arm_m.tile_kernels import tile
from skosh.schedule.assembled import assemble as in_assembly
from skosh.targets import Target, target
from skosh.targets.assembler import Assembled, NotAssembled

M4 = target("cortex-m4")
ROWS, DEPTH = 5, 7
PAIRS: tuple[Function, ...] = (arm_dsp.pkhbt, arm_dsp.pkhtb)
SUMS: tuple[Function, ...] = (arm_dsp.smlad, arm_dsp.smlabb, arm_dsp.smlabt, arm_dsp.smlatb, arm_dsp.smlatt)


class Maker:
    """Random loops over the places a[n, ...], b[n, ...] and c[k]: many values alive at once, sums across an inner loop."""

    dialect = "thumb-dsp"
    factors: tuple[int, ...] = (1, 2, 3)

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def word(self, known: Sequence[Var], index: tuple[Expr, ...], depth: int = 0) -> Expr:
        """A u32 expression."""
        r = self.random
        choice = r.randrange(8) if depth < 3 else r.randrange(3)
        n = index[0]
        match choice:
            case 0:
                return Load("a", (n, Const(r.randrange(8))), u32)
            case 1:
                return Cast("wrap", Cast("widen", Load("b", (n, Const(r.randrange(8))), i8), i32), u32)
            case 2 if known:
                return r.choice(known)
            case 2:
                return Const(r.choice((0, 1, 255, 256, 65535, 0xFFFF00FF, 0xFFFFFF80)), u32)
            case 3:
                f = r.choice(PAIRS)
                return CallExpr(f, (self.word(known, index, depth + 1), self.word(known, index, depth + 1)), u32)
            case 4:
                f = r.choice((arm_dsp.sxtb16, arm_dsp.sxtb16_odd))
                return CallExpr(f, (self.word(known, index, depth + 1),), u32)
            case 5:
                amount = Const(r.randrange(1, 31), i32)
                return Binary(r.choice(("<<", ">>")), self.word(known, index, depth + 1), amount, u32)
            case _:
                op = r.choice(("+", "-", "*", "&", "|", "^"))
                return Binary(op, self.word(known, index, depth + 1), self.word(known, index, depth + 1), u32)

    def sum(self, known: Sequence[Var], acc: Expr, index: tuple[Expr, ...]) -> Expr:
        args = (self.word(known, index, 1), self.word(known, index, 1), acc)
        return CallExpr(self.random.choice(SUMS), args, i32)

    def kernel(self) -> Kernel:
        r = self.random
        n, k = Var("n"), Var("k")
        known: list[Var] = []
        body: list[Any] = []
        for i in range(r.randrange(2, 20)):
            known.append(Var(f"v{i}", u32))
            body.append(Let(known[-1], self.word(known[:-1], (n,))))
        sums = [Var(f"s{i}", i32) for i in range(r.randrange(1, 7))]
        body += [Let(s, Cast("wrap", r.choice(known), i32)) for s in sums]
        inside: list[Any] = []
        local = Var("here", u32)
        inside.append(Let(local, Binary("+", Load("c", (k,), u32), r.choice(known), u32)))
        inside += [Assign(s, self.sum([*known[:3], local], s, (n,))) for s in sums]
        body.append(For("k", Const(0), Var("K"), tuple(inside), par=False))
        body += [Store("y", (n, Const(i)), Cast("wrap", s, u32)) for i, s in enumerate(sums)]
        body += [Store("y", (n, Const(7 + i)), v) for i, v in enumerate(r.sample(known, min(3, len(known))))]
        small = Binary("min", Binary("max", sums[0], Const(-128), i32), Const(127), i32)
        body.append(Store("z", (n,), Cast("wrap", small, i8)))
        nest = For("n", Const(0), Var("N"), tuple(body), par=True, assembly=self.dialect)
        eight = Const(8)
        params = (
            Param("a", u32, (Var("N"), eight)), Param("b", i8, (Var("N"), eight)), Param("c", u32, (Var("K"),)),
            Param("y", u32, (Var("N"), Const(10)), written=True), Param("z", i8, (Var("N"),), written=True),
        )  # fmt: skip
        made = Kernel("made", params, ("N", "K"), (), (nest,))
        factor = r.choice(self.factors)
        return schedule.unroll(made, "k", factor) if factor > 1 else made


@dataclass
class Trial:
    kernel: Kernel
    buffers: dict[str, np.ndarray[Any, Any]]


def trial(seed: int, maker: type[Maker] = Maker) -> Trial:
    rng = np.random.default_rng(seed)
    extremes = np.array([0, 1, 0x7FFF8000, 0x80007FFF, 0x80808080, 0x7F7F7F7F, 0xFFFFFFFF], np.uint32)
    words = rng.integers(0, 1 << 32, ROWS * 8 + DEPTH, dtype=np.uint32)
    words[::3] = rng.choice(extremes, words[::3].size)
    buffers: dict[str, np.ndarray[Any, Any]] = {
        "a": words[: ROWS * 8].copy(), "b": rng.integers(-128, 128, ROWS * 8).astype(np.int8), "c": words[ROWS * 8 :].copy(),
        "y": np.zeros(ROWS * 10, np.uint32), "z": np.zeros(ROWS, np.int8),
    }  # fmt: skip
    return Trial(maker(seed).kernel(), buffers)


def run_loops(
    trials: Sequence[Trial], *, plain: bool, machine: Target = M4
) -> list[dict[str, np.ndarray[Any, Any]]]:
    """The written buffers after each trial, from one firmware; plain: with the C instead of the assembly."""

    def spell(name: str) -> str:
        return f"t_{name}"

    kernels = [t.kernel for t in trials]
    scalar = {f.name: f for k in kernels for f in functions(k)}
    builtin = {name: text for thing in (*scalar.values(), *kernels) for name, text in builtins_used(thing).items()}
    texts = [kernel_text(k, f"t_k{i}", spell, unit="t") for i, k in enumerate(kernels)]
    parts = ['#include "t.h"\n#include <string.h>\n#include <arm_acle.h>\n', assembly_switch(kernels, "t")]
    parts += [fill(text, spell(name)) for name, text in builtin.items()]
    parts += [function_text(f, spell) for f in scalar.values()]
    declared, calls = "", ""
    for i, t in enumerate(trials):
        for name, data in t.buffers.items():
            c = DTYPES[t.kernel.param(name).dtype.name].c
            declared += f"{c} t_{name}{i}[{data.size}] = {{{', '.join(map(str, data.tolist()))}}};\n"
        calls += f"    t_k{i}({', '.join(f't_{p.name}{i}' for p in t.kernel.params)}, {ROWS}, {DEPTH});\n"
    parts += [*texts, declared, f"int t_run(void)\n{{\n{calls}    return 0;\n}}\n"]
    code = (
        '#pragma GCC diagnostic ignored "-Wunused-function"\n#pragma GCC diagnostic ignored "-Wunused-variable"\n'
        + "\n".join(parts)
    )
    harness = '#include "t.h"\nint skosh_main(void);\nint skosh_main(void)\n{\n    return t_run();\n}\n'
    firmware = compile_firmware(
        machine, {"t.h": "#include <stdint.h>\nint t_run(void);\n", "t.c": code}, prefix="t", harness=harness,
        defines=("T_PLAIN_C",) if plain else (),
    )  # fmt: skip
    emulated = Machine(firmware.elf, machine)
    emulated.call()
    out = []
    for i, t in enumerate(trials):
        got = {}
        for name in ("y", "z"):
            data = t.buffers[name]
            got[name] = np.frombuffer(emulated.read(f"t_{name}{i}", data.nbytes), data.dtype)
        out.append(got)
    return out


@pytest.mark.parametrize("first", range(0, 48, 16))
def test_random_loops(first: int) -> None:
    trials = [trial(first + i) for i in range(16)]
    assembled, plain = run_loops(trials, plain=False), run_loops(trials, plain=True)
    for t, fast, slow in zip(trials, assembled, plain, strict=True):
        want = {name: data.copy() for name, data in t.buffers.items()}
        run_kernel(t.kernel, want, {"N": ROWS, "K": DEPTH})
        for name in ("y", "z"):
            assert np.array_equal(slow[name], want[name])
            assert np.array_equal(fast[name], want[name])


def lines_of(k: Kernel, name: str) -> Assembled | NotAssembled:
    (loop,) = [s for s in k.body if isinstance(s, For) and s.var == name]
    return assemble(loop, {p.name: p for p in k.params}, {}, k.numbers)


def test_random_loops_are_assembled() -> None:
    """Otherwise the test above compares C with C."""
    for seed in range(48):
        assert isinstance(lines_of(Maker(seed).kernel(), "n"), Assembled)


def test_the_tile_keeps_its_sums_in_registers() -> None:
    """4 rows by 2 filters: 8 sums, of which no inner instruction goes to the frame; 64 products take 55 instructions and 3."""
    k = schedule.bind(tile, {"T": 4, "S": 32, "N2": 8, "lo": -128, "hi": 127})
    k = schedule.unroll(schedule.unroll_and_jam(k, "t", 4, exact=True), "s", 4, exact=True)
    found = lines_of(k, "n")
    assert isinstance(found, Assembled)
    text = [line for line, _ in found.lines]
    labels = [i for i, line in enumerate(text) if line.endswith(":")]
    end = next(i for i in range(labels[1], len(text)) if text[i].startswith("blo"))
    inner = text[labels[1] + 1 : end + 1]
    assert sum(line.startswith("smlad") for line in inner) == 32
    assert not any(line.startswith("str") for line in inner)
    assert len(inner) <= 55


@kernel
def guarded(x: i32[N], y: i32[N]):
    for n in par(N):
        if x[n] > 0:
            y[n] = x[n]


@kernel
def scattered(x: i32[N], y: i32[N]):
    for n in par(N):
        y[n] = x[clamp(x[n], 0, N - 1)]


@pytest.mark.parametrize(("k", "reason"), [(guarded, "a if inside"), (scattered, "sum of products")])
def test_what_is_not_assembled_says_why(k: Kernel, reason: str) -> None:
    found = lines_of(k, "n")
    assert isinstance(found, NotAssembled)
    assert reason in str(found)


def test_what_is_not_assembled_stays_in_c() -> None:
    assert "__asm__" not in kernel_text(
        in_assembly(guarded, "n", "thumb-dsp"), "t_k", lambda name: f"t_{name}", unit="t"
    )


def test_words_side_by_side_are_loaded_together() -> None:
    x, a, b, s = Reg(1, "x"), Reg(2, "a"), Reg(3, "b"), Reg(4, "s")
    first = Ins("ldr {o0}, [{i0}, #8]", (a,), (x,), "load", "x", x, 8)
    second = replace(first, text="ldr {o0}, [{i0}, #12]", outs=(b,), offset=12)
    both = Ins("add {o0}, {i0}, {i1}", (s,), (a, b))
    done = arranged([first, second, both], frozenset({s}), THUMB_2)
    assert [i.text.split()[0] for i in done] == ["ldrd", "add"]


@kernel
def rows_by_rows(x: i8[M, K], w: i8[N, K], y: i32[M, N]):
    for m in par(M):
        for n in par(N):
            acc = 0
            for k in seq(K):
                acc += widen(x[m, k]) * widen(w[n, k])
            y[m, n] = acc


def test_loops_of_no_rounds() -> None:
    """Sizes that are known only when it runs may be none."""
    k = in_assembly(rows_by_rows, "m", "thumb-dsp")
    assert isinstance(lines_of(k, "m"), Assembled)
    assert sum(line.startswith("bhs") for line, _ in lines_of(k, "m").lines) == 3  # type: ignore[union-attr]
