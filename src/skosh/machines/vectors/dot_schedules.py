"""Schedules of the kernels of ``lane_kernels.py``: how many pixels or rows share the loads of a vector of weights.

These machines have 32 vector registers: two vectors of filters times eight pixels hold 16 sums.
"""

from __future__ import annotations

from skosh.schedule.draft import Draft

PIXELS = (8, 7, 6, 5, 4, 3, 2)


def products(d: Draft) -> None:
    """Pixels side by side, as many as leave the fewest over."""
    for loop in ("m", "ow"):
        counts = [c for c in d.trips(loop) if c is not None]
        if counts and len(counts) == len(d.trips(loop)) and max(counts) > 1:
            d.tile(loop, min((f for f in PIXELS if f <= max(counts)), key=lambda f: sum(_rounds(c, f) for c in counts)))


def plain_products(d: Draft) -> None:
    """Four elements of a row at a time, so that one pointer serves them."""
    products(d)
    if d.optimize != "flash":
        d.unroll("k", 4)


def _rounds(count: int, factor: int) -> int:
    """How often the weights are loaded: once a tile, and once for each pixel left over."""
    return count // factor + count % factor
