"""A band: two numbers between which something lies. Arithmetic on bands of quantities that are never negative."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.evidence import Figure


@dataclass(frozen=True)
class Band:
    """``low`` to ``high``, both >= 0."""

    low: float
    high: float

    @staticmethod
    def of(value: float | Figure | Band) -> Band:
        if isinstance(value, Band):
            return value
        return Band(value.low, value.high) if isinstance(value, Figure) else Band(value, value)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2

    def __add__(self, other: Band) -> Band:
        return Band(self.low + other.low, self.high + other.high)

    def __mul__(self, other: Band) -> Band:
        return Band(self.low * other.low, self.high * other.high)

    def __truediv__(self, other: Band) -> Band:
        """The widest band that the quotient can lie in."""
        return Band(_over(self.low, other.high), _over(self.high, other.low))

    def scaled(self, factor: float) -> Band:
        return Band(self.low * factor, self.high * factor)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        low, high = short(self.low), short(self.high)
        return low if low == high else f"{low} to {high}"


ZERO = Band(0.0, 0.0)


def _over(a: float, b: float) -> float:
    return a / b if b else (float("inf") if a else 0.0)


def short(value: float) -> str:
    """Three digits, with thousands apart: 0.00123, 12.3, 1,230."""
    if value == float("inf"):
        return "∞"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"
