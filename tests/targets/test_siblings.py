"""Siblings get the C of an elder target, compiled with flags of their own: it is the same C, and right on each of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import skosh
from skosh.base.errors import ToolError
from skosh.built import Build
from skosh.emulate.cost import Decoder
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.machines.arm_m.timings import BlockCycles, Insn, block_cycles
from skosh.packaging import package
from skosh.targets import names, target
from skosh.targets.toolchain import run_tool, zig
from tests.conformance.random_models import random_model
from tests.support.machines import needs

SIBLINGS = [name for name in names(siblings=True) if target(name).sibling_of]


@cache
def graphs() -> tuple[Graph, ...]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]) + 2 * (x[:, 2] > 0)
    floats = LogisticRegression().fit(x, y)
    forest = RandomForestClassifier(2, max_depth=3, random_state=0).fit(x, y)
    return load(random_model(4), name="network"), skosh.load(forest, name="forest"), skosh.load(floats, name="floats")


@cache
def made(name: str, machine: str) -> Build:
    (graph,) = [g for g in graphs() if g.name == name]
    return skosh.compile(graph, target=machine)


def test_which() -> None:
    assert set(SIBLINGS) == {"cortex-m0", "cortex-m23", "cortex-m85", "rv32imac"}
    assert set(names(siblings=True)) - set(names()) == set(SIBLINGS)
    for name in SIBLINGS:
        assert target(target(name).sibling_of).sibling_of == "", "the elder's C is its own"


@pytest.mark.parametrize("name", SIBLINGS)
def test_the_c_is_the_elders(name: str) -> None:
    for graph in graphs():
        one, other = (made(graph.name, t).sources for t in (name, target(name).sibling_of))
        assert one == other


@pytest.mark.parametrize("name", SIBLINGS)
def test_right_on_its_own_machine(name: str) -> None:
    """Layer by layer: a network of integers, a forest, and floats, where there is an FPU and where there is none."""
    needs(name)
    for graph in graphs():
        build = made(graph.name, name)
        proof = build.verify(3)
        assert proof.bit_exact, str(proof.first_difference)
        cost = build.profile()
        assert cost.target == name
        assert cost.instructions > 0
        assert (cost.cycles_modelled is None) == (not target(name).timings)


def assemble(name: str, folder: Path) -> None:
    (folder / "a.s").write_text("    .syntax unified\n    .thumb\n    sdiv r0, r0, r1\n    bx lr\n", encoding="utf-8")
    run_tool([str(zig()), "cc", *target(name).flags, "-c", "a.s", "-o", "a.o"], "a.s", folder)


def test_the_divide_of_the_m23(tmp_path: Path) -> None:
    """The M23's compiler knows it, the M0's doesn't, and what is decoded costs what the table says."""
    assemble("cortex-m23", tmp_path)
    with pytest.raises(ToolError, match="instruction"):
        assemble("cortex-m0", tmp_path)
    held = bytes.fromhex("90fbf1f0 7047")
    decoder = Decoder("cortex-m23", lambda address, size: held[address : address + size])
    block = decoder.block(0, len(held))
    assert (block.instructions, block.cycles) == (2, 17 + 2)


@pytest.mark.parametrize(
    ("insn", "cycles"),
    [
        (Insn("ldr", "r0, [r1]"), (2, 2)), (Insn("pop", "{r4, r5, pc}"), (7, 6)), (Insn("bl", "#0x100"), (4, 3)),
        (Insn("b", "#0x100"), (3, 2)), (Insn("muls", "r0, r1, r0"), (1, 1)), (Insn("stm", "r0!, {r1, r2}"), (3, 3)),
    ],
)  # fmt: skip
def test_the_m0_against_the_m0plus(insn: Insn, cycles: tuple[int, int]) -> None:
    assert (block_cycles("cortex-m0", [insn]).cycles, block_cycles("cortex-m0plus", [insn]).cycles) == cycles


def test_a_branch_taken_on_the_m0() -> None:
    assert block_cycles("cortex-m0", [Insn("bne", "#0x100")]) == BlockCycles(1, 2)


@pytest.mark.parametrize("name", SIBLINGS)
def test_packaged(name: str, tmp_path: Path) -> None:
    """By another compiler, in QEMU's machines."""
    found = package(made("network", name), "cmake", tmp_path, samples=2)
    assert found.check.passed, f"{found.check.why_not}\n{found.check.told}"
