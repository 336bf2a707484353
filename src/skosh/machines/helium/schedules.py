"""Schedules of the kernels for Helium: sums 16 products at a time; vector loops requantize them."""

from __future__ import annotations

from skosh.schedule import loops
from skosh.schedule.draft import Draft
from skosh.schedule.lanes import vectorize
from skosh.schedule.sums import vectorize_sum

SHORT = 12
"""Vectors of a row, or of all rows of a window, that are unrolled whole with ``optimize="speed"``."""


def sums(d: Draft) -> None:
    """Short rows unrolled whole, long ones in part; then short windows too."""
    if d.optimize != "flash" and loops(d.kernel, "q"):
        most = SHORT if d.optimize == "speed" else 4
        vectors, rows = _one(d.trips("q")), _one(d.trips("h"))
        short = vectors is not None and rows is not None and rows * vectors <= most
        d.unroll("q", rounds(vectors, most if short else most // 2))
        if short and rows is not None and rows > 1:
            d.unroll("h", rows)
        gathered = _one(d.trips("t"))
        if gathered is not None and 1 < gathered <= 4 and d.optimize == "speed":
            d.unroll("t", gathered)
    for loop in ("k", "e"):
        if loops(d.kernel, loop):
            d.kernel = vectorize_sum(d.kernel, loop, "helium")
    _lanes(d, "i#*", "f")


def _lanes(d: Draft, *names: str) -> None:
    """Marks these loops, those of them that haven't been folded away."""
    for name in names:
        if loops(d.kernel, name):
            d.kernel = vectorize(d.kernel, name, "helium")


def _one(trips: list[int | None]) -> int | None:
    """The count that all calls share."""
    return trips[0] if len(set(trips)) == 1 else None


def rounds(count: int | None, most: int) -> int:
    """By how much to unroll: all of it up to ``most`` rounds, or the largest part that leaves nothing over."""
    if count is None:
        return 2
    return count if count <= most else next(r for r in (8, 6, 4, 7, 5, 3, 2, 1) if r <= most and count % r == 0)


def columns(d: Draft) -> None:
    """Neighbouring windows share their filter; lanes are channels where rows are staged, and pixels at the end."""
    if d.optimize != "flash":
        d.tile("ow", 4)
    d.kernel = vectorize_sum(d.kernel, "k", "helium", SHORT)
    _lanes(d, "i", "d#*", "f")
