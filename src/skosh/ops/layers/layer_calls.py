"""Layers with weights as calls of the kernels in ``windows_kernels`` (integers) and ``float_kernels``: one call an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import f32
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Operands, Tensor
from skosh.language import call
from skosh.ops.common import activation_range, optional, product_multipliers, required
from skosh.ops.layers.float_kernels import conv2d_f32, dense_f32, depthwise_f32, transpose_conv_f32
from skosh.ops.layers.rescaling import bias_of, product_bound, rescaling
from skosh.ops.layers.windows import Pair, Window
from skosh.ops.layers.windows_kernels import conv2d_wide, dense_wide, depthwise_wide, transpose_conv


def depthwise_wide_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    """int16 depthwise convolution."""
    x, w, y, weights = _layer(inputs, outputs, channels_last=True)
    numbers = _unfolded(inputs, y, weights, activation, wide=True) | {"D": w.shape[3] // x.shape[3]}
    return tuple(
        call(depthwise_wide, x=source, y=target, w=In(1), X=x.dtype, **_window(x, w, y, window), **numbers)
        for source, target in _images(x, y)
    )


def conv2d_wide_calls(
    inputs: Operands, outputs: Operands, window: Window, activation: str, wide: bool
) -> tuple[Call, ...]:
    """int16 convolution."""
    x, w, y, weights = _layer(inputs, outputs)
    numbers = _unfolded(inputs, y, weights, activation, wide) | _filters(x, w)
    return tuple(
        call(conv2d_wide, x=source, y=target, w=In(1), X=x.dtype, **_window(x, w, y, window, channels="D"), **numbers)
        for source, target in _images(x, y)
    )


def transpose_conv_calls(
    inputs: Operands, outputs: Operands, stride: Pair, corner: Pair, activation: str, wide: bool
) -> tuple[Call, ...]:
    """Integer transposed convolution. corner: rows and columns cut at the top and the left."""
    x, w, y, weights = _layer(inputs, outputs)
    assert x.quant is not None, "checked by infer"
    numbers = _unfolded(inputs, y, weights, activation, wide)
    return tuple(
        call(
            transpose_conv, x=source, y=target, w=In(1), X=x.dtype, zx=x.quant.zero_point,
            **_transposed(x, w, y, stride, corner), **numbers,
        )
        for source, target in _images(x, y)
    )  # fmt: skip


def dense_wide_calls(
    inputs: Operands, outputs: Operands, rows: int, activation: str, scaling: tuple[Ints, Ints], wide: bool
) -> tuple[Call, ...]:
    """int16 dense layer."""
    x, w, y, weights = _layer(inputs, outputs)
    bias = bias_of(optional(inputs, 2), len(weights))
    numbers = rescaling(y, activation, scaling, bias, product_bound(x, weights), wide)
    return (call(dense_wide, x=In(0), w=In(1), y=Out(0), X=x.dtype, M=rows, N=w.shape[0], K=w.shape[1], **numbers),)


# ---------------------------------------------------------------------------------------------------------- float32


def dense_f32_calls(inputs: Operands, rows: int, activation: str) -> tuple[Call, ...]:
    _, w = required(inputs, 2, 3)
    units, depth = w.shape
    more = _float_bias(inputs, units, activation)
    return (call(dense_f32, x=In(0), w=In(1), y=Out(0), M=rows, N=units, K=depth, **more),)


def conv2d_f32_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    (x, w), (y,) = required(inputs, 2, 3), required(outputs, 1)
    more = _float_bias(inputs, w.shape[0], activation)
    if window.size == (1, 1) and window.stride == (1, 1) and not any(window.pads) and w.shape[3] == x.shape[3]:
        rows = y.size // y.shape[3]
        return (call(dense_f32, x=In(0), w=In(1), y=Out(0), M=rows, N=w.shape[0], K=w.shape[3], **more),)
    more |= _filters(x, w)
    return tuple(
        call(conv2d_f32, x=source, y=target, w=In(1), **_window(x, w, y, window, channels="D"), **more)
        for source, target in _images(x, y)
    )


def depthwise_f32_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    (x, w), (y,) = required(inputs, 2, 3), required(outputs, 1)
    more = _float_bias(inputs, w.shape[3], activation)
    return tuple(
        call(depthwise_f32, x=source, y=target, w=In(1), D=w.shape[3] // x.shape[3], **_window(x, w, y, window), **more)
        for source, target in _images(x, y)
    )


def transpose_conv_f32_calls(
    inputs: Operands, outputs: Operands, stride: Pair, corner: Pair, activation: str
) -> tuple[Call, ...]:
    (x, w), (y,) = required(inputs, 2, 3), required(outputs, 1)
    more = _float_bias(inputs, w.shape[0], activation)
    return tuple(
        call(transpose_conv_f32, x=source, y=target, w=In(1), **_transposed(x, w, y, stride, corner), **more)
        for source, target in _images(x, y)
    )


# ------------------------------------------------------------------------------------------------------ what they share


def _layer(inputs: Operands, outputs: Operands, channels_last: bool = False) -> tuple[Tensor, Tensor, Tensor, Ints]:
    """(x, w, y, weights [F, K] int64). channels_last: w's filters are its last axis, not its first."""
    (x, w), (y,) = required(inputs, 2, 3), required(outputs, 1)
    assert w.data is not None, "checked by infer"
    data = np.moveaxis(w.data, -1, 0) if channels_last else w.data
    return x, w, y, np.ascontiguousarray(data).reshape(data.shape[0], -1).astype(np.int64)


