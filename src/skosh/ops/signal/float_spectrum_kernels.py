"""The real FFT of float32 and what follows it, in the kernel language. Complex numbers are pairs of re and im."""

from __future__ import annotations

from skosh.base.dtypes import f32, i16
from skosh.language import assume, kernel, par, seq, widen


@kernel
def in_float_order(x: f32[L], order: i16[N], y: f32[N, 2], *, L):
    """y[n] = elements 2 order[n] and 2 order[n] + 1 of x, zeros beyond its end."""
    for n in par(N):
        at = 2 * widen(order[n])
        y[n, 0] = 0.0
        y[n, 1] = 0.0
        if at >= 0 and at < L:
            y[n, 0] = x[at]
        if at + 1 >= 0 and at + 1 < L:
            y[n, 1] = x[at + 1]


@kernel
def float_butterflies_2(y: f32[G, 2, M, 2], twiddle: f32[G * M * 2, 2]):
    """A stage of radix 2: G transforms of 2 M points from pairs of transforms of M points."""
    for g, k in par(G, M):
        cos = twiddle[k * G, 0]
        sin = twiddle[k * G, 1]
        ar = y[g, 0, k, 0]
        ai = y[g, 0, k, 1]
        tr = y[g, 1, k, 0] * cos - y[g, 1, k, 1] * sin
        ti = y[g, 1, k, 0] * sin + y[g, 1, k, 1] * cos
        y[g, 0, k, 0] = ar + tr
        y[g, 0, k, 1] = ai + ti
        y[g, 1, k, 0] = ar - tr
        y[g, 1, k, 1] = ai - ti


@kernel
def float_butterflies_4(y: f32[G, 4, M, 2], twiddle: f32[G * M * 4, 2]):
    """A stage of radix 4: G transforms of 4 M points from four transforms of M points each."""
    for g, k in par(G, M):
        ar = y[g, 0, k, 0]
        ai = y[g, 0, k, 1]
        br = y[g, 1, k, 0] * twiddle[k * G, 0] - y[g, 1, k, 1] * twiddle[k * G, 1]
        bi = y[g, 1, k, 0] * twiddle[k * G, 1] + y[g, 1, k, 1] * twiddle[k * G, 0]
        cr = y[g, 2, k, 0] * twiddle[2 * k * G, 0] - y[g, 2, k, 1] * twiddle[2 * k * G, 1]
        ci = y[g, 2, k, 0] * twiddle[2 * k * G, 1] + y[g, 2, k, 1] * twiddle[2 * k * G, 0]
        dr = y[g, 3, k, 0] * twiddle[3 * k * G, 0] - y[g, 3, k, 1] * twiddle[3 * k * G, 1]
        di = y[g, 3, k, 0] * twiddle[3 * k * G, 1] + y[g, 3, k, 1] * twiddle[3 * k * G, 0]
        evenr = ar + cr
        eveni = ai + ci
        oddr = ar - cr
        oddi = ai - ci
        sumr = br + dr
        sumi = bi + di
        lessr = br - dr
        lessi = bi - di
        y[g, 0, k, 0] = evenr + sumr
        y[g, 0, k, 1] = eveni + sumi
        y[g, 1, k, 0] = oddr + lessi
        y[g, 1, k, 1] = oddi - lessr
        y[g, 2, k, 0] = evenr - sumr
        y[g, 2, k, 1] = eveni - sumi
        y[g, 3, k, 0] = oddr - lessi
        y[g, 3, k, 1] = oddi + lessr


@kernel
def real_float_spectrum(y: f32[2 * H + 1, 2], twiddle: f32[H, 2]):
    """In place: the transform of 2 H complex numbers z[n] = x[2n] + i x[2n + 1] becomes that of the 4 H reals x."""
    re = y[0, 0]
    im = y[0, 1]
    y[0, 0] = re + im
    y[0, 1] = 0.0
    y[2 * H, 0] = re - im
    y[2 * H, 1] = 0.0
    for k in seq(H):
        ar = y[k + 1, 0]
        ai = y[k + 1, 1]
        br = y[2 * H - 1 - k, 0]
        bi = y[2 * H - 1 - k, 1]
        evenr = ar + br
        eveni = ai - bi
        oddr = ar - br
        oddi = ai + bi
        tr = oddr * twiddle[k, 0] - oddi * twiddle[k, 1]
        ti = oddr * twiddle[k, 1] + oddi * twiddle[k, 0]
        y[k + 1, 0] = 0.5 * (evenr + tr)
        y[k + 1, 1] = 0.5 * (eveni + ti)
        y[2 * H - 1 - k, 0] = 0.5 * (evenr - tr)
        y[2 * H - 1 - k, 1] = 0.5 * (ti - eveni)


@kernel
def float_energies(x: f32[N, 2], y: f32[N]):
    """y[n] = |x[n]|^2."""
    for n in par(N):
        y[n] = x[n, 0] * x[n, 0] + x[n, 1] * x[n, 1]


@kernel
def bands(x: f32[N], weights: f32[W], first: i16[C], place: i16[C], width: i16[C], y: f32[C]):
    """y[c] = the sum of width[c] elements of x from first[c] on, times weights from place[c] on."""
    for c in par(C):
        total = 0.0
        for j in seq(widen(width[c])):
            assume(0 <= widen(first[c]) + j < N)
            assume(0 <= widen(place[c]) + j < W)
            total += x[widen(first[c]) + j] * weights[widen(place[c]) + j]
        y[c] = total
