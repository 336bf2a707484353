"""Floor 2: the kernel language as people write it, its arithmetic, and its schedules.

    from skosh.kernels import kernel, func, par, seq, widen, wrap, requantize
"""

from skosh.kernels.arithmetic import requantize, requantize_bounded, rounding_divide_by_pot, srdhm
from skosh.kernels.binding import call
from skosh.kernels.language import (
    bits,
    clamp,
    from_bits,
    func,
    kernel,
    par,
    sat,
    seq,
    sqrt,
    trunc,
    widen,
    wrap,
)

__all__ = [
    "bits", "call", "clamp", "from_bits", "func", "kernel", "par", "requantize", "requantize_bounded",
    "rounding_divide_by_pot", "sat", "seq", "sqrt", "srdhm", "trunc", "widen", "wrap",
]  # fmt: skip
