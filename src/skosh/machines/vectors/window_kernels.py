"""int8 convolutions without scratch memory, with filters as lanes: transposed ones, and those whose window is spread out."""

from __future__ import annotations

from skosh.language import clamp, kernel, par, seq, widen, wrap


@kernel
def transpose_conv_lanes(
    x: i8[H, W, C], w: i8[KH, KW, C, N], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N], *, rescale: function, P, stride_h, stride_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Transposed convolution, output by output: input row r adds its filter at r * stride_h - top."""
    for oh in par(OH):
        row0 = max((oh + top - KH + stride_h) // stride_h, 0)
        row1 = min((oh + top) // stride_h + 1, H)
        for ow in par(OW):
            column0 = max((ow + left - KW + stride_w) // stride_w, 0)
            column1 = min((ow + left) // stride_w + 1, W)
            for n in par(N):
                acc = bias[n]
                for row in seq(row0, row1):
                    for column in seq(column0, column1):
                        for c in seq(C):
                            tap = widen(x[row, column, c]) - zx
                            acc += tap * widen(w[oh + top - row * stride_h, ow + left - column * stride_w, c, n])
                y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def conv2d_spread_lanes(
    x: i8[H, W, C], w: i8[KH, KW, C, N], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH, OW, N],
    *, rescale: function, P, stride_h, stride_w, dilation_h, dilation_w, top, left, zx, zy, lo, hi
):  # fmt: skip
    """Convolution in place of a gathered window; taps that fall on the padding are skipped. The bias is the layer's own."""
    for oh, ow, n in par(OH, OW, N):
        acc = bias[n]
        for kh in seq(KH):
            row = oh * stride_h + kh * dilation_h - top
            if 0 <= row < H:
                for kw in seq(KW):
                    column = ow * stride_w + kw * dilation_w - left
                    if 0 <= column < W:
                        for c in seq(C):
                            acc += (widen(x[row, column, c]) - zx) * widen(w[kh, kw, c, n])
        y[oh, ow, n] = wrap(i8, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))
