"""How small and how large the elements of a factor may be, whatever the evidence: decides whether float32 holds them.

All numbers are base-2 logarithms. What is 0 for some evidence is no small number: it is lost rightly. What is 0 for no
evidence and in no state is ``sure``; a sum is at least its largest sure summand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.ir.graph import Array

MANY = 1 << 18
"""Elements beyond which a factor's bounds are kept as one for all of them."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """For each element: the smallest it may be if it isn't 0 (inf: it always is), the largest (-inf: it always is 0), and
    whether it never is 0. Arrays of the factor's shape, with 1 in place of any size along which all are alike."""

    low: Array
    high: Array
    sure: Array

    @property
    def smallest(self) -> float:
        """The smallest that any element may be; 0 where all are 0."""
        found = float(self.low.min(initial=np.inf))
        return found if np.isfinite(found) else 0.0

    @property
    def most(self) -> float:
        """The largest that any may be."""
        found = float(self.high.max(initial=-np.inf))
        return found if np.isfinite(found) else 0.0

    @property
    def least(self) -> float:
        """The smallest beside the largest."""
        return self.smallest - self.most

    def over(self, sizes: Sequence[int]) -> Bounds:
        """With an axis for each joint variable: ``sizes`` has 1 for those that the factor doesn't know."""
        if self.low.size == 1 and int(np.prod(sizes)) > 1:
            sizes = [1] * len(sizes)
        return Bounds(*(a.reshape(sizes) for a in (self.low, self.high, self.sure)))

    def without_last(self, states: int, *, observed: bool, best: bool) -> Bounds:
        """Of the sum (best: the largest) over the last variable; observed: perhaps of one of its states alone."""
        some = self.low.min(axis=-1)
        surely = np.where(self.sure, self.low, -np.inf).max(axis=-1)
        high = self.high.max(axis=-1)
        if observed:
            sure, low = self.sure.all(axis=-1), some
        else:
            sure = self.sure.any(axis=-1)
            low = np.where(sure, np.maximum(surely, some), some)
        return Bounds(low, high if best else high + np.log2(states), np.asarray(sure))


def bounds_of(values: Array, fixed: int) -> Bounds:
    """Of constants; one element for all combinations of the first ``fixed`` variables."""
    axes = tuple(range(fixed))
    with np.errstate(divide="ignore"):
        logs = np.log2(np.asarray(values, np.float64))
    low = np.where(values > 0, logs, np.inf).min(axis=axes)
    return compact(Bounds(np.asarray(low), np.asarray(logs.max(axis=axes)), np.asarray((values > 0).all(axis=axes))))


def product_bounds(factors: Sequence[Bounds]) -> Bounds:
    """Of a product of factors with axes alike."""
    low, high, sure = factors[0].low, factors[0].high, factors[0].sure
    for f in factors[1:]:
        low, high, sure = low + f.low, high + f.high, sure & f.sure
        low, high = np.where(np.isposinf(low), np.inf, low), np.where(np.isneginf(high), -np.inf, high)
    return compact(Bounds(low, high, sure))


def compact(b: Bounds) -> Bounds:
    """One bound for all elements where they are many."""
    if b.low.size <= MANY:
        return b
    one = (1,) * b.low.ndim
    return Bounds(b.low.min().reshape(one), b.high.max().reshape(one), np.asarray(b.sure.all()).reshape(one))
