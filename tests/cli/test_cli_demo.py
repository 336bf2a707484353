"""``skosh demo``, with the work left out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from skosh.deliver import Accuracy
from skosh.verify.proof import Proof
from tests.cli.fakes import EXACT, WRONG, profile
from tests.cli.run import run


@dataclass(frozen=True)
class Result:
    folder: str
    proof: Proof
    profile = profile("cortex-m4")
    accuracies = (Accuracy("int8", 9, 10),)

    def __rich__(self) -> str:
        return f"all in {self.folder}"


@pytest.mark.parametrize(("proof", "status"), [(EXACT, 0), (WRONG, 1)])
def test_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proof: Proof, status: int) -> None:
    def run_demo(folder: Path, progress: Callable[[str], None]) -> Result:
        progress("training")
        progress("compiling")
        return Result(folder.name, proof)

    digits = ModuleType("skosh.apps.digits")
    digits.run_demo = run_demo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "skosh.apps.digits", digits)
    monkeypatch.setitem(sys.modules, "skosh.apps", ModuleType("skosh.apps"))
    ran = run("demo", "-o", tmp_path / "there")
    assert (ran.status, ran.out) == (status, "all in there\n")
    assert [line.rsplit("  ", 1)[0] for line in ran.err.splitlines()] == ["training", "compiling"]
    answer = run("demo", "-o", tmp_path / "there", "--json")
    assert (answer.status, answer.err) == (status, "")
    assert answer.json["accuracies"] == [{"who": "int8", "right": 9, "samples": 10}]
    assert answer.json["proof"]["bit_exact"] is (status == 0)
