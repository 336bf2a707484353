"""Int8 depthwise convolutions whose requantization has 32-bit products only (``staircase``).

Channels are the outer loop: a channel's filter and its requantization are read once for a row of outputs.
"""

from __future__ import annotations

from skosh.language import clamp, kernel, par, seq, widen, wrap


@kernel
def depthwise_stairs(
    x: i8[H, W, C], w: i8[C, KH, KW], bias: i32[C], scale: i32[C, F], y: i8[OH, OW, C],
    *, rescale: function, stride_h, stride_w, dilation_h, dilation_w, low_bits, lo, hi
):  # fmt: skip
    """Depthwise convolution without padding, one filter a channel; scale: for each filter F words for ``rescale``."""
    for oh in par(OH):
        for c in par(C):
            for ow in par(OW):
                acc = bias[c]
                for kh in seq(KH):
                    for kw in seq(KW):
                        tap = widen(x[oh * stride_h + kh * dilation_h, ow * stride_w + kw * dilation_w, c])
                        acc += tap * widen(w[c, kh, kw])
                value = rescale(acc, scale[c, 0], scale[c, 1], scale[c, 2], scale[c, 3], scale[c, F - 1], low_bits)
                y[oh, ow, c] = wrap(i8, clamp(value, lo, hi))


@kernel
def depthwise_rows_stairs(
    x: i8[H, W * C], w: i8[C, KH, KW], bias: i32[C], scale: i32[C, F], y: i8[OH, OW, C], rows: i8[KH, PW * C],
    *, rescale: function, inside, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, low_bits, lo, hi
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
        for c in par(C):
            for ow in par(OW):
                acc = bias[c]
                for kh in seq(KH):
                    for kw in seq(KW):
                        tap = widen(rows[kh, (ow * stride_w + kw * dilation_w) * C + c])
                        acc += tap * widen(w[c, kh, kw])
                value = rescale(acc, scale[c, 0], scale[c, 1], scale[c, 2], scale[c, 3], scale[c, F - 1], low_bits)
                y[oh, ow, c] = wrap(i8, clamp(value, lo, hi))
