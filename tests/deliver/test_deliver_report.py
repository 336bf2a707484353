"""The report: well formed whatever it shows, safe from what models are called, and with all its numbers."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import skosh
from skosh.built import Build
from skosh.deliver import Accuracy, Facts, Picture, facts_of, report_html
from skosh.deliver.charts import MOST_ROWS, Bar, condensed
from skosh.deliver.markup import Markup, el, join, number
from skosh.importers.sklearn.builder import Builder
from skosh.ops.layers.dense import Dense
from skosh.ops.reductions.softmax import Softmax
from skosh.quantizer import LayerError
from skosh.verify.proof import Difference, Proof

EVIL = '<script>alert("x")</script>&'
VOID = {"meta"}


class Balanced(HTMLParser):
    """Fails where a tag is not closed in order; keeps all text, all ids and all that would be fetched."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> Balanced:
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert not parser.open, f"never closed: {parser.open}"
    return parser


@pytest.fixture(scope="module")
def build() -> Build:
    rng = np.random.default_rng(0)
    b = Builder("<test>")
    x = b.input("x", (1, 6))
    x = b.apply(Dense("relu"), x, b.constant("w", rng.normal(0, 1, (5, 6))), b.constant("b", np.zeros(5)), name="first")
    x = b.apply(Dense(), x, b.constant("v", rng.normal(0, 1, (3, 5))), b.constant("c", np.zeros(3)), name=EVIL)
    graph = b.graph("tiny", b.apply(Softmax(), x, name="likely"))
    return skosh.compile(skosh.quantize(graph, rng.normal(0, 1, (50, 6))), target="cortex-m4")


@pytest.fixture(scope="module")
def facts(build: Build) -> Facts:
    return facts_of(
        build,
        title=f"Tiny {EVIL}",
        proof=build.verify(3),
        accuracies=[Accuracy("float", 40, 50), Accuracy(f"device {EVIL}", 39, 50, "1 differs")],
        pictures=[Picture(np.eye(3), "a", "a"), Picture(np.eye(3), EVIL, "b")],
        errors=[LayerError("first", "dense", 1.0, 0.37, 40.0)],
        commands=[f"make {EVIL}"],
        files=[("notes.txt", 1234, "what else")],
    )


def test_it_is_whole_and_fetches_nothing(facts: Facts) -> None:
    page = report_html(facts)
    found = parsed(page)
    assert found.tags.count("script") == 1  # ours, which sorts
    assert found.links and all(link.startswith("#layer-") for link in found.links)
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert found.tags.count("h1") == 1
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert report_html(facts) == page


def test_it_shows_the_numbers(facts: Facts) -> None:
    page, p = " ".join(parsed(report_html(facts)).text), facts.profile
    assert p.instructions is not None
    assert p.cycles_modelled is not None
    for value in (
        p.instructions,
        p.cycles_modelled,
        p.flash.total,
        p.flash.code,
        p.ram.total,
        p.macs,
        facts.plan.arena_bytes,
    ):
        assert f"{value:,}" in page
    for layer in p.layers:
        assert f"{layer.instructions:,}" in page
    assert "78.0 %" in page  # the device's accuracy
    assert "samples, on cortex-m4" in page
    assert "0.37" in page
    assert "tiny_run(input, output, arena)" in page
    assert "BBC micro:bit v2" in page
    assert "1,234" in page
    assert EVIL in page  # as text


def test_every_table_says_what_its_columns_are(facts: Facts) -> None:
    found = parsed(report_html(facts))
    assert found.tags.count("table") == found.tags.count("thead") > 3
    assert found.tags.count("svg") == 4 + len(facts.pictures)


def test_a_difference_is_not_hidden(facts: Facts) -> None:
    first = Difference("reference", 2, "layer 1", "scores", (0, 1), 5, 6)
    page = report_html(replace(facts, proof=Proof(False, 7, 100, 4, ("reference", "tflm"), first)))
    text = " ".join(parsed(page).text)
    assert "Not the same" in text
    assert "7 differ" in text
    assert "scores[0, 1] is 6, not 5" in text
    assert "the reference meaning of the model and TensorFlow Lite Micro" in text
    assert "Identical" not in text


def test_what_is_not_known_is_left_out(facts: Facts) -> None:
    bare = replace(
        facts, proof=None, accuracies=(), pictures=(), errors=(), commands=(), boards=(), clock_mhz=None, files=()
    )
    text = " ".join(parsed(report_html(bare)).text)
    for word in ("Accuracy", "Identical", "int8 error", "Boards", "Get the same again"):
        assert word not in text


def test_the_host_has_neither_instructions_nor_boards(build: Build) -> None:
    here = skosh.compile(build.source, target="host")
    text = " ".join(parsed(report_html(facts_of(here))).text)
    assert "MACs by layer" in text
    assert "Boards" not in text


def test_many_layers_become_a_short_chart() -> None:
    bars = [Bar(str(k), k) for k in range(40)]
    shown = condensed(bars)
    assert len(shown) == MOST_ROWS
    assert shown[-1].label == "27 others"
    assert sum(b.value for b in shown) == sum(b.value for b in bars)


def test_markup_escapes_all_but_itself() -> None:
    assert el("p", "a < b", Markup("<b>c</b>"), class_='"x"') == '<p class="&quot;x&quot;">a &lt; b<b>c</b></p>'
    assert join("<", 3, None, by="&") == "&lt;&amp;3"
    assert [number(v) for v in (None, 1234567, 0.19123, 134.0)] == ["–", "1,234,567", "0.191", "134"]