def _images(x: Tensor, y: Tensor) -> Iterator[tuple[In, Out]]:
    """Input and output of each image of the batch."""
    batch = x.shape[0]
    for n in range(batch):
        yield In(0, n * (x.size // batch)), Out(0, n * (y.size // batch))


def _unfolded(inputs: Operands, y: Tensor, weights: Ints, activation: str, wide: bool) -> dict[str, Any]:
    """Rescaling of sums of (x - zx) * w that start at the layer's own bias."""
    x, w = required(inputs, 2, 3)
    bias = bias_of(optional(inputs, 2), len(weights))
    scaling = product_multipliers(x, w, y, len(weights))
    return rescaling(y, activation, scaling, bias, product_bound(x, weights), wide)


def _window(x: Tensor, w: Tensor, y: Tensor, window: Window, channels: str = "C") -> dict[str, int]:
    """The sizes and numbers of a kernel whose window slides over x. channels: what the kernel calls x's."""
    numbers = {
        "H": x.shape[1], "W": x.shape[2], "C": x.shape[3], "OH": y.shape[1], "OW": y.shape[2],
        "KH": window.size[0], "KW": window.size[1], "stride_h": window.stride[0], "stride_w": window.stride[1],
        "dilation_h": window.dilation[0], "dilation_w": window.dilation[1], "top": window.pads[0], "left": window.pads[2],
    }  # fmt: skip
    return numbers if channels == "C" else numbers | {"D": w.shape[3], "N": w.shape[0]}


def _filters(x: Tensor, w: Tensor) -> dict[str, int]:
    """G: filters in a group of a convolution, whose weights are [F, KH, KW, D]."""
    return {"G": w.shape[0] // (x.shape[3] // w.shape[3])}


def _transposed(x: Tensor, w: Tensor, y: Tensor, stride: Pair, corner: Pair) -> dict[str, int]:
    return {
        "H": x.shape[1], "W": x.shape[2], "C": x.shape[3], "OH": y.shape[1], "OW": y.shape[2],
        "N": w.shape[0], "KH": w.shape[1], "KW": w.shape[2],
        "stride_h": stride[0], "stride_w": stride[1], "top": corner[0], "left": corner[1],
    }  # fmt: skip


def _float_bias(inputs: Operands, size: int, activation: str) -> dict[str, Any]:
    """A float layer's bias, zeros when it has none, and its activation's bounds."""
    bias = optional(inputs, 2)
    data = np.zeros(size, np.float32) if bias is None or bias.data is None else bias.data.reshape(-1)
    lo, hi = activation_range(activation, None, f32)
    return {"bias": Const(data, "bias"), "lo": lo, "hi": hi}
