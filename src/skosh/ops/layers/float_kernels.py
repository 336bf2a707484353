"""Layers of float32 in the kernel language. Sums run in the order of TFLM's loops, one rounding a step; the bias comes last."""

from __future__ import annotations

from skosh.base.dtypes import f32
from skosh.language import func, kernel, par, seq


@func
def clamped(x: f32, lo: f32, hi: f32) -> f32:
    """x between lo and hi; NaN stays."""
    low = lo if x < lo else x
    return hi if hi < low else low


@kernel
def dense_f32(x: f32[M, K], w: f32[N, K], bias: f32[N], y: f32[M, N], lo: f32, hi: f32):
    for m, n in par(M, N):
        acc = 0.0
        for k in seq(K):
            acc += x[m, k] * w[n, k]
        y[m, n] = clamped(acc + bias[n], lo, hi)


@kernel
def conv2d_f32(
    x: f32[H, W, C], w: f32[N, KH, KW, D], bias: f32[N], y: f32[OH, OW, N], lo: f32, hi: f32,
    *, G, stride_h, stride_w, dilation_h, dilation_w, top, left
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
                acc = 0.0
                for kh in seq(kh0, kh1):
                    for kw in seq(kw0, kw1):
                        for d in seq(D):
                            acc += x[row + kh * dilation_h, column + kw * dilation_w, first + d] * w[n, kh, kw, d]
                y[oh, ow, n] = clamped(acc + bias[n], lo, hi)


@kernel
def depthwise_f32(
    x: f32[H, W, C], w: f32[KH, KW, C * D], bias: f32[C * D], y: f32[OH, OW, C * D], lo: f32, hi: f32,
    *, D, stride_h, stride_w, dilation_h, dilation_w, top, left
):  # fmt: skip
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
                    acc = 0.0
                    for kh in seq(kh0, kh1):
                        for kw in seq(kw0, kw1):
                            acc += x[row + kh * dilation_h, column + kw * dilation_w, c] * w[kh, kw, f]
                    y[oh, ow, f] = clamped(acc + bias[f], lo, hi)


@kernel
def transpose_conv_f32(
    x: f32[H, W, C], w: f32[N, KH, KW, C], bias: f32[N], y: f32[OH, OW, N], lo: f32, hi: f32,
    *, stride_h, stride_w, top, left
):  # fmt: skip
    """Transposed convolution, output by output: input row r adds its filter at r * stride_h - top."""
    for oh in par(OH):
        row0 = max((oh + top - KH + stride_h) // stride_h, 0)
        row1 = min((oh + top) // stride_h + 1, H)
        for ow in par(OW):
            column0 = max((ow + left - KW + stride_w) // stride_w, 0)
            column1 = min((ow + left) // stride_w + 1, W)
            for n in par(N):
                acc = 0.0
                for row in seq(row0, row1):
                    kh = oh + top - row * stride_h
                    for column in seq(column0, column1):
                        kw = ow + left - column * stride_w
                        for c in seq(C):
                            acc += x[row, column, c] * w[n, kh, kw, c]
                y[oh, ow, n] = clamped(acc + bias[n], lo, hi)


@kernel
def batch_matmul_f32(
    a: f32[AN], b: f32[BN], y: f32[B0 * B1 * B2 * M * N],
    *, K, a0, a1, a2, am, ak, b0, b1, b2, bk, bn
):  # fmt: skip
    """Batches of matrix products; a0..ak and b0..bn are steps in elements, 0 where an operand is broadcast."""
    for i, j, k in par(B0, B1, B2):
        p = i * a0 + j * a1 + k * a2
        q = i * b0 + j * b1 + k * b2
        o = ((i * B1 + j) * B2 + k) * M
        for m, n in par(M, N):
            acc = 0.0
            for depth in seq(K):
                acc += a[p + m * am + depth * ak] * b[q + depth * bk + n * bn]
            y[(o + m) * N + n] = acc
