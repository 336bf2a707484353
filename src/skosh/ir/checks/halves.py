"""Two 16-bit numbers in a u32: what is known of each, through the masks and shifts that instructions on pairs are made of."""

from __future__ import annotations

from skosh.base.dtypes import i16
from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.values import Value

Halves = tuple[Span, Span]
NOTHING = Span(0, 0)
LOWER, UPPER = 0xFFFF, 0xFFFF0000


def of(v: Value) -> Halves | None:
    """The lower and the upper half as i16."""
    if v.halves is not None:
        return v.halves
    s = iv.flat(v.span)
    if iv.within(s, iv.of(i16)):  # a small number, of either sign
        return s, Span(-1 if s.lo < 0 else 0, -1 if s.hi < 0 else 0)
    if s.lo == s.hi:
        low, high = _signed(s.lo & LOWER), _signed(s.lo >> 16 & LOWER)
        return Span(low, low), Span(high, high)
    return None


def _signed(n: int) -> int:
    return n - 65536 if n & 32768 else n


def masked(v: Value, mask: int) -> Halves | None:
    """v & mask, for masks of one half."""
    halves = of(v)
    if halves is None or mask not in (LOWER, UPPER):
        return None
    return (halves[0], NOTHING) if mask == LOWER else (NOTHING, halves[1])


def shifted(op: str, v: Value, count: int) -> Halves | None:
    """v << 16 and v >> 16."""
    halves = of(v)
    if halves is None or count != 16:
        return None
    return (NOTHING, halves[0]) if op == "<<" else (halves[1], NOTHING)


def united(a: Value, b: Value) -> Halves | None:
    """a | b where each half comes from one of them."""
    x, y = of(a), of(b)
    if x is None or y is None or any(p != NOTHING != q for p, q in zip(x, y, strict=True)):
        return None
    low, high = (q if p == NOTHING else p for p, q in zip(x, y, strict=True))
    return low, high


def made(op: str, a: Value, b: Value) -> Halves | None:
    """What is known of the halves of ``a op b``, for u32."""
    count = b.span.lo if iv.single(b.span) and type(b.span.lo) is int else None
    match op:
        case "&" if count is not None:
            return masked(a, count)
        case "<<" | ">>" if count is not None:
            return shifted(op, a, count)
        case "|":
            return united(a, b)
    return None
