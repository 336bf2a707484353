"""Floor 2: the kernel language as people write it, its arithmetic, and its schedules.

    from skosh.kernels import kernel, func, par, seq, widen, wrap, requantize
"""

from skosh.kernels.arithmetic import requantize, requantize_bounded, rounding_divide_by_pot, srdhm
from skosh.kernels.binding import call
from skosh.kernels.language import (
    bits,
    bounded,
    clamp,
    from_bits,
    func,
    instr,
    kernel,
    par,
    sat,
    seq,
    set_word,
    sqrt,
    trunc,
    widen,
    word,
    wrap,
)

__all__ = [
    "bits", "bounded", "call", "clamp", "from_bits", "func", "instr", "kernel", "par", "requantize", "requantize_bounded",
    "rounding_divide_by_pot", "sat", "seq", "set_word", "sqrt", "srdhm", "trunc", "widen",
    "word", "wrap",
]  # fmt: skip
