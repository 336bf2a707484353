"""The ladder as a picture: a bar a rung, on a logarithmic scale, with lines for the peak and for numpy."""

from __future__ import annotations

import math

from skosh.deliver.markup import Markup, el
from skosh.ladder.climb import Ladder
from skosh.ladder.models import ModelLadder

ROW, BAR, LEFT, ROOM, TOP = 34, 18, 230, 420, 64
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #222; }
.title { font-size: 16px; font-weight: 600; }
.faint { fill: #777; }
.rung { fill: #2b7bba; }
.mark { stroke: #c0392b; stroke-width: 1.5; stroke-dasharray: 4 3; }
.ground { fill: #fff; }
"""


def on_log_scale(gflops: float, ladder: Ladder) -> float:
    """0 a little below the slowest rung, 1 at the peak."""
    low = math.log(min(s.gflops for s in ladder.rungs) / 2)
    high = math.log(max(ladder.peak_gflops, *(s.gflops for s in ladder.rungs)))
    return (math.log(gflops) - low) / (high - low)


def picture(ladder: Ladder | ModelLadder) -> str:
    """SVG. Bars are rates on a logarithmic scale, or, for a model, instructions on a plain one."""
    if isinstance(ladder, ModelLadder):
        counted = [(r.name, r.instructions, r.absolute_speedup) for r in ladder.rungs if r.instructions]
        most = max((count for _, count, _ in counted), default=1)
        rows = [(name, count / most, f"{count:,} ({speedup:.2f}x)") for name, count, speedup in counted]
        return _svg(f"{ladder.model} on {ladder.target}: instructions per inference", rows, [])
    threads = "1 thread" if ladder.threads == 1 else f"{ladder.threads} threads"
    unit = "GOPS" if ladder.dtype == "i8" else "GFLOPS"
    rows = [
        (s.name, on_log_scale(s.gflops, ladder), f"{s.gflops:.3g} {unit}, {s.absolute_speedup:,.0f}x")
        for s in ladder.rungs
    ]
    judge = ladder.openblas["gflops"]
    marks = [
        (f"numpy ({ladder.blas}) {judge:.3g}", on_log_scale(judge, ladder)),
        (f"peak {ladder.peak_gflops:.3g}", on_log_scale(ladder.peak_gflops, ladder)),
    ]
    return _svg(f"{ladder.dtype} {ladder.n} x {ladder.n} matrix product, {threads}, {ladder.cpu}", rows, marks)


def _svg(title: str, rows: list[tuple[str, float, str]], marks: list[tuple[str, float]]) -> str:
    height = TOP + ROW * len(rows) + 28 + 18 * len(marks)
    width = LEFT + ROOM + 190
    said = "; ".join(f"{name} {text}" for name, _, text in rows)
    parts: list[Markup] = [
        el("title", f"{title}: {said}"),
        el("style", Markup(STYLE)),
        el("rect", width=width, height=height, class_="ground"),
        el("text", title, x=16, y=28, class_="title"),
    ]
    for i, (name, share, text) in enumerate(rows):
        y = TOP + i * ROW
        long = max(2.0, ROOM * share)
        parts += [
            el("text", f"{i + 1}  {name}", x=16, y=y + 14),
            el("rect", x=LEFT, y=y, width=f"{long:.1f}", height=BAR, rx=3, class_="rung"),
            el("text", text, x=f"{LEFT + long + 8:.1f}", y=y + 14),
        ]
    bottom = TOP + ROW * len(rows)
    for i, (name, share) in enumerate(marks):
        x = LEFT + ROOM * share
        y = bottom + 14 + 18 * i
        parts += [
            el("path", d=f"M{x:.1f} {TOP - 8}V{y - 10}", class_="mark"),
            el("text", name, x=f"{x:.1f}", y=y + 4, text_anchor="end", class_="faint"),
        ]
    return str(
        el("svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", width=width, role="img")
    )
