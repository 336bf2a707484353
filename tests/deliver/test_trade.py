"""What the aims trade: points, the picture, the table, and the page that shows them."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skosh.deliver.trade import HEIGHT, LINE, Point, label_heights, points, trade_chart, trade_section
from skosh.verify.measure import Flash, Profile, Ram


def cost(aim: str, cycles: int | None, flash: int, arena: int, instructions: int | None = 50) -> Profile:
    return Profile("cortex-m4", aim, 10, instructions, cycles, Flash(flash, 0), Ram(arena, 0), ())


PROFILES = [
    cost("balanced", 200, 80, 40), cost("speed", 100, 100, 50), cost("flash", 400, 60, 40), cost("energy", 100, 100, 50),
]  # fmt: skip


def test_aims_of_one_cost_are_one_point_and_the_quickest_comes_first() -> None:
    assert points(PROFILES) == [
        Point(("speed", "energy"), 100, 100, 50), Point(("balanced",), 200, 80, 40), Point(("flash",), 400, 60, 40),
    ]  # fmt: skip


def test_where_cycles_are_not_modelled_instructions_stand_for_time() -> None:
    assert [p.time for p in points([cost("balanced", None, 8, 4, 70)])] == [70]
    assert points([cost("balanced", None, 8, 4, None)]) == []


def test_the_section_says_every_figure_and_what_the_others_need_more() -> None:
    page = trade_section(PROFILES, "balanced")
    assert page is not None
    for text in ("speed, energy", "balanced<span", "(this page)", "<b>100</b>", "<b>60</b>", "+300 %", "+67 %"):
        assert text in page
    assert page.count("<circle") == 3


def test_with_nothing_to_choose_from_there_is_no_section() -> None:
    assert trade_section([], "speed") is None
    assert trade_section([PROFILES[1], PROFILES[3]], "speed") is None
    assert trade_section([replace(p, instructions=None, cycles_modelled=None) for p in PROFILES], "speed") is None


def test_a_label_that_another_circle_would_hide_stands_on_the_other_side() -> None:
    beside = [Point(("flash",), 100, 90, 50), Point(("ram",), 110, 90, 50)]
    assert 'text-anchor="end">flash' in trade_chart(beside, "ram", "cycles")
    assert 'text-anchor="start">ram' in trade_chart(beside, "ram", "cycles")


@given(st.lists(st.floats(0, HEIGHT - 60), min_size=1, max_size=6))
def test_labels_never_overlap(wanted: list[float]) -> None:
    heights = label_heights(wanted)
    assert all(abs(a - b) >= LINE - 1e-6 for a, b in combinations(heights, 2))
    assert max(heights) <= HEIGHT
