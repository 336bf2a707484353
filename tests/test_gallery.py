"""docs/gallery.md shows what the compiler makes now."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_what_the_compiler_makes() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "gallery.py"))["page"]()
    assert made == (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8"), "python benchmarks/gallery.py --write"
