"""Windows, the real FFT of int16 and the energy of a spectrum, in the kernel language."""

from __future__ import annotations

from skosh.base.dtypes import i16, i32, u32
from skosh.language import func, kernel, par, sat, seq, widen, wrap


@func
def bit_length(x: u32) -> i32:
    """The number of bits of x up to its highest 1; 0 for 0."""
    rest = x
    n = 0
    if rest >= u32(65536):
        n = n + 16
        rest = rest >> 16
    if rest >= u32(256):
        n = n + 8
        rest = rest >> 8
    if rest >= u32(16):
        n = n + 4
        rest = rest >> 4
    if rest >= u32(4):
        n = n + 2
        rest = rest >> 2
    if rest >= u32(2):
        n = n + 1
        rest = rest >> 1
    return n + wrap(i32, rest)


@func
def part(x: i32, factor: i32) -> i32:
    """x * factor / 2^15, rounded, ties upward; x and factor are of 16 bits."""
    return (x * factor + 16384) >> 15


@func
def turned_real(re: i32, im: i32, cos: i32, sin: i32) -> i32:
    """The real part of (re + i im)(cos + i sin) / 2^15, rounded, ties upward."""
    return (re * cos - im * sin + 16384) >> 15


@func
def turned_imaginary(re: i32, im: i32, cos: i32, sin: i32) -> i32:
    """The imaginary part of the same."""
    return (re * sin + im * cos + 16384) >> 15


@kernel
def windowed(x: i16[M, N], window: i16[N], y: i16[M, N], *, shift):
    """y = x * window / 2^shift, downward, clamped."""
    for m, n in par(M, N):
        y[m, n] = sat(i16, (widen(x[m, n]) * widen(window[n])) >> shift)


@kernel
def auto_scaled(x: i16[N], y: i16[N], bits: i32[1]):
    """y = x * 2^bits, with the most bits that the largest |x| leaves free; none for silence."""
    largest = 0
    for n in seq(N):
        value = widen(x[n])
        if value > largest:
            largest = value
        elif -value > largest:
            largest = widen(wrap(i16, -value))
    free = 0
    if largest > 0:
        free = max(15 - bit_length(wrap(u32, largest)), 0)
    bits[0] = free
    for k in par(N):
        y[k] = wrap(i16, wrap(u32, widen(x[k])) << free)


@kernel
def in_fft_order(x: i16[L], order: i16[N], y: i16[N, 2], *, L):
    """y[n] = elements 2 order[n] and 2 order[n] + 1 of x, zeros beyond its end."""
    for n in par(N):
        at = 2 * widen(order[n])
        re = 0
        im = 0
        if at >= 0 and at < L:
            re = widen(x[at])
        if at + 1 >= 0 and at + 1 < L:
            im = widen(x[at + 1])
        y[n, 0] = wrap(i16, re)
        y[n, 1] = wrap(i16, im)


@kernel
def butterflies_2(y: i16[G, 2, M, 2], twiddle: i16[G * M * 2, 2]):
    """A stage of radix 2: G transforms of 2 M points from pairs of transforms of M points, each halved."""
    for g, k in par(G, M):
        cos = widen(twiddle[k * G, 0])
        sin = widen(twiddle[k * G, 1])
        ar = part(widen(y[g, 0, k, 0]), 16383)
        ai = part(widen(y[g, 0, k, 1]), 16383)
        br = part(widen(y[g, 1, k, 0]), 16383)
        bi = part(widen(y[g, 1, k, 1]), 16383)
        tr = turned_real(br, bi, cos, sin)
        ti = turned_imaginary(br, bi, cos, sin)
        y[g, 0, k, 0] = wrap(i16, ar + tr)
        y[g, 0, k, 1] = wrap(i16, ai + ti)
        y[g, 1, k, 0] = wrap(i16, ar - tr)
        y[g, 1, k, 1] = wrap(i16, ai - ti)


