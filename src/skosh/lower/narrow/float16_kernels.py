"""Float layers whose weights are stored as float16 (IEEE 754 binary16), in two bytes; the arithmetic is float32 as ever.

Sums run as in ``ops.float_kernels``, so the result is the same, bit for bit.
"""

from __future__ import annotations

from skosh.language import func, instr, kernel, par, seq, widen
from skosh.ops.layers.float_kernels import clamped


@instr(
    c="((union {{ uint16_t bits; __fp16 real; }}){{ .bits = (uint16_t){half} }}).real",
    macro="__ARM_FP16_FORMAT_IEEE",
    header="stdint.h",
)
@func
def real_of_half(half: i32) -> f32:
    """The float32 that is equal to a finite float16, given as its 16 bits.

    fraction * 2^-24, times 2^(exponent - 1) in steps that are exact; subnormals have the exponent of the smallest others.
    """
    exponent = (half >> 10) & 31
    fraction = half & 1023
    power = exponent - 1 if exponent > 0 else 0
    size = f32(fraction + 1024 if exponent > 0 else fraction) * 5.9604644775390625e-08
    size = size * (65536.0 if (power & 16) != 0 else 1.0)
    size = size * (256.0 if (power & 8) != 0 else 1.0)
    size = size * (16.0 if (power & 4) != 0 else 1.0)
    size = size * (4.0 if (power & 2) != 0 else 1.0)
    size = size * (2.0 if (power & 1) != 0 else 1.0)
    return -size if (half & 32768) != 0 else size


@kernel
def dense_f16(x: f32[M, K], w: u16[N, K], bias: f32[N], y: f32[M, N], lo: f32, hi: f32):
    """y[m, n] = sum over k of x[m, k] * w[n, k], plus bias[n], clamped to [lo, hi]."""
    for m, n in par(M, N):
        acc = 0.0
        for k in seq(K):
            acc += x[m, k] * real_of_half(widen(w[n, k]))
        y[m, n] = clamped(acc + bias[n], lo, hi)


@kernel
def conv2d_f16(
    x: f32[H, W, C], w: u16[N, KH, KW, D], bias: f32[N], y: f32[OH, OW, N], lo: f32, hi: f32,
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
                            tap = x[row + kh * dilation_h, column + kw * dilation_w, first + d]
                            acc += tap * real_of_half(widen(w[n, kh, kw, d]))
                y[oh, ow, n] = clamped(acc + bias[n], lo, hi)


@kernel
def depthwise_f16(
    x: f32[H, W, C], w: u16[KH, KW, C * D], bias: f32[C * D], y: f32[OH, OW, C * D], lo: f32, hi: f32,
    *, D, stride_h, stride_w, dilation_h, dilation_w, top, left
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
                    acc = 0.0
                    for kh in seq(kh0, kh1):
                        for kw in seq(kw0, kw1):
                            tap = x[row + kh * dilation_h, column + kw * dilation_w, c]
                            acc += tap * real_of_half(widen(w[kh, kw, f]))
                    y[oh, ow, f] = clamped(acc + bias[f], lo, hi)
