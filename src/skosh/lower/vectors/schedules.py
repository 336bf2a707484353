"""Schedules of kernels with vector loops: how many rows or pixels share the loads of a vector of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Draft(Protocol):
    """What these schedules use of ``lower.schedules.Draft``."""

    optimize: str

    def trips(self, loop: str) -> list[int | None]: ...
    def tile(self, loop: str, factor: int) -> None: ...
    def unroll(self, loop: str, factor: int) -> None: ...


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


SCHEDULES: dict[str, Callable[[Draft], None]] = {
    "matmul_pair_lanes": products,
    "row_pair_lanes": lambda d: d.unroll("k", 4),
    "conv2d_pair_lanes": products,
    "depthwise_pair_lanes": depthwise,
    "dense_f32_lanes": floats,
}

FIXED: dict[str, tuple[str, ...]] = {
    "dense_f32_lanes": ("M", "N", "K"),
    "conv2d_f32_lanes": ("N", "C"),
    "depthwise_f32_lanes": ("C",),
    "transpose_conv_lanes": ("C", "N", "P", "lo", "hi"),
    "conv2d_spread_lanes": ("C", "N", "P", "lo", "hi"),
    **dict.fromkeys(("batch_matmul_i32_i8", "batch_matmul_f32"), ("N", "bn")),
    "depthwise_filters": ("KH", "KW", "C", "R", "P", "lo", "hi"),
    "depthwise_rows_filters": ("KH", "KW", "C", "R", "P", "lo", "hi"),
    "matmul_pair_lanes": ("M", "N", "K", "K2", "T", "P", "lo", "hi"),
    "row_pair_lanes": ("M", "N", "K", "K2", "B", "P", "factor", "lo", "hi"),
    "conv2d_pair_lanes": (
        "H",
        "W",
        "C",
        "N",
        "OH",
        "OW",
        "KH",
        "S",
        "PW",
        "P",
        "lo",
        "hi",
        "stride_w",
        "left",
        "inside",
    ),
    "depthwise_pair_lanes": (
        "H",
        "W",
        "C",
        "OH",
        "OW",
        "K2",
        "KW",
        "PW",
        "P",
        "lo",
        "hi",
        "stride_w",
        "left",
        "inside",
        "dilation_w",
    ),
}
"""Numbers that routines are always specialised for: with known counts, tails are vectors too."""
