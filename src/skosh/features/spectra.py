"""Spectrogram, log-mel, MFE and MFCC in float32, hop by hop: what ``librosa`` computes with ``center=False``, on the device.

Each run takes the samples of one hop, int16[1, hop], and gives the features of the newest whole window, [1, features]. Samples
count as fractions of full scale (x / 32768). Windows begin where the stream does; the first ceil(window / hop) - 1 runs, which
have no whole window yet, give the features of silence. The formulas: Slaney's Auditory Toolbox (mel scale and areas), the HTK
Book (5.6: mel = 2595 log10(1 + f / 700), liftering), and the orthonormal DCT-II.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skosh.base.dtypes import f32, i8, i16
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.ir.graph import Array, Graph, Quant, Tensor
from skosh.ops.elements.elementwise import Maximum, Mul, Sub
from skosh.ops.elements.functions import Log, Sqrt
from skosh.ops.elements.quantization import Cast, Quantize
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.movement import Concat, Slice
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean
from skosh.ops.signal.float_spectrum import Bands, FloatEnergy, FloatFft
from skosh.ops.signal.framing import Framer, kept
from skosh.ops.signal.spectrum import LARGEST_FFT, SMALLEST_FFT

FULL_SCALE = 32768
COSINES = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "rectangular": (1.0,),
}
"""Windows as sums a0 - a1 cos(t) + a2 cos(2t), t = 2 pi n / window: periodic, as scipy.signal.get_window gives them."""


@dataclass(frozen=True)
class Framing:
    """How samples become windows. window, hop, fft: in samples; ``kind``: a name in COSINES.

    ``pre_emphasis``: the a of x[n] - a x[n - 1]. ``remove_dc``: the mean of a window goes first.
    ``power``: 2 for |X|^2, 1 for |X|.
    """

    sample_rate: int
    window: int
    hop: int
    fft: int
    kind: str
    pre_emphasis: float
    remove_dc: bool
    power: float


def spectrogram(
    window_ms: float = 25,
    stride_ms: float = 10,
    *,
    sample_rate: int = 16000,
    fft: int | None = None,
    window: str = "hann",
    pre_emphasis: float = 0.0,
    remove_dc: bool = False,
    power: float = 2.0,
    scale: str = "none",
    floor: float = 1e-10,
    quantize: tuple[float, int] | None = None,
    name: str = "spectrogram",
) -> Graph:
    """The power of fft / 2 + 1 frequencies, from 0 to half of the sample rate: float32[1, fft / 2 + 1] a hop.

    fft: points, a power of two; the smallest that holds the window by default. window: hann, hamming, blackman or rectangular.
    power: 2 for |X|^2, 1 for |X|. scale: "none", "log" (natural) or "db" (10 log10), of at least ``floor``. pre_emphasis: the a
    of x[n] - a x[n - 1], over the whole stream. quantize: (scale, zero point) of int8 features in place of float32.

    Raises InputError where a number doesn't fit the others.
    """
    how = _framing(sample_rate, window_ms, stride_ms, fft, window, pre_emphasis, remove_dc, power)
    b = Builder(name)
    samples, x = _powers(b, how)
    return _finished(b, samples, _scaled(b, x, scale, floor), quantize)


def mfe(
    window_ms: float = 25,
    stride_ms: float = 10,
    channels: int = 40,
    *,
    sample_rate: int = 16000,
    lower_hz: float = 0.0,
    upper_hz: float | None = None,
    mel: str = "slaney",
    norm: str | None = "slaney",
    fft: int | None = None,
    window: str = "hann",
    pre_emphasis: float = 0.0,
    remove_dc: bool = False,
    power: float = 2.0,
    scale: str = "none",
    floor: float = 1e-10,
    quantize: tuple[float, int] | None = None,
    name: str = "mfe",
) -> Graph:
    """Energies in triangular bands of equal width on the mel scale: float32[1, channels] a hop.

    mel: "slaney" or "htk", the scale; norm: "slaney" for triangles of equal area, None for triangles of height 1; upper_hz:
    half of the sample rate by default. The rest as in ``spectrogram``; ``librosa.feature.melspectrogram`` with center=False.

    Raises InputError where a number doesn't fit the others.
    """
    how = _framing(sample_rate, window_ms, stride_ms, fft, window, pre_emphasis, remove_dc, power)
    b = Builder(name)
    samples, x = _powers(b, how)
    x = _mel(b, x, mel_bands(sample_rate, how.fft, channels, lower_hz, upper_hz, mel, norm))
    return _finished(b, samples, _scaled(b, x, scale, floor), quantize)


def log_mel(
    window_ms: float = 25,
    stride_ms: float = 10,
    channels: int = 40,
    *,
    sample_rate: int = 16000,
    lower_hz: float = 0.0,
    upper_hz: float | None = None,
    scale: str = "log",
    quantize: tuple[float, int] | None = None,
    name: str = "log_mel",
) -> Graph:
    """``mfe`` with the natural logarithm of its energies, or scale="db" for decibels; for all that can be chosen, see there."""
    return mfe(
        window_ms, stride_ms, channels, sample_rate=sample_rate, lower_hz=lower_hz, upper_hz=upper_hz, scale=scale,
        quantize=quantize, name=name,
    )  # fmt: skip


def mfcc(
    window_ms: float = 25,
    stride_ms: float = 10,
    coefficients: int = 13,
    channels: int = 40,
    *,
    sample_rate: int = 16000,
    lower_hz: float = 0.0,
    upper_hz: float | None = None,
    mel: str = "slaney",
    norm: str | None = "slaney",
    fft: int | None = None,
    window: str = "hann",
    pre_emphasis: float = 0.0,
    remove_dc: bool = False,
    power: float = 2.0,
    scale: str = "db",
    floor: float = 1e-10,
    lifter: float = 0.0,
    quantize: tuple[float, int] | None = None,
    name: str = "mfcc",
) -> Graph:
    """Mel-frequency cepstral coefficients: the DCT-II of logarithms of mel energies, float32[1, coefficients] a hop.

    The DCT is orthonormal. lifter: L of the factors 1 + L / 2 sin(pi (n + 1) / L), 0 for none. The rest as in ``mfe``;
    ``librosa.feature.mfcc`` of a ``power_to_db(..., top_db=None)`` with center=False.

    Raises InputError where a number doesn't fit the others.
    """
    if not 1 <= coefficients <= channels:
        raise InputError(f"coefficients must be from 1 to the {channels} channels, not {coefficients}")
    if scale == "none":
        raise InputError('an MFCC is made of logarithms: scale must be "db" or "log"')
    how = _framing(sample_rate, window_ms, stride_ms, fft, window, pre_emphasis, remove_dc, power)
    b = Builder(name)
    samples, x = _powers(b, how)
    x = _mel(b, x, mel_bands(sample_rate, how.fft, channels, lower_hz, upper_hz, mel, norm))
    x = _scaled(b, x, scale, floor)
    (x,) = b.apply("cepstrum", Dense(keep_dims=True), x, b.constant("dct", dct(coefficients, channels, lifter)))
    return _finished(b, samples, x, quantize)


# -------------------------------------------------------------------------------------------------------------- stages


def _framing(
    sample_rate: int, window_ms: float, stride_ms: float, fft: int | None, kind: str, pre_emphasis: float, remove_dc: bool,
    power: float,
) -> Framing:  # fmt: skip
    window, hop = (round(sample_rate * ms / 1000) for ms in (window_ms, stride_ms))
    if not 1 <= hop <= window:
        raise InputError(f"a stride must be from one sample to the window's {window_ms} ms, not {stride_ms} ms")
    length = max(SMALLEST_FFT, 1 << (window - 1).bit_length()) if fft is None else fft
    if not window <= length <= LARGEST_FFT or length & (length - 1) or length < SMALLEST_FFT:
        raise InputError(
            f"an FFT must have a power of two of points, from the window's {window} to {LARGEST_FFT}, not {length}"
        )
    if kind not in COSINES:
        raise InputError(f'a window must be one of {", ".join(COSINES)}, not "{kind}"')
    if power not in (1, 2):
        raise InputError(f"power must be 1 or 2, not {power}")
    if not 0 <= pre_emphasis < 1:
        raise InputError(f"pre_emphasis must be from 0 to below 1, not {pre_emphasis}")
    return Framing(sample_rate, window, hop, length, kind, pre_emphasis, remove_dc, power)


def _powers(b: Builder, how: Framing) -> tuple[Tensor, Tensor]:
    """(the samples of a hop, int16; |X|^power of the newest window, float32[1, fft / 2 + 1])."""
    samples = b.add(Tensor("samples", (1, how.hop), i16))
    x = samples
    if how.pre_emphasis:
        x = _emphasized(b, x, how.pre_emphasis)
    if how.hop < how.window:
        past = b.memory("past", np.zeros(kept(how.window, how.hop), x.dtype.np))
        age = b.memory("age", np.zeros(1, np.int32))
        x, past_next, age_next = b.apply("frame", Framer(how.window), x, past, age)
        b.remember(past, past_next)
        b.remember(age, age_next)
    if x.dtype != f32:
        (x,) = b.apply("floats", Cast(f32), x)
    if how.remove_dc:
        (mean,) = b.apply("mean", Mean((1,), keep_dims=True), x)
        (x,) = b.apply("centered", Sub(), x, mean)
    shape = b.constant("window", (window_of(how.kind, how.window) / FULL_SCALE).astype(np.float32)[None])
    (x,) = b.apply("windowed", Mul(), x, shape)
    (x,) = b.apply("spectrum", FloatFft(how.fft), x)
    (x,) = b.apply("power", FloatEnergy(), x)
    if how.power == 1:
        (x,) = b.apply("magnitude", Sqrt(), x)
    return samples, x


def _emphasized(b: Builder, x: Tensor, factor: float) -> Tensor:
    """x[n] - factor x[n - 1], the last sample of a hop kept for the next."""
    hop = x.size
    (x,) = b.apply("samples_in_floats", Cast(f32), x)
    last = b.memory("last", np.zeros((1, 1), np.float32))
    (joined,) = b.apply("with_last", Concat(1), last, x)
    (before,) = b.apply("before", Slice((0, 0), (1, hop), (1, 1), (1, hop)), joined)
    (newest,) = b.apply("newest", Slice((0, hop), (1, 1), (1, 1), (1, 1)), joined)
    b.remember(last, newest)
    (part,) = b.apply("part_of_before", Mul(), before, b.constant("emphasis", np.array([[factor]], np.float32)))
    (x,) = b.apply("emphasized", Sub(), x, part)
    return x


def _mel(b: Builder, x: Tensor, bank: Array) -> Tensor:
    """Bands of a filter bank [channels, N], without its zeros."""
    first, width, weights = np.zeros(len(bank), np.int16), np.zeros(len(bank), np.int16), []
    for c, row in enumerate(bank):
        at = np.flatnonzero(row)
        if at.size:
            first[c], width[c] = at[0], at[-1] + 1 - at[0]
            weights.append(row[at[0] : at[-1] + 1])
    place = np.concatenate([[0], np.cumsum(width)[:-1]]).astype(np.int16)
    tables: dict[str, Array] = {
        "weights": np.concatenate(weights).astype(np.float32), "first": first, "place": place, "width": width,
    }  # fmt: skip
    (y,) = b.apply("bands", Bands(), x, *(b.constant(n, t) for n, t in tables.items()))
    return y


def _scaled(b: Builder, x: Tensor, scale: str, floor: float) -> Tensor:
    """The logarithm that ``scale`` asks for, of at least ``floor``."""
    if scale == "none":
        return x
    if scale not in ("log", "db"):
        raise InputError(f'scale must be "none", "log" or "db", not "{scale}"')
    if not 0 < floor < float("inf"):
        raise InputError(f"floor must be above 0, for it has a logarithm; not {floor}")
    (x,) = b.apply("at_least", Maximum(), x, b.constant("floor", np.array([[floor]], np.float32)))
    (x,) = b.apply("logarithm", Log(), x)
    if scale == "db":
        (x,) = b.apply("decibels", Mul(), x, b.constant("db", np.array([[10 / np.log(10)]], np.float32)))
    return x


def _finished(b: Builder, samples: Tensor, x: Tensor, quantize: tuple[float, int] | None) -> Graph:
    """The graph; its features in int8 where their scale is given."""
    if quantize is None:
        (x,) = b.apply("features", Reshape((1, x.size)), x)
        return b.graph([samples], [x])
    scale, zero_point = quantize
    if not (scale > 0 and i8.min <= zero_point <= i8.max):
        raise InputError(f"a scale must be above 0, a zero point from {i8.min} to {i8.max}, not {scale}, {zero_point}")
    return b.graph([samples], [b.quantized("features", Quantize(i8), x, Quant((float(np.float32(scale)),), (zero_point,)))])


# -------------------------------------------------------------------------------------------------------------- tables


def window_of(kind: str, size: int) -> Array:
    """[size] float64: a window of COSINES."""
    t = 2 * np.pi * np.arange(size) / size
    return np.asarray(sum((-1) ** i * a * np.cos(i * t) for i, a in enumerate(COSINES[kind])), np.float64) + np.zeros(size)


def to_mel(hz: Array, scale: str) -> Array:
    """Mels of Hz: Slaney's scale is linear up to 1,000 Hz (200 / 3 Hz a mel), logarithmic above (27 mels a factor of 6.4)."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hz / 700))
    above = 15 + 27 * np.log(np.maximum(hz, 1000) / 1000) / np.log(6.4)
    return np.where(hz < 1000, hz * 3 / 200, above)


