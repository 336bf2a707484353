"""Filter banks and what follows them, on unsigned integers, in the kernel language."""

from __future__ import annotations

from skosh.base.dtypes import i16, i32, u32, u64
from skosh.language import assume, func, kernel, par, seq, widen, wrap
from skosh.ops.signal.spectrum_kernels import bit_length


@kernel
def filter_bank(
    x: u32[N], weights: i16[W], unweights: i16[W], first: i16[C + 1], place: i16[C + 1], width: i16[C + 1], y: u64[C]
):  # fmt: skip
    """y[c] = what unweights leave of band c to channel c, plus the energies of band c + 1 by weights."""
    kept = u64(0)
    for c in seq(C + 1):
        up = kept
        down = u64(0)
        for j in seq(widen(width[c])):
            assume(0 <= widen(first[c]) + j < N)
            assume(0 <= widen(place[c]) + j < W)
            energy = u64(x[widen(first[c]) + j])
            up += energy * wrap(u64, widen(weights[widen(place[c]) + j]))
            down += energy * wrap(u64, widen(unweights[widen(place[c]) + j]))
        if c > 0:
            y[c - 1] = up
        kept = down


@func
def root_32(x: u32) -> u32:
    """The square root, rounded to nearest, at most 2^16 - 1."""
    rest = x
    root = u32(0)
    bit = u32(1073741824)
    for _ in seq(16):
        if rest >= root + bit:
            rest = rest - (root + bit)
            root = (root >> 1) + bit
        else:
            root = root >> 1
        bit = bit >> 2
    if rest > root and root != u32(65535):
        root = root + u32(1)
    return root


@func
def root_64(x: u64) -> u32:
    """The square root, rounded to nearest, at most 2^32 - 1."""
    rest = x
    root = u64(0)
    bit = u64(4611686018427387904)
    for _ in seq(32):
        if rest >= root + bit:
            rest = rest - (root + bit)
            root = (root >> 1) + bit
        else:
            root = root >> 1
        bit = bit >> 2
    if rest > root and root != u64(4294967295):
        root = root + u64(1)
    return wrap(u32, root)


@kernel
def square_roots(x: u64[N], bits: i32[1], y: u32[N]):
    """y = the square root of x, rounded, then shifted right by bits."""
    for n in par(N):
        root = u32(0)
        if x[n] >> 32 == u64(0):
            root = root_32(wrap(u32, x[n]))
        else:
            root = root_64(x[n])
        y[n] = root >> (bits[0] & 31)


@kernel
def noise_subtracted(
    x: u32[N], noise: u32[N], y: u32[N], estimate: u32[N],
    *, even, even_rest, odd, odd_rest, least, bits, extra, clamping
):  # fmt: skip
    """The noise of each channel follows the signal slowly; y = the signal above it, at least a part of the signal."""
    for n in par(N):
        share = even
        rest = even_rest
        if n % 2 == 1:
            share = odd
            rest = odd_rest
        signal = x[n] << extra
        level = wrap(u32, (u64(signal) * wrap(u64, share) + u64(noise[n]) * wrap(u64, rest)) >> bits)
        below = level
        if level > signal:
            below = signal
            if clamping == 1:
                level = signal
        noise[n] = level
        estimate[n] = level
        floor = wrap(u32, (u64(x[n]) * wrap(u64, least)) >> bits)
        left = (signal - below) >> extra
        if left > floor:
            y[n] = left
        else:
            y[n] = floor


@kernel
def gain_controlled(x: u32[N], noise: u32[N], table: i16[T], y: u32[N], *, shift):
    """y = shrink(x * gain(noise) / 2^shift); the gain is quadratic between powers of two, by four numbers of the table."""
    for n in par(N):
        gain = 0
        if noise[n] <= u32(2):
            small = wrap(i32, noise[n])
            assume(0 <= small < T)
            gain = widen(table[small])
        else:
            interval = bit_length(noise[n])
            at = 4 * interval - 6
            assume(0 <= at < T - 2)
            fraction = u32(0)
            if interval < 11:
                fraction = noise[n] << (11 - interval)
            else:
                fraction = noise[n] >> (interval - 11)
            f = wrap(i32, fraction & u32(1023))
            slope = ((widen(table[at + 2]) * f) >> 5) + widen(table[at + 1]) * 32
            gain = wrap(i32, wrap(u32, slope) * wrap(u32, f) + u32(16384)) >> 15
            gain = widen(wrap(i16, gain + widen(table[at])))
        snr = wrap(u32, (u64(x[n]) * u64(wrap(u32, gain))) >> shift)
        if snr < u32(8192):
            y[n] = (snr * snr) >> 20
        else:
            y[n] = (snr >> 6) - u32(64)


@kernel
def logarithms(x: u32[N], table: i16[130], y: i16[N], *, scale, bits):
    """y = scale * ln(2^bits * x), the logarithm to base 2 from a table with lines between; 0 where there is no more than 1."""
    for n in par(N):
        scaled = x[n] << bits
        value = u32(0)
        if scaled > u32(1):
            whole = bit_length(scaled) - 1
            over = scaled - (u32(1) << whole)
            part = 0
            if whole < 16:
                part = wrap(i32, over << (16 - whole))
            else:
                part = wrap(i32, over >> (whole - 16))
            segment = part >> 9
            assume(0 <= segment < 129)
            low = widen(table[segment])
            high = widen(table[segment + 1])
            binary = (whole << 16) + part + low + (((high - low) * (part - segment * 512)) >> 16)
            natural = wrap(u32, (u64(45426) * wrap(u64, binary) + u64(32768)) >> 16)
            value = (wrap(u32, scale) * natural + u32(32768)) >> 16
        y[n] = wrap(i16, wrap(i32, min(value, u32(32767))))
