"""Requantization with 32-bit products only, proved exact for each filter when we compile.

acc -> int8 is a staircase of at most 255 steps. Where every step lies is known from the meaning (``base.arith``); a cheaper
form that rises at the same places, over all that the accumulator can be, *is* that function. So multiplier, offset and
shift of the cheap form are searched, and checked at both sides of every step. The forms, with M = m1 2^q + m0:

- ``SPLIT``: (acc m1 + (acc m0 >> q) + c) >> s, which is floor((acc M + c 2^q) / 2^(q + s)). The accumulator is small.
- ``SIGNED``: with d more in the offset where acc < 0: rounding twice moves ties away from zero, so the steps on the two
  sides of zero lie on different lines. Layers whose outputs all come from sums >= 0 (a ReLU) don't need it.
- ``WIDE``: as ``SIGNED``, the accumulator in halves of 16 bits, for sums of any size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skosh.base.arith import requantize
from skosh.ir.graph import Array

SPLIT, SIGNED, WIDE = "split", "signed", "wide"
WIDE_LOW = 11  # q of the wide form
NEAR = sorted(range(-12, 13), key=abs)  # multipliers tried around the ideal one


@dataclass(frozen=True, eq=False)
class Staircase:
    """How the accumulators of a layer become outputs. All arrays [N] int64; lo, hi bound the outputs, low, high the sums."""

    multiplier: Array
    right: Array
    zero_point: int
    lo: int
    hi: int
    low: Array
    high: Array

    def of(self, filters: Array) -> Staircase:
        """The same, for some filters."""
        return replace(
            self,
            multiplier=self.multiplier[filters], right=self.right[filters], low=self.low[filters], high=self.high[filters],
        )  # fmt: skip

    def value(self, acc: Array) -> Array:
        """The meaning. acc: [N, ...]."""
        more = (slice(None), *(None,) * (acc.ndim - 1))
        scaled = requantize(acc, self.multiplier[more], -self.right[more]) + self.zero_point
        return np.clip(scaled, self.lo, self.hi)


@dataclass(frozen=True, eq=False)
class Requantization:
    """The cheap form: ``kind``, its q, and for each filter the words m1, m0, c, s (and d): [N, 4 or 5] int64."""

    kind: str
    low_bits: int
    words: Array


def cheapest(stairs: Staircase) -> Requantization | None:
    """The first form that is exact for every filter, or None."""
    steps = _steps(stairs)
    sizes = _bits(np.maximum(np.abs(stairs.low), np.abs(stairs.high)))  # [N]: of each filter's largest sum
    q = min(31 - int(sizes.max()), 15)
    if q > 0:
        for kind in (SPLIT, SIGNED):
            words = _search(stairs, steps, kind, q, q, np.minimum(30 - sizes + q, 26))
            if words is not None:
                return Requantization(kind, q, words)
    if sizes.max() <= 29:
        words = _search(stairs, steps, WIDE, WIDE_LOW, 16, np.minimum(46 - sizes, 26))
        if words is not None:
            return Requantization(WIDE, WIDE_LOW, words)
    return None


def _bits(values: Array) -> Array:
    """The bits of each value >= 0, in which it is less than 2^bits."""
    return np.array([int(v).bit_length() for v in values], np.int64)


def _steps(stairs: Staircase) -> Array:
    """[N, steps]: the least sum whose output is lo + 1, lo + 2, .. hi; bisected between low and high + 1 (never)."""
    outputs = np.arange(stairs.lo + 1, stairs.hi + 1, dtype=np.int64)
    shape = (stairs.low.size, outputs.size)
    below = np.broadcast_to(stairs.low[:, None] - 1, shape).copy()  # its output is taken for too small
    reached = np.broadcast_to(stairs.high[:, None] + 1, shape).copy()  # and this one's for large enough
    scale = stairs.multiplier.astype(np.float64) * 2.0 ** -(31.0 + stairs.right)
    near = np.floor((outputs - stairs.zero_point - 0.5) / scale[:, None])
    for guess in (near - 4, near + 4):  # close to where a straight line rises; what isn't shown by it is bisected
        middle = np.clip(guess, stairs.low[:, None], stairs.high[:, None]).astype(np.int64)
        enough = stairs.value(middle) >= outputs
        reached = np.where(enough, np.minimum(reached, middle), reached)
        below = np.where(~enough, np.maximum(below, middle), below)
    while np.any(reached - below > 1):
        middle = (below + reached) >> 1
        enough = stairs.value(middle) >= outputs
        reached = np.where(enough & (reached - below > 1), middle, reached)
        below = np.where(~enough & (reached - below > 1), middle, below)
    return reached


def _search(stairs: Staircase, steps: Array, kind: str, q: int, scaled: int, bits: Array) -> Array | None:
    """[N, words] of the form, multipliers below 2^bits (bits: [N]).

    The value before the last shift is floor(acc M / 2^scaled) + offset.
    """
    real = stairs.multiplier.astype(np.float64) * 2.0 ** -(31.0 + stairs.right)
    whole = np.floor(bits - 1e-9 - np.log2(real)).astype(np.int64)  # M = real 2^whole
    whole = np.minimum(whole, scaled + 22)  # the zero point stays below 2^30
    if np.any(whole <= scaled):
        return None
    ideal = np.rint(real * 2.0**whole).astype(np.int64)
    found = np.zeros((stairs.low.size, 4 if kind == SPLIT else 5), np.int64)
    missing = np.arange(stairs.low.size)
    for near in NEAR:
        part, multiplier, shift = stairs.of(missing), ideal[missing] + near, whole[missing] - scaled
        positive, negative, exact = _offsets(part, steps[missing], multiplier, shift, scaled, kind != SPLIT)
        largest = (np.maximum(np.abs(part.low), np.abs(part.high)) * multiplier >> scaled) + 1
        fits = largest + np.maximum(np.abs(positive), np.abs(negative)) < 1 << 31
        good = exact & fits & (multiplier > 0) & (multiplier < np.int64(1) << bits[missing])
        words = [multiplier >> q, multiplier & ((1 << q) - 1), positive, shift]
        if kind != SPLIT:
            words.append(negative - positive)
        found[missing[good]] = np.stack(words, axis=1)[good]
        missing = missing[~good]
        if not missing.size:
            return found
        if near == 0 and missing.size > stairs.low.size // 2:
            return None  # it is not a matter of luck
    return None


def _offsets(
    stairs: Staircase, steps: Array, multiplier: Array, shift: Array, scaled: int, apart: bool
) -> tuple[Array, Array, Array]:
    """Offsets for sums >= 0 and < 0, [N] each, and where such exist. apart: may the two differ?

    With v(acc) = floor(acc M / 2^scaled): v(step) + offset >= output 2^s, and v(step - 1) + offset < output 2^s.
    """
    outputs = np.arange(stairs.lo + 1, stairs.hi + 1, dtype=np.int64) << shift[:, None]
    huge = np.int64(1) << 40
    low, high, shape = stairs.low[:, None], stairs.high[:, None], steps.shape
    up = (np.broadcast_to(np.maximum(steps, 0), shape), steps)  # sums that have come this far, >= 0 and < 0
    there = (up[0] <= high, (steps < 0) & (steps <= high))
    before = (steps - 1, np.minimum(steps - 1, -1))  # and those that have not
    short = ((steps > 0) & (before[0] >= low), before[1] >= low)
    value = [point * multiplier[:, None] >> scaled for point in (*up, *before)]
    least = [np.where(t, outputs - v, -huge).max(axis=1, initial=-huge) for t, v in zip(there, value[:2], strict=True)]
    most = [np.where(t, outputs - v - 1, huge).min(axis=1, initial=huge) for t, v in zip(short, value[2:], strict=True)]
    if not apart:
        least = [np.maximum(*least)] * 2
        most = [np.minimum(*most)] * 2
    chosen = [np.where(a > -huge, a, np.minimum(b, 0)) for a, b in zip(least, most, strict=True)]
    exact = (least[0] <= most[0]) & (least[1] <= most[1])
    return chosen[0], chosen[1], exact
