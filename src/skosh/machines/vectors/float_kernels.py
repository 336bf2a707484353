"""Layers of floats with filters or channels as lanes. Each lane sums in the order of k, as the operators' meaning does."""

from __future__ import annotations

from skosh.language import kernel, par, seq
from skosh.ops.layers.float_kernels import clamped


@kernel
def dense_f32_lanes(x: f32[M, K], w: f32[K, N], bias: f32[N], y: f32[M, N], lo: f32, hi: f32):
    for n, m in par(N, M):
        acc = 0.0
        for k in seq(K):
            acc += x[m, k] * w[k, n]
        y[m, n] = clamped(acc + bias[n], lo, hi)


@kernel
def conv2d_f32_lanes(
    x: f32[H, W, C], w: f32[KH, KW, C, N], bias: f32[N], y: f32[OH, OW, N], lo: f32, hi: f32,
    *, stride_h, stride_w, dilation_h, dilation_w, top, left
):  # fmt: skip
    """Convolution; windows are cut to the rows and columns inside the input."""
    for oh in par(OH):
        row = oh * stride_h - top
        kh0 = max((dilation_h - 1 - row) // dilation_h, 0)
        kh1 = min((H + dilation_h - 1 - row) // dilation_h, KH)
        for ow in par(OW):
            column = ow * stride_w - left
            kw0 = max((dilation_w - 1 - column) // dilation_w, 0)
            kw1 = min((W + dilation_w - 1 - column) // dilation_w, KW)
            for n in par(N):
                acc = 0.0
                for kh in seq(kh0, kh1):
                    for kw in seq(kw0, kw1):
                        for d in seq(C):
                            acc += x[row + kh * dilation_h, column + kw * dilation_w, d] * w[kh, kw, d, n]
                y[oh, ow, n] = clamped(acc + bias[n], lo, hi)


@kernel
def depthwise_f32_lanes(
    x: f32[H, W, C], w: f32[KH, KW, C], bias: f32[C], y: f32[OH, OW, C], lo: f32, hi: f32,
    *, stride_h, stride_w, dilation_h, dilation_w, top, left
):  # fmt: skip
    """Depthwise convolution, one filter a channel."""
    for oh in par(OH):
        row = oh * stride_h - top
        kh0 = max((dilation_h - 1 - row) // dilation_h, 0)
        kh1 = min((H + dilation_h - 1 - row) // dilation_h, KH)
        for ow in par(OW):
            column = ow * stride_w - left
            kw0 = max((dilation_w - 1 - column) // dilation_w, 0)
            kw1 = min((W + dilation_w - 1 - column) // dilation_w, KW)
            for c in par(C):
                acc = 0.0
                for kh in seq(kh0, kh1):
                    for kw in seq(kw0, kw1):
                        acc += x[row + kh * dilation_h, column + kw * dilation_w, c] * w[kh, kw, c]
                y[oh, ow, c] = clamped(acc + bias[c], lo, hi)
