"""Schedules of kernels with vector loops: how many rows or pixels share the loads of a vector of weights."""

from __future__ import annotations

from skosh.schedule.draft import Draft


def products(d: Draft) -> None:
    """Rows or pixels side by side, as many as leave the fewest over: with two vectors of filters, their sums fill 8 to 12
    registers."""
    for loop in ("m", "ow"):
        _tile_evenly(d, loop, (4, 5, 6, 3))
    if d.optimize != "flash":
        d.unroll("k", 2)


def depthwise(d: Draft) -> None:
    """Small windows unrolled whole, so that weights stay in registers while pixels pass."""
    _tile_evenly(d, "ow", (4, 3, 2))
    for loop in ("kw", "kh"):
        count = d.trips(loop)[0]
        if count is not None and 1 < count <= 3 and d.optimize != "flash":
            d.unroll(loop, count)


def _tile_evenly(d: Draft, loop: str, factors: tuple[int, ...]) -> None:
    counts = d.trips(loop)
    if not all(c is not None and c > 1 for c in counts):
        return
    known = [c for c in counts if c is not None]
    best = min((f for f in factors if f <= max(known)), key=lambda f: sum(c % f for c in known), default=0)
    if best:
        d.tile(loop, best)


def floats(d: Draft) -> None:
    """Rows or pixels side by side, as for ``products``."""
    _tile_evenly(d, "m", (4, 5, 6, 3))


def row_products(d: Draft) -> None:
    """One row: four pairs at a time."""
    d.unroll("k", 4)
