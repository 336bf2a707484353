"""Where float32 would lose what float64 keeps: features far from 0, points whose distances have no float32 square, rows that
are much too far out.

Moving by float32 numbers near the points is exact for rows that lie there, and scaling by powers of two always is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Array
from skosh.ops.classical.taming import Tamed
from skosh.ops.elements.elementwise import Mul, Sub

FAR = 32.0
"""Features whose middle is so many of their widths from 0 are moved first."""

SQUARABLE = 56
"""Exponent up to which sums of squares of up to 2^14 features stay below what float32 holds."""

USUAL = 30
"""Points with exponents from -30 to 30 are not scaled."""


def middle_of(points: Any, widths: Any = 0.0) -> Array | None:
    """[K] float32 numbers to move points [N, K] by, or None where they are near enough. widths: of what surrounds a point."""
    exact = np.asarray(points, np.float64)
    low, high = exact.min(axis=0), exact.max(axis=0)
    middle = ((low + high) / 2).astype(np.float32).astype(np.float64)
    width = np.maximum(high - low, np.broadcast_to(widths, low.shape))
    far = np.abs(middle) > FAR * width
    return np.where(far, middle, 0.0) if far.any() and np.isfinite(middle).all() else None


def moved(builder: Builder, x: str, middle: Array | None) -> str:
    """x less the middle of the points."""
    return x if middle is None else builder.apply(Sub(), x, builder.constant("middle", middle[None]), name="from_middle")


def exponent_of(points: Any) -> int:
    """Of the largest number among them; 0 where there is none."""
    size = float(np.abs(np.asarray(points, np.float64)).max(initial=0.0))
    return math.frexp(size)[1] if size > 0 and math.isfinite(size) else 0


def squarable(builder: Builder, x: str, points: Any, *, tame: bool = True) -> tuple[str, Array, float]:
    """(rows, points, scale): moved and scaled alike such that squares of distances between them neither overflow nor vanish.

    tame: pull in rows that are much farther out than the points, which changes no order of distances that float32 can see.
    """
    exact = np.asarray(points, np.float64)
    middle = middle_of(exact)
    x = moved(builder, x, middle)
    exact = exact if middle is None else exact - middle
    found = exponent_of(exact)
    power = -found if abs(found) > USUAL else 0
    if tame:
        x = tamed(builder, x, SQUARABLE - power)
    return scaled(builder, x, power), exact * 2.0**power, 2.0**power


def scaled(builder: Builder, x: str, power: int) -> str:
    """x times 2^power, in two steps: one might be no float32 number."""
    for part in (power // 2, power - power // 2) if power else ():
        x = builder.apply(Mul(), x, builder.constant("power_of_two", [[2.0**part]]), name="in_scale")
    return x


def tamed(builder: Builder, x: str, limit: int) -> str:
    """Rows that reach 2^limit or farther, pulled in to there."""
    limit = min(max(limit, -60), 126)
    if limit < 2:  # one power of two doesn't go so far
        x = builder.apply(Tamed(60, 60), x, name="within_reach")
    return builder.apply(Tamed(limit, limit), x, name="within_reach")


def within_densities(builder: Builder, x: str, means: Any, steepest: float, widths: Any) -> tuple[str, Array]:
    """(rows, means) moved alike, rows pulled in where the exponent of a density would overflow. steepest: the largest factor
    that a difference from a mean is multiplied by before it is squared."""
    exact = np.asarray(means, np.float64)
    middle = middle_of(exact, widths)
    x = moved(builder, x, middle)
    x = tamed(builder, x, SQUARABLE - exponent_of(steepest))
    return x, exact if middle is None else exact - middle
