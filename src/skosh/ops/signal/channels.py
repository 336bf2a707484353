"""From energies to features: filter bank, square root, noise subtraction, gain control and logarithm, in unsigned integers.

The meaning is that of tensorflow/tflite-micro, signal/src ({filter_bank,square_root_32,square_root_64,pcan_argc_fixed,log,
filter_bank_log,filter_bank_spectral_subtraction}.cc). PCAN: per-channel amplitude normalization.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import i16, i32, u32, u64
from skosh.base.errors import ModelError
from skosh.ir.call import Call, Const, In, Out
from skosh.ir.graph import Array, Op, Operands, Tensor, Type
from skosh.ir.traits import Traits
from skosh.language import call
from skosh.ops.common import check_constant, check_dtype, check_rank, given, required
from skosh.ops.signal import channel_kernels as k
from skosh.ops.signal.spectrum import data_of

GAINS = 125  # numbers in the table of a gain: 32 intervals
SEGMENTS = 128  # of the logarithm between powers of two
LN_2 = 45426  # 2^16 ln 2


@dataclass(frozen=True)
class FilterBank(Op):
    """Sums of energies in bands that overlap by half: y[c] = the falling half of band c plus the rising half of band c + 1.

    Inputs: x uint32[N], and constants, int16: weights and unweights [W], first energy, first weight and width of each of
    channels + 1 bands. y: uint64[channels].
    """

    channels: int
    kind = "filter_bank"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, weights, unweights, *bands = required(inputs, 6)
        check_dtype(x, u32)
        check_rank(x, 1)
        for t in (weights, unweights, *bands):
            check_dtype(t, i16)
            check_rank(t, 1)
            check_constant(t)
        if self.channels < 1 or any(t.size != self.channels + 1 for t in bands):
            raise ModelError(f"a filter bank of {self.channels} channels must tell of {self.channels + 1} bands")
        if weights.size != unweights.size or (data_of(weights) < 0).any() or (data_of(unweights) < 0).any():
            raise ModelError("weights and unweights must be as many, and none below 0")
        first, place, width = (data_of(t).astype(np.int64) for t in bands)
        if min(first.min(), place.min(), width.min()) < 0 or (first + width).max() > x.size:
            raise ModelError(f"the bands of a filter bank must lie within its {x.size} energies")
        if (place + width).max() > weights.size:
            raise ModelError(f"the bands of a filter bank must have their weights among the {weights.size}")
        return (Type((self.channels,), u64),)

    def macs(self, inputs: Operands, outputs: Operands) -> int:
        return 2 * int(data_of(required(inputs, 6)[5]).sum())

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = given(values, 0).astype(np.uint64)
        weights, unweights = given(values, 1).astype(np.uint64), given(values, 2).astype(np.uint64)
        y, kept = np.zeros(self.channels + 1, np.uint64), np.uint64(0)
        bands = zip(*(given(values, i).astype(int).tolist() for i in (3, 4, 5)), strict=True)
        for c, (first, place, width) in enumerate(bands):
            energy, span = x[first : first + width], slice(place, place + width)
            y[c] = kept + (energy * weights[span]).sum(dtype=np.uint64)
            kept = (energy * unweights[span]).sum(dtype=np.uint64)
        return (y[1:],)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, *constants = required(inputs, 6)
        labels = ("weights", "unweights", "first", "place", "width")
        buffers = {label: Const(data_of(t), label) for label, t in zip(labels, constants, strict=True)}
        sizes = {"N": x.size, "W": constants[0].size, "C": self.channels}
        return (call(k.filter_bank, x=In(0), y=Out(0), **buffers, **sizes),)


@dataclass(frozen=True)
class SquareRoot(Op):
    """y = the square root of x, rounded, shifted right by bits. Inputs: x uint64[N], bits int32[]; y: uint32[N].

    Below 2^32 the root is at most 2^16 - 1, as in TFLite Micro. bits: from 0 to 31; others are taken modulo 32.
    """

    kind = "filter_bank_square_root"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, bits = required(inputs, 2)
        check_dtype(x, u64)
        check_dtype(bits, i32)
        check_rank(x, 1)
        if bits.size != 1:
            raise ModelError(f'"{bits.name}" must be one number, not {list(bits.shape)}')
        return (Type(x.shape, u32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        bits = int(given(values, 1).reshape(-1)[0]) & 31
        return (np.array([rounded_root(n) >> bits for n in given(values, 0).tolist()], np.uint32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _ = required(inputs, 2)
        return (call(k.square_roots, x=In(0), bits=In(1), y=Out(0), N=x.size),)


@dataclass(frozen=True)
class NoiseSubtraction(Op):
    """y = x above the noise that each channel has shown so far, at least least / 2^bits of x.

    noise = (share * x * 2^extra + rest * noise) / 2^bits; even channels have the first pair of share and rest, odd channels
    the second. clamping: noise is never above the signal. Inputs: x and noise, uint32[N]; outputs: y, noise, noise.
    """

    even: tuple[int, int]
    odd: tuple[int, int]
    least: int
    bits: int
    extra: int
    clamping: bool = False
    kind = "spectral_subtraction"
    update = ((1, 2),)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, noise = required(inputs, 2)
        check_dtype(x, u32)
        check_dtype(noise, u32)
        check_rank(x, 1)
        if noise.shape != x.shape:
            raise ModelError(f'"{noise.name}" must have shape {list(x.shape)}, not {list(noise.shape)}')
        if not (0 <= self.bits < 32 and 0 <= self.extra < 32):
            raise ModelError("the bits of a spectral subtraction must be from 0 to 31")
        if not all(0 <= n < 1 << 31 for n in (*self.even, *self.odd, self.least)):
            raise ModelError("the factors of a spectral subtraction must be from 0 to 2^31 - 1")
        return (Type(x.shape, u32),) * 3

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x, noise = given(values, 0), given(values, 1).astype(np.uint64)
        wide, bits = x.astype(np.uint64), np.uint64(self.bits)
        odd = np.arange(x.size) % 2 == 1
        share = np.where(odd, self.odd[0], self.even[0]).astype(np.uint64)
        rest = np.where(odd, self.odd[1], self.even[1]).astype(np.uint64)
        signal = (x << np.uint32(self.extra)).astype(np.uint32)
        level = ((signal.astype(np.uint64) * share + noise * rest) >> bits).astype(np.uint32)
        below = np.minimum(level, signal)
        floor = ((wide * np.uint64(self.least)) >> bits).astype(np.uint32)
        y = np.maximum((signal - below) >> np.uint32(self.extra), floor)
        kept = below if self.clamping else level
        return y, kept, kept.copy()

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _ = required(inputs, 2)
        numbers = {
            "even": self.even[0], "even_rest": self.even[1], "odd": self.odd[0], "odd_rest": self.odd[1],
            "least": self.least, "bits": self.bits, "extra": self.extra, "clamping": int(self.clamping), "N": x.size,
        }  # fmt: skip
        return (call(k.noise_subtracted, x=In(0), noise=Out(2), y=Out(0), estimate=Out(1), **numbers),)


@dataclass(frozen=True)
class GainControl(Op):
    """PCAN: y = shrink(x * gain(noise) / 2^shift), shrink(s) = s^2 / 4 below 2, s - 1 above; s in units of 2^-12, y of 2^-6.

    Inputs: x and noise, uint32[N]; table: int16[125], constant, for each power of two a value and two coefficients (and one
    number that isn't used), before them the values at 0, 1 and 2.
    """

    shift: int
    kind = "pcan"

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        x, noise, table = required(inputs, 3)
        check_dtype(x, u32)
        check_dtype(noise, u32)
        check_dtype(table, i16)
        check_constant(table)
        if noise.shape != x.shape or len(x.shape) != 1:
            raise ModelError(f'"{noise.name}" must have shape {list(x.shape)}, not {list(noise.shape)}')
        if table.size < GAINS or not 0 <= self.shift < 64:
            raise ModelError(f"a gain control must have {GAINS} numbers of gain, and a shift from 0 to 63")
        return (Type(x.shape, u32),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        table = given(values, 2).reshape(-1).tolist()
        pairs = zip(given(values, 0).tolist(), given(values, 1).tolist(), strict=True)
        snr = [((x * (gain_of(noise, table) % (1 << 32))) % (1 << 64) >> self.shift) % (1 << 32) for x, noise in pairs]
        return (np.array([(s * s) >> 20 if s < 8192 else (s >> 6) - 64 for s in snr], np.uint32),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        x, _, table = required(inputs, 3)
        gains = Const(data_of(table)[:GAINS], "gains")
        return (
            call(k.gain_controlled, x=In(0), noise=In(1), table=gains, y=Out(0), N=x.size, T=GAINS, shift=self.shift),
        )


@dataclass(frozen=True)
class Logarithm(Op):
    """y = scale * ln(2^bits * x), at most 2^15 - 1; 0 where 2^bits * x, which wraps, is at most 1. x: uint32; y: int16."""

    scale: int
    bits: int
    kind = "filter_bank_log"
    traits = Traits(elementwise=True, unary=True)

    def infer(self, inputs: Operands) -> tuple[Type, ...]:
        (x,) = required(inputs, 1)
        check_dtype(x, u32)
        if not (0 <= self.bits < 32 and 0 <= self.scale < 1 << 31):
            raise ModelError("the logarithm's bits must be from 0 to 31, its scale from 0 to 2^31 - 1")
        return (Type(x.shape, i16),)

    def reference(self, inputs: Operands, outputs: Operands, values: Sequence[Array | None]) -> tuple[Array, ...]:
        x = (given(values, 0) << np.uint32(self.bits)).astype(np.int64)
        some = np.maximum(x, 1)
        whole = np.array([n.bit_length() - 1 for n in some.reshape(-1).tolist()], np.int64).reshape(x.shape)
        over = some - (np.int64(1) << whole)
        part = np.where(whole < 16, over << np.maximum(16 - whole, 0), over >> np.maximum(whole - 16, 0))
        table, segment = log_table().astype(np.int64), part >> 9
        low, high = table[segment], table[segment + 1]
        binary = (whole << 16) + part + low + (((high - low) * (part - segment * 512)) >> 16)
        natural = (LN_2 * binary + (1 << 15)) >> 16
        y = ((self.scale * natural + (1 << 15)) % (1 << 32)) >> 16
        return (np.where(x > 1, np.minimum(y, i16.max), 0).astype(np.int16),)

    def calls(self, inputs: Operands, outputs: Operands) -> tuple[Call, ...]:
        (x,) = required(inputs, 1)
        table = Const(log_table().astype(np.int16), "log")
        return (call(k.logarithms, x=In(0), table=table, y=Out(0), N=x.size, scale=self.scale, bits=self.bits),)


# ------------------------------------------------------------------------------------------------------------ in numpy


def rounded_root(n: int) -> int:
    """The square root of n, rounded to nearest; at most 2^16 - 1 for n of 32 bits, 2^32 - 1 for n of 64."""
    root = math.isqrt(n)
    most = (1 << 16) - 1 if n >> 32 == 0 else (1 << 32) - 1
    return root + 1 if n - root * root > root and root != most else root


def gain_of(noise: int, table: list[int]) -> int:
    """The gain at a noise level, an int16."""
    if noise <= 2:
        return table[noise]
    interval = noise.bit_length()
    value, linear, square = table[4 * interval - 6 : 4 * interval - 3]
    fraction = (noise << (11 - interval) if interval < 11 else noise >> (interval - 11)) & 1023
    product = (((square * fraction) >> 5) + linear * 32) * fraction + (1 << 14)
    product = (product + (1 << 31)) % (1 << 32) - (1 << 31)
    return ((product >> 15) + value + (1 << 15)) % (1 << 16) - (1 << 15)


def log_table() -> Array:
    """[130]: 2^16 (log2(1 + n / 128) - n / 128), rounded; the last entry is never more than multiplied by 0."""
    n = np.arange(SEGMENTS + 2) / SEGMENTS
    table = np.floor(0.5 + 65536 * (np.log2(1 + n) - n)).astype(np.int64)
    table[SEGMENTS + 1] = 0
    return table


def noise_of(channels: int, name: str) -> Tensor:
    """The state of a noise subtraction."""
    return Tensor(name, (channels,), u32)
