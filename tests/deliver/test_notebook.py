"""What a notebook shows, and what users import."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pytest

import skosh
from skosh.deliver.models import DATA


class Balanced(HTMLParser):
    """Fails where a tag is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_cells_are_short_whole_and_tell_the_figures() -> None:
    build = skosh.compile(DATA / "sine.tflite", target="cortex-m4")
    before = build._repr_html_()
    assert "Arena" in before and "Instructions" not in before, "showing a build runs nothing"
    profile, proof = build.profile(), build.verify(3)
    cells = [build._repr_html_(), build.source._repr_html_(), profile._repr_html_(), proof._repr_html_()]
    for cell in (before, *cells):
        assert len(cell) < 10_000
        parser = Balanced()
        parser.feed(cell)
        assert not parser.open
    assert f"{profile.instructions:,}" in cells[0] and f"{profile.flash.total:,}" in cells[2]
    assert "Identical" in cells[3] and "dense" in cells[1]


def test_names_of_a_model_break_no_cell() -> None:
    graph = skosh.load(DATA / "sine.tflite", name="<script>alert(1)</script>")
    assert "<script>" not in graph._repr_html_()


def test_what_is_public() -> None:
    import skosh.errors as errors

    assert skosh.Build.__name__ == "Build" and isinstance(skosh.load(DATA / "sine.tflite"), skosh.Graph)
    assert skosh.Profile is not None and skosh.Proof is not None
    with pytest.raises(errors.SkoshError):
        skosh.load("nowhere.tflite")
    assert issubclass(errors.FitError, errors.SkoshError) and skosh.errors is errors
    assert {"Build", "Graph", "Profile", "Proof"} <= {*skosh.__all__}


def test_doubles_are_taken_where_the_model_takes_floats() -> None:
    build = skosh.compile(DATA / "sine_float.skosh", target="host")
    x = np.load(DATA / "sine_x.npy")[:3]
    np.testing.assert_array_equal(build.run(x.astype(np.float64)), build.run(x))
