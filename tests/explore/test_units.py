"""Custom function units for a model: what is proposed, what a project holds, what they cost."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import skosh
from skosh.base.dtypes import i8, i32, i64
from skosh.base.errors import InputError
from skosh.explore.project import files, header
from skosh.explore.proposal import propose
from skosh.explore.synthesis import Area, slowest, synthesized
from skosh.explore.units import UNITS, find
from skosh.language import instr, kernel, seq, widen, wrap
from skosh.machines.custom.lanes import LANES
from skosh.rtl.unit import Unit
from tests.cli.run import run
from tests.support.shared import models_folder


@instr(unit="tiny", number=17)
@kernel
def mac4(acc: i32[1], out: i32[1], *, a: u32, b: u32):
    """acc += the products of four bytes each of a and b; wraps."""
    total = 0
    for j in seq(4):
        total += widen(wrap(i8, a >> 8 * j)) * widen(wrap(i8, b >> 8 * j))
    acc[0] = wrap(i32, i64(acc[0]) + i64(total))
    out[0] = acc[0]


TINY = Unit("tiny", (mac4,), "Four products.")


def test_a_small_unit_is_synthesized() -> None:
    area = synthesized(TINY)
    assert area.dsp == 4
    assert area.bram == 0
    assert 100 < area.lut < 400
    assert 64 + 32 + 32 <= area.ff < 200
    assert area == Area(**vars(area))
    assert slowest({"fmax": {"clk": {"achieved": 98.76}, "other": {"achieved": 120.0}}}) == 98.8


@pytest.mark.parametrize("unit", [TINY, LANES], ids=lambda u: u.name)
def test_the_bench_of_a_project_passes_in_icarus_and_can_fail(unit: Unit, tmp_path: Path) -> None:
    """A third simulator, which shares nothing with Amaranth's, on Yosys's Verilog."""
    assert shutil.which("iverilog"), "make debian installs it"
    made = files(unit, "kws", {"kws.c": "/* C */\n"})
    assert set(made) == {"cfu.v", f"{unit.name}_cfu.h", "cfu_test.v", "cfu.lpf", "Makefile", "README.md", "kws.c"}
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert subprocess.run(["make", "-s", "test"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "PASS\n"
    wrong = re.sub(r"32'h[0-9a-f]{8}\);", "32'h5a5a5a5a);", made["cfu_test.v"], count=1)
    (tmp_path / "cfu_test.v").write_text(wrong, encoding="utf-8")
    assert subprocess.run(["make", "-s", "test"], cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_the_header_has_every_instruction_and_compiles(tmp_path: Path) -> None:
    text = header(LANES)
    assert all(f"lanes_{k.name}(" in text for k in LANES.instructions)
    assert '".insn r 0x0B, 1, 2, %0, %1, %2"' in header(TINY), "17 is funct3 1 and funct7 2"
    (tmp_path / "lanes_cfu.h").write_text(text, encoding="utf-8")
    from skosh.targets.toolchain import run_tool, zig

    program = '#include "lanes_cfu.h"\nuint32_t f(uint32_t a);\nuint32_t f(uint32_t a) { return lanes_compute(a, 0u); }\n'
    (tmp_path / "f.c").write_text(program, encoding="utf-8")
    machine = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m")
    run_tool([str(zig()), "cc", *machine, "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-c", "f.c"], "f", tmp_path)


def test_a_baseline_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKOSH_SIMULATOR", "cxxrtl")
    monkeypatch.setenv("SKOSH_SIMULATOR_FLAGS", "-O1")
    told: list[str] = []
    found = propose(skosh.load(models_folder() / "hello_world.tflite"), names=(), told=told.append)
    assert found.baseline.plain_cycles > found.baseline.tuned_cycles > 1000
    assert found.as_json()["candidates"] == ()
    assert told == ["simulating plain C on the core alone", "simulating tuned C on the core alone"]


def test_units_are_found_by_name() -> None:
    for name in UNITS:
        unit, machine = find(name)
        assert unit.name == name
        assert machine.unit
    with pytest.raises(InputError, match="--cfu must be one of quads, lanes"):
        find("lane")


def test_the_command_line(tmp_path: Path) -> None:
    model = str(models_folder() / "hello_world.tflite")
    assert "the first argument must be propose or build" in run("cfu", "show", model).err
    assert "build must be told which unit" in run("cfu", "build", model).err
    made = run("cfu", "build", model, "--cfu", "lanes", "-o", str(tmp_path / "made"), "--json").json
    assert {"cfu.v", "lanes_cfu.h", "hello_world.c", "README.md"} <= set(made["files"])
    assert "custom-0" in (tmp_path / "made" / "README.md").read_text(encoding="utf-8")
