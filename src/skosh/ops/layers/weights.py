"""What layers with weights share: the types they take, their checks, and how accumulators become outputs.

Inputs: x, weights, bias or none. Types: x int8 with w int8 and bias int32; x int16 with w int8 and bias int64 (rounded
once) or int32; all float32.
"""

from __future__ import annotations

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import DType, f32, i8, i16, i32, i64
from skosh.base.errors import ModelError
from skosh.ir.graph import Array, Operands, Tensor
from skosh.ops.common import (
    check_constant,
    check_dtype,
    check_quant,
    clamp_float,
    finish,
    optional,
    product_multipliers,
    required,
)


def check_weights(
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    channels: int,
    axis: int,
    wide_bias: tuple[DType, ...] = (i64,),
    offset: bool = False,
) -> None:
    """A ModelError unless types and quantization of a layer's operands fit each other.

    axis: w's axis of output channels, of which there are ``channels``. wide_bias: what a bias of int16 inputs may be.
    offset: weights that meet int8 may have a zero point.
    """
    check_dtype(x, i8, i16, f32)
    check_dtype(w, f32 if x.dtype == f32 else i8)
    check_constant(w)
    check_quant(x)
    if x.dtype != f32:
        check_symmetric(w, axis, offset and x.dtype == i8)
    if bias is not None:
        check_constant(bias)
        check_dtype(bias, *{f32: (f32,), i8: (i32,), i16: wide_bias}[x.dtype])
        if bias.size != channels:
            raise ModelError(f'"{bias.name}" must have {channels} elements, not {bias.size}')


def check_symmetric(w: Tensor, axis: int, offset: bool = False) -> None:
    """A ModelError unless weights have zero point 0 and one scale, or one for each index of ``axis``.

    offset: one zero point, with one scale, will do.
    """
    if w.quant is None:
        raise ModelError(f'"{w.name}" is {w.dtype.name} but has no scale')
    if any(w.quant.zero_points) and (not offset or w.quant.per_channel):
        raise ModelError(f'weights "{w.name}" must have zero point 0', hint="quantize weights symmetrically")
    if w.quant.per_channel and w.quant.axis != axis:
        raise ModelError(f'"{w.name}" must have its scales along axis {axis}, not {w.quant.axis}')


def check_output(inputs: Operands, outputs: Operands, channels: int) -> None:
    """A ModelError unless the output is quantized as the input is, and all requantization factors can be held."""
    x, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    check_quant(y)
    if x.dtype != f32:
        check_wide_shift(product_multipliers(x, w, y, channels), is_wide(inputs))


def check_wide_shift(scaling: tuple[Ints, Ints], wide: bool) -> None:
    """A ModelError when 64-bit accumulators would be shifted left by more than 14 bits."""
    if wide and np.any(scaling[1] > 14):
        raise ModelError("a requantization factor must be below 2^14 for int16", hint="check the scales")


def is_wide(inputs: Operands) -> bool:
    """Whether accumulators are 64 bits: int16 inputs, unless the bias is int32."""
    x, bias = inputs[0], optional(inputs, 2)
    return x is not None and x.dtype == i16 and (bias is None or bias.dtype != i32)


def operands(x: Tensor, xs: Array, ws: Array, w: Tensor | None = None) -> tuple[Array, Array]:
    """x - zx and w - zw as numbers that add up exactly: float32 stays; integers become float64. zw: 0 without ``w``.

    Exact: |x - zx| < 2^16 and |w - zw| < 2^8, so 2^29 products stay below 2^53.
    """
    if x.dtype == f32:
        return xs, ws
    assert x.quant is not None, "checked by infer"
    zw = 0 if w is None or w.quant is None else w.quant.zero_point
    return xs.astype(np.float64) - x.quant.zero_point, ws.astype(np.float64) - zw


def finished(acc: Array, inputs: Operands, y: Tensor, activation: str) -> Array:
    """Accumulators to outputs: bias, requantization or float clamp."""
    x, w = required(inputs, 2, 3)
    bias = optional(inputs, 2)
    add = None if bias is None else bias.data
    if x.dtype == f32:
        return clamp_float(acc if add is None else acc + add.reshape(-1), activation)
    total: Ints = acc.astype(np.int64)
    if add is not None:
        total = total + add.reshape(-1).astype(np.int64)
    return finish(total, product_multipliers(x, w, y, y.shape[-1]), y, activation, is_wide(inputs))
