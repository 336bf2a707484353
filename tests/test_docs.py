"""README and docs are true: their Python runs, their ``skosh`` commands work, their links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import skosh
from skosh.build.flags import WARNINGS
from skosh.targets.toolchain import run_tool, zig
from tests.cli.run import run
from tests.support.npu import skip_without_npu
from tests.support.shared import models_folder

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NPU = ROOT / "docs" / "npu.md"
IN_ORDER = "skosh models copy"
NOT_HERE = ("demo", "doctor")  # tested by themselves: they take long, or answer for this computer


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """(line of the file, text) of each fenced block in a language."""
    inside, start, kept = False, 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not inside and line.strip() == f"```{language}":
            inside, start, kept = True, number + 1, []
        elif inside and line.strip() == "```":
            inside = False
            yield start, "\n".join(kept)
        elif inside:
            kept.append(line)
    assert not inside, f"{page.name}:{start}: the block doesn't end"


def commands() -> list[tuple[str, str]]:
    """(place, command line) of each ``skosh ...`` in a shell block."""
    found = []
    for page in PAGES:
        for start, text in blocks(page, "sh"):
            for offset, line in enumerate(text.splitlines()):
                if line.startswith("skosh ") and line.split()[1] not in NOT_HERE and not text.startswith(IN_ORDER):
                    found.append((f"{page.name}:{start + offset}", line.partition("  #")[0]))
    return found


def walks() -> list[tuple[str, list[str]]]:
    """(place, command lines) of each shell block that begins by copying a model: its lines are run in order, in one folder."""
    found = []
    for page in PAGES:
        for start, text in blocks(page, "sh"):
            if text.startswith(IN_ORDER):
                found.append((f"{page.name}:{start}", [line.partition("  #")[0] for line in text.splitlines()]))
    return found


@pytest.fixture
def among_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the shared models in it, as the current one."""
    for file in models_folder().iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [p for p in PAGES if any(blocks(p, "python"))], ids=lambda p: p.name)
def test_python_runs(page: Path, among_models: Path) -> None:
    """All blocks of a page, one after another, as one program, each at its own line."""
    if page == NPU:
        skip_without_npu()
    lines: list[str] = []
    for start, text in blocks(page, "python"):
        lines += [""] * (start - 1 - len(lines)) + text.splitlines()
    program = among_models / f"{page.stem}.py"
    program.write_text("\n".join(lines) + "\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    done = subprocess.run([sys.executable, program.name], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_c_of_the_readme_compiles(among_models: Path) -> None:
    build = skosh.compile("kws.tflite")
    (among_models / "kws.h").write_text(build.sources["kws.h"], encoding="utf-8")
    for start, text in blocks(ROOT / "README.md", "c"):
        source = f'#include <stdint.h>\nint keyword(const int8_t *);\n#line {start} "README.md"\n{text}\n'
        (among_models / "user.c").write_text(source, encoding="utf-8")
        run_tool([str(zig()), "cc", *WARNINGS, "-c", "user.c", "-o", "user.o"], "README.md", among_models)


@pytest.mark.parametrize(("place", "line"), commands())
def test_commands_work(place: str, line: str, among_models: Path) -> None:
    if place.startswith(NPU.name):
        skip_without_npu()
    ran = run(*shlex.split(line)[1:])
    assert ran.status == 0, f"{place}: {ran.err}{ran.out}"


@pytest.mark.parametrize(("place", "lines"), walks(), ids=lambda v: v if isinstance(v, str) else "")
def test_commands_work_in_order(place: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is there at first: what a newcomer types."""
    monkeypatch.chdir(tmp_path)
    for line in lines:
        ran = run(*shlex.split(line)[1:])
        assert ran.status == 0, f"{place}: {line}: {ran.err}{ran.out}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 900


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    for link in filter(None, links):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"
    for name in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w/.-]+\.(?:py|md|c|toml))`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
