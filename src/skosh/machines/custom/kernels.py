"""Int8 layers on the unit "lanes". Weights and inputs go to its scratchpads a block at a time; the core feeds it and stores.

Words are aligned: what these kernels read and write begins at multiples of four bytes (see the forms).
"""

from __future__ import annotations

from skosh.language import assume, clamp, kernel, par, register, seq, set_word, widen, word, wrap
from skosh.machines.custom.instructions import (
    begin_loading,
    begin_pixel,
    begin_sum,
    compute,
    finish_sum,
    mac4,
    put_bias,
    put_filter,
    put_input,
    put_multiplier,
    set_outputs,
    set_quad_outputs,
    set_shape,
    sum_of,
)


@kernel
def load_filters(
    w: u32[N, D, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], *, P, first, count
):
    """Filters first to first + count, of D rows each, with their biases and scales."""
    begin_loading(a=0, b=0)
    for f in seq(first, first + count):
        for d in seq(D):
            put_filter(a=w[f, d, 0], b=w[f, d, 1])
            put_filter(a=w[f, d, 2], b=w[f, d, 3])
        put_bias(a=bias[f], b=wrap(u32, widen(right[f * P])))
        put_multiplier(a=multiplier[f * P])


@kernel
def matmul_lanes(
    x: i8[M, K], w: u32[N, D, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, P, F, T, outputs: u32
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped; K = 16 D, F filters and T rows at a time.

    outputs: zero point and bounds, as the unit takes them.
    """
    got = register(u32[1])
    set_outputs(a=0, b=outputs)
    set_shape(a=wrap(u32, D), b=0)
    for block in seq((N + F - 1) // F):
        f0 = block * F
        load_filters(w, bias, multiplier, right, P=P, first=f0, count=min(F, N - f0))
        for band in seq((M + T - 1) // T):
            m0 = band * T
            begin_loading(a=0, b=0)
            for m in seq(m0, min(m0 + T, M)):
                for d in seq(D):
                    put_input(a=word(x[m, 16 * d]), b=word(x[m, 16 * d + 4]))
                    put_input(a=word(x[m, 16 * d + 8]), b=word(x[m, 16 * d + 12]))
            for m in seq(m0, min(m0 + T, M)):
                begin_pixel(a=wrap(u32, (m - m0) * D), b=0)
                for n in seq(f0, min(f0 + F, N), 4):
                    compute(got, a=0, b=0)
                    set_word(y[m, n], got[0])


@kernel
def gather_rows(
    x: i8[H, W * C], patch: i8[T, R], *, W, C, KH, KW, OW, first, rows, stride_h, stride_w, dilation_h, top, left, zx
):
    """patch[t], for t below rows: what lies under the window of output pixel first + t; padding is the zero point."""
    for t in seq(rows):
        oh = (first + t) // OW
        ow = first + t - oh * OW
        column = ow * stride_w - left
        before = min(max(-column, 0), KW) * C
        inside = max(min(KW, W - column) * C, before)
        for kh in seq(KH):
            row = oh * stride_h + kh * dilation_h - top
            for i in par(before):
                patch[t, kh * (KW * C) + i] = wrap(i8, zx)
            for i in par(before, inside):
                if 0 <= row < H:
                    patch[t, kh * (KW * C) + i] = x[row, column * C + i]
                else:
                    patch[t, kh * (KW * C) + i] = wrap(i8, zx)
            for i in par(inside, KW * C):
                patch[t, kh * (KW * C) + i] = wrap(i8, zx)


@kernel
def depthwise_lanes(
    x: i8[H, W, C], w: u32[G, KH * KW, 4], bias: i32[C], multiplier: i32[(C - 1) * P + 1], right: i8[(C - 1) * P + 1],
    y: i8[OH, OW, C],
    *, P, KH, KW, T, stride_h, stride_w, top, left, offset: u32, outputs: u32
):  # fmt: skip
    """Depthwise convolution, sixteen channels and T output rows at a time; taps on the padding are left out.

    The bias is the layer's own: offset is minus the input's zero point, which the unit adds to inputs.
    """
    got = register(u32[1])
    set_outputs(a=offset, b=outputs)
    set_shape(a=1, b=wrap(u32, W) | (wrap(u32, KW) << 16))
    for g in seq(G):
        begin_loading(a=0, b=0)
        for t in seq(KH * KW):
            put_filter(a=w[g, t, 0], b=w[g, t, 1])
            put_filter(a=w[g, t, 2], b=w[g, t, 3])
        for c in seq(16 * g, 16 * g + 16):
            put_bias(a=bias[c], b=wrap(u32, widen(right[c * P])))
            put_multiplier(a=multiplier[c * P])
        for band in seq((OH + T - 1) // T):
            o0 = band * T
            top_row = max(o0 * stride_h - top, 0)
            begin_loading(a=0, b=0)
            for i in seq(top_row, min((min(o0 + T, OH) - 1) * stride_h - top + KH, H)):
                for j in seq(W):
                    put_input(a=word(x[i, j, 16 * g]), b=word(x[i, j, 16 * g + 4]))
                    put_input(a=word(x[i, j, 16 * g + 8]), b=word(x[i, j, 16 * g + 12]))
            for oh in seq(o0, min(o0 + T, OH)):
                row = oh * stride_h - top
                row0 = max(0, -row)
                row1 = min(KH, H - row)
                for ow in seq(OW):
                    column = ow * stride_w - left
                    column0 = max(0, -column)
                    across = min(KW, W - column) - column0
                    place = (row + row0 - top_row) * W + column + column0
                    taps = (row1 - row0) * across
                    compute(
                        got,
                        a=wrap(u32, place) | (wrap(u32, row0 * KW + column0) << 16),
                        b=wrap(u32, taps) << 8 | wrap(u32, across) << 16 | 1,
                    )
                    for q in seq(4):
                        compute(got, a=wrap(u32, 4 * q) | wrap(u32, 4 * q) << 16, b=2)
                        set_word(y[oh, ow, 16 * g + 4 * q], got[0])


@kernel
def conv2d_lanes(
    x: i8[H, W * C], w: u32[N, D, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH * OW, N], patch: i8[T, 16 * D],
    *, P, KH, KW, OW, F, stride_h, stride_w, dilation_h, top, left, zx, outputs: u32
):  # fmt: skip
    """Convolution by im2col: T output pixels at a time are gathered as rows of 16 D bytes, then multiplied."""
    got = register(u32[1])
    set_outputs(a=0, b=outputs)
    set_shape(a=wrap(u32, D), b=0)
    for t in par(T):
        for i in par(KH * KW * C, 16 * D):
            patch[t, i] = 0
    for block in seq((N + F - 1) // F):
        f0 = block * F
        load_filters(w, bias, multiplier, right, P=P, first=f0, count=min(F, N - f0))
        for band in seq((OH * OW + T - 1) // T):
            m0 = band * T
            rows = min(T, OH * OW - m0)
            gather_rows(
                x, patch, W=W, C=C, KH=KH, KW=KW, OW=OW, first=m0, rows=rows,
                stride_h=stride_h, stride_w=stride_w, dilation_h=dilation_h, top=top, left=left, zx=zx,
            )  # fmt: skip
            begin_loading(a=0, b=0)
            for m in seq(rows):
                for d in seq(D):
                    put_input(a=word(patch[m, 16 * d]), b=word(patch[m, 16 * d + 4]))
                    put_input(a=word(patch[m, 16 * d + 8]), b=word(patch[m, 16 * d + 12]))
            for m in seq(rows):
                begin_pixel(a=wrap(u32, m * D), b=0)
                for n in seq(f0, min(f0 + F, N), 4):
                    compute(got, a=0, b=0)
                    set_word(y[m0 + m, n], got[0])


@kernel
def conv2d_padded_lanes(
    x: i8[H, W * C], w: u32[N, D, 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH * OW, N], patch: i8[16 * D], image: i8[PH, PW * C],
    *, P, KH, KW, OW, F, stride_h, stride_w, dilation_h, top, left, inside, outputs: u32, zx
):  # fmt: skip
    """The same for narrow windows: they are gathered from a copy with the padding around it, so that none is cut.

    inside: rows of the copy that are rows of x.
    """
    got = register(u32[1])
    set_outputs(a=0, b=outputs)
    set_shape(a=wrap(u32, D), b=0)
    for i, j in par(PH, PW * C):
        image[i, j] = wrap(i8, zx)
    for i in par(inside):
        for j in par(min(W, PW - left) * C):
            image[top + i, left * C + j] = x[i, j]
    for i in par(KH * KW * C, 16 * D):
        patch[i] = 0
    for block in seq((N + F - 1) // F):
        f0 = block * F
        load_filters(w, bias, multiplier, right, P=P, first=f0, count=min(F, N - f0))
        for m in seq(OH * OW):
            oh = m // OW
            row = oh * stride_h
            column = (m - oh * OW) * stride_w * C
            for kh in seq(KH):
                for i in par(KW * C):
                    patch[kh * (KW * C) + i] = image[row + kh * dilation_h, column + i]
            begin_loading(a=0, b=0)
            for d in seq(D):
                put_input(a=word(patch[16 * d]), b=word(patch[16 * d + 4]))
                put_input(a=word(patch[16 * d + 8]), b=word(patch[16 * d + 12]))
            begin_pixel(a=0, b=0)
            for n in seq(f0, min(f0 + F, N), 4):
                compute(got, a=0, b=0)
                set_word(y[m, n], got[0])


@kernel
def average_pool_lanes(x: i8[H, W, C], y: i8[OH, OW, C], *, KH, KW, stride_h, stride_w, top, left, lo, hi):
    """``average_pool2d``, sixteen channels at a time: their sums under a window are those of a filter of ones."""
    sum = register(i32[1])
    got = register(u32[1])
    set_outputs(a=0, b=0)
    set_shape(a=1, b=wrap(u32, W))
    begin_loading(a=0, b=0)
    for _t in seq(KW):
        put_filter(a=16843009, b=16843009)
        put_filter(a=16843009, b=16843009)
    for g in seq(C // 16):
        begin_loading(a=0, b=0)
        for i in seq(H):
            for j in seq(W):
                put_input(a=word(x[i, j, 16 * g]), b=word(x[i, j, 16 * g + 4]))
                put_input(a=word(x[i, j, 16 * g + 8]), b=word(x[i, j, 16 * g + 12]))
        for oh in seq(OH):
            row0 = max(oh * stride_h - top, 0)
            row1 = min(oh * stride_h - top + KH, H)
            for ow in seq(OW):
                column0 = max(ow * stride_w - left, 0)
                across = min(ow * stride_w - left + KW, W) - column0
                count = (row1 - row0) * across
                assume(count > 0)
                compute(got, a=wrap(u32, row0 * W + column0), b=wrap(u32, count) << 8 | wrap(u32, across) << 16 | 1)
                for c in seq(16):
                    sum_of(sum, a=wrap(u32, c))
                    acc = sum[0]
                    acc = (acc + (count // 2 if acc > 0 else -(count // 2))) // count
                    y[oh, ow, 16 * g + c] = wrap(i8, clamp(acc, lo, hi))


@kernel
def matmul_quads(
    x: i8[M, K], w: u32[N, K // 4], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1], y: i8[M, N],
    *, P, outputs: u32
):  # fmt: skip
    """y[m, n] = rescale(bias[n] + sum over k of x[m, k] * w[n, k]) + zy, clamped; four products an instruction."""
    got = register(i32[1])
    set_quad_outputs(a=0, b=outputs)
    for m in seq(M):
        for n in seq(N):
            begin_sum(a=bias[n])
            for k in seq(K // 4):
                mac4(a=word(x[m, 4 * k]), b=w[n, k])
            finish_sum(got, a=multiplier[n * P], b=widen(right[n * P]))
            y[m, n] = wrap(i8, got[0])


@kernel
def conv2d_quads(
    x: i8[H, W * C], w: u32[N, Q], bias: i32[N], multiplier: i32[(N - 1) * P + 1], right: i8[(N - 1) * P + 1],
    y: i8[OH * OW, N], patch: i8[1, 4 * Q],
    *, P, KH, KW, OW, stride_h, stride_w, dilation_h, top, left, zx, outputs: u32
):  # fmt: skip
    """Convolution by im2col, one output pixel at a time, in 4 Q bytes."""
    got = register(i32[1])
    set_quad_outputs(a=0, b=outputs)
    for i in par(KH * KW * C, 4 * Q):
        patch[0, i] = 0
    for m in seq(OH * OW):
        gather_rows(
            x, patch, W=W, C=C, KH=KH, KW=KW, OW=OW, first=m, rows=1,
            stride_h=stride_h, stride_w=stride_w, dilation_h=dilation_h, top=top, left=left, zx=zx,
        )  # fmt: skip
        for n in seq(N):
            begin_sum(a=bias[n])
            for k in seq(Q):
                mac4(a=word(patch[0, 4 * k]), b=w[n, k])
            finish_sum(got, a=multiplier[n * P], b=widen(right[n * P]))
            y[m, n] = wrap(i8, got[0])
