"""Weights of few bits: the scale of each channel that loses least, and which of the allowed integers each weight becomes.

Least means the smallest sum of squared differences between the weights and what they become. For three values it is found
exactly; the closed form of a ternary channel's scale is that of Li et al., "Ternary Weight Networks" (2016), equation 5.
"""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Array
from skosh.quantizer.networks.schemes import INT8_CODES, TERNARY_CODES, Codes

STEPS = 80  # scales tried for a channel


def fitted_scales(rows: Array, codes: Codes, importance: Array | None = None) -> Array:
    """[N] float64: for each row of weights [N, K] the scale s with the least sum of (w - s * nearest code)^2.

    importance: [K], what a squared error of each column counts. A row of zeros gets 0.
    """
    counts = np.ones(rows.shape[1]) if importance is None else importance
    return np.array([_fitted(row.astype(np.float64), codes, counts) for row in rows])


def _fitted(row: Array, codes: Codes, counts: Array) -> float:
    largest = float(np.abs(row).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    if codes == INT8_CODES:
        return largest / max(codes)
    if codes == TERNARY_CODES and np.all(counts == counts[0]):
        return _ternary(row)
    whole = largest / np.array([c for c in codes if c > 0])  # exact where the weights lie in such steps already
    tried = np.concatenate([whole, largest / max(codes) * np.linspace(0.15, 1.05, STEPS)])
    errors = [float(np.sum(counts * (row - s * nearest(row / s, codes)) ** 2)) for s in tried]
    best = float(tried[int(np.argmin(errors))])
    q = nearest(row / best, codes)
    norm = float(np.sum(counts * q * q))
    return float(np.sum(counts * row * q)) / norm if norm else best  # the best scale for these integers


def _ternary(row: Array) -> float:
    """The k largest |w| become one value, their mean; the k that lowers the error most: (sum of them)^2 / k is largest."""
    sums = np.cumsum(np.sort(np.abs(row))[::-1])
    counts = np.arange(1, len(row) + 1)
    k = int(np.argmax(sums * sums / counts))
    return float(sums[k] / counts[k])


def nearest(steps: Array, codes: Codes) -> Array:
    """The code nearest to each number; of two as near, the one further from 0. codes: equally spaced, symmetric around 0."""
    step = codes[1] - codes[0]
    half = 0.5 if codes[-1] % step else 0.0  # no code is 0: they stand half a step beside
    index = np.floor(np.abs(steps) / step + half + 0.5) - half
    return np.asarray(np.where(steps < 0, -1, 1) * np.minimum(index * step, codes[-1]))
