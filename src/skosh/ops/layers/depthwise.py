"""Int8 depthwise convolutions: kernels, and the calls that use them. C channels with R filters each."""

from __future__ import annotations

from skosh.base.dtypes import i8
from skosh.ir.call import Call, In, Out, Scratch
from skosh.ir.graph import Operands
from skosh.language import call, clamp, kernel, par, seq, widen, wrap
from skosh.ops.common import required
from skosh.ops.layers.gemm_calls import requantization
from skosh.ops.layers.windows import Window


@kernel
def depthwise(
    x: i8[H, W, C], w: i8[KH, KW, C * R], bias: i32[C * R],
    multiplier: i32[(C * R - 1) * P + 1], right: i8[(C * R - 1) * P + 1], y: i8[OH, OW, C * R],
    *, rescale: function, P, stride_h, stride_w, dilation_h, dilation_w, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution without padding; the input's zero point is in the bias."""
    for oh, ow, c, r in par(OH, OW, C, R):
        acc = bias[c * R + r]
        for kh in seq(KH):
            for kw in seq(KW):
                tap = widen(x[oh * stride_h + kh * dilation_h, ow * stride_w + kw * dilation_w, c])
                acc += tap * widen(w[kh, kw, c * R + r])
        scaled = rescale(acc, multiplier[(c * R + r) * P], widen(right[(c * R + r) * P]))
        y[oh, ow, c * R + r] = wrap(i8, clamp(scaled + zy, lo, hi))


@kernel
def depthwise_rows(
    x: i8[H, W * C], w: i8[KH, KW, C * R], bias: i32[C * R],
    multiplier: i32[(C * R - 1) * P + 1], right: i8[(C * R - 1) * P + 1], y: i8[OH, OW, C * R], rows: i8[KH, PW * C],
    *, rescale: function, P, inside, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution with padding: the rows under the window are staged, with the zero point around them."""
    for oh in seq(OH):
        for kh in par(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for i in par(left * C):
                    rows[kh, i] = wrap(i8, zx)
                for i in par(inside * C):
                    rows[kh, left * C + i] = x[row, i]
                for i in par((PW - left - inside) * C):
                    rows[kh, (left + inside) * C + i] = wrap(i8, zx)
            else:
                for i in par(PW * C):
                    rows[kh, i] = wrap(i8, zx)
        for ow, c, r in par(OW, C, R):
            acc = bias[c * R + r]
            for kh in seq(KH):
                for kw in seq(KW):
                    acc += widen(rows[kh, (ow * stride_w + kw * dilation_w) * C + c]) * widen(w[kh, kw, c * R + r])
            scaled = rescale(acc, multiplier[(c * R + r) * P], widen(right[(c * R + r) * P]))
            y[oh, ow, c * R + r] = wrap(i8, clamp(scaled + zy, lo, hi))


@kernel
def depthwise_direct(
    x: i8[H, W, C], w: i8[KH, KW, C * R], bias: i32[C * R],
    multiplier: i32[(C * R - 1) * P + 1], right: i8[(C * R - 1) * P + 1], y: i8[OH, OW, C * R],
    *, rescale: function, P, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution without scratch memory: taps on the padding are skipped; the bias is the layer's own."""
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
                    acc += tap * widen(w[kh, kw, c * R + r])
            scaled = rescale(acc, multiplier[(c * R + r) * P], widen(right[(c * R + r) * P]))
            y[oh, ow, c * R + r] = wrap(i8, clamp(scaled + zy, lo, hi))


def depthwise_calls(
    inputs: Operands, outputs: Operands, window: Window, activation: str, *, scratch: bool = True
) -> tuple[Call, ...]:
    """An int8 depthwise convolution: plain without padding, else with staged rows, or without scratch memory."""
    x, _ = required(inputs, 2, 3)
    (y,) = required(outputs, 1)
    assert x.quant is not None, "checked by infer"
    batch, height, width, channels = x.shape
    _, out_h, out_w, filters = y.shape
    reach = (out_w - 1) * window.stride[1] + (window.size[1] - 1) * window.dilation[1] + 1
    depth = (out_h - 1) * window.stride[0] + (window.size[0] - 1) * window.dilation[0] + 1
    top, left = window.pads[0], window.pads[2]
    padded = top > 0 or left > 0 or reach > width or depth > height
    shape = dict(
        w=In(1), H=height, W=width, C=channels, R=filters // channels, KH=window.size[0], KW=window.size[1], OH=out_h, OW=out_w,
        stride_h=window.stride[0], stride_w=window.stride[1], dilation_h=window.dilation[0], dilation_w=window.dilation[1],
    )  # fmt: skip
    numbers = requantization(inputs, y, activation, fold=not padded or scratch, axis=3)
    places = [(In(0, n * height * width * channels), Out(0, n * out_h * out_w * filters)) for n in range(batch)]
    if not padded:
        return tuple(call(depthwise, x=a, y=b, **shape, **numbers) for a, b in places)
    pads = dict(top=top, left=left, zx=x.quant.zero_point)
    if not scratch:
        return tuple(call(depthwise_direct, x=a, y=b, **shape, **pads, **numbers) for a, b in places)
    left = min(left, reach)
    pads = dict(top=top, left=left, zx=x.quant.zero_point, PW=reach, inside=min(width, reach - left))
    rows = Scratch(window.size[0] * reach * channels, i8, "rows")
    return tuple(call(depthwise_rows, x=a, y=b, rows=rows, **shape, **pads, **numbers) for a, b in places)
