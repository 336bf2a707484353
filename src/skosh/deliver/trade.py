"""What the aims trade: time, flash and RAM of one model, compiled for each, as a picture and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from skosh.deliver.markup import Markup, el, join, number, percent
from skosh.verify.measure import Profile

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 120, 16, 44  # margins of the plane; labels stand to the right of their points
MOST, LEAST = 12.0, 4.0  # radii of the most and the least RAM that is drawn
LINE, LETTER = 15, 7  # a label's height, and about how wide a letter is


@dataclass(frozen=True)
class Point:
    """What a model costs with some aims: those with the same figures are one point. Sizes in bytes."""

    aims: tuple[str, ...]
    time: int
    flash: int
    ram: int

    @property
    def label(self) -> str:
        return ", ".join(self.aims)


def points(profiles: Sequence[Profile]) -> list[Point]:
    """One for each distinct cost, quickest first. Profiles of code that isn't emulated have no time, and no point."""
    found: dict[tuple[int, int, int], list[str]] = {}
    for p in profiles:
        if (time := time_of(p)) is not None:
            found.setdefault((time, p.flash.total, p.ram.total), []).append(p.optimize)
    return [Point(tuple(aims), *cost) for cost, aims in sorted(found.items())]


def time_of(p: Profile) -> int | None:
    """Modelled cycles, or instructions where there are none."""
    return p.instructions if p.cycles_modelled is None else p.cycles_modelled


def trade_section(profiles: Sequence[Profile], chosen: str) -> Markup | None:
    """A section of the report; None where there is nothing to choose from. chosen: the aim that the report is about."""
    found = points(profiles)
    if len(found) < 2:
        return None
    unit = "instructions" if profiles[0].cycles_modelled is None else "modelled cycles"
    note = (
        "The same model, compiled for each aim: further left is quicker, further down is less flash, a smaller circle is "
        "less RAM. All of them compute the same bits."
    )
    return el(
        "section", el("h2", "What other aims would cost"), el("p", note, class_="note"),
        el("div", trade_chart(found, chosen, unit), trade_table(found, chosen, unit), class_="trade"),
    )  # fmt: skip


def trade_chart(found: Sequence[Point], chosen: str, unit: str) -> Markup:
    """Time to the right, flash upwards, RAM as a circle's area; the axes begin at 0."""
    widest, highest, largest = (max(getattr(p, n) for p in found) or 1 for n in ("time", "flash", "ram"))
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    title = "; ".join(
        f"{p.label}: {number(p.time)} {unit}, {number(p.flash)} bytes of flash, {number(p.ram)} of RAM" for p in found
    )
    floor = TOP + down
    parts: list[Markup] = [
        el("title", title),
        el("path", d=f"M{LEFT} {TOP}V{floor}H{LEFT + across}", class_="axis"),
        el("text", "0", x=LEFT - 8, y=floor + 4, text_anchor="end", class_="faint"),
        el("text", f"{unit}, one inference", x=LEFT + across / 2, y=HEIGHT - 4, text_anchor="middle", class_="faint"),
        el("text", number(highest), x=LEFT - 8, y=TOP + 12, text_anchor="end", class_="faint"),
        el("text", "flash", x=LEFT - 8, y=TOP + down / 2 - 4, text_anchor="end", class_="faint"),
        el("text", "bytes", x=LEFT - 8, y=TOP + down / 2 + 11, text_anchor="end", class_="faint"),
        el("text", number(widest), x=LEFT + across, y=floor + 18, text_anchor="end", class_="faint"),
    ]
    spots = [(LEFT + across * p.time / widest, floor - (down - 8) * p.flash / highest) for p in found]
    radii = [max(LEAST, MOST * (p.ram / largest) ** 0.5) for p in found]
    for p, (x, y), radius in sorted(zip(found, spots, radii, strict=True), key=lambda e: -e[2]):  # the smaller in front
        kind = "code" if chosen in p.aims else "tensor"
        parts.append(el("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:.1f}", class_=kind, opacity="0.75"))
    heights = label_heights([y for _, y in spots])
    for i, (p, (x, y), radius, height) in enumerate(zip(found, spots, radii, heights, strict=True)):
        start, wide = x + radius + 6, LETTER * len(p.label)
        hidden = any(start < s < start + wide + r and abs(t - height) < r + LINE / 2
                     for k, ((s, t), r) in enumerate(zip(spots, radii, strict=True)) if k != i)  # fmt: skip
        place, anchor = (x - radius - 6, "end") if hidden and x - radius - wide > LEFT else (start, "start")
        if abs(height - y) > 1:
            near = place + 3 if anchor == "end" else place - 3
            parts.append(el("path", d=f"M{x:.1f} {y:.1f}L{near:.1f} {height:.1f}", class_="axis"))
        parts.append(el("text", p.label, x=f"{place:.1f}", y=f"{height + 4:.1f}", text_anchor=anchor))
    return el("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", style=f"max-width:{WIDTH}px")


def label_heights(wanted: Sequence[float]) -> list[float]:
    """Heights near those wanted, no two of them closer than a line of text, all inside the picture."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    heights = list(wanted)
    for above, below in pairwise(order):
        heights[below] = max(heights[below], heights[above] + LINE)
    limit = HEIGHT - BOTTOM - 6.0
    for i in reversed(order):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - LINE
    return heights


def trade_table(found: Sequence[Point], chosen: str, unit: str) -> Markup:
    """The same as numbers; the least of each column is bold, with how much more the others need."""
    heads = (("aim", None), (unit, "n"), ("flash", "n"), ("RAM", "n"))
    least = Point((), *(min(getattr(p, n) for p in found) for n in ("time", "flash", "ram")))
    rows = []
    for p in found:
        name = join(p.label, el("span", " (this page)", class_="faint")) if chosen in p.aims else p.label
        cells = [_cost(getattr(p, n), getattr(least, n)) for n in ("time", "flash", "ram")]
        rows.append(el("tr", el("th", name, scope="row"), *cells))
    top = el("tr", *(el("th", text, scope="col", class_=kind) for text, kind in heads))
    return el("div", el("table", el("thead", top), el("tbody", *rows)), class_="scroll", tabindex=0)


def _cost(value: int, least: int) -> Markup:
    if value == least:
        return el("td", el("b", number(value)), class_="n")
    more = f"  +{percent(value / least - 1, 0)}" if least else ""
    return el("td", number(value), el("span", more, class_="faint"), class_="n")
