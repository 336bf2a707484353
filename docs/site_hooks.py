"""What the site adds to these pages: the README as its first one, the pages beside it, and references made from the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"README.md": "index.md", **{n: n for n in ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")}}
"""File of the repository -> page of the site."""


def on_files(files: Any, config: Any) -> Any:
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=re.sub(r"\[([^]]+)\]\(LICENSE\)", r"\1", text)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    markdown = re.sub(r"\]\(\.\./(\w+\.md)", r"](\1", markdown)
    if "<!-- commands -->" in markdown:
        from skosh.cli.reference import reference

        markdown = markdown.replace("<!-- commands -->", reference())
    if "<!-- api -->" in markdown:
        markdown = markdown.replace("<!-- api -->", api())
    return markdown


def api() -> str:
    """A directive for each public name, at the place where it is defined."""
    import skosh

    functions = [n for n in skosh.__all__ if n not in skosh.PUBLIC]
    found = [f"::: skosh.{n}" for n in functions]
    found += [f"::: {module}.{name}" for name, module in skosh.PUBLIC.items()]
    return "\n\n".join([*found, "::: skosh.base.errors"])
