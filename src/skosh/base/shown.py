"""What a notebook shows of a thing: made above, by what the thing doesn't know, so found by name."""

from __future__ import annotations

from typing import Any

from skosh.base import registry

PAGES: registry.Table = {
    "build": "skosh.deliver.notebook:build_html",
    "graph": "skosh.deliver.notebook:graph_html",
    "profile": "skosh.deliver.notebook:profile_html",
    "proof": "skosh.deliver.notebook:proof_html",
}


def html_of(kind: str, thing: Any) -> str:
    """HTML for a cell."""
    return str(registry.load(PAGES, kind, "what a notebook shows")(thing))
