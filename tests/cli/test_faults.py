"""Whatever fails, at whichever write or allocation, files are as they were or complete; the command says so in one letter."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.faults import Left, Plan, every, preloaded
from tests.support.shared import models_folder

COMMANDS = ("compile", "report", "quantize", "package")
POINTS = {"write": 8, "full": 3, "allocation": 5}
"""benchmarks/faults.py tries every write, and far more allocations."""


IGNORED = re.compile(r"^Exception ignored in: .*\n(?:Traceback .*\n(?:  .*\n)*)?(?:\w+Error.*\n)?", re.M)
"""What Python itself says of memory that it didn't get where no exception can be raised: as a generator is thrown away."""


def plan_of(name: str, folder: Path, *, points: dict[str, int], before: bool) -> Plan:
    """The command ``name`` on a small model. before: is something else of the kind there already?"""
    models, out = models_folder(), folder / "run" / "out"
    whole, floats, samples = models / "hello_world.tflite", models / "hello_world_float.tflite", folder / "x.npy"
    np.save(samples, np.linspace(0, 6, 40, dtype=np.float32).reshape(40, 1))
    host = ("--target", "host")
    told: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
        "compile": (("compile", whole, *host, "-o", out / "c"), ("--optimize", "flash")),
        "report": (("report", whole, *host, "-o", out / "r.html"), ("--samples", "2")),
        "quantize": (
            ("quantize", floats, "--samples", samples, *host, "-o", out / "c", "--html", out / "q.html"),
            ("--scheme", "int16x8"),
        ),
        "package": (("package", whole, "--as", "cmake", *host, "--no-check", "-o", out / "p"), ("--samples", "2")),
    }
    command, otherwise = (tuple(map(str, part)) for part in told[name])
    return Plan(command, str(folder / "run"), points, (*command, *otherwise) if before else ())


def faults_of(left: list[Left]) -> list[str]:
    """What is wrong about what each run left; the first is what was there, the second the run without a fault."""
    before, good, *runs = left
    assert good.status == 0 and good.files and good.files != before.files, good.said
    return [f"{r.kind} {r.n} of {r.of}: {what}" for r in runs if (what := _fault(r, before, good))]


def _fault(run: Left, before: Left, good: Left) -> str:
    for unit in {name.partition("/")[0] for name in (*good.files, *run.files)}:
        mine, old, new = ({k: v for k, v in of.files.items() if k.partition("/")[0] == unit} for of in (run, before, good))
        if mine not in (old, new):
            return f"{unit} is neither as it was nor complete: {sorted(mine)}"
        if run.status == 0 and mine != new:
            return f"{unit} wasn't written, and nothing was said"
    if run.status < 0 and run.kind == "allocation":
        return ""  # a library in C that doesn't ask whether it got the memory
    said = IGNORED.sub("", run.said) if run.kind == "allocation" else run.said
    if run.status != 0 and (run.status != 2 or said.count("skosh: ") != 1 or not said.startswith("skosh: ")):
        return f"exit status {run.status}, and it says: {run.said}"
    if "bug in skosh" in said or "Traceback" in said:
        return run.said
    return ""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_write_and_allocation(name: str, tmp_path: Path) -> None:
    left = every(plan_of(name, tmp_path, points=POINTS, before=name != "compile"), preloaded(tmp_path))
    assert not (wrong := faults_of(left)), "\n".join(wrong)
    for kind in POINTS:
        assert sum(run.status == 2 for run in left if run.kind == kind) > 1, f"no fault of kind {kind} was felt"


def test_the_check_sees_what_it_should() -> None:
    before, good = Left("before", 0, 0, 0, "", {"c/a": "1", "c/b": "1"}), Left("good", 0, 9, 0, "", {"c/a": "2", "c/b": "2"})
    letter = "skosh: c: can't be written: no space left on device.\n"
    fine = [Left("write", 1, 9, 2, letter, before.files), Left("write", 2, 9, 0, "", good.files)]
    assert faults_of([before, good, *fine]) == []
    mixed, absent, left_over = {"c/a": "2", "c/b": "1"}, {"c/a": "2"}, {**before.files, "c/.skosh-x/": ""}
    wrong = [
        *(Left("write", 3, 9, 2, letter, files) for files in (mixed, absent, left_over)),
        Left("write", 4, 9, 0, "", before.files),
        Left("write", 5, 9, 2, letter + letter, before.files),
        Left("write", 6, 9, 1, "Traceback", before.files),
    ]
    ignored = (
        'Exception ignored in: <generator object walk at 0x5>\nTraceback (most recent call last):\n  File "a.py", line 3\n'
        "    yield x\nMemoryError: \n"
    )
    assert faults_of([before, good, Left("allocation", 7, 9, 0, ignored, good.files)]) == []
    assert faults_of([before, good, Left("allocation", 7, 9, 2, ignored + letter, before.files)]) == []
    wrong += [
        Left("write", 7, 9, 0, ignored, good.files),
        Left("allocation", 8, 9, 0, ignored, mixed),
        Left("allocation", 8, 9, 1, f"{ignored}Traceback (most recent call last):\nMemoryError\n", before.files),
    ]
    assert len(faults_of([before, good, *wrong])) == len(wrong)
