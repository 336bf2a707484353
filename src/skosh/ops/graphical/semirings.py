"""How factors of probabilities are multiplied and added: float32 numbers, wide numbers, or base-2 logarithms in fixed point.

Wide numbers have a fraction of 32 bits and an exponent of 31, in an i64: what float32 would lose below 1e-38 they keep.

A kernel over factors is written once, for any ``product`` and ``total``. Logarithms are i32 with 16 fraction bits: a
product is one addition, so cores without floating-point hardware gain most. What a step may lose stands beside it, so
an importer can bound the error of a whole query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, f32, i32, i64, u32, u64
from skosh.ir.graph import Array
from skosh.ir.kernel import Function
from skosh.language import from_bits, func, wrap
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


# Wide numbers: m 2^(e - 31), m in [2^31, 2^32) in the low half of an i64 and e in the high half, so that larger numbers are
# larger integers too.

WIDE_ZERO = -(1 << 62)


@func
def product_wide(a: i64, b: i64) -> i64:
    """a b, the fraction cut off."""
    y = i64(-4611686018427387904)
    if a > -4000000000000000000 and b > -4000000000000000000:
        p = u64(wrap(u32, a)) * u64(wrap(u32, b))
        e = (a >> 32) + (b >> 32)
        if p >> 63 != u64(0):
            p = p >> 1
            e += 1
        y = (e << 32) + wrap(i64, p >> 31)
    return y


@func
def total_wide(a: i64, b: i64) -> i64:
    """a + b, the fraction cut off."""
    high = max(a, b)
    low = min(a, b)
    y = high
    d = (high >> 32) - (low >> 32)
    if d < 32:
        m = u64(wrap(u32, high)) + (u64(wrap(u32, low)) >> wrap(i32, d))
        e = high >> 32
        if m >> 32 != u64(0):
            m = m >> 1
            e += 1
        y = (e << 32) + wrap(i64, m)
    return y


@func
def ratio_wide(a: i64, b: i64) -> f32:
    """a / b, a probability; 0 below the normal numbers."""
    y = 0.0
    d = (a >> 32) - (b >> 32)
    if d > -126 and d < 127:
        y = f32(wrap(i32, u64(wrap(u32, a)) >> 1)) / f32(wrap(i32, u64(wrap(u32, b)) >> 1))
        y = y * from_bits((wrap(i32, d) + 127) * 8388608)
    return y


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
        if self.dtype == i64:
            fraction, exponent = np.frexp(np.asarray(values, np.float64))
            m = np.minimum(np.rint(fraction * 2.0**32), 2.0**32 - 1).astype(np.int64)
            return np.where(m > 0, ((exponent.astype(np.int64) - 1) << 32) + m, WIDE_ZERO)
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
WIDE = Semiring(
    i64, WIDE_ZERO, product_wide, total_wide, ratio_wide, "relative", 2.0**-31, 2.0**-30, 2.0**-30, 2.0**-22
)  # fmt: skip
SEMIRINGS = {"float32": LINEAR, "wide": WIDE, "log": LOGARITHMIC}


def semiring(dtype: DType) -> Semiring:
    """The arithmetic of factors of this element type."""
    return next(ring for ring in SEMIRINGS.values() if ring.dtype == dtype)
