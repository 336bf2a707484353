"""``skosh targets``, ``devices`` and ``doctor``."""

from __future__ import annotations

import pytest

import skosh.cli.doctor as doctor
from skosh.cli.terminal import bar
from skosh.targets import devices, names
from tests.cli.run import run


def test_targets() -> None:
    ran = run("targets")
    assert ran.status == 0
    for name in names(siblings=True):
        assert name in ran.out
    assert [t["name"] for t in run("targets", "--json").json] == list(names(siblings=True))


def test_devices() -> None:
    ran = run("devices")
    assert ran.status == 0
    for device in devices():
        assert device.name in ran.out
    assert {d["name"]: d["ram"] for d in run("devices", "--json").json} == {d.name: d.ram for d in devices()}


def test_devices_of_one_target() -> None:
    assert {d["target"] for d in run("devices", "--target", "cortex-m0plus", "--json").json} == {"cortex-m0plus"}
    ran = run("devices", "--target", "z80")
    assert ran.status == 2
    assert ran.err.startswith("skosh: target must be one of host, ")


def test_doctor() -> None:
    answer = run("doctor", "--json").json
    tools = {t["name"]: t for t in answer["tools"]}
    assert answer["ready"] is True
    assert tools["numpy"]["version"]
    assert {"zig", "unicorn", "capstone", "ortools", "tflite_micro", "scikit-learn", "qemu-system-arm"} <= tools.keys()
    assert all(t["purpose"] and t["remedy"] for t in tools.values())


def test_doctor_when_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = doctor.Tool("zig", "the C compiler", "pip install ziglang", lambda: None, required=True)
    lacking = doctor.Tool("java", "soft cores", "apt install java", lambda: None)
    monkeypatch.setattr(doctor, "TOOLS", (broken, lacking))
    ran = run("doctor")
    assert ran.status == 1
    assert "pip install ziglang" in ran.out
    assert "apt install java" in ran.out
    assert "skosh can't work without zig." in ran.out


@pytest.mark.parametrize(("fraction", "text"), [(0.0, ""), (0.5, "██"), (1.0, "████"), (0.28125, "█▏"), (7.0, "████")])
def test_bar(fraction: float, text: str) -> None:
    assert bar(fraction, 4) == text
