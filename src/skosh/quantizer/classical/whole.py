"""Numbers of classical models as integers: what fills the constants of the operators ``ops/integer_*``.

Everywhere a feature is ``scale[k] * (q[k] - zero[k])`` for an integer q; zeros need not be whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import DType, i8, i16, i32
from skosh.ir.graph import Array, Quant
from skosh.ops.classical.integer_gaussians import MANTISSA, POINT, farthest
from skosh.ops.classical.integer_points import CURVE, MOST, Curves, curve_scaling


def room(terms: int, largest: int) -> int:
    """What 32 bits leave for a sum of so many products with numbers up to ``largest``: rounding adds half of it to each."""
    return MOST - terms * (largest // 2 + 1) - largest


@dataclass(frozen=True, eq=False)
class Features:
    """Integer features in the tensor ``name``. scale, zero: [K]. mean: [K], of the integers over the samples. exact: the
    features were such numbers before."""

    name: str
    dtype: DType
    scale: Array
    zero: Array
    mean: Array
    exact: bool = False

    def whole(self, points: Array) -> Array:
        """Points [N, K] in the features' own integers, saturated."""
        q = np.rint(points / self.scale + self.zero)
        return np.clip(q, self.dtype.min, self.dtype.max).astype(self.dtype.np)


def linear(features: Features, weights: Array, bias: Array, dtype: DType = i16) -> tuple[Array, Array, float]:
    """(weights [N, K] of the type, bias [N] int32, scale): real scores are scale * integer ones.

    One scale for all scores, so that they can be compared; as fine as the type and 32-bit sums allow. The bias takes what
    rounding the weights moves the mean score by.
    """
    real = weights * features.scale
    offset = bias - real @ features.zero
    largest = max(-features.dtype.min, features.dtype.max)
    most = float((np.abs(real).sum(axis=1) * largest + np.abs(offset)).max())
    step = max(float(np.abs(real).max(initial=0.0)) / dtype.max, most / room(real.shape[1], largest))
    step = step if step > 0 else 1.0
    whole = np.rint(real / step)
    moved = offset / step + (real / step - whole) @ features.mean
    return whole.astype(dtype.np), np.rint(moved).astype(np.int32), step


def curve(
    of: str, function: Callable[[Array], Array], unit: float, low: float, high: float, offset: float = 0.0
) -> tuple[Curves, Array, float]:
    """(operator, table [258] int16, scale of its values) of a function of offset + unit * sum, for sums in [low, high].

    Beyond where the function of a distance is all but what it is at the end, the table needs no entries.
    """
    if of == "distance":
        low, high = 0.0, _last(function, unit, high)
    start, span = int(np.floor(low)), max(int(np.ceil(high - low)), CURVE)
    right, multiplier, down = curve_scaling(span)
    top = (((span >> right) * multiplier) >> down) / CURVE  # where the last sum falls, in entries
    at = start + np.arange(CURVE + 2) * (span / top)
    values = function(offset + unit * at)
    scale = float(np.abs(values[: CURVE + 1]).max()) / i16.max
    scale = scale if scale > 0 else 1.0
    table = np.clip(np.rint(values / scale), -i16.max, i16.max).astype(np.int16)
    return Curves(of, start, span, right, multiplier, down), table, scale


def _last(function: Callable[[Array], Array], unit: float, high: float) -> float:
    """The sum from which on the function keeps within 2^-16 of its largest value of what it is at ``high``."""
    grid = high * np.linspace(0, 1, 4097) ** 4
    values = function(unit * grid)
    far = np.flatnonzero(np.abs(values - values[-1]) > float(np.abs(values).max()) / 65536)
    return float(grid[min(far[-1] + 1, 4096)]) if len(far) else high


def products(rows: Array, bias: Array, value: float, largest: int, limit: float) -> tuple[float, Array]:
    """(scale, bias [N] int32) for int16 coefficients of values of int16 times ``value``.

    rows: [N, S], all that are ever summed together; limit: the largest coefficient.
    """
    most = float((np.abs(rows).sum(axis=1) * largest + np.abs(bias) / value).max())
    step = max(limit / i16.max, most / room(rows.shape[1], largest))
    return step, np.rint(bias / (step * value)).astype(np.int32)


# ------------------------------------------------------------------------------------------------------------- Gaussians


def with_rounding(features: Features, real: Array) -> Array:
    """Factors 1 / (sqrt(2) deviation) [N, K], of deviations to which rounding the features has added: step^2 / 12."""
    if features.exact:
        return np.abs(real)
    return np.asarray((real**-2.0 + features.scale**2 / 6) ** -0.5)


def factors(real: Array) -> Array:
    """uint16: an 11-bit number over 2^s, s in the upper 5 bits, near each real number from 0; 2047 at most."""
    with np.errstate(divide="ignore"):
        right = np.clip(MANTISSA - 1 - np.floor(np.log2(np.maximum(real, 1e-30))), 0, 31)
    full = (1 << MANTISSA) - 1
    number = np.rint(real * 2.0**right)
    again = (number > full) & (right > 0)  # rounded up to 2048
    right, number = np.where(again, right - 1, right), np.where(again, np.rint(number / 2), number)
    return np.asarray(right.astype(np.int64) << MANTISSA | np.minimum(number, full).astype(np.int64)).astype(np.uint16)


def means(features: Features, real: Array, unit: int) -> Array:
    """[N, K] int16: means in 1 / unit of the features' steps."""
    q = np.rint((real / features.scale + features.zero) * unit)
    return np.clip(q, i16.min, i16.max).astype(np.int16)


def log_weights(real: Array) -> Array:
    """[N] int32 in 1/64: log weights less the largest."""
    return np.asarray(np.clip(np.rint((real - real.max()) * (1 << POINT)), -(1 << 28), 0)).astype(np.int32)


def unit_of(dtype: DType, triangles: bool) -> int:
    """Into how many parts a step of the features is cut for means: what leaves products room in 32 bits."""
    if dtype == i16:
        return 1
    return 16 if triangles else 128 if dtype != i8 else 64


def triangles(features: Features, packed: Array, rows: int, centers: Array, unit: int) -> tuple[Array, Array]:
    """(elements [T, L] int16, right [T, rows] int8) of triangles [T, L] that take real differences.

    Each row has a power of two of its own, the largest that leaves its sums below 2^31.
    """
    columns = features.scale.size
    far = farthest(features.dtype, unit, centers)
    whole, right = np.zeros(packed.shape, np.int16), np.zeros((len(packed), rows), np.int8)
    for t, triangle in enumerate(packed):
        at = 0
        for r in range(rows):
            part = slice(at, at + columns - r)
            at += columns - r
            real = triangle[part] * features.scale[r:] * (1 << POINT) / unit
            left = min(
                i16.max / max(np.abs(real).max(), 1e-30), (i32.max / far - len(real)) / max(np.abs(real).sum(), 1e-30)
            )
            shift = int(np.clip(np.floor(np.log2(left)), 0, 31))
            whole[t, part] = np.rint(real * min(2.0**shift, left))
            right[t, r] = shift
    return whole, right


def one_scale(scale: float) -> Quant:
    """A scale without a zero point."""
    return Quant((float(np.float32(scale)),), (0,))
