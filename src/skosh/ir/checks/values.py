"""What an integer may be at a place of a kernel: an interval, and how far it is from what it was when a round of a loop began.

The second is what sums are bounded by: a local that is its old value plus something in [a, b] after each of T rounds is, in
the end, its first value plus something in [T*a, T*b].
"""

from __future__ import annotations

from typing import NamedTuple

from skosh.base.dtypes import DType
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span


class Grown(NamedTuple):
    """Either the value that ``base`` had plus something in ``by``, or something in ``rest``."""

    base: str
    by: Span
    rest: Span | None = None


class Value(NamedTuple):
    """``span``: all it may be; of unsigned types, numbers that it equals modulo 2^bits, which sums may be beyond the type.

    ``grown``: the same, told from a base, where that is known. ``halves``: of a u32, what its lower and its upper 16 bits
    are as i16, where that is known.
    """

    span: Span
    grown: Grown | None = None
    halves: tuple[Span, Span] | None = None


def exactly(n: int) -> Value:
    return Value(Span(n, n))


def anything(dtype: DType) -> Value:
    return Value(iv.of(dtype))


def joined(a: Value, b: Value) -> Value:
    """Either of the two."""
    halves = None
    if a.halves is not None and b.halves is not None:
        halves = (iv.hull(a.halves[0], b.halves[0]), iv.hull(a.halves[1], b.halves[1]))
    return Value(iv.hull(a.span, b.span), _either(a, b), halves)


def _either(a: Value, b: Value) -> Grown | None:
    x, y = a.grown, b.grown
    if x is None and y is None:
        return None
    if x is not None and y is not None:
        if x.base != y.base:
            return None
        return Grown(x.base, iv.hull(x.by, y.by), _rest(x.rest, y.rest))
    kept, other = (x, b) if x is not None else (y, a)
    assert kept is not None, "one of them has a base"
    return Grown(kept.base, kept.by, _rest(kept.rest, other.span))


def _rest(a: Span | None, b: Span | None) -> Span | None:
    if a is None or b is None:
        return a if b is None else b
    return iv.hull(a, b)


def smaller(op: str, a: Value, b: Value) -> Value:
    """min or max: one of the two, and within what both allow."""
    pick = iv.least if op == "min" else iv.most
    return Value(Span(pick(a.span.lo, b.span.lo), pick(a.span.hi, b.span.hi)), _either(a, b))


def moved(a: Value, by: Span, span: Span) -> Value:
    """a plus something in ``by``; ``span``: what that may be."""
    g = a.grown
    if g is None:
        return Value(span)
    return Value(span, Grown(g.base, iv.plus(g.by, by), None if g.rest is None else iv.plus(g.rest, by)))


def flattened(v: Value) -> Value:
    """One interval for all rounds of all loops."""
    if all(type(e) is int for e in v.span) and v.grown is None:
        return v
    g = v.grown
    if g is not None:
        g = Grown(g.base, iv.flat(g.by), None if g.rest is None else iv.flat(g.rest))
    return Value(iv.flat(v.span), g, v.halves)
