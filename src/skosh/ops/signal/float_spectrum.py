"""Spectra in float32: the real FFT (of radix 4, with a stage of radix 2 where needed), energies, and sums in bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i16
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Type
from skosh.ir.traits import Traits
from skosh.language import call
from skosh.ops.common import check_constant, check_dtype, check_rank, given, required
from skosh.ops.signal import float_spectrum_kernels as k
from skosh.ops.signal.spectrum import LARGEST_FFT, SMALLEST_FFT, data_of, factors, fft_order


@dataclass(frozen=True)
class FloatFft(Op):
    """The spectrum of rows of reals: y[..., 2k] + i y[..., 2k + 1] = sum over n of x[n] e^(-2 pi i n k / length).

    x: float32[..., N], followed by zeros up to ``length``, a power of two from 8 to 8192; y: float32[..., length + 2].
    """

    length: int
    kind = "float_fft"
    traits = Traits(rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        if not SMALLEST_FFT <= self.length <= LARGEST_FFT or self.length & (self.length - 1):
            raise ModelError(f"an FFT must have a power of two of points, {SMALLEST_FFT} to {LARGEST_FFT}, not {self.length}")
        if not x.shape or x.shape[-1] > self.length:
            raise ModelError(f"an FFT of {self.length} points must be given no more samples, not {list(x.shape)}")
        return (Type((*x.shape[:-1], self.length + 2), f32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        rows = required(inputs, 1)[0].size // required(inputs, 1)[0].shape[-1]
        points = self.length // 2
        return rows * (sum(4 * (radix - 1) * points // radix for radix, _ in factors(points)) + 2 * points)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        rows = np.zeros((x.size // x.shape[-1], self.length), np.float32)
        rows[:, : x.shape[-1]] = x.reshape(rows.shape[0], -1)
        with np.errstate(all="ignore"):
            return (_spectra(rows).reshape(*x.shape[:-1], self.length + 2),)

    def calls(self, inputs: Operands, outputs: Operands) -> list[Call]:
        (x,) = required(inputs, 1)
        points, width = self.length // 2, x.shape[-1]
        order = Const(fft_order(points).astype(np.int16), "order")
        twiddle, last = Const(twiddles(points), "twiddles"), Const(split_twiddles(points), "split")
        made = []
        for row in range(x.size // width):
            y = Out(0, row * (self.length + 2))
            made.append(call(k.in_float_order, x=In(0, row * width), order=order, y=y, N=points, L=width))
            for radix, m in reversed(factors(points)):
                stage = k.float_butterflies_4 if radix == 4 else k.float_butterflies_2
                made.append(call(stage, y=y, twiddle=twiddle, M=m, G=points // (radix * m)))
            made.append(call(k.real_float_spectrum, y=y, twiddle=last, H=points // 2))
        return made


@dataclass(frozen=True)
class FloatEnergy(Op):
    """y[..., k] = re^2 + im^2. x: float32[..., 2 N], pairs of re and im; y: float32[..., N]."""

    kind = "float_energy"
    traits = Traits(rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, f32)
        if not x.shape or x.shape[-1] % 2:
            raise ModelError(f"a spectrum must have pairs of numbers, not {list(x.shape)}")
        return (Type((*x.shape[:-1], x.shape[-1] // 2), f32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return required(inputs, 1)[0].size

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0)
        with np.errstate(all="ignore"):
            return (x[..., 0::2] * x[..., 0::2] + x[..., 1::2] * x[..., 1::2],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        return (call(k.float_energies, x=In(0), y=Out(0), N=required(outputs, 1)[0].size),)


@dataclass(frozen=True)
class Bands(Op):
    """y[..., c] = the weighted sum of some neighbours of x: a filter bank whose weights are kept without their zeros.

    Inputs: x float32[..., N], and constants: weights float32[W]; first element, first weight and width of each band, int16[C].
    """

    kind = "float_bands"
    traits = Traits(rowwise=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, weights, *ends = required(inputs, 5)
        check_dtype(x, f32)
        check_dtype(weights, f32)
        for t in (weights, *ends):
            check_rank(t, 1)
            check_constant(t)
        for t in ends:
            check_dtype(t, i16)
        first, place, width = (data_of(t).astype(np.int64) for t in ends)
        if not first.size == place.size == width.size >= 1 or not x.shape:
            raise ModelError("bands must each have a first element, a first weight and a width")
        if min(first.min(), place.min(), width.min()) < 0 or (first + width).max() > x.shape[-1]:
            raise ModelError(f"bands must lie within {x.shape[-1]} elements")
        if (place + width).max() > weights.size:
            raise ModelError(f"bands must have their weights among the {weights.size}")
        return (Type((*x.shape[:-1], first.size), f32),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        x, _, _, _, width = required(inputs, 5)
        return x.size // x.shape[-1] * int(data_of(width).sum())

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, weights = given(values, 0), given(values, 1)
        first, place, width = (given(values, i).astype(int) for i in (2, 3, 4))
        y = np.zeros((*x.shape[:-1], first.size), np.float32)
        with np.errstate(all="ignore"):
            for j in range(int(width.max())):  # the j-th addition of every band: sums in the order of memory
                at = np.flatnonzero(width > j)
                y[..., at] += x[..., first[at] + j] * weights[place[at] + j]
        return (y,)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, *constants = required(inputs, 5)
        labels = ("weights", "first", "place", "width")
        buffers = {label: Const(data_of(t), label) for label, t in zip(labels, constants, strict=True)}
        n, c = x.shape[-1], constants[1].size
        sizes = {"N": n, "C": c, "W": constants[0].size}
        return tuple(
            call(k.bands, x=In(0, row * n), y=Out(0, row * c), **buffers, **sizes) for row in range(x.size // n)
        )


# ------------------------------------------------------------------------------------------------------ the FFT in numpy


def twiddles(points: int) -> Array:
    """[points, 2]: cos and -sin of 2 pi k / points, float32."""
    angle = -2 * np.pi * np.arange(points) / points
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def split_twiddles(points: int) -> Array:
    """[points / 2, 2]: those that tell the spectra of even and odd samples apart, of k + 1."""
    angle = -np.pi * ((np.arange(points // 2) + 1) / points + 0.5)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def _turned(x: Array, w: Array) -> Array:
    re = x[..., 0] * w[..., 0] - x[..., 1] * w[..., 1]
    im = x[..., 0] * w[..., 1] + x[..., 1] * w[..., 0]
    return np.stack([re, im], axis=-1)


def _times_minus_i(x: Array) -> Array:
    return np.stack([x[..., 1], -x[..., 0]], axis=-1)


def _spectra(rows: Array) -> Array:
    """[R, length + 2] of [R, length], every operation in float32 and in the kernels' order."""
    count, points = rows.shape[0], rows.shape[1] // 2
    table, z = twiddles(points), rows.reshape(count, points, 2)[:, fft_order(points)]
    for radix, m in reversed(factors(points)):
        groups = points // (radix * m)
        parts = z.reshape(count, groups, radix, m, 2)
        steps = np.arange(radix)[:, None] * np.arange(m)[None, :] * groups
        turned = _turned(parts, table[steps])
        a, rest = parts[:, :, 0], [turned[:, :, i] for i in range(1, radix)]
        if radix == 2:
            made = [a + rest[0], a - rest[0]]
        else:
            even, odd = a + rest[1], a - rest[1]
            together, less = rest[0] + rest[2], _times_minus_i(rest[0] - rest[2])
            made = [even + together, odd + less, even - together, odd - less]
        z = np.stack(made, axis=2).reshape(count, points, 2)
    y = np.zeros((count, points + 1, 2), np.float32)
    y[:, 0, 0], y[:, points, 0] = z[:, 0, 0] + z[:, 0, 1], z[:, 0, 0] - z[:, 0, 1]
    at = np.arange(1, points // 2 + 1)
    conjugate = np.array([1, -1], np.float32)
    a, b = z[:, at], z[:, points - at] * conjugate
    even, odd = a + b, _turned(a - b, split_twiddles(points))
    half = np.float32(0.5)
    y[:, at] = half * (even + odd)
    y[:, points - at] = half * ((even - odd) * conjugate)
    return y.reshape(count, -1)
