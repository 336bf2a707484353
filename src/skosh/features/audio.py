"""The microfrontend: from audio samples to the features of TensorFlow Lite Micro's speech models, in integers.

Its meaning is that of the audio preprocessor of TFLite Micro's micro speech; tables are made as in
tensorflow/tflite-micro, python/tflite_micro/signal (filter_bank_ops.py, window_op.py, wide_dynamic_func_lut_wrapper.cc).
"""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i8, i16, i32
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.ir.graph import Array, Graph, Tensor
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.reshape import Reshape
from skosh.ops.signal.channels import GAINS, FilterBank, GainControl, Logarithm, NoiseSubtraction, SquareRoot
from skosh.ops.signal.framing import Framer, kept
from skosh.ops.signal.spectrum import LARGEST_FFT, SMALLEST_FFT, AutoScale, Energy, RealFft, Window

WINDOW_BITS = 12
WEIGHT_BITS = 12
NOISE_BITS, NOISE_EXTRA = 14, 10
CORRECTION_BITS = 3  # what the FFT and the filter bank's square root add to a signal, in powers of two
LOG_SCALE = 64
SNR_BITS = 12
GAIN_BITS, GAIN_STRENGTH, GAIN_OFFSET = 21, 0.95, 80.0


def microfrontend(
    window_ms: float = 30,
    stride_ms: float = 20,
    channels: int = 40,
    *,
    sample_rate: int = 16000,
    lower_hz: float = 125.0,
    upper_hz: float = 7500.0,
    smoothing: tuple[float, float] = (0.025, 0.06),
    min_signal_remaining: float = 0.05,
    older_tables: bool = False,
    name: str = "microfrontend",
) -> Graph:
    """A Graph that takes the samples of one stride, int16[1, stride], and gives features, int8[1, channels].

    Window, FFT, mel filter bank, square root, noise reduction, PCAN, logarithm. States keep the samples that the next window
    shares, and the noise of each channel. Windows begin where the stream does: a run whose window isn't whole yet, the first
    ceil(window / stride) - 1 ones, gives the features of silence and leaves the noise as it was. smoothing: how fast noise
    follows, in even and in odd channels; min_signal_remaining: the part of a signal that noise reduction leaves at least.
    older_tables: the window is worked out in float32 and the filter bank's weights are rounded, not cut off, as in the older C
    front end that wake words were trained with.

    Raises InputError where a number doesn't fit the others.
    """
    window, stride = (round(sample_rate * ms / 1000) for ms in (window_ms, stride_ms))
    if not 1 <= stride <= window:
        raise InputError(f"a stride must be from one sample to the window's {window_ms} ms, not {stride_ms} ms")
    length = max(SMALLEST_FFT, 1 << (window - 1).bit_length())
    if length > LARGEST_FFT:
        raise InputError(f"a window must have at most {LARGEST_FFT} samples, not {window}")
    if not all(0 <= s <= 1 for s in (*smoothing, min_signal_remaining)):
        raise InputError("smoothing and min_signal_remaining must be from 0 to 1")
    start, end, bank = filter_bank(length // 2 + 1, sample_rate, channels, lower_hz, upper_hz, older_tables)

    b = Builder(name)
    samples = b.add(Tensor("samples", (1, stride), i16))
    x = samples
    if stride < window:
        past = b.memory("past", np.zeros(kept(window, stride), np.int16))
        age = b.memory("age", np.zeros(1, np.int32))
        x, past_next, age_next = b.apply("frame", Framer(window), samples, past, age)
        b.remember(past, past_next)
        b.remember(age, age_next)
    (x,) = b.apply("windowed", Window(WINDOW_BITS), x, b.constant("hann", hann(window, older_tables)))
    (x,) = b.apply("row", Reshape((window,)), x)
    x, bits = b.apply("scaled", AutoScale(), x)
    (x,) = b.apply("spectrum", RealFft(length), x)
    (x,) = b.apply("energy", Energy(start, end), x)
    tables = (b.constant(n, t) for n, t in zip(("weights", "unweights", "first", "place", "width"), bank, strict=True))
    (x,) = b.apply("bands", FilterBank(channels), x, *tables)
    (x,) = b.apply("magnitude", SquareRoot(), x, bits)
    noise = b.memory("noise", np.zeros(channels, np.uint32))
    even, odd = (shares(s) for s in smoothing)
    reduction = NoiseSubtraction(even, odd, int(min_signal_remaining * (1 << NOISE_BITS)), NOISE_BITS, NOISE_EXTRA)
    x, estimate, noise_next = b.apply("denoised", reduction, x, noise)
    b.remember(noise, noise_next)
    shift = GAIN_BITS - SNR_BITS - CORRECTION_BITS
    (x,) = b.apply("gained", GainControl(shift), x, estimate, b.constant("gains", gains()))
    (x,) = b.apply("log", Logarithm(LOG_SCALE, CORRECTION_BITS), x)
    return b.graph([samples], [features(b, x)])


def features(b: Builder, x: Tensor) -> Tensor:
    """(256 x + 333) / 666 - 128, toward zero, clamped to int8: what speech models were trained with; [1, channels]."""
    (x,) = b.apply("wide", Cast(i32), x)
    for name, op, number in (
        ("steps", Mul(), 256), ("nudged", Add(), 333), ("divided", Div(), 666), ("moved", Add(), i8.min),
        ("not_above", Minimum(), i8.max), ("not_below", Maximum(), i8.min),
    ):  # fmt: skip
        (x,) = b.apply(name, op, x, b.constant(f"{name}_by", np.array(number, np.int32)))
    (x,) = b.apply("narrow", Cast(i8), x)
    (x,) = b.apply("features", Reshape((1, x.size)), x)
    return x


# -------------------------------------------------------------------------------------------------------------- tables


def hann(window: int, older: bool = False) -> Array:
    """A Hann window between samples, int16 in units of 2^-12; ``older``: by float32, where one of 480 numbers differs by 1."""
    if older:
        steps = np.arange(window, dtype=np.float32) + np.float32(0.5)
        turned = np.cos((np.float32(2 * np.pi) / np.float32(window) * steps).astype(np.float64)).astype(np.float32)
        return np.asarray(np.floor((np.float32(0.5) - np.float32(0.5) * turned) * (1 << WINDOW_BITS) + 0.5).astype(np.int16))
    angle = 2 * np.pi * (np.arange(window) + 0.5) / window
    return np.floor((0.5 - 0.5 * np.cos(angle)) * (1 << WINDOW_BITS) + 0.5).astype(np.int16)


def shares(smoothing: float) -> tuple[int, int]:
    share = int(smoothing * (1 << NOISE_BITS))
    return share, (1 << NOISE_BITS) - share


def mel(hz: Array | float) -> Array:
    """The mel scale, in float32 as in the C front end: 1127 ln(1 + f / 700)."""
    ratio = np.asarray(hz, np.float32) / np.float32(700)
    return np.float32(1127) * np.log1p(ratio.astype(np.float64)).astype(np.float32)


def filter_bank(
    size: int, sample_rate: int, channels: int, lower_hz: float, upper_hz: float, rounded: bool = False
) -> tuple[int, int, tuple[Array, ...]]:
    """(first energy, end, (weights, unweights, first, place, width)) of triangles of equal width on the mel scale."""
    if channels < 1 or not 0 <= lower_hz < upper_hz <= sample_rate / 2:
        raise InputError(f"channels must be at least 1, their band must lie between 0 and {sample_rate / 2:g} Hz")
    low, high = mel(lower_hz), mel(upper_hz)
    step = np.float32((high - low) / np.float32(channels + 1))
    centers = low + step * np.arange(1, channels + 2, dtype=np.float32)
    hz_per_bin = (sample_rate / 2) / (size - 1)
    place_of = mel(np.arange(size) * hz_per_bin)
    start = round(1 + lower_hz / hz_per_bin)
    ends = np.maximum(np.searchsorted(place_of, centers, side="right"), start)
    first = np.concatenate([[start], ends[:-1]])
    if ends[-1] >= size:
        raise InputError(f"the band must end below half of the sample rate, {sample_rate / 2:g} Hz")
    band = np.repeat(np.arange(channels + 1), ends - first)
    before = np.concatenate([[low], centers[:-1]]).astype(np.float32)
    weight = (centers[band] - place_of[start : ends[-1]]) / (centers[band] - before[band])
    if rounded:  # in float64, as C does with a constant like 0.5
        weight = weight.astype(np.float64)
    nudge = 0.5 if rounded else 0
    rising = (weight * (1 << WEIGHT_BITS) + nudge).astype(np.int16)
    falling = ((1 - weight) * (1 << WEIGHT_BITS) + nudge).astype(np.int16)
    tables = (rising, falling, first, first - start, ends - first)
    return start, int(ends[-1]), tuple(t.astype(np.int16) for t in tables)


def gains() -> Array:
    """[125]: 2^21 (x + 80)^-0.95 as a quadratic piece for each power of two of x, the noise in units of 2^-7."""

    def gain(x: int) -> int:
        scaled = np.float32(x) / np.float32(1 << (NOISE_EXTRA - CORRECTION_BITS)) + np.float32(GAIN_OFFSET)
        power = np.float32(np.float64(scaled) ** -np.float64(np.float32(GAIN_STRENGTH)))
        return int(min(np.float32(1 << GAIN_BITS) * power, np.float32(i16.max)) + np.float32(0.5))

    table = [gain(0), gain(1)]
    for interval in range(2, 33):
        x0 = 1 << (interval - 1)
        y0, y1, y2 = gain(x0), gain(x0 + (x0 >> 1)), gain(2 * x0 if interval < 32 else 2 * x0 - 1)
        linear = 4 * (y1 - y0) - (y2 - y0)
        table += [y0, linear, y2 - y0 - linear, 0]
    return np.array(table[:GAINS], np.int16)