@kernel
def butterflies_4(y: i16[G, 4, M, 2], twiddle: i16[G * M * 4, 2]):
    """A stage of radix 4: G transforms of 4 M points from four transforms of M points each, quartered."""
    for g, k in par(G, M):
        ar = part(widen(y[g, 0, k, 0]), 8191)
        ai = part(widen(y[g, 0, k, 1]), 8191)
        xr = part(widen(y[g, 1, k, 0]), 8191)
        xi = part(widen(y[g, 1, k, 1]), 8191)
        br = turned_real(xr, xi, widen(twiddle[k * G, 0]), widen(twiddle[k * G, 1]))
        bi = turned_imaginary(xr, xi, widen(twiddle[k * G, 0]), widen(twiddle[k * G, 1]))
        xr = part(widen(y[g, 2, k, 0]), 8191)
        xi = part(widen(y[g, 2, k, 1]), 8191)
        cr = turned_real(xr, xi, widen(twiddle[2 * k * G, 0]), widen(twiddle[2 * k * G, 1]))
        ci = turned_imaginary(xr, xi, widen(twiddle[2 * k * G, 0]), widen(twiddle[2 * k * G, 1]))
        xr = part(widen(y[g, 3, k, 0]), 8191)
        xi = part(widen(y[g, 3, k, 1]), 8191)
        dr = turned_real(xr, xi, widen(twiddle[3 * k * G, 0]), widen(twiddle[3 * k * G, 1]))
        di = turned_imaginary(xr, xi, widen(twiddle[3 * k * G, 0]), widen(twiddle[3 * k * G, 1]))
        y[g, 0, k, 0] = wrap(i16, ar + cr + br + dr)
        y[g, 0, k, 1] = wrap(i16, ai + ci + bi + di)
        y[g, 1, k, 0] = wrap(i16, ar - cr + bi - di)
        y[g, 1, k, 1] = wrap(i16, ai - ci - br + dr)
        y[g, 2, k, 0] = wrap(i16, ar + cr - br - dr)
        y[g, 2, k, 1] = wrap(i16, ai + ci - bi - di)
        y[g, 3, k, 0] = wrap(i16, ar - cr - bi + di)
        y[g, 3, k, 1] = wrap(i16, ai - ci + br - dr)


@kernel
def real_spectrum(y: i16[2 * H + 1, 2], twiddle: i16[H, 2]):
    """In place: the transform of 2 H complex numbers z[n] = x[2n] + i x[2n + 1] becomes that of the 4 H reals x, halved."""
    re = part(widen(y[0, 0]), 16383)
    im = part(widen(y[0, 1]), 16383)
    y[0, 0] = wrap(i16, re + im)
    y[0, 1] = wrap(i16, 0)
    y[2 * H, 0] = wrap(i16, re - im)
    y[2 * H, 1] = wrap(i16, 0)
    for k in seq(H):
        ar = part(widen(y[k + 1, 0]), 16383)
        ai = part(widen(y[k + 1, 1]), 16383)
        br = part(widen(y[2 * H - 1 - k, 0]), 16383)
        bi = part(widen(wrap(i16, -widen(y[2 * H - 1 - k, 1]))), 16383)
        tr = turned_real(ar - br, ai - bi, widen(twiddle[k, 0]), widen(twiddle[k, 1]))
        ti = turned_imaginary(ar - br, ai - bi, widen(twiddle[k, 0]), widen(twiddle[k, 1]))
        y[k + 1, 0] = wrap(i16, (ar + br + tr) >> 1)
        y[k + 1, 1] = wrap(i16, (ai + bi + ti) >> 1)
        y[2 * H - 1 - k, 0] = wrap(i16, (ar + br - tr) >> 1)
        y[2 * H - 1 - k, 1] = wrap(i16, (ti - ai - bi) >> 1)


@kernel
def energies(x: i16[N, 2], y: u32[N], *, start, end):
    """y[n] = |x[n]|^2 for start <= n < end, 0 elsewhere."""
    for n in par(N):
        y[n] = u32(0)
        if start <= n and n < end:
            re = widen(x[n, 0])
            im = widen(x[n, 1])
            y[n] = wrap(u32, re * re) + wrap(u32, im * im)
