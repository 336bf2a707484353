"""int8 layers whose weights have a zero point of their own: what models quantized to uint8, the older way, become.

    y = zy + requantize(bias + sum (x - zx) * (w - zw))

w - zw needs 9 bits, so the fast kernels of symmetric weights don't fit; these are the plain ones. Taps on the padding are
skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import i8, i32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Operands, Tensor
from skosh.language import call, clamp, kernel, par, seq, widen, wrap
from skosh.ops.common import activation_range, optional, product_multipliers, required
from skosh.ops.layers.gemm import rescale_constants
from skosh.ops.layers.windows import Window


@kernel
def matmul_offset(
    x: i8[M, K], w: i8[N, K], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, rescale: function, P, zx, zw, zy, lo, hi
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of (x[m, k] - zx) * (w[n, k] - zw)) + zy, clamped to [lo, hi]."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += (widen(x[m, k]) - zx) * (widen(w[n, k]) - zw)
        y[m, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_offset(
    x: i8[H, W, C], w: i8[N, KH, KW, D], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N],
    *, rescale: function, P, G, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zw, zy, lo, hi
):  # fmt: skip
    """Convolution; G filters form a group, which sees D channels of its own."""
    for oh, ow, n in par(OH, OW, N):
        acc = bias[n]
        for kh in seq(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for kw in seq(KW):
                    column = ow * stride_w + kw * dilation_w - left
                    if 0 <= column < W:
                        for d in seq(D):
                            acc += (widen(x[row, column, n // G * D + d]) - zx) * (widen(w[n, kh, kw, d]) - zw)
        y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def depthwise_offset(
    x: i8[H, W, C], w: i8[KH, KW, C * R], bias: i32[C * R],
    multiplier: i32[(C * R - 1) * P + 1], right: i8[(C * R - 1) * P + 1], y: i8[OH, OW, C * R],
    *, rescale: function, P, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zw, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution: R filters for each of C channels."""
    for oh, ow in par(OH, OW):
        row = oh * stride_h - top
        column = ow * stride_w - left
        first_row = max(0, (dilation_h - 1 - row) // dilation_h)
        last_row = min(KH, (H - row + dilation_h - 1) // dilation_h)
        first_column = max(0, (dilation_w - 1 - column) // dilation_w)
        last_column = min(KW, (W - column + dilation_w - 1) // dilation_w)
        for c, r in par(C, R):
            acc = bias[c * R + r]
            for kh in seq(first_row, last_row):
                for kw in seq(first_column, last_column):
                    tap = widen(x[row + kh * dilation_h, column + kw * dilation_w, c]) - zx
                    acc += tap * (widen(w[kh, kw, c * R + r]) - zw)
            scaled = rescale(acc, multiplier[(c * R + r) * P], widen(right[(c * R + r) * P]))
            y[oh, ow, c * R + r] = wrap(i8, clamp(scaled + zy, lo, hi))


# -------------------------------------------------------------------------------------------------------------- calls


def has_offset(w: Tensor) -> bool:
    """Whether weights have a zero point other than 0."""
    return w.quant is not None and any(w.quant.zero_points)


def matmul_offset_calls(
    inputs: Operands, outputs: Operands, rows: int, activation: str, scaling: tuple[Array, Array] | None = None
) -> tuple[Call, ...]:
    _, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    numbers = _numbers(inputs, y, activation, 0, scaling)
    return (call(matmul_offset, x=In(0), w=In(1), y=Out(0), M=rows, N=w.shape[0], K=w.shape[1], **numbers),)


def conv2d_offset_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    x, w = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    groups = x.shape[3] // w.shape[3]
    shape = dict(N=y.shape[3], D=w.shape[3], G=y.shape[3] // groups)
    return _images(conv2d_offset, inputs, y, window, shape, _numbers(inputs, y, activation, 0))


def depthwise_offset_calls(inputs: Operands, outputs: Operands, window: Window, activation: str) -> tuple[Call, ...]:
    x, _ = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    shape = dict(R=y.shape[3] // x.shape[3])
    return _images(depthwise_offset, inputs, y, window, shape, _numbers(inputs, y, activation, 3))


def _images(
    kernel_: Any, inputs: Operands, y: Tensor, window: Window, shape: dict[str, int], numbers: dict[str, Any]
) -> tuple[Call, ...]:
    """One call an image."""
    x, _ = required(inputs, 2, 3)
    batch, height, width, channels = x.shape
    _, out_h, out_w, filters = y.shape
    return tuple(
        call(
            kernel_, x=In(0, n * height * width * channels), w=In(1), y=Out(0, n * out_h * out_w * filters),
            H=height, W=width, C=channels, KH=window.size[0], KW=window.size[1], OH=out_h, OW=out_w,
            stride_h=window.stride[0], stride_w=window.stride[1],
            dilation_h=window.dilation[0], dilation_w=window.dilation[1],
            top=window.pads[0], left=window.pads[2], **shape, **numbers,
        )
        for n in range(batch)
    )  # fmt: skip


def _numbers(
    inputs: Operands, y: Tensor, activation: str, axis: int, scaling: tuple[Array, Array] | None = None
) -> dict[str, Any]:
    """Bias, requantization and zero points. axis: that of the filters in w."""
    x, w = required(inputs, 2, 3)
    assert x.quant is not None and w.quant is not None and y.quant is not None, "checked by infer"
    assert w.data is not None, "checked by infer"
    filters, zx, zw = w.shape[axis], x.quant.zero_point, w.quant.zero_point
    weights = np.moveaxis(w.data, axis, 0).reshape(filters, -1).astype(np.int64) - zw
    given = optional(inputs, 2)
    bias = np.zeros(filters, np.int64) if given is None or given.data is None else given.data.reshape(-1).astype(np.int64)
    bound = np.abs(bias) + np.abs(weights).sum(axis=1) * max(abs(i8.min - zx), abs(i8.max - zx))
    if np.any(bound > i32.max):
        raise ModelError(
            f"sums of products must stay below 2^31, but filter {int(np.argmax(bound))} can reach {int(bound.max())}",
            hint="the bias is out of proportion to the weights; quantize again",
        )
    multipliers, shifts = product_multipliers(x, w, y, filters) if scaling is None else scaling
    lo, hi = activation_range(activation, y.quant, y.dtype)
    rescale = rescale_constants(np.broadcast_to(multipliers, filters), np.broadcast_to(shifts, filters), bound)
    return dict(
        bias=Const(bias.astype(np.int32), "bias"), multiplier=rescale.multiplier, right=rescale.right,
        rescale=rescale.function, P=rescale.per_filter, zx=zx, zw=zw, zy=y.quant.zero_point, lo=lo, hi=hi,
    )  # fmt: skip
