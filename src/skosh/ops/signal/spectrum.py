"""From samples to energies: window, scaling, real FFT and energy of TFLite Micro's signal library, in int16.

The meaning is that of tensorflow/tflite-micro, signal/src ({window,fft_auto_scale,max_abs,rfft_int16,energy}.cc), whose FFT
is KISS FFT with 16-bit fixed point. TFLite Micro leaves energies outside of [start, end) unset; here they are 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.arith import Ints
from skosh.base.dtypes import i16, i32, u32
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import Traits
from skosh.language import call
from skosh.ops.common import check_constant, check_dtype, check_rank, given, required
from skosh.ops.signal import spectrum_kernels as k

SMALLEST_FFT, LARGEST_FFT = 8, 8192
Q15 = (1 << 15) - 1  # cos 0, in tables of KISS FFT


@dataclass(frozen=True)
class Window(Op):
    """y = x * window / 2^shift, rounded down and clamped. x: int16[..., N]; window: int16[N], constant."""

    shift: int
    kind = "signal_window"
    traits = Traits(rowwise=True)
    inplace = ((0, 0),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, window = required(inputs, 2)
        check_dtype(x, i16)
        check_dtype(window, i16)
        check_constant(window)
        if not x.shape or window.shape != x.shape[-1:]:
            raise ModelError(f'"{window.name}" must have shape {list(x.shape[-1:])}, not {list(window.shape)}')
        if not 0 <= self.shift <= 31:
            raise ModelError(f"the shift of a window must be from 0 to 31, not {self.shift}")
        return (Type(x.shape, i16),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 2)[0].size

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        product = given(values, 0).astype(np.int64) * given(values, 1).astype(np.int64)
        return (np.clip(product >> self.shift, i16.min, i16.max).astype(np.int16),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, window = required(inputs, 2)
        rows = x.size // window.size
        table = Const(data_of(window), "window")
        return (call(k.windowed, x=In(0), window=table, y=Out(0), M=rows, N=window.size, shift=self.shift),)


@dataclass(frozen=True)
class AutoScale(Op):
    """y = x * 2^bits with the most bits that max |x| leaves free, and bits, an int32. x: int16[N].

    Silence has 0 bits. Where x has -2^15, its absolute value wraps, and what follows it counts as the largest, as in TFLite
    Micro; y wraps too.
    """

    kind = "fft_auto_scale"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i16)
        check_rank(x, 1)
        return Type(x.shape, i16), Type((), i32)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        largest = 0
        for value in x.tolist():
            if value > largest:
                largest = value
            elif -value > largest:
                largest = -value if value != i16.min else i16.min
        bits = max(15 - largest.bit_length(), 0) if largest > 0 else 0
        return (x.astype(np.int64) << bits).astype(np.int16), np.array(bits, np.int32)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        return (call(k.auto_scaled, x=In(0), y=Out(0), bits=Out(1), N=x.size),)


@dataclass(frozen=True)
class RealFft(Op):
    """The spectrum of rows of reals: y[..., 2k] + i y[..., 2k + 1] = (sum over n of x[n] e^(-2 pi i n k / length)) / length.

    x: int16[..., N], followed by zeros up to ``length``, a power of two; y: int16[..., length + 2]. Each stage divides by
    its radix first, with rounding; sums that don't fit 16 bits wrap.
    """

    length: int
    kind = "rfft"
    traits = Traits(rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i16)
        if not SMALLEST_FFT <= self.length <= LARGEST_FFT or self.length & (self.length - 1):
            raise ModelError(
                f"an FFT must have a power of two from {SMALLEST_FFT} to {LARGEST_FFT} as its length, not {self.length}"
            )
        if not x.shape or not 1 <= x.shape[-1] <= self.length:
            raise ModelError(f'"{x.name}" must have from 1 to {self.length} samples in a row, not {list(x.shape[-1:])}')
        return (Type((*x.shape[:-1], self.length + 2), i16),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        (x,) = required(inputs, 1)
        return x.size // x.shape[-1] * 2 * self.length * (self.length.bit_length() - 1)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        rows = np.zeros((x.size // x.shape[-1], self.length), np.int64)
        rows[:, : x.shape[-1]] = x.reshape(-1, x.shape[-1])
        spectra = np.stack([real_fft(row) for row in rows])
        return (spectra.reshape(*x.shape[:-1], self.length + 2).astype(np.int16),)

    def calls(self, inputs: Operands, outputs: Operands) -> list[Call]:
        (x,) = required(inputs, 1)
        points, width = self.length // 2, x.shape[-1]
        order = Const(fft_order(points).astype(np.int16), "order")
        twiddle = Const(twiddles(points).astype(np.int16), "twiddles")
        last = Const(split_twiddles(points).astype(np.int16), "split")
        made = []
        for row in range(x.size // width):
            start, y = In(0, row * width), Out(0, row * (self.length + 2))
            made.append(call(k.in_fft_order, x=start, order=order, y=y, N=points, L=width))
            for radix, m in reversed(factors(points)):
                stage = k.butterflies_4 if radix == 4 else k.butterflies_2
                made.append(call(stage, y=y, twiddle=twiddle, M=m, G=points // (radix * m)))
            made.append(call(k.real_spectrum, y=y, twiddle=last, H=points // 2))
        return made


@dataclass(frozen=True)
class Energy(Op):
    """y[k] = re^2 + im^2 for start <= k < end, 0 elsewhere. x: int16[2 N], pairs of re and im; y: uint32[N]."""

    start: int
    end: int
    kind = "signal_energy"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, i16)
        check_rank(x, 1)
        if x.size % 2 or not 0 <= self.start <= self.end <= x.size // 2:
            raise ModelError(
                f"energies {self.start} to {self.end} must lie in a spectrum of {x.size} numbers, in pairs"
            )
        return (Type((x.size // 2,), u32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return 2 * (self.end - self.start)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        pairs = given(values, 0).astype(np.int64).reshape(-1, 2)
        energy = (pairs * pairs).sum(axis=1)
        energy[: self.start] = 0
        energy[self.end :] = 0
        return (energy.astype(np.uint32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        return (call(k.energies, x=In(0), y=Out(0), N=x.size // 2, start=self.start, end=self.end),)


# ------------------------------------------------------------------------------------------------------ the FFT in numpy


def factors(points: int) -> list[tuple[int, int]]:
    """(radix, points of each smaller transform) of the stages of a transform, the last stage first: fours, then a two."""
    found = []
    while points > 1:
        radix = 4 if points % 4 == 0 else 2
        points //= radix
        found.append((radix, points))
    return found


def fft_order(points: int) -> Ints:
    """Which input stands where before the first stage: its digits in the radices of the stages, reversed."""
    order, stride = np.zeros(1, np.int64), 1
    for radix, _ in factors(points):
        order = (order[:, None] + np.arange(radix) * stride).reshape(-1)
        stride *= radix
    return order


def rounded(x: Array) -> Ints:
    return np.floor(0.5 + Q15 * x).astype(np.int64)


def twiddles(points: int) -> Ints:
    """[points, 2]: cos and -sin of 2 pi k / points, times 2^15 - 1."""
    angle = -2 * np.pi * np.arange(points) / points
    return np.stack([rounded(np.cos(angle)), rounded(np.sin(angle))], axis=1)


def split_twiddles(points: int) -> Ints:
    """[points / 2, 2]: those that tell the spectra of even and odd samples apart, of k + 1."""
    angle = -np.pi * ((np.arange(points // 2) + 1) / points + 0.5)
    return np.stack([rounded(np.cos(angle)), rounded(np.sin(angle))], axis=1)


def short(x: Array) -> Ints:
    """x modulo 2^16, read as int16."""
    return np.asarray(x).astype(np.int16).astype(np.int64)


def part(x: Array, radix: int) -> Ints:
    """x / radix as x * ((2^15 - 1) // radix) / 2^15, rounded, ties upward."""
    return (x * (Q15 // radix) + (1 << 14)) >> 15


def turned(x: Array, w: Array) -> Ints:
    """x * w / 2^15 of complex numbers [..., 2], rounded, ties upward."""
    re = x[..., 0] * w[..., 0] - x[..., 1] * w[..., 1]
    im = x[..., 0] * w[..., 1] + x[..., 1] * w[..., 0]
    return (np.stack([re, im], axis=-1) + (1 << 14)) >> 15


def times_minus_i(x: Array) -> Array:
    return np.stack([x[..., 1], -x[..., 0]], axis=-1)


def real_fft(x: Ints) -> Ints:
    """The spectrum of one row, [length + 2]."""
    points = x.size // 2
    table, z = twiddles(points), x.reshape(points, 2)[fft_order(points)]
    for radix, m in reversed(factors(points)):
        groups = points // (radix * m)
        parts = part(z.reshape(groups, radix, m, 2), radix)
        steps = np.arange(radix)[:, None] * np.arange(m)[None, :] * groups
        a, *rest = np.moveaxis(turned(parts, table[steps]), 1, 0)
        a = parts[:, 0]  # the first isn't turned: 2^15 - 1 isn't quite 1
        if radix == 2:
            made = [a + rest[0], a - rest[0]]
        else:
            b, c, d = rest
            made = [a + c + b + d, a - c + times_minus_i(b - d), a + c - b - d, a - c - times_minus_i(b - d)]
        z = short(np.stack(made, axis=1)).reshape(points, 2)
    y = np.zeros((points + 1, 2), np.int64)
    first = part(z[0], 2)
    y[0, 0], y[points, 0] = short(first[0] + first[1]), short(first[0] - first[1])
    at = np.arange(1, points // 2 + 1)
    a, b = part(z[at], 2), part(short(z[points - at] * np.array([1, -1])), 2)
    odd = turned(a - b, split_twiddles(points))
    y[at] = short((a + b + odd) >> 1)
    y[points - at] = short(((a + b - odd) * np.array([1, -1])) >> 1)
    return y.reshape(-1)


def data_of(t: Tensor) -> Array:
    assert t.data is not None, "checked by infer"
    return t.data.reshape(-1)
