"""The command line started oddly and stopped early, in processes of its own: full outputs, pipes that close, ASCII, little
memory, SIGTERM. It says what is wrong in one letter, and leaves nothing half-written and nobody running."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.shared import ROOT, models_folder

FILES = {"hello_world.c", "hello_world.h", "hello_world.json", "hello_world_weights.c"}


def environment(**more: str) -> dict[str, str]:
    """Ours, one thread in numpy: each takes address space of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **more}


def skosh(*arguments: object, megabytes: int | None = None, out: int = subprocess.PIPE, **more: str) -> tuple[int, bytes, str]:
    """(exit status, standard output, standard error). megabytes: of address space."""

    def limited() -> None:
        if megabytes is not None:
            resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    done = subprocess.run(
        [sys.executable, "-m", "skosh.cli", *map(str, arguments)], stdout=out, stderr=subprocess.PIPE, timeout=200,
        env=environment(**more), preexec_fn=limited, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout or b"", done.stderr.decode("utf-8", "replace")


def is_letter(said: str) -> bool:
    return said.startswith("skosh: ") and said.count("skosh: ") == 1 and "bug in skosh" not in said and "Traceback" not in said


@pytest.fixture
def hello() -> Path:
    return models_folder() / "hello_world.tflite"


# --------------------------------------------------------------------------------------------------------------- output


@pytest.mark.parametrize("arguments", [("targets",), ("inspect", "MODEL", "--json"), ("compile", "MODEL", "--show")])
def test_a_full_standard_output(hello: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        status, _, said = skosh(*(hello if a == "MODEL" else a for a in arguments), out=full.fileno())
    assert (status, said) == (2, "skosh: standard output: can't be read or written: no space left on device.\n")


def test_a_full_standard_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "skosh.cli", "inspect", "nowhere.tflite"], stderr=full, env=environment(), check=False
        )
    assert done.returncode == 2


def test_a_report_to_a_full_device(hello: Path) -> None:
    status, _, said = skosh("report", hello, "--target", "host", "--samples", 1, "-o", "/dev/full")
    assert (status, said) == (2, "skosh: /dev/full: can't be written: no space left on device.\n")


@pytest.mark.parametrize("arguments", [("devices",), ("compile", "MODEL", "--target", "host", "--show")])
def test_a_reader_of_one_line(hello: Path, arguments: tuple[str, ...]) -> None:
    """``| head -1``: the reader goes while there is more to come."""
    command = [sys.executable, "-m", "skosh.cli", *(str(hello) if a == "MODEL" else a for a in arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), bufsize=0) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(1)
        child.stdout.close()
        said = child.stderr.read()
        assert (child.wait(timeout=100), said) == (0, b"")


@pytest.mark.parametrize(
    "arguments", [("targets",), ("devices",), ("profile", "MODEL"), ("inspect", "a\u202e\u00e9.tflite"), ("compile", "--help")]
)
def test_ascii_alone(hello: Path, arguments: tuple[str, ...]) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    status, out, said = skosh(*(hello if a == "MODEL" else a for a in arguments), **ascii_alone)
    assert status == (2 if "inspect" in arguments else 0), said
    assert out.isascii() and said.isascii() and "Traceback" not in said
    assert said == "" or is_letter(said)


# --------------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_little_memory(hello: Path, target: str, tmp_path: Path) -> None:
    """So little that it can't work, and a little more: all files or none, and a letter."""
    ended = []
    for megabytes in (180, 320):
        folder = tmp_path / str(megabytes)
        status, _, said = skosh("compile", hello, "--target", target, "-o", folder, megabytes=megabytes)
        found = {f.name for f in folder.iterdir()} if folder.exists() else set()
        assert found == (FILES if status == 0 else set()), said
        assert status == 0 or (status == 2 and is_letter(said)), (megabytes, status, said)
        ended.append(status)
    assert ended[0] == 2 or target == "host"


# -------------------------------------------------------------------------------------------------------------- endings


def started_by(pid: int) -> set[int]:
    """All processes below one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


def runs(pid: int) -> bool:
    """Is there such a process, and no mere remainder of one?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def obeying() -> None:
    """A test run in the background of a shell has SIGINT ignored, one under nohup SIGHUP, and so would its children."""
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)


@contextmanager
def killed_at_last(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """A test that fails leaves no process that its end would wait for."""
    try:
        yield
    finally:
        child.kill()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda s: s.name)
def test_ended_while_a_compiler_runs(hello: Path, ending: signal.Signals, tmp_path: Path) -> None:
    """A compiler that takes a minute is ended with us: it, and what it started."""
    slow, pids = tmp_path / "zig", tmp_path / "pids"
    script = f'#!/bin/sh\n[ "$1" = version ] && {{ echo 0.0; exit; }}\nsleep 1000 & echo "$$ $!" >> {pids}\nwait\n'
    slow.write_text(script)
    slow.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    more = {"SKOSH_ZIG": str(slow), "SKOSH_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-m", "skosh.cli", "compile", str(hello), "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(**more), preexec_fn=obeying
    ) as child, killed_at_last(child):
        until = time.monotonic() + 500
        while not (pids.exists() and pids.read_text().endswith("\n")) and child.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        assert len(started_by(child.pid)) >= 2, "it runs the compiler"
        child.send_signal(ending)
        child.send_signal(ending)  # as people do
        _, said = child.communicate(timeout=300)
        assert time.monotonic() < until, "it ends at once, not when the compiler does"
    assert (child.returncode, said) == (130, b"skosh: stopped.\n")
    compilers = {int(pid) for pid in pids.read_text().split()}
    until = time.monotonic() + 20
    while any(map(runs, compilers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(runs, compilers))
    assert not (tmp_path / "out").exists() and not list((tmp_path / "tmp").iterdir())
    assert not [f.name for f in (tmp_path / "cache").iterdir() if f.name.startswith("new-")]
