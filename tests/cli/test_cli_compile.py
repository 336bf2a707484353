"""``skosh compile``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import skosh
from tests.cli.fakes import FakeBuild
from tests.cli.run import run
from tests.support.shared import shared_models


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``skosh.compile`` was asked for."""
    seen: dict[str, Any] = {}

    def compile_(model: str, **options: Any) -> FakeBuild:
        seen.update(model=model, **options)
        return FakeBuild(options["target"])

    monkeypatch.setattr(skosh, "compile", compile_)
    return seen


def test_options_arrive(asked: dict[str, Any], tmp_path: Path) -> None:
    ran = run(
        "compile", "a.tflite", "--target", "cortex-m7", "-o", tmp_path / "out", "--optimize", "ram", "--name", "n",
        "--max-ram", "64K", "--max-flash", "256K", "--search",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    asked.pop("progress")(3, 12)  # nobody watches, so nothing is shown
    assert asked == {
        "model": "a.tflite",
        "target": "cortex-m7",
        "optimize": "ram",
        "name": "n",
        "max_ram": "64K",
        "max_flash": "256K",
        "search": True,
    }


def test_the_self_check_is_made_unless_told_not_to(asked: dict[str, Any], tmp_path: Path) -> None:
    run("compile", "a.tflite", "-o", tmp_path / "out", "--no-self-check")
    assert asked["self_check"] is False


def test_summary(asked: dict[str, Any], tmp_path: Path) -> None:
    ran = run("compile", "a.tflite", "-o", tmp_path / "out")
    assert "kws.c" in ran.out
    assert "RAM: arena 128 bytes, optimal\n     and 40 bytes of stack" in ran.out
    assert "flash: 900 bytes of code, 96 of weights" in ran.out
    assert "about 6,000 cycles (modelled)" in ran.out
    assert ran.err == ""


def test_json(asked: dict[str, Any], tmp_path: Path) -> None:
    ran = run("compile", "a.tflite", "-o", tmp_path / "out", "--json")
    assert ran.json == {
        "folder": str(tmp_path / "out"),
        "files": {"kws.h": 8, "kws.c": 8, "kws.json": 21},
        "arena_bytes": 128,
    }


def test_show_a_stage(tmp_path: Path) -> None:
    """The stages after it don't run: nothing is compiled, and limits don't matter."""
    model = shared_models()[0]
    ran = run("compile", model, "--stop-after", "load", "--show", "--max-ram", "1", "-o", tmp_path / "out")
    assert ran.status == 0, ran.err
    assert "graph" in ran.out
    assert not (tmp_path / "out").exists()


def test_show_alone_is_the_c(asked: dict[str, Any]) -> None:
    assert run("compile", "a.tflite", "--show").out == "the C\n"


def test_unknown_stage(asked: dict[str, Any]) -> None:
    ran = run("compile", "a.tflite", "--stop-after", "link")
    assert ran.status == 2
    assert ran.err == 'skosh: --stop-after must be one of load, optimize, plan, lower, emit, not "link".\n'


def test_where_to(asked: dict[str, Any]) -> None:
    ran = run("compile", "a.tflite")
    assert ran.status == 2
    assert ran.err == "skosh: compile must know where to put the C. Hint: -o DIR; or --show to see it only\n"
