"""Packages: each kind with its own tools, a self-test that finds faults, and what a package says of itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.built import Build
from skosh.deliver.package import KINDS
from skosh.deliver.package import package as made_of
from skosh.deliver.package.arduino import library_faults
from skosh.deliver.package.kit import LICENSE
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.packaging import package
from skosh.targets.toolchain import run_tool, zig
from tests.cli.run import run
from tests.conformance.random_models import random_model, ring_buffer_model

NETWORK = load(random_model(4), name="network")
STREAM = load(ring_buffer_model(0), name="stream")


@cache
def flower() -> Graph:
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    data = load_iris()
    return skosh.load(DecisionTreeClassifier(max_depth=3, random_state=0).fit(data.data, data.target), name="flower")


def build(graph: Graph, board: str) -> Build:
    return skosh.compile(graph, target=board)


# ------------------------------------------------------------------------------------------------- each kind with its tools

REAL = {
    "cmake": ("pico", "qemu-system-arm mps2-an385"), "arduino": ("uno-r3", "arduino-builder, simavr"),
    "platformio": ("uno-r4-minima", "pio pkg pack"), "esp-idf": ("esp32-c3-devkitm-1", "compote component pack"),
    "zephyr": ("nrf52840-dk", "cmake with stubs"), "cmsis-pack": ("nucleo-f446re", "cmsis-pack-manager"),
    "cubeide": ("nucleo-f446re", "qemu-system-arm mps2-an386"), "micropython": ("pico", "mpy-cross"),
    "rust": ("host", "cargo"), "wheel": ("host", "venv, pip"), "wasm": ("generic", "node"),
    "npm": ("generic", "npm pack, node"),
}  # fmt: skip


def test_every_kind_is_tried() -> None:
    assert set(REAL) == set(KINDS)


@pytest.mark.parametrize("kind", REAL)
def test_a_kind_with_its_own_tool(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZEPHYR_BASE", "MICROPYTHON_DIR"):
        monkeypatch.delenv(name, raising=False)
    board, tool = REAL[kind]
    made = package(build(flower() if kind == "arduino" else NETWORK, board), kind, tmp_path)
    assert (made.check.ran, made.check.passed) == (True, True), f"{made.check.why_not}\n{made.check.told}"
    assert tool in made.check.tool
    for file in made.files:
        assert (tmp_path / file).stat().st_size > 0
    assert (tmp_path / "LICENSE").read_text(encoding="utf-8") == LICENSE
    proof = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    assert proof["proof"]["bit_exact"] is True
    assert proof["model"]["sha256"]
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "PASS" in readme
    assert len(readme.splitlines()) <= 20


CORES = ["bluepill-f103c8", "nano-33-ble", "nucleo-h743zi", "pico-2", "nucleo-n657x0-q", "esp32-c3-devkitm-1"]


@pytest.mark.parametrize("board", CORES)
def test_the_self_test_on_every_bare_core(board: str, tmp_path: Path) -> None:
    """A model with a state: the runs follow each other."""
    made = package(build(STREAM, board), "cmake", tmp_path, samples=4)
    assert made.check.passed, made.check.told
    assert re.search(r"stack: \d+ bytes\nPASS", made.check.told)


def test_a_network_on_avr(tmp_path: Path) -> None:
    """Integers of 16 bits, constants in RAM: a small network of the Mega."""
    made = package(build(NETWORK, "mega-2560"), "arduino", tmp_path, samples=1)
    assert made.check.passed, made.check.told


def test_generic_c_on_a_big_endian_machine(tmp_path: Path) -> None:
    if shutil.which("qemu-ppc") is None:
        pytest.skip("QEMU's user emulation isn't installed")
    for graph in (NETWORK, STREAM, flower()):
        folder = tmp_path / graph.name
        package(build(graph, "generic"), "cmake", folder, check=False)
        units = [str(p) for p in sorted((folder / "src").glob("*.c"))]
        flags = ("-target", "powerpc-linux-musleabi", "-static", "-O1", "-ffp-contract=off", "-fno-sanitize=undefined")
        command = [str(zig()), "cc", *flags]
        run_tool([*command, "-Isrc", "example/main.c", *units, "-lm", "-o", "selftest"], "powerpc", folder)
        done = subprocess.run(["qemu-ppc", "./selftest"], cwd=folder, capture_output=True, text=True, check=False)
        assert done.stdout.endswith("PASS\n"), done.stdout + done.stderr


# ----------------------------------------------------------------------------------------------------------- finding faults


@pytest.mark.parametrize("kind", ["cmake", "rust", "wheel", "wasm"])
def test_the_self_test_finds_a_fault(kind: str, tmp_path: Path) -> None:
    made = build(NETWORK, "host")
    (inputs,) = made.samples(1).inputs
    outputs = [np.array(y) for y in made.runner.run(inputs)]
    outputs[0].reshape(-1)[2] ^= 1
    found = made_of(made, kind, tmp_path, golden=[(inputs, outputs)])
    assert (found.check.ran, found.check.passed) == (True, False)
    assert re.search(r"FAIL: run 0: output\w*\[2\] is (0x)?[-\w]+, not (0x)?[-\w]+", found.check.told), found.check.told


def test_a_fault_on_a_bare_core(tmp_path: Path) -> None:
    made = build(NETWORK, "pico")
    (inputs,) = made.samples(1).inputs
    outputs = [np.array(y) for y in made.runner.run(inputs)]
    outputs[0].reshape(-1)[0] ^= 1
    found = made_of(made, "cmake", tmp_path, golden=[(inputs, outputs)])
    assert not found.check.passed
    assert re.search(r"FAIL: run 0: output\w*\[0\] is 0x\w\w, not 0x\w\w", found.check.told)


def test_library_rules_have_teeth(tmp_path: Path) -> None:
    package(build(flower(), "uno-r4-minima"), "arduino", tmp_path, check=False)
    assert library_faults(tmp_path) == []
    file = tmp_path / "library.properties"
    text = file.read_text(encoding="utf-8")
    wrong = (("name=flower", "name=_flower"), ("version=0.1.0", "version=1"), ("category=Data Processing", "category=AI"))
    for before, after in wrong:
        file.write_text(text.replace(before, after), encoding="utf-8")
        assert len(library_faults(tmp_path)) == 1


# ------------------------------------------------------------------------------------------------------------ what it says


def test_what_could_not_be_checked_is_said(tmp_path: Path) -> None:
    made = package(build(flower(), "nano-33-ble"), "arduino", tmp_path)
    assert made.check.as_json() == {
        "tool": "arduino-builder, simavr", "ran": False, "passed": False,
        "why_not": "Arduino's core for arduino:mbed_nano:nano33ble is in no package index; the structure was checked",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "board", "letter"),
    [
        ("wasm", "pico", "wasm can't be made: WebAssembly takes C of target generic or host, not of cortex-m0plus."),
        ("esp-idf", "pico", "esp-idf can't be made: no ESP32 has a cortex-m0plus; a RISC-V one takes rv32imc, others generic."),
        ("cmake-project", "host", "the kind of a package must be one of cmake, arduino, platformio, zephyr, esp-idf, "),
    ],
)
def test_what_does_not_fit(kind: str, board: str, letter: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        package(build(flower(), board), kind, tmp_path / "out")
    assert str(caught.value).startswith(letter)
    assert not (tmp_path / "out").exists()


def test_the_same_files_each_time(tmp_path: Path) -> None:
    for kind in ("npm", "cmsis-pack", "wheel"):
        board = REAL[kind][0]
        first, second = (package(build(NETWORK, board), kind, tmp_path / f"{kind}{n}", check=False) for n in (1, 2))
        for file in first.files:
            assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes()


def test_the_command(tmp_path: Path) -> None:
    model = tmp_path / "network.tflite"
    model.write_bytes(random_model(4))
    ran = run("package", model, "--as", "wasm", "--board", "generic", "-o", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    answer: dict[str, Any] = ran.json
    assert {k: answer[k] for k in ("kind", "board")} == {"kind": "wasm", "board": None}
    assert answer["check"] == {"tool": "node", "ran": True, "passed": True, "why_not": ""}
    assert "network.wasm" in answer["files"]
    assert run("package", model, "--as", "arduino", "--board", "picco").err.startswith("skosh: target must be one of")
