"""``skosh profile``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import skosh
from tests.cli.fakes import FakeBuild, profile
from tests.cli.run import run


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_(model: object, *, target: str, **_: Any) -> FakeBuild:
        return FakeBuild(target, cost=profile(target, 2 if target == "cortex-m0plus" else 1))

    monkeypatch.setattr(skosh, "load", lambda model: SimpleNamespace(name="kws"))
    monkeypatch.setattr(skosh, "compile", compile_)


def test_one_target() -> None:
    ran = run("profile", "kws.tflite")
    assert (ran.status, ran.err) == (0, "")
    totals = next(line for line in ran.out.splitlines() if line.strip().startswith("cortex-m4"))
    assert totals.split() == ["cortex-m4", "4,000", "2.67", "6,000", "900", "96", "128", "40"]
    first = next(line for line in ran.out.splitlines() if "kws_00_conv2d" in line)
    assert first.split()[:5] == ["kws_00_conv2d", "1x5x5x4", "1,000", "64", "3,000"]


def test_two_targets_side_by_side() -> None:
    ran = run("profile", "kws.tflite", "--target", "cortex-m4", "-t", "cortex-m0plus")
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["cortex-m0plus", "8,000", "5.33", "12,000", "900", "96", "128", "40"] in lines


def test_json_of_one_target() -> None:
    answer = run("profile", "kws.tflite", "--json").json
    keys = {"target", "optimize", "macs", "instructions", "cycles_modelled", "flash", "ram", "layers"}
    assert keys <= answer.keys()
    assert answer["flash"] == {"code": 900, "weights": 96}
    assert answer["ram"] == {"arena": 128, "stack": 40}
    assert answer["layers"][0]["name"] == "kws_00_conv2d"


def test_json_of_two_targets_is_a_list() -> None:
    answer = run("profile", "kws.tflite", "-t", "cortex-m4", "-t", "cortex-m7", "--json").json
    assert [p["target"] for p in answer] == ["cortex-m4", "cortex-m7"]
