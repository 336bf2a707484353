"""The page of a placement: what it says is what the answer holds, and it is whole without a network."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from skosh.deliver.placement_page import Scale, placement_html, summary
from skosh.place.band import Band
from skosh.place.options import Wants
from skosh.place.planner import Answer, plan
from skosh.place.work import CutWork
from tests.place.works import setting, work

CUTS = tuple(
    CutWork(f"<layer {i}>", Band(1e6 * i, 1e6 * i), 1_000_000, 9000 - 900 * i, 1000, 1000) for i in range(1, 9)
)


def answer(link: str = "ble-1m", **wants: object) -> Answer:
    return plan(work(cuts=CUTS), setting(link=link, rate=0.5), Wants(**wants))  # type: ignore[arg-type]


class Whole(HTMLParser):
    """Every element that begins ends; texts are kept."""

    VOID = frozenset({"meta", "rect", "path", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("link", ["ble-1m", "lora-sf9", "wifi"])
def test_the_page_says_what_the_answer_holds(link: str) -> None:
    found = answer(link)
    page = placement_html(found)
    reader = Whole()
    reader.feed(page)
    assert reader.open == []
    text = " ".join(reader.texts)
    assert found.best is not None and found.best.what in text
    assert str(found.break_even) in text
    for o in found.options:
        assert o.after or o.name in text, o.name
    for f in found.flips:
        assert f.what in text and (f.best_then or "nothing") in text
    for f in found.assumed:
        assert f.name in text
    assert "<layer" not in page, "names are escaped"
    assert "http://" not in page and 'src="' not in page
    assert page == placement_html(found)


def test_where_nothing_is_allowed() -> None:
    found = answer(stay_on_device=True, deadline_ms=1.0)
    assert found.best is None
    assert "no option is allowed" in summary(found)
    reader = Whole()
    reader.feed(placement_html(found))
    assert "later than 1 ms" in " ".join(reader.texts)


def test_the_front_is_drawn_apart() -> None:
    found = answer()
    page = placement_html(found)
    assert page.count('class="code"') >= len(found.front)


def test_ticks_are_few_and_round() -> None:
    assert Scale(90, 11_000).ticks() == [100, 200, 500, 1000, 2000, 5000, 10_000]
    assert Scale(0.9, 11_000_000).ticks() == [10.0**d for d in range(8)]
    assert Scale.over([]).place(1.0) == pytest.approx(0.5)
