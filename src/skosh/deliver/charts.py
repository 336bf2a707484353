"""Bars as inline SVG: they follow the page's colours, print, and say their numbers to those who can't see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.deliver.markup import Markup, el, number, percent
from skosh.ir.graph import Array

MOST_ROWS = 14
ROW, BAR, LABEL, WIDTH = 26, 14, 178, 520


@dataclass(frozen=True)
class Bar:
    """kind: the class that colours it."""

    label: str
    value: int
    kind: str = "tensor"


def bar_chart(title: str, bars: Sequence[Bar], unit: str) -> Markup:
    """A horizontal bar for each entry, in their order; beyond MOST_ROWS the smallest are one bar, "others"."""
    shown = condensed(bars)
    total = sum(b.value for b in bars) or 1
    most = max((b.value for b in shown), default=0) or 1
    room = WIDTH - LABEL - 130
    parts: list[Markup] = [el("title", f"{title}: {', '.join(f'{b.label} {number(b.value)}' for b in shown)} {unit}")]
    for i, b in enumerate(shown):
        y = i * ROW
        long = max(2.0, room * b.value / most) if b.value else 0.0
        name = b.label if len(b.label) <= 25 else f"{b.label[:24]}…"
        parts += [
            el("text", name, x=LABEL - 10, y=y + 17, text_anchor="end"),
            el("rect", x=LABEL, y=y + 5, width=f"{long:.1f}", height=BAR, rx=3, class_=b.kind),
            el(
                "text",
                el("tspan", number(b.value)),
                el("tspan", f"  {percent(b.value / total, 0)}", class_="faint"),
                x=f"{LABEL + long + 8:.1f}",
                y=y + 17,
            ),
        ]
    height = max(ROW * len(shown), ROW)
    return el("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {height}", role="img", style=f"max-width:{WIDTH}px")


def condensed(bars: Sequence[Bar]) -> list[Bar]:
    if len(bars) <= MOST_ROWS:
        return list(bars)
    kept = sorted(sorted(range(len(bars)), key=lambda i: -bars[i].value)[: MOST_ROWS - 1])
    rest = sum(b.value for i, b in enumerate(bars) if i not in kept)
    return [*(bars[i] for i in kept), Bar(f"{len(bars) - len(kept)} others", rest, "rest")]


def pixels(image: Array, label: str) -> Markup:
    """A small grey picture, [height, width] from 0 to 1, in eight shades of the text's colour."""
    height, width = image.shape
    shades = np.rint(np.clip(image, 0, 1) * 8).astype(int)
    paths = [
        el("path", d="".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(shades == k)), opacity=f"{k / 8:g}")
        for k in range(1, 9)
        if (shades == k).any()
    ]
    return el("svg", el("title", label), *paths, class_="pixels", viewBox=f"0 0 {width} {height}", role="img")
