"""Intervals of integers, and what arithmetic makes of them. An end is a number, or an array: one for each round of loops.

Signed arithmetic gives the interval that the operation reaches, whether its type holds it or not: who asks decides.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skosh.base.dtypes import DType

End = Any  # int, or numpy int64 whose axes are those of loops; 64-bit arithmetic is on int alone
Array = npt.NDArray[Any]


class Span(NamedTuple):
    """All integers from lo to hi."""

    lo: End
    hi: End


def least(*ends: End) -> End:
    return min(ends) if all(type(e) is int for e in ends) else reduce(np.minimum, ends)


def most(*ends: End) -> End:
    return max(ends) if all(type(e) is int for e in ends) else reduce(np.maximum, ends)


def low(end: End) -> int:
    """The least number that an end is anywhere."""
    return end if type(end) is int else int(np.min(end))


def high(end: End) -> int:
    return end if type(end) is int else int(np.max(end))


def flat(s: Span) -> Span:
    """One interval for all rounds."""
    return Span(low(s.lo), high(s.hi))


def of(dtype: DType) -> Span:
    return Span(0, 1) if dtype.kind == "bool" else Span(dtype.min, dtype.max)


def hull(a: Span, b: Span) -> Span:
    return Span(least(a.lo, b.lo), most(a.hi, b.hi))


def within(a: Span, b: Span) -> bool:
    """Does all of a lie in b?"""
    return low(a.lo - b.lo) >= 0 and low(b.hi - a.hi) >= 0


def apart(a: Span, b: Span) -> bool:
    """Does all of a lie outside of b, on one side?"""
    return low(a.lo - b.hi) > 0 or high(a.hi - b.lo) < 0


def single(s: Span) -> bool:
    """Is it one number (in each round)?"""
    return bool(s.lo == s.hi) if type(s.lo) is int and type(s.hi) is int else s.lo is s.hi or np.array_equal(s.lo, s.hi)


def cut(a: Span, b: Span) -> Span:
    """What lies in both; where nothing does, the nearest end of b."""
    lo, hi = least(most(a.lo, b.lo), b.hi), most(least(a.hi, b.hi), b.lo)
    return Span(least(lo, hi), hi)


def plus(a: Span, b: Span) -> Span:
    return Span(a.lo + b.lo, a.hi + b.hi)


def minus(a: Span, b: Span) -> Span:
    return Span(a.lo - b.hi, a.hi - b.lo)


def product(a: Span, b: Span) -> Span:
    ends = a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi
    return Span(least(*ends), most(*ends))


def square(a: Span) -> Span:
    ends = a.lo * a.lo, a.hi * a.hi
    return Span(0 if a.lo <= 0 <= a.hi else min(ends), max(ends))


def quotient(a: Span, b: Span) -> Span:
    """C's a / b for b that isn't 0."""
    a, b = flat(a), flat(b)
    divisors = [d for d in {b.lo, b.hi, -1, 1} if d != 0 and b.lo <= d <= b.hi]
    ends = [_divided(x, d) for x in (a.lo, a.hi) for d in divisors]
    return Span(min([*ends, *([0] if a.lo <= 0 <= a.hi else [])]), max([*ends, *([0] if a.lo <= 0 <= a.hi else [])]))


def remainder(a: Span, b: Span) -> Span:
    """C's a % b: it has the sign of a."""
    a, b = flat(a), flat(b)
    if a.lo == a.hi and b.lo == b.hi:
        return Span(a.lo - b.lo * _divided(a.lo, b.lo), a.lo - b.lo * _divided(a.lo, b.lo))
    largest = max(abs(b.lo), abs(b.hi)) - 1
    return Span(max(-largest, a.lo) if a.lo < 0 else 0, min(largest, a.hi) if a.hi > 0 else 0)


def _divided(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def shifted_left(a: Span, count: Span) -> Span:
    """a << count, before it is wrapped; counts are in range."""
    if max(abs(low(a.lo)), abs(high(a.hi))) >> 31 or high(count.hi) > 31:
        a, count = flat(a), flat(count)
    ends = [x << n for x in a for n in count]
    return Span(least(*ends), most(*ends))


def shifted_right(a: Span, count: Span) -> Span:
    ends = a.lo >> count.lo, a.lo >> count.hi, a.hi >> count.lo, a.hi >> count.hi
    return Span(least(*ends), most(*ends))


def bitwise(op: str, a: Span, b: Span) -> Span:
    """& | ^ of two's complement numbers."""
    if op == "&" and any(type(e) is not int for e in (*a, *b)):
        masks = [s.hi for s in (a, b) if low(s.lo) >= 0]
        if masks:
            return Span(0, least(*masks))
    a, b = flat(a), flat(b)
    if a.lo == a.hi and b.lo == b.hi:
        exact = {"&": a.lo & b.lo, "|": a.lo | b.lo, "^": a.lo ^ b.lo}[op]
        return Span(exact, exact)
    if op == "&" and (a.lo >= 0 or b.lo >= 0):
        return Span(0, min(s.hi for s in (a, b) if s.lo >= 0))
    room = max(int(e if e >= 0 else ~e).bit_length() for e in (*a, *b))
    return Span(0 if a.lo >= 0 and b.lo >= 0 else -(1 << room), (1 << room) - 1)


def compared(op: str, a: Span, b: Span) -> Span:
    """[1, 1] if it holds for all, [0, 0] if for none, else [0, 1]."""
    match op:
        case "<":
            yes, no = high(a.hi - b.lo) < 0, low(a.lo - b.hi) >= 0
        case "<=":
            yes, no = high(a.hi - b.lo) <= 0, low(a.lo - b.hi) > 0
        case ">" | ">=":
            return compared({">": "<", ">=": "<="}[op], b, a)
        case "==":
            yes = single(a) and single(b) and low(a.lo - b.lo) == high(a.lo - b.lo) == 0
            no = high(a.hi - b.lo) < 0 or high(b.hi - a.lo) < 0
        case _:
            other = compared("==", a, b)
            return Span(1 - other.hi, 1 - other.lo)
    return Span(1, 1) if yes else Span(0, 0) if no else Span(0, 1)
