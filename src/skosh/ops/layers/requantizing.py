"""Which requantization a kernel with one scale takes: the short one where it is proved exact."""

from __future__ import annotations

from typing import Any

from skosh.language import requantize, requantize_bounded


def is_short(shift: int, bound: int) -> bool:
    """Whether ``requantize_bounded`` is exact for accumulators up to ``bound`` in magnitude."""
    return bound < 1 << 30 and -30 <= shift <= -1


def one_rescaling(scaling: tuple[int, int], bound: int) -> dict[str, Any]:
    """The bindings rescale, multiplier, shift of a kernel: ``rescale(acc, multiplier, shift)``.

    scaling: (multiplier, shift) of ``base.arith.quantize_multiplier``; bound: the largest |acc|.
    """
    multiplier, shift = scaling
    if is_short(shift, bound):
        return {"rescale": requantize_bounded, "multiplier": multiplier, "shift": -shift}
    return {"rescale": requantize, "multiplier": multiplier, "shift": shift}
