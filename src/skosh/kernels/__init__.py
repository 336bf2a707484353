"""Floor 2: the kernel language as people write it, its arithmetic, and its schedules.

    from skosh.kernels import kernel, func, par, seq, widen, wrap, requantize
"""

from skosh.kernels.arithmetic import requantize, requantize_bounded, rounded_high, rounding_divide_by_pot, srdhm
from skosh.kernels.binding import call
from skosh.kernels.checks.overflow import arithmetic_of
from skosh.kernels.language import (
    assume,
    bits,
    bounded,
    clamp,
    flash,
    from_bits,
    func,
    instr,
    kernel,
    par,
    ram,
    register,
    rows,
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
    "arithmetic_of", "assume", "bits", "bounded", "call", "clamp", "flash", "from_bits", "func", "instr", "kernel", "par",
    "ram", "register", "requantize", "requantize_bounded", "rounded_high", "rounding_divide_by_pot", "rows", "sat", "seq",
    "set_word", "sqrt", "srdhm", "trunc", "widen", "word", "wrap",
]  # fmt: skip
