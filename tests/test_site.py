"""The site can be made, every link in it leads somewhere, and its references are those of the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import skosh
from skosh.cli import COMMANDS
from skosh.cli.reference import reference

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_command_and_every_public_name_is_there(site: Path) -> None:
    commands = (site / "commands" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="skosh-{name}"' in commands for name in COMMANDS)
    assert "--optimize" in commands and "balanced, speed, flash or ram" in commands
    api = (site / "api" / "index.html").read_text(encoding="utf-8")
    assert all(f"skosh.{name}" in api for name in skosh.__all__ if name not in skosh.PUBLIC)
    assert "bit_exact" in api and "FitError" in api


def test_the_first_page_is_the_readme(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert "A skosh is a small amount" in page and 'href="getting-started/"' in page and 'src="images/report.png"' in page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text, page


def test_the_reference_names_options_and_examples() -> None:
    text = reference()
    assert "## skosh verify" in text and "### skosh app" not in text
    assert "`--golden` `FILE.npz`" in text and "skosh verify kws.tflite --target cortex-m4" in text
    assert all(f"\n## skosh {name}\n" in f"\n{text}" for name in COMMANDS)
