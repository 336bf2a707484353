"""The tour, end to end: what it finds, what it writes, and how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from rich.console import Console

from skosh.apps import digits
from skosh.apps.digits import DemoResult, run_demo
from skosh.base.errors import InputError, ToolError
from skosh.base.files import whole_folder

FILES = {
    "README.txt", "digits.c", "digits.h", "digits.json", "digits_weights.c", "example.c", "report.html",
}  # fmt: skip


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> DemoResult:
    return run_demo(tmp_path_factory.mktemp("demo") / "new" / "skosh-demo", told.append)


def test_the_device_is_as_right_as_the_floats(result: DemoResult) -> None:
    floats, reference, device = result.accuracies
    assert device.samples == 540
    assert floats.share > 0.95
    assert device.share >= floats.share - 0.005
    assert device.right == reference.right


def test_it_is_proved_on_every_test_image(result: DemoResult) -> None:
    assert result.proof.bit_exact
    assert result.proof.samples == 540
    assert result.proof.elements >= 2 * 540 * 10


def test_it_is_small(result: DemoResult) -> None:
    p = result.profile
    assert p.macs == 64 * 32 + 32 * 10
    assert p.flash.total < 10_000
    assert p.ram.total < 1_000
    assert p.instructions is not None
    assert p.instructions < 20_000


def test_it_writes_what_it_says(result: DemoResult) -> None:
    assert {f.name for f in result.folder.iterdir()} == FILES
    assert not [f for f in result.folder.parent.iterdir() if f != result.folder]
    note = (result.folder / "README.txt").read_text(encoding="utf-8")
    assert all(name in note for name in FILES - {"README.txt"})
    assert f"{result.accuracies[-1].right} of 540" in note
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"{result.profile.instructions:,}" in page
    assert json.loads((result.folder / "digits.json").read_text(encoding="utf-8"))["name"] == "digits"


def test_the_example_runs_on_this_computer(result: DemoResult, tmp_path: Path) -> None:
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
    sources = [str(result.folder / n) for n in ("example.c", "digits.c", "digits_weights.c")]
    program = tmp_path / "example"
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *strict, *sources, "-o", str(program)], check=True)
    said = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert [line[10] for line in said.splitlines() if line.startswith("This is a")] == ["2", "7", "5"]


def test_the_summary_draws_and_tells(result: DemoResult) -> None:
    text = str(result)
    assert "█" in text
    assert "✓ identical" in text
    assert "97" in text
    assert "\x1b" not in text
    console = Console(width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as captured:
        console.print(result)
    assert "\x1b[" in captured.get()
    assert max(map(len, text.splitlines())) <= 100


def test_it_tells_what_comes_next(result: DemoResult, told: list[str]) -> None:
    assert told[0].startswith("training 32 neurons on 1,257")
    assert len(told) == 5


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "old.txt").write_text("old")
    with whole_folder(tmp_path) as staging:
        (staging / "old.txt").write_text("new")
    assert {f.name: f.read_text() for f in tmp_path.iterdir()} == {"mine.txt": "mine", "old.txt": "new"}


def test_a_failure_leaves_no_trace(tmp_path: Path) -> None:
    def failing() -> None:
        with whole_folder(tmp_path / "demo") as staging:
            (staging / "half.txt").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    path.write_text("")
    with pytest.raises(InputError) as info:
        run_demo(path)
    assert str(info.value) == f"{path}: must be a folder, but is a file."


def test_a_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written: "):
        run_demo(tmp_path / "file" / "demo")


def test_without_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ToolError) as info:
        run_demo(tmp_path / "demo")
    assert str(info.value) == "the demo trains with scikit-learn. Hint: pip install 'skosh[sklearn]'"
    assert list(tmp_path.iterdir()) == []


def test_labels_that_differ_are_counted() -> None:
    data = digits.Data(np.zeros((0, 64)), np.zeros(0), np.zeros((4, 64)), np.array([1, 2, 3, 4]))
    found = digits.measured({"a": np.array([1, 2, 3, 0]), "b": np.array([1, 2, 0, 4])}, data)
    assert [(a.right, a.note) for a in found] == [(3, "as trained"), (3, "2 other answers")]
