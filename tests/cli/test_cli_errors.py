"""Every way to fail: a letter on standard error, an exit status, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any, NoReturn

import pytest

import skosh
from skosh.base.errors import FitError, Loc, ModelError, ToolError
from tests.cli.run import run


def failing(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "status", "letter"),
    [
        (
            ModelError(
                "weight scale must be > 0, not 0.0", loc=Loc("kws.tflite", "dense", 7), hint="channel 3 is constant"
            ),
            2,
            'skosh: kws.tflite: node 7 "dense": weight scale must be > 0, not 0.0. Hint: channel 3 is constant\n',
        ),
        (
            FitError("RAM must be at most 10 bytes", loc="kws.tflite"),
            1,
            "skosh: kws.tflite: RAM must be at most 10 bytes.\n",
        ),
        (ToolError("zig failed\n  line [red]one[/red]"), 2, "skosh: zig failed\n  line [red]one[/red]\n"),
        (KeyboardInterrupt(), 130, "skosh: stopped.\n"),
        (
            AssertionError("two tensors at one place"),
            2,
            "skosh: AssertionError: two tensors at one place. This is a bug in skosh, not a fault of yours. "
            "Hint: SKOSH_DEBUG=1 shows where; please report it.\n",
        ),
    ],
)
def test_letters(monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, letter: str) -> None:
    monkeypatch.setattr(skosh, "compile", failing(error))
    ran = run("compile", "kws.tflite", "-o", "out")
    assert (ran.status, ran.out, ran.err) == (status, "", letter)


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKOSH_DEBUG", "1")
    monkeypatch.setattr(skosh, "compile", failing(AssertionError("two tensors at one place")))
    ran = run("compile", "kws.tflite", "-o", "out")
    assert ran.status == 2
    assert "Traceback (most recent call last)" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [("compile",), ("compil",), ("compile", "a.tflite", "--no-such-option"), ("verify", "a.tflite", "b.tflite"), ()],
)
def test_usage_errors_exit_2(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.status == 2
    assert "Traceback" not in ran.err


def test_no_such_file() -> None:
    ran = run("inspect", "nowhere.tflite")
    assert (ran.status, ran.err) == (2, "skosh: nowhere.tflite: can't be read: no such file or directory.\n")


def test_no_such_format() -> None:
    ran = run("inspect", "model.doc")
    assert ran.status == 2
    assert ran.err.startswith("skosh: model.doc: the file must end in .tflite, .lite, .onnx, ")
    assert ran.err.endswith(' not ".doc".\n')


@pytest.mark.parametrize("command", ["demo", "inspect", "compile", "verify", "profile", "targets", "devices", "doctor"])
def test_help_has_an_example(command: str) -> None:
    ran = run(command, "--help")
    assert ran.status == 0
    assert f"Example: skosh {command}" in ran.out


def test_version() -> None:
    ran = run("--version")
    assert (ran.status, ran.out) == (0, f"skosh {skosh.__version__}\n")


def test_a_reader_that_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "skosh.cli", "targets"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
