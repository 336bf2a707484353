"""From what a tensor held on the samples to the range that its integers cover: everything, or less for finer steps.

minmax      all that was seen (Jacob et al. 2018, section 3)
percentile  all but the outermost 0.01 % of values, half of it at either end
mse         the range with the least expected squared error
entropy     the range whose 128 levels a side keep most of the distribution: least Kullback-Leibler divergence, Migacz,
            "8-bit Inference with TensorRT" (GTC 2017)

A tensor is seen as a histogram of BINS bins from its smallest to its largest value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skosh.base.errors import InputError
from skosh.quantizer.networks.affine import Range

METHODS = ("minmax", "percentile", "mse", "entropy")
BINS = 4096
OUTSIDE = 1e-4  # the share of values that "percentile" leaves out
LEVELS = 128  # of one sign

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """counts: [BINS] values in equal bins that divide [lo, hi]."""

    counts: Floats
    lo: float
    hi: float

    @property
    def centers(self) -> Floats:
        width = (self.hi - self.lo) / len(self.counts)
        return np.asarray(self.lo + width * (np.arange(len(self.counts)) + 0.5), np.float64)


def histogram(values: npt.NDArray[np.float32], found: Range) -> Histogram:
    """Of values that lie in the range."""
    width = found.hi - found.lo
    places = (values.reshape(-1).astype(np.float64) - found.lo) * (BINS / width if width else 0.0)
    counts = np.bincount(np.clip(places, 0, BINS - 1).astype(np.int64), minlength=BINS)
    return Histogram(counts.astype(np.float64), found.lo, found.hi)


def check_method(method: str) -> None:
    if method not in METHODS:
        raise InputError(f'calibration must be one of {", ".join(METHODS)}, not "{method}"')


def clipped(seen: Histogram, method: str) -> Range:
    """The range for int8 by one of METHODS. It is never wider than what was seen, and holds 0 if that does."""
    whole = Range(seen.lo, seen.hi)
    if method == "minmax" or not seen.hi > seen.lo:
        return whole
    return {"percentile": _percentile, "mse": _least_squares, "entropy": _least_divergence}[method](seen)


def _percentile(seen: Histogram) -> Range:
    below = np.cumsum(seen.counts) / seen.counts.sum()
    first = int(np.searchsorted(below, OUTSIDE / 2))
    last = int(np.searchsorted(below, 1 - OUTSIDE / 2))
    width = (seen.hi - seen.lo) / BINS
    return Range(seen.lo + first * width, seen.lo + (last + 1) * width)


def _least_squares(seen: Histogram) -> Range:
    """Both ends are drawn in together, then each by itself, as long as the error shrinks."""
    ends = (min(seen.lo, 0.0), max(seen.hi, 0.0))
    factors = np.linspace(0.1, 1.0, 46)
    best = min(((f, f) for f in factors), key=lambda f: _squares(seen, ends[0] * f[0], ends[1] * f[1]))
    for side in (0, 1):
        tried = [best] + [(f, best[1]) if side == 0 else (best[0], f) for f in factors]
        best = min(tried, key=lambda f: _squares(seen, ends[0] * f[0], ends[1] * f[1]))
    return Range(max(float(ends[0] * best[0]), seen.lo), min(float(ends[1] * best[1]), seen.hi))


def _squares(seen: Histogram, lo: float, hi: float) -> float:
    """Sum of squared errors of what lies in the histogram, rounded to 256 levels from lo to hi."""
    step = (hi - lo) / 255
    if not step > 0:
        return float("inf")
    x = seen.centers
    rounded = np.clip(np.round((x - lo) / step), 0, 255) * step + lo
    within = 1 / 12 * min(step, (seen.hi - seen.lo) / BINS) ** 2
    return float(np.sum(seen.counts * ((x - rounded) ** 2 + within)))


def _least_divergence(seen: Histogram) -> Range:
    """A threshold for |x|: 128 levels between 0 and it, and all beyond becomes it."""
    reach = max(abs(seen.lo), abs(seen.hi))
    sizes, _ = np.histogram(np.abs(seen.centers), bins=BINS // 2, range=(0.0, reach), weights=seen.counts)
    sizes[0] = 0.0  # zeros keep their value whatever the range
    if not sizes.any():
        return Range(seen.lo, seen.hi)
    tried = range(LEVELS, len(sizes) + 1, 16)
    best = min(tried, key=lambda n: _divergence(sizes, n))
    threshold = reach * best / len(sizes)
    return Range(max(seen.lo, -threshold), min(seen.hi, threshold))


def _divergence(sizes: Floats, kept: int) -> float:
    """KL divergence of the first ``kept`` bins, the rest added to the last of them, from the same in LEVELS levels."""
    p = sizes[:kept].copy()
    if not p.any():
        return float("inf")
    level = np.arange(kept) * LEVELS // kept
    filled = p > 0
    sums = np.bincount(level, weights=p, minlength=LEVELS)
    bins = np.bincount(level, weights=filled, minlength=LEVELS)
    q = np.where(filled, (sums / np.maximum(bins, 1))[level], 0.0)
    p[-1] += sizes[kept:].sum()
    filled = p > 0
    q = np.where(filled, np.maximum(q, 1e-12 * q.sum()), 0.0)
    p, q = p[filled] / p.sum(), q[filled] / q.sum()
    return float(np.sum(p * np.log(p / q)))
