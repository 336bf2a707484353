"""Float layers whose weights are stored in 8 bits with a scale for each filter or for all; the arithmetic is float32.

A weight is float32(q) * scale, rounded once, as it was when the model was read; sums run as in ``ops.layers.float_kernels``,
so the result is the same, bit for bit.
"""

from __future__ import annotations

from skosh.language import kernel, par, seq, widen
from skosh.ops.layers.float_kernels import clamped


@kernel
def dense_f8(
    x: f32[M, K], w: i8[N, K], scale: f32[(N - 1) * P + 1], bias: f32[N], y: f32[M, N], lo: f32, hi: f32, *, P
):  # fmt: skip
    """y[m, n] = sum over k of x[m, k] * (w[n, k] * scale[n]), plus bias[n], clamped to [lo, hi]."""
    for m, n in par(M, N):
        step = scale[n * P]
        acc = 0.0
        for k in seq(K):
            acc += x[m, k] * (f32(widen(w[n, k])) * step)
        y[m, n] = clamped(acc + bias[n], lo, hi)


@kernel
def conv2d_f8(
    x: f32[H, W, C], w: i8[N, KH, KW, D], scale: f32[(N - 1) * P + 1], bias: f32[N], y: f32[OH, OW, N], lo: f32, hi: f32,
    *, P, G, stride_h, stride_w, dilation_h, dilation_w, top, left
):  # fmt: skip
    """Convolution; G filters form a group, which sees D channels of its own."""
    for oh in par(OH):
        row = oh * stride_h - top
        kh0 = max((dilation_h - 1 - row) // dilation_h, 0)
        kh1 = min((H + dilation_h - 1 - row) // dilation_h, KH)
        for ow in par(OW):
            column = ow * stride_w - left
            kw0 = max((dilation_w - 1 - column) // dilation_w, 0)
            kw1 = min((W + dilation_w - 1 - column) // dilation_w, KW)
            for n in par(N):
                first = n // G * D
                step = scale[n * P]
                acc = 0.0
                for kh in seq(kh0, kh1):
                    for kw in seq(kw0, kw1):
                        for d in seq(D):
                            tap = x[row + kh * dilation_h, column + kw * dilation_w, first + d]
                            acc += tap * (f32(widen(w[n, kh, kw, d])) * step)
                y[oh, ow, n] = clamped(acc + bias[n], lo, hi)


@kernel
def depthwise_f8(
    x: f32[H, W, C], w: i8[KH, KW, C * D], scale: f32[(C * D - 1) * P + 1], bias: f32[C * D], y: f32[OH, OW, C * D],
    lo: f32, hi: f32, *, P, D, stride_h, stride_w, dilation_h, dilation_w, top, left
):  # fmt: skip
    """Depthwise convolution: each channel has D filters of its own."""
    for oh in par(OH):
        row = oh * stride_h - top
        kh0 = max((dilation_h - 1 - row) // dilation_h, 0)
        kh1 = min((H + dilation_h - 1 - row) // dilation_h, KH)
        for ow in par(OW):
            column = ow * stride_w - left
            kw0 = max((dilation_w - 1 - column) // dilation_w, 0)
            kw1 = min((W + dilation_w - 1 - column) // dilation_w, KW)
            for c in par(C):
                for f in par(c * D, c * D + D):
                    step = scale[f * P]
                    acc = 0.0
                    for kh in seq(kh0, kh1):
                        for kw in seq(kw0, kw1):
                            tap = x[row + kh * dilation_h, column + kw * dilation_w, c]
                            acc += tap * (f32(widen(w[kh, kw, f])) * step)
                    y[oh, ow, f] = clamped(acc + bias[f], lo, hi)
