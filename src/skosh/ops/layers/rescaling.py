"""From integer accumulators to outputs: the numbers that kernels of any width take, chosen when the model is compiled.

int8 layers sum in i32. int16 layers sum in i64, or in i32 where no sum can reach beyond, and round once with a 15-bit
multiplier (TFLM's int64 form); with an int32 bias they sum in i32, which wraps where it overflows, so i64 is used there and
cut off.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import i32, i64
from skosh.base.errors import ModelError
from skosh.ir.call import Const
from skosh.ir.graph import Array, Tensor
from skosh.ir.kernel import Function
from skosh.language import func, requantize, wrap
from skosh.ops.common import activation_range
from skosh.ops.layers.gemm import rescale_constants

MAX_WIDE = 1 << 47
"""TFLM's int64 requantization is meant for accumulators below this."""


@func
def requantize_wide(x: i64, multiplier: i32, right: i32) -> i32:
    """round(x * multiplier / 2^right): a 15-bit multiplier, 1 <= right <= 46, ties upward."""
    return wrap(i32, (x * i64(multiplier) + (i64(1) << (right - 1))) >> right)


@func
def requantize_once(x: i32, multiplier: i32, right: i32) -> i32:
    """requantize_wide of a sum that 32 bits hold."""
    return wrap(i32, (i64(x) * i64(multiplier) + (i64(1) << (right - 1))) >> right)


@func
def requantize_wrapped(x: i64, multiplier: i32, shift: i32) -> i32:
    """requantize of the low 32 bits of x."""
    return requantize(wrap(i32, x), multiplier, shift)


def rescaling(
    y: Tensor, activation: str, scaling: tuple[Ints, Ints], bias: Ints, product_bound: Ints, wide: bool
) -> dict[str, Any]:
    """The bindings A, bias, multiplier, right, rescale, P, zy, lo, hi of a kernel whose sums start at ``bias`` [N].

    product_bound: [N], no sum of products is larger in magnitude. wide: 64-bit accumulators, rounded once.
    """
    assert y.quant is not None, "checked by infer"
    lo, hi = activation_range(activation, y.quant, y.dtype)
    bound = np.abs(bias) + product_bound
    multipliers, shifts = (np.broadcast_to(part, bias.shape) for part in scaling)
    common: dict[str, Any] = {"zy": y.quant.zero_point, "lo": lo, "hi": hi}
    if not wide and np.all(bound <= i32.max):
        r = rescale_constants(multipliers, shifts, bound)
        return common | {
            "A": i32,
            "bias": Const(bias.astype(np.int32), "bias"),
            "multiplier": r.multiplier,
            "right": r.right,
            "rescale": r.function,
            "P": r.per_filter,
        }
    if np.any(bound >= MAX_WIDE):
        worst = int(np.argmax(bound))
        raise ModelError(
            f"sums of products must stay below 2^47, but filter {worst} can reach {int(bound[worst])}",
            hint="the bias is out of proportion to the weights; quantize again",
        )
    short = wide and bool(np.all(bound <= i32.max))
    function: Any = requantize_wrapped
    if wide:
        function = requantize_once if short else requantize_wide
        multipliers = np.where(multipliers < 0x7FFF0000, (multipliers + (1 << 15)) >> 16, 0x7FFF)
        shifts = 15 - shifts
    assert isinstance(function, Function), "a function of the kernel language"
    same = bool(np.all(multipliers == multipliers[0]) and np.all(shifts == shifts[0]))
    kept = slice(0, 1) if same else slice(None)
    return common | {
        "A": i32 if short else i64,
        "bias": Const(bias.astype(np.int32 if short else np.int64), "bias"),
        "multiplier": Const(multipliers[kept].astype(np.int32), "multiplier"),
        "right": Const(shifts[kept].astype(np.int8), "shift"),
        "rescale": function,
        "P": 0 if same else 1,
    }


def bias_of(bias: Tensor | None, size: int) -> Ints:
    """[size] int64: a layer's own bias, zeros when it has none."""
    if bias is None or bias.data is None:
        return np.zeros(size, np.int64)
    return bias.data.reshape(-1).astype(np.int64)


def largest_input(x: Tensor) -> int:
    """The largest |x - zx|."""
    assert x.quant is not None, "checked by infer"
    return max(abs(x.dtype.min - x.quant.zero_point), abs(x.dtype.max - x.quant.zero_point))


def product_bound(x: Tensor, weights: Array) -> Ints:
    """[F]: no partial sum of (x - zx) * w exceeds this. weights: [F, K]."""
    return np.asarray(np.abs(weights.astype(np.int64)).sum(axis=1) * largest_input(x))
