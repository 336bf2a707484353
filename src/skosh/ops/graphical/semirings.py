"""How factors of probabilities are multiplied and added: float32 numbers, or their base-2 logarithms in fixed point.

A kernel over factors is written once, for any ``product`` and ``total``. Logarithms are i32 with 16 fraction bits: a
product is one addition, so cores without floating-point hardware gain most. What a step may lose stands beside it, so
an importer can bound the error of a whole query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, f32, i32, u32
from skosh.ir.graph import Array
from skosh.ir.kernel import Function
from skosh.language import func, wrap
from skosh.language.mathf import exp

FRACTION_BITS = 16
ONE = 1 << FRACTION_BITS
LOG_ZERO = -(1 << 30)
"""The logarithm of 0; nothing is below it. Logarithms stay under 2^28, see ``importers.pgm``."""


@func
def product_f32(a: f32, b: f32) -> f32:
    """a b."""
    return a * b


@func
def total_f32(a: f32, b: f32) -> f32:
    """a + b."""
    return a + b


@func
def ratio_f32(a: f32, b: f32) -> f32:
    """a / b, a probability."""
    return a / b


@func
def product_log(a: i32, b: i32) -> i32:
    """The logarithm of a product."""
    return max(a + b, LOG_ZERO)


@func
def total_log(a: i32, b: i32) -> i32:
    """The logarithm of a sum: the larger plus log2(1 + 2^-d), d the distance, with two polynomials.

    2^-d of d's fraction, shifted by its whole part; then log2(1 + t). Minimax fits; 32-bit arithmetic with 16 fraction bits.
    """
    high = max(a, b)
    d = high - min(a, b)
    more = 0
    if d < 1179648:  # 18: beyond, nothing is left of 2^-d
        r = wrap(u32, d & 0xFFFF)
        p = u32(3498) - ((r * u32(453)) >> 16)
        p = u32(15699) - ((r * p) >> 16)
        p = u32(45422) - ((r * p) >> 16)
        t = u32(65536) - ((r * p + u32(32768)) >> 16)
        n = d >> 16
        t = (t + ((u32(1) << n) >> 1)) >> n
        q = u32(8090) - ((t * u32(1734)) >> 16)
        q = u32(18320) - ((t * q) >> 16)
        q = u32(30033) - ((t * q) >> 16)
        q = u32(47073) - ((t * q) >> 16)
        rest = 29003 - wrap(i32, (t * q) >> 16)
        whole = wrap(i32, t)
        more = whole + ((whole * rest + 32768) >> 16)
    return high + more


@func
def ratio_log(a: i32, b: i32) -> f32:
    """2^(a - b), a probability."""
    return exp(f32(max(a - b, -10000000)) * 0.000010576586)


@dataclass(frozen=True)
class Semiring:
    """``zero`` is nothing's probability. product_error and total_error: how far one step may be from the truth.

    unit: what errors are counted in: "relative" (of the number) or "log2" (absolute, of the logarithm). stored_error: of
    a constant. Errors of factors that are multiplied add up; of summands, the largest counts.
    """

    dtype: DType
    zero: float
    product: Function
    total: Function
    ratio: Function
    unit: str
    stored_error: float
    product_error: float
    total_error: float
    ratio_error: float  # relative, of the probability

    def stored(self, values: Array) -> Array:
        """Numbers >= 0 in float64 as constants of this arithmetic."""
        if self.dtype == f32:
            return np.asarray(values, np.float64).astype(np.float32)
        with np.errstate(divide="ignore"):
            logs = np.rint(np.log2(np.asarray(values, np.float64)) * ONE)
        return np.asarray(np.maximum(logs, LOG_ZERO).astype(np.int32))

    def relative(self, error: float) -> float:
        """An error in ``unit`` as a relative one."""
        return error if self.unit == "relative" else float(2.0**error - 1)


ROUNDING = 2.0**-24
TOTAL_LOG_ERROR = 4.1e-5
"""Of ``total_log``, in log2; a test tries every distance. That of what it adds, not of its arguments."""

LINEAR = Semiring(
    f32, 0.0, product_f32, total_f32, ratio_f32, "relative", ROUNDING, ROUNDING, ROUNDING, ROUNDING
)  # fmt: skip
LOGARITHMIC = Semiring(
    i32, LOG_ZERO, product_log, total_log, ratio_log, "log2", 0.5 / ONE, 0.0, TOTAL_LOG_ERROR, 2.0**-18
)
SEMIRINGS = {"float32": LINEAR, "log": LOGARITHMIC}


def semiring(dtype: DType) -> Semiring:
    """The arithmetic of factors of this element type."""
    return LINEAR if dtype == f32 else LOGARITHMIC
