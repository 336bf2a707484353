"""Integer layers in the kernel language that ``gemm`` and ``depthwise`` don't cover: int16 inputs, transposed convolution.

X is the input's type, A the accumulator's. One image [H, W, C] at a time; windows are cut to the rows and columns inside
the input, so no product is wasted on padding.
"""

from __future__ import annotations

from skosh.language import clamp, kernel, par, seq, widen, wrap


@kernel
def depthwise_wide(
    x: X[H, W, C], w: i8[KH, KW, C * D], bias: A[C * D], multiplier: i32[(C * D - 1) * P + 1],
    right: i8[(C * D - 1) * P + 1], y: X[OH, OW, C * D],
    *, rescale: function, P, D, stride_h, stride_w, dilation_h, dilation_w, top, left, zy, lo, hi
):  # fmt: skip
    """Depthwise convolution of inputs with zero point 0."""
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
                    acc = bias[f]
                    for kh in seq(kh0, kh1):
                        for kw in seq(kw0, kw1):
                            element = A(x[row + kh * dilation_h, column + kw * dilation_w, c])
                            acc += element * A(w[kh, kw, f])
                    y[oh, ow, f] = wrap(X, clamp(rescale(acc, multiplier[f * P], widen(right[f * P])) + zy, lo, hi))


@kernel
def conv2d_wide(
    x: X[H, W, C], w: i8[N, KH, KW, D], bias: A[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: X[OH, OW, N],
    *, rescale: function, P, G, stride_h, stride_w, dilation_h, dilation_w, top, left, zy, lo, hi
):  # fmt: skip
    """Convolution of inputs with zero point 0; G filters form a group, which sees D channels of its own."""
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
                acc = bias[n]
                for kh in seq(kh0, kh1):
                    for kw in seq(kw0, kw1):
                        for d in seq(D):
                            element = A(x[row + kh * dilation_h, column + kw * dilation_w, first + d])
                            acc += element * A(w[n, kh, kw, d])
                y[oh, ow, n] = wrap(X, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def transpose_conv(
    x: X[H, W, C], w: i8[N, KH, KW, C], bias: A[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: X[OH, OW, N], *, rescale: function, P, stride_h, stride_w, top, left, zx, zy, lo, hi
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
                    kh = oh + top - row * stride_h
                    for column in seq(column0, column1):
                        kw = ow + left - column * stride_w
                        for c in seq(C):
                            acc += (A(x[row, column, c]) - A(zx)) * A(w[n, kh, kw, c])
                y[oh, ow, n] = wrap(X, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def dense_wide(
    x: X[M, K], w: i8[N, K], bias: A[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: X[M, N],
    *, rescale: function, P, zy, lo, hi
):  # fmt: skip
    """A dense layer of inputs with zero point 0."""
    for m, n in par(M, N):
        acc = bias[n]
        for k in seq(K):
            acc += A(x[m, k]) * A(w[n, k])
        y[m, n] = wrap(X, clamp(rescale(acc, multiplier[n * P], widen(right[n * P])) + zy, lo, hi))


@kernel
def batch_matmul(
    a: X[AN], b: X[BN], y: X[B0 * B1 * B2 * M * N], start: A,
    *, rescale: function, K, a0, a1, a2, am, ak, b0, b1, b2, bk, bn, za, zb, multiplier, right, zy, lo, hi
):  # fmt: skip
    """Batches of matrix products; a0..ak and b0..bn are steps in elements, 0 where an operand is broadcast."""
    for i, j, k in par(B0, B1, B2):
        p = i * a0 + j * a1 + k * a2
        q = i * b0 + j * b1 + k * b2
        o = ((i * B1 + j) * B2 + k) * M
        for m, n in par(M, N):
            acc = start
            for depth in seq(K):
                acc += (A(a[p + m * am + depth * ak]) - A(za)) * (A(b[q + depth * bk + n * bn]) - A(zb))
            y[(o + m) * N + n] = wrap(X, clamp(rescale(acc, multiplier, right) + zy, lo, hi))
