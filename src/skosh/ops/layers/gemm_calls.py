"""Int8 convolutions and dense layers as calls of the kernels in ``gemm.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.arith import requantize
from skosh.base.dtypes import i8, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out, Scratch
from skosh.ir.graph import Array, Operands, Tensor
from skosh.language import call
from skosh.ops.common import activation_range, optional, product_multipliers, required
from skosh.ops.layers.gemm import accumulator_bound, conv2d_direct, conv2d_patches, matmul, rescale_constants
from skosh.ops.layers.windows import Window

PATCH_ROWS = 2  # output pixels gathered at a time: the register tile's height


def matmul_calls(
    inputs: Operands, outputs: Operands, rows: int, activation: str, scaling: tuple[Array, Array] | None = None
) -> tuple[Call, ...]:
    """y[rows, N] = x[rows, K] times w[N, K]: dense layers and 1 x 1 convolutions with stride 1. All int8.

    scaling: (multipliers, shifts), where they are not those of a convolution.
    """
    _, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    filters = w.shape[0]
    depth = w.size // filters
    numbers = requantization(inputs, y, activation, fold=True, scaling=scaling)
    return (call(matmul, x=In(0), w=In(1), y=Out(0), M=rows, K=depth, N=filters, **numbers),)


def conv2d_calls(
    inputs: Operands, outputs: Operands, window: Window, activation: str, *, scratch: bool = True
) -> tuple[Call, ...]:
    """An int8 convolution in the fastest form that its shape allows. scratch: may it ask for scratch memory?"""
    x, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    pointwise = window.size == (1, 1) and window.stride == (1, 1) and not any(window.pads)
    if pointwise and w.shape[3] == x.shape[3]:
        return matmul_calls(inputs, outputs, y.size // y.shape[3], activation)
    if not scratch or (window.dilation[1] != 1 and window.size[1] != 1) or w.shape[3] != x.shape[3]:
        return conv2d_direct_calls(inputs, outputs, window, activation)
    batch, height, width, depth = x.shape
    _, out_h, out_w, filters = y.shape
    assert x.quant is not None, "checked by infer"
    numbers = requantization(inputs, y, activation, fold=True)
    patch = Scratch(PATCH_ROWS * window.size[0] * window.size[1] * depth, i8, "patch")
    return tuple(
        call(
            conv2d_patches, x=In(0, n * height * width * depth), w=In(1), y=Out(0, n * out_h * out_w * filters), patch=patch,
            H=height, W=width, C=depth, N=filters, KH=window.size[0], KW=window.size[1], OH=out_h, OW=out_w, T=PATCH_ROWS,
            stride_h=window.stride[0], stride_w=window.stride[1], dilation_h=window.dilation[0],
            top=window.pads[0], left=window.pads[2], zx=x.quant.zero_point, **numbers,
        )
        for n in range(batch)
    )  # fmt: skip


def conv2d_direct_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    """An int8 convolution without scratch memory; grouped ones filter by filter range."""
    x, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    batch, height, width, channels = x.shape
    _, out_h, out_w, filters = y.shape
    assert x.quant is not None, "checked by infer"
    numbers = requantization(inputs, y, activation, fold=False)
    depth = w.shape[3]
    return tuple(
        call(
            conv2d_direct, x=In(0, n * height * width * channels), w=In(1), y=Out(0, n * out_h * out_w * filters),
            H=height, W=width, C=channels, D=depth, G=filters // (channels // depth), N=filters,
            KH=window.size[0], KW=window.size[1], OH=out_h, OW=out_w,
            stride_h=window.stride[0], stride_w=window.stride[1],
            dilation_h=window.dilation[0], dilation_w=window.dilation[1],
            top=window.pads[0], left=window.pads[2], zx=x.quant.zero_point, **numbers,
        )
        for n in range(batch)
    )  # fmt: skip


def requantization(
    inputs: Operands, y: Tensor, activation: str, *, fold: bool, scaling: tuple[Array, Array] | None = None, axis: int = 0
) -> dict[str, Any]:
    """The bindings that turn accumulators into outputs. fold: the bias takes the input's zero point, -zx * sum of w.

    axis: that of the filters in w.
    """
    x, w = required(inputs, 2, 3)
    assert x.quant is not None and y.quant is not None and w.data is not None, "checked by infer"
    filters, zero = w.shape[axis], x.quant.zero_point
    weights = np.moveaxis(w.data, axis, 0).reshape(filters, -1).astype(np.int64)
    given = optional(inputs, 2)
    bias = np.zeros(filters, np.int64) if given is None or given.data is None else given.data.reshape(-1).astype(np.int64)
    # wherever padding or a group ends, some products are missing: the bound holds for every subset of them
    bound = np.abs(bias) + np.abs(weights).sum(axis=1) * max(abs(i8.min - zero), abs(i8.max - zero))
    total: Array = bias - zero * weights.sum(axis=1) if fold else bias
    if fold:
        bound = np.maximum(bound, accumulator_bound(weights, total, i8.min, i8.max))
    if np.any(bound > i32.max):
        raise ModelError(
            f"sums of products must stay below 2^31, but filter {int(np.argmax(bound))} can reach {int(bound.max())}",
            hint="the bias is out of proportion to the weights; quantize again",
        )
    multipliers, shifts = product_multipliers(x, w, y, filters) if scaling is None else scaling
    multipliers, shifts = np.broadcast_to(multipliers, filters), np.broadcast_to(shifts, filters)
    lo, hi = activation_range(activation, y.quant, y.dtype)
    odd = ~weights.any(axis=1) & ((shifts > -1) | (shifts < -22))
    if odd.any():  # a filter of zeros has a scale that means nothing: its constant output, with a common one
        value = np.clip(requantize(total, multipliers, shifts), lo - y.quant.zero_point, hi - y.quant.zero_point)
        total, bound = np.where(odd, 4 * value, total), np.where(odd, np.abs(4 * value), bound)
        multipliers, shifts = np.where(odd, 1 << 30, multipliers), np.where(odd, -1, shifts)
    rescale = rescale_constants(multipliers, shifts, bound)
    return dict(
        bias=Const(total.astype(np.int32), "bias"),
        multiplier=rescale.multiplier,
        right=rescale.right,
        rescale=rescale.function,
        P=rescale.per_filter,
        zy=y.quant.zero_point,
        lo=lo,
        hi=hi,
    )
