"""Floor 2: the kernel language as people write it, and its arithmetic.

    from skosh.language import kernel, func, par, seq, widen, wrap, requantize
"""

from skosh.ir.checks.overflow import arithmetic_of
from skosh.language.arithmetic import requantize, requantize_bounded, rounded_high, rounding_divide_by_pot, srdhm
from skosh.language.binding import call
from skosh.language.decorators import (
    assume,
    bits,
    bounded,
    clamp,
    flash,
    from_bits,
    func,
    instr,
    kernel,
    made_from,
    par,
    ram,
    register,
    rows,
    sat,
    seq,
    set_word,
    sqrt,
    trunc,
    typed,
    widen,
    word,
    wrap,
)

__all__ = [
    "arithmetic_of", "assume", "bits", "bounded", "call", "clamp", "flash", "from_bits", "func", "instr", "kernel",
    "made_from", "par", "ram", "register", "requantize", "requantize_bounded", "rounded_high", "rounding_divide_by_pot",
    "rows", "sat", "seq", "set_word", "sqrt", "srdhm", "trunc", "typed", "widen", "word", "wrap",
]  # fmt: skip
