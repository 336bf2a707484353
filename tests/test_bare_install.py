"""What ``pip install skosh`` alone brings: few bytes, and enough to inspect, quantize, compile and package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from tests.support.shared import models_folder

ROOT = Path(__file__).resolve().parents[1]
MOST = 150 * 10**6
"""Bytes of all packages in a fresh environment."""

DEVICE = ("ziglang", "unicorn", "capstone", "ortools", "pandas")
OTHERS = ("sklearn", "scipy", "onnx", "torch", "tflite_micro")


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """Name -> what is installed, of the requirements and of all that these need, extras that were asked for included."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(r) for r in requirements]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        extras = ("", *sorted(wanted.extras))
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})) or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = distribution(wanted.name)
        for line in found[name].requires or ():
            r = Requirement(line)
            if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in extras):
                r.marker = None
                waiting.append(r)
    return found


def on_disk(d: Distribution) -> int:
    """Bytes of the files that its RECORD lists."""
    return sum(f.size or 0 for f in d.files or ())


def test_dependencies_stay_light() -> None:
    """By the records of what is installed here, of the versions that the bounds allow: no network."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = closure(project["dependencies"])
    assert not set(found) & set(DEVICE), "these belong to the extra device"
    sizes = {name: on_disk(d) for name, d in found.items()}
    own = sum(f.stat().st_size for f in (ROOT / "src").rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    assert sizes["numpy"] > 20 * 10**6, "the records are read"
    assert sum(sizes.values()) + own < MOST, sizes
    device = closure(project["optional-dependencies"]["device"])
    assert sum(map(on_disk, device.values())) > 2 * MOST, "what the extra is for"


PROGRAM = """
import json, sys
for name in {blocked!r}:
    sys.modules[name] = None
from skosh.cli import main
sys.argv = ["skosh", *json.loads(sys.argv[1])]
main()
"""


def bare(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in an interpreter that can't import what a bare install doesn't bring, with no compiler on the path."""
    env = {k: v for k, v in os.environ.items() if k != "SKOSH_ZIG"}
    env.update(PATH="/nowhere", PYTHONPATH=str(ROOT / "src"), SKOSH_CACHE=str(folder / "cache"))
    (folder / "cache").mkdir(exist_ok=True, mode=0o700)
    program = PROGRAM.format(blocked=DEVICE + OTHERS)
    command = [sys.executable, "-c", program, json.dumps(arguments)]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


KWS = str(models_folder() / "kws.tflite")
WORKS = {
    "inspect": (KWS,),
    "quantize": (str(models_folder() / "hello_world_float.tflite"), "--samples", "sine.npy", "-o", "sine.skosh"),
    "compile": (KWS, "--target", "pico", "-o", "kws"),
    "package": (KWS, "--as", "cmake", "--board", "pico", "-o", "packaged"),
    "explain": (KWS,),
    "doctor": (),
}


@pytest.mark.parametrize("command", WORKS)
def test_what_works_bare(command: str, tmp_path: Path) -> None:
    np.save(tmp_path / "sine.npy", np.linspace(0, 6.28, 50, dtype=np.float32).reshape(50, 1))
    done = bare(tmp_path, command, *WORKS[command])
    assert done.returncode == 0, done.stderr + done.stdout
    if command == "compile":
        assert "not measured without zig, unicorn and capstone; pip install 'skosh[device]'" in " ".join(done.stdout.split())
        told = json.loads((tmp_path / "kws" / "kws.json").read_text(encoding="utf-8"))
        assert told["profile"] is None and told["arena_bytes"] > 0
    if command == "package":
        assert "skosh ran none of it without zig, unicorn and capstone" in " ".join(done.stdout.split())
        assert json.loads((tmp_path / "packaged" / "proof.json").read_text(encoding="utf-8"))["proof"] is None


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("verify", KWS), "no C compiler: zig was not found. Hint: pip install 'skosh[device]', or set SKOSH_ZIG"),
        (("profile", KWS), "no C compiler: zig was not found. Hint: pip install 'skosh[device]', or set SKOSH_ZIG"),
        (("compile", KWS, "--max-ram", "64K", "-o", "kws"), "no C compiler: zig was not found."),
        (("compile", KWS, "--max-ram", "1K", "-o", "kws"), "RAM must be at most 1,024 bytes, but the arena alone needs"),
    ],
)
def test_what_does_not_says_what_to_install(command: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = bare(tmp_path, *command)
    assert done.returncode != 0
    assert done.stderr.startswith("skosh: ") and says in done.stderr
