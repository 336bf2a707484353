"""Boards wherever a target is: what they bring, what they refuse, and what a name that isn't there is told."""

from __future__ import annotations

import re

import numpy as np
import pytest

import skosh
from skosh.base.errors import FitError, InputError
from skosh.ir.graph import Graph
from skosh.targets import TARGETS, chips, devices, target
from skosh.targets.chips import families
from tests.cli.run import run


def forest(trees: int = 3) -> Graph:
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 8)).astype(np.float32)
    return skosh.load(RandomForestClassifier(trees, random_state=0).fit(x, (x[:, 0] > x[:, 1]) + 2 * (x[:, 2] > 0)))


@pytest.mark.parametrize("board", devices(), ids=lambda d: d.name)
def test_each_board_is_a_target(board: object) -> None:
    """Every board names a target, sizes that a program can use, and where they come from."""
    assert board in devices()
    (d,) = [d for d in devices() if d is board]
    found = target(d.name)
    assert found.name == d.target in TARGETS
    assert found == target(d.target), "a board is the same machine: nothing is compiled twice for it"
    assert found.board is d
    assert 2048 <= d.ram < 8 << 20
    assert 8192 <= d.flash <= 64 << 20
    assert 1 <= d.clock_mhz <= 1000
    assert d.source
    assert d.evidence in ("measured", "datasheet", "derived", "assumed")
    assert d.platformio.count("/") == (1 if d.platformio else 0)
    assert d.arduino.count(":") >= (2 if d.arduino else 0)


def test_there_are_about_fifty() -> None:
    assert len(devices()) >= 50


def test_a_board_brings_target_and_limits() -> None:
    build = skosh.compile(forest(), target="pico")
    assert build.target.name == "cortex-m0plus"
    assert build.profile().target == "cortex-m0plus"
    assert build.sources == skosh.compile(forest(), target="cortex-m0plus").sources


def test_a_board_refuses_what_is_too_large() -> None:
    graph = forest(150)
    with pytest.raises(FitError) as caught:
        skosh.compile(graph, target="nucleo-l053r8", optimize="speed")
    need = re.search(r"code and weights need ([\d,]+)", str(caught.value))
    assert need is not None
    assert str(caught.value) == (
        f"<sklearn>: flash must be at most 65,536 bytes on nucleo-l053r8, but code and weights need {need[1]}. "
        'Hint: try optimize="flash"'
    )
    skosh.compile(graph, target="cortex-m0plus", optimize="speed")


def test_the_smaller_limit_counts() -> None:
    with pytest.raises(FitError, match=r"flash must be at most 100 bytes, but"):
        skosh.compile(forest(), target="pico", max_flash=100)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("picco", "pico or pico-2"), ("Cortex M4", "cortex-m4"), ("m55", "cortex-m55"), ("nano33ble", "nano-33-ble")],
)
def test_near_misses(name: str, meant: str) -> None:
    with pytest.raises(InputError, match=r"target must be one of host, .* or a board") as caught:
        target(name)
    assert f"did you mean {meant}" in caught.value.hint


def test_nothing_near() -> None:
    with pytest.raises(InputError) as caught:
        target("z80")
    assert "did you mean" not in caught.value.hint
    assert "`skosh targets --for z80`" in caught.value.hint


# ------------------------------------------------------------------------------------------------------------- chips

CORES = {
    "ESP32": "Xtensa LX6, LX7", "esp32-s3": "Xtensa LX6, LX7", "ESP32-C3": "RISC-V RV32IMC", "esp32-p4": "RISC-V RV32IMAFC",
    "STM32F407VG": "Cortex-M4F", "STM32F030": "Cortex-M0", "stm32wl55": "Cortex-M4 without FPU", "nRF52840": "Cortex-M4F",
    "nRF52810": "Cortex-M4 without FPU", "nRF54L15": "Cortex-M33", "ATSAMD21G18": "Cortex-M0+", "ATSAMD51J19A": "Cortex-M4F",
    "ATSAM3X8E": "Cortex-M3", "R7FA4M1AB": "Cortex-M4F", "RA6M5": "Cortex-M33", "RA8D1": "Cortex-M85", "LPC1768": "Cortex-M3",
    "LPC55S69": "Cortex-M33", "MIMXRT1062": "Cortex-M7", "MK20DX256": "Cortex-M4 without FPU", "CH32V307": "RISC-V RV32IMAFC",
    "GD32VF103": "RISC-V RV32IMAC", "cortex-m85": "Cortex-M52, M85", "Teensy 4.1": "Cortex-M7", "MAX78000": "Cortex-M4F",
}  # fmt: skip


@pytest.mark.parametrize(("chip", "core"), CORES.items())
def test_chips(chip: str, core: str) -> None:
    (found,) = chips(chip)
    assert found.core == core


def test_families_name_targets() -> None:
    for family in families():
        assert family.target in {"", *TARGETS}, family
        assert family.cost
        re.compile(family.pattern)


def test_for_a_chip() -> None:
    answer = run("targets", "--for", "nRF52810", "--json")
    assert answer.status == 0
    assert answer.json["target"] == "cortex-m3"
    assert "no FPU" in answer.json["cost"]
    assert "Take --target cortex-m3." in run("targets", "--for", "nRF52810").out
    assert run("targets", "--for", "pico", "--json").json["target"] == "cortex-m0plus"


def test_for_a_chip_that_nothing_fits() -> None:
    ran = run("targets", "--for", "CH32V003")
    assert ran.status == 1
    assert "2 KB of RAM" in ran.out


def test_for_an_unknown_chip() -> None:
    ran = run("targets", "--for", "abc80")
    assert ran.status == 2
    assert ran.err.startswith('skosh: no board and no family of chips here is called "abc80".')


def test_weights_that_no_code_can_make_fit_are_refused_before_there_is_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the sizes alone; what would fit is named: narrower weights, and boards with room for them."""
    from tests.ops.test_convolution import conv_model

    monkeypatch.setattr("skosh.pipeline.emit", lambda *_, **__: pytest.fail("C was written of what can't fit"))
    monkeypatch.setattr("skosh.pipeline.check_routines", lambda *_: pytest.fail("routines were checked"))
    with pytest.raises(FitError) as caught:
        skosh.compile(skosh.load(conv_model(1, "int8"), name="c"), target="nucleo-l053r8", max_flash=100)
    assert "flash must be at most 100 bytes, but the weights alone need " in str(caught.value)
    assert "boards it may fit: " in str(caught.value)
