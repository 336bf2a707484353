"""The command line on a real model, and on what people hand in by mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.run import run
from tests.support.shared import models_folder
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes


@pytest.fixture
def hello() -> Path:
    return models_folder() / "hello_world.tflite"


def written(path: Path, code: str) -> Path:
    """A file with one operator that takes and gives one int8 tensor."""
    x, y = (TensorSpec(n, (1, 4), np.int8, 0.5, 0) for n in "xy")
    path.write_bytes(model_bytes([x, y], [OperatorSpec(code, [0], [1], custom_code=custom(code))], [0], [1]))
    return path


def custom(code: str) -> str | None:
    return "FlexErf" if code == "CUSTOM" else None


def test_inspect(hello: Path) -> None:
    ran = run("inspect", hello)
    assert (ran.status, ran.err) == (0, "")
    assert "hello_world.tflite: 3 layers, 288 MACs" in ran.out
    answer = run("inspect", hello, "--json").json
    assert (answer["macs"], len(answer["layers"]), answer["obstacles"]) == (288, 3, [])
    assert answer["operators"] == {"dense": 3}
    assert answer["optimized"]["macs"] <= 288


def test_compile(hello: Path, tmp_path: Path) -> None:
    ran = run("compile", hello, "--target", "cortex-m0plus", "-o", tmp_path / "out", "--json")
    assert (ran.status, ran.err) == (0, "")
    names = ["hello_world.c", "hello_world.h", "hello_world.json", "hello_world_weights.c"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    assert ran.json["arena_bytes"] > 0
    assert json.loads((tmp_path / "out" / "hello_world.json").read_text())["target"] == "cortex-m0plus"


@pytest.mark.parametrize("stage", ["load", "optimize", "plan", "lower", "emit"])
def test_every_stage_shows_itself(hello: Path, stage: str) -> None:
    ran = run("compile", hello, "--stop-after", stage, "--show")
    assert (ran.status, ran.err) == (0, "")
    assert len(ran.out.splitlines()) > 2


def test_verify(hello: Path) -> None:
    ran = run("verify", hello, "--target", "cortex-m3", "--golden", hello.with_suffix(".npz"), "--json")
    assert (ran.status, ran.err) == (0, "")
    assert ran.json["bit_exact"] is True
    assert ran.json["mismatches"] == 0
    assert ran.json["first_difference"] is None


def test_verify_finds_a_wrong_golden(hello: Path, tmp_path: Path) -> None:
    with np.load(hello.with_suffix(".npz")) as good:
        outputs = np.array(good["outputs"])
        outputs.reshape(-1)[0] ^= 1
        np.savez(tmp_path / "wrong.npz", inputs=good["inputs"], outputs=outputs)
    ran = run("verify", hello, "--golden", tmp_path / "wrong.npz")
    assert ran.status == 1
    assert ": not identical, 1 of " in ran.out
    assert "The first: sample 0: " in ran.out


def test_profile(hello: Path) -> None:
    answer = run("profile", hello, "--target", "cortex-m4", "--json").json
    assert answer["instructions"] > 0
    assert answer["ram"]["arena"] > 0


# ------------------------------------------------------------------------------------------------------------ bad input


def test_every_obstacle_at_once(tmp_path: Path) -> None:
    file = written(tmp_path / "erf.tflite", "CUSTOM")
    ran = run("inspect", file)
    assert (ran.status, ran.err) == (1, "")
    assert "1 thing stands in the way of compiling it" in ran.out
    assert "SELECT_TF_OPS" in ran.out
    assert [o["index"] for o in run("inspect", file, "--json").json["obstacles"]] == [0]
    ran = run("compile", file, "-o", tmp_path / "out")
    assert ran.status == 2
    assert ran.err.startswith("skosh: erf.tflite: 1 obstacle to compiling this model\n  node 0")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [("inspect",), ("compile", "-o", "out"), ("verify",), ("profile",)])
@pytest.mark.parametrize("length", [0, 10, 1000])
def test_truncated_model(
    hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], length: int
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.tflite").write_bytes(hello.read_bytes()[:length])
    ran = run(command[0], "cut.tflite", *command[1:])
    assert ran.status == 2
    assert ran.err.startswith("skosh: cut.tflite: ")
    assert "bug" not in ran.err
    assert not (tmp_path / "out").exists()


def test_model_that_does_not_fit(hello: Path, tmp_path: Path) -> None:
    for option, what in (("--max-ram", "RAM"), ("--max-flash", "flash")):
        ran = run("compile", hello, option, "16", "-o", tmp_path / "out")
        assert ran.status == 1
        assert ran.err.startswith(f"skosh: hello_world.tflite: {what} must be at most 16 bytes, but ")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["much", "-1", "64Q", "0"])
def test_size_that_is_none(hello: Path, text: str) -> None:
    ran = run("compile", hello, f"--max-ram={text}", "--show")
    assert ran.status == 2
    assert ran.err.startswith("skosh: a size must be ")


def test_folder_that_can_not_be_written(hello: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = run("compile", hello, "-o", tmp_path / "file" / "out")
    assert ran.status == 2
    assert ran.err == f"skosh: {tmp_path}/file/out: can't be written: not a directory.\n"


def test_unknown_words(hello: Path) -> None:
    for arguments, letter in (
        (("profile", hello, "--target", "z80"), "skosh: target must be one of host, "),
        (("profile", hello, "--optimize", "beauty"), "skosh: optimize must be one of balanced, "),
        (("verify", hello, "--against", "oracle"), "skosh: against must name some of reference, "),
    ):
        ran = run(*arguments)
        assert ran.status == 2
        assert ran.err.startswith(letter)


def test_samples_of_a_wrong_shape_or_type(hello: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((3, 7), np.int8))
    np.save(tmp_path / "real.npy", np.zeros((3, 1), np.float32))
    (tmp_path / "text.npy").write_text("no numbers")
    for name, letter in (
        ("wide.npy", "must have shape (1,) for each sample, not (7,)"),
        ("real.npy", "must be int8, not float32"),
        ("text.npy", "must be a .npy or .npz file of numbers"),
        ("none.npy", "no such file"),
    ):
        ran = run("verify", hello, "--samples", tmp_path / name)
        assert ran.status == 2, ran.err
        assert letter in ran.err


def test_missing_compiler(hello: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "SKOSH_ZIG": "no-such-zig", "SKOSH_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "skosh.cli", "compile", str(hello), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == 'skosh: SKOSH_ZIG must name a zig executable, not "no-such-zig".\n'
    assert not (tmp_path / "out").exists()