def to_hz(mels: Array, scale: str) -> Array:
    """The inverse of ``to_mel``."""
    mels = np.asarray(mels, np.float64)
    if scale == "htk":
        return np.asarray(700 * (10 ** (mels / 2595) - 1))
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((np.maximum(mels, 15) - 15) / 27))


def mel_bands(
    sample_rate: int, fft: int, channels: int, lower_hz: float, upper_hz: float | None, mel: str, norm: str | None
) -> Array:
    """[channels, fft / 2 + 1] float64: triangles whose corners are equally far apart on the mel scale."""
    upper = sample_rate / 2 if upper_hz is None else upper_hz
    if channels < 1 or not 0 <= lower_hz < upper <= sample_rate / 2:
        raise InputError(f"channels must be at least 1, their band must lie between 0 and {sample_rate / 2:g} Hz")
    if mel not in ("slaney", "htk") or norm not in ("slaney", None):
        raise InputError(f'mel must be "slaney" or "htk", norm "slaney" or None, not {mel!r} and {norm!r}')
    ends = to_hz(np.linspace(to_mel(np.array(lower_hz), mel), to_mel(np.array(upper), mel), channels + 2), mel)
    at = np.arange(fft // 2 + 1) * sample_rate / fft
    rising = (at[None] - ends[:-2, None]) / np.diff(ends)[:-1, None]
    falling = (ends[2:, None] - at[None]) / np.diff(ends)[1:, None]
    bank = np.maximum(0, np.minimum(rising, falling))
    if not bank.any(axis=1).all():
        empty = int(np.flatnonzero(~bank.any(axis=1))[0])
        raise InputError(
            f"channel {empty} of {channels} must have a frequency of the {fft // 2 + 1} within it, not none",
            hint="fewer channels, more points of the FFT, or a larger lower_hz",
        )
    return bank * (2 / (ends[2:] - ends[:-2]))[:, None] if norm == "slaney" else bank


def dct(coefficients: int, channels: int, lifter: float) -> Array:
    """[coefficients, channels] float32: the orthonormal DCT-II, each row times its factor of liftering."""
    n, c = np.arange(coefficients)[:, None], np.arange(channels)[None]
    rows = np.cos(np.pi * n * (c + 0.5) / channels) * np.sqrt(2 / channels)
    rows[0] /= np.sqrt(2)
    if lifter < 0:
        raise InputError(f"lifter must be 0 or more, not {lifter}")
    if lifter:
        rows *= 1 + lifter / 2 * np.sin(np.pi * (n + 1) / lifter)
    return np.asarray(rows.astype(np.float32))
