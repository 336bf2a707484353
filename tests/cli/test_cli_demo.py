"""``skosh demo``, with the work left out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.run import run


def test_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run_demo(folder: Path, progress: Callable[[str], None]) -> str:
        progress("training")
        progress("compiling")
        return f"all in {folder.name}"

    digits = ModuleType("skosh.apps.digits")
    digits.run_demo = run_demo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "skosh.apps.digits", digits)
    monkeypatch.setitem(sys.modules, "skosh.apps", ModuleType("skosh.apps"))
    ran = run("demo", "-o", tmp_path / "there")
    assert (ran.status, ran.out) == (0, "all in there\n")
    assert [line.rsplit("  ", 1)[0] for line in ran.err.splitlines()] == ["training", "compiling"]
