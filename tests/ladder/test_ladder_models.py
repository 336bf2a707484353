"""A model's ladder: every way computes the same, and each adds what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from skosh.ladder.models import WAYS, climb_model
from skosh.lower.allowed import Means
from skosh.schedule.draft import STEPS
from skosh.targets import target
from tests.cli.run import run
from tests.support.shared import models_folder


def test_hello_world_climbs() -> None:
    seen: list[str] = []
    ladder = climb_model(
        models_folder() / "hello_world.tflite", "cortex-m4", progress=lambda what, done, of: seen.append(what)
    )
    names = [r.name for r in ladder.rungs]
    assert names[0] == "C" and set(names) | set(ladder.skipped) == {w.name for w in WAYS}
    assert seen == ["interpreter", *(w.name for w in WAYS)]
    counts = [r.instructions for r in ladder.rungs]
    assert all(counts)
    assert counts[-1] < counts[0]  # type: ignore[operator]
    assert ladder.rungs[0].absolute_speedup == ladder.rungs[0].relative_speedup == 1.0


def test_means_narrow_a_target() -> None:
    machine = target("cortex-m4")
    assert Means(instructions=False).of(machine) is None
    narrowed = Means(assembly=False).of(machine)
    assert narrowed is not None and narrowed.has_dsp and not narrowed.has_assembly
    assert Means().of(machine) is machine
    assert Means().steps == STEPS


def test_the_command(tmp_path: Path) -> None:
    model = models_folder() / "hello_world.tflite"
    ran = run("ladder", "--model", model, "--target", "cortex-m3", "--json", "--svg", tmp_path / "m.svg")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["target"] == "cortex-m3"
    assert "the target's instructions" in found["skipped"]
    assert "instructions per inference" in (tmp_path / "m.svg").read_text()
    ran = run("ladder", "--model", model)
    assert ran.status == 0, ran.err
    assert "register tiles" in ran.out and "bit-exact" in ran.out


@pytest.mark.parametrize(
    ("arguments", "letter"), [(("--target", "z80"), "target must be one of"), (("--model", "no.tflite"), "no.tflite")]
)
def test_letters(arguments: tuple[str, ...], letter: str) -> None:
    ran = run("ladder", "--model", models_folder() / "hello_world.tflite", *arguments)
    assert ran.status == 2
    assert letter in ran.err
