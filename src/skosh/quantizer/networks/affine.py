"""From real ranges to scales and zero points, and from real numbers to integers.

Formulas: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"
(CVPR 2018), section 3, with weights in [-127, 127] and zero point 0 as TensorFlow Lite's int8 specification has them.
Scales are rounded to float32, the type in which every int8 format keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skosh.base.arith import round_half_away
from skosh.base.dtypes import DType, i8, i16, i32, i64
from skosh.base.errors import InputError
from skosh.ir.graph import Array, Quant

WEIGHT_MAX = 127
BIAS_MAX = {i32: 1 << 30, i64: 1 << 45}  # leaves as much again to the products that are added to a bias
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Range:
    """The smallest and the largest real value of a tensor."""

    lo: float
    hi: float

    def __or__(self, other: Range) -> Range:
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))


def range_of(values: Array) -> Range:
    return Range(float(values.min()), float(values.max()))


def activation_quant(found: Range, dtype: DType = i8) -> Quant:
    """int8, asymmetric: [lo, hi], widened to hold 0, is spread over [-128, 127], and 0 is one of the 256 values.

    scale = (hi - lo) / 255. The zero point is where 0 falls, counted from whichever end is nearer to it and rounded.
    int16 is symmetric: scale = max(-lo, hi) / 32767, zero point 0.
    Raises InputError when the range is so narrow that float32 can't hold the scale.
    """
    lo, hi = min(found.lo, 0.0), max(found.hi, 0.0)
    scale = _f32(max(-lo, hi) / i16.max if dtype == i16 else (hi - lo) / (i8.max - i8.min))
    if not SMALLEST_SCALE <= scale < float("inf"):
        raise InputError(f"a range must be wide enough for a float32 scale, but is [{found.lo:g}, {found.hi:g}]")
    if dtype == i16:
        return Quant((scale,), (0,))
    from_lo, from_hi = i8.min - lo / scale, i8.max - hi / scale
    real = from_lo if abs(lo) <= abs(hi) else from_hi
    return Quant((scale,), (int(np.clip(round_half_away(real), i8.min, i8.max)),))


def quantized(values: Array, quant: Quant, dtype: DType = i8) -> Array:
    """values / scale + zero point, rounded half away from zero, saturated; per channel along ``quant.axis``."""
    scale, zero = _along(np.ndim(values), quant)
    q = round_half_away(np.asarray(values, np.float64) / scale) + zero
    return np.clip(q, dtype.min, dtype.max).astype(dtype.np)


def dequantized(q: Array, quant: Quant) -> Array:
    """The real numbers that integers stand for, in float64; per channel along ``quant.axis`` when there are several scales."""
    scale, zero = _along(q.ndim, quant)
    return np.asarray((q.astype(np.float64) - zero) * scale)


def _along(dimensions: int, quant: Quant) -> tuple[Array, Array]:
    """(scales, zero points), shaped to meet an array of so many dimensions."""
    shape = [1] * dimensions
    if quant.per_channel:
        assert quant.axis is not None, "per channel means along some axis"
        shape[quant.axis] = -1
    scale, zero = (np.asarray(v).reshape(shape) for v in (quant.scales, quant.zero_points))
    return scale, zero


def weight_quant(
    weights: Array, axis: int, bias: Array | None, x_scale: float, fit: Array | None = None, bias_type: DType = i32
) -> Quant:
    """Symmetric, a scale for each index of ``axis``: ``fit``, or max |w| / 127 for int8; zero point 0.

    A channel of zeros takes the largest of the others' scales. A scale grows where the bias, in units of
    ``x_scale * scale``, would not leave room in 32 bits (64 for int16 inputs).
    """
    largest = np.abs(np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)).max(axis=1, initial=0.0)
    scales = largest.astype(np.float64) / WEIGHT_MAX if fit is None else fit
    if bias is not None:
        scales = np.maximum(scales, np.abs(bias.reshape(-1).astype(np.float64)) / (x_scale * BIAS_MAX[bias_type]))
    usable = scales >= SMALLEST_SCALE
    usable &= largest > 0
    spare = float(scales[usable].max()) if usable.any() else 1.0
    held = tuple(_f32(s if ok else max(s, spare)) for s, ok in zip(scales.tolist(), usable.tolist(), strict=True))
    return Quant(held, (0,) * len(held), axis if len(held) > 1 else None)


def quantized_weights(weights: Array, axis: int, quant: Quant) -> Array:
    """int8 in [-127, 127]."""
    shape = [1] * weights.ndim
    shape[axis] = -1
    q = round_half_away(weights.astype(np.float64) / np.asarray(quant.scales).reshape(shape))
    return np.clip(q, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)


def bias_quant(x_scale: float, weights: Quant) -> Quant:
    """A scale for each channel: that of the products, x_scale * weight scale, zero point 0."""
    scales = tuple(_f32(x_scale * s) for s in weights.scales)
    return Quant(scales, weights.zero_points, 0 if len(scales) > 1 else None)


def quantized_bias(bias: Array, x_scale: float, weights: Quant, dtype: DType = i32) -> Array:
    """int32 or int64: bias / (x_scale * weight scale), the product in double as kernels compute their factors."""
    q = round_half_away(bias.astype(np.float64) / (x_scale * np.asarray(weights.scales)))
    return np.clip(q, -2 * BIAS_MAX[dtype], 2 * BIAS_MAX[dtype] - 1).astype(dtype.np)


def _f32(value: Any) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float32(value))
