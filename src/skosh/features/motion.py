"""Features of windows of motion and vibration: statistics, crossings, peaks, spectra and autocorrelation of each axis.

The definitions are numpy's and scipy's: ``scipy.stats.skew`` and ``kurtosis`` (biased, of Fisher), ``scipy.signal.argrelmax``,
``scipy.signal.welch`` with a Hann window, half of a segment shared, and each segment without its mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from skosh.base.dtypes import f32, i8
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.features.spectra import window_of
from skosh.ir.graph import Array, Graph, Op, Quant, Tensor
from skosh.ops.elements.comparisons import Compare, Logical
from skosh.ops.elements.elementwise import Add, Div, Maximum, Mul, Sub
from skosh.ops.elements.functions import Log, Sqrt
from skosh.ops.elements.quantization import Cast, Quantize
from skosh.ops.moves.movement import Concat, Slice, Transpose
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean, ReduceMax, ReduceMin, Sum
from skosh.ops.signal.float_spectrum import Bands, FloatEnergy, FloatFft
from skosh.ops.signal.framing import Framer, kept
from skosh.ops.signal.spectrum import LARGEST_FFT, SMALLEST_FFT

LEAST = 1e-12
"""Variances below this count as this: a signal that stands still has a skew of 0, a kurtosis of -3, no correlation."""

USUAL = ("mean", "std", "rms", "min", "max", "skew", "kurtosis", "mean_crossings", "peaks")


@dataclass
class Windowed:
    """A window x, float32[1, N, A], and what several features need of it, worked out once."""

    b: Builder
    x: Tensor
    sample_rate: float
    segment: int
    known: dict[str, Tensor] = field(default_factory=dict)

    def once(self, name: str, op: Op, *inputs: Tensor) -> Tensor:
        if name not in self.known:
            (self.known[name],) = self.b.apply(name, op, *inputs)
        return self.known[name]

    def number(self, name: str, value: float) -> Tensor:
        if name not in self.known:
            self.known[name] = self.b.constant(name, np.array(value, np.float32))
        return self.known[name]

    def part(self, x: Tensor, first: int, size: int, name: str) -> Tensor:
        """size samples from first on."""
        shape = (1, size, x.shape[2])
        return self.once(name, Slice((0, first, 0), shape, (1, 1, 1), shape), x)

    def mean(self) -> Tensor:
        return self.once("mean", Mean((1,), keep_dims=True), self.x)

    def centered(self) -> Tensor:
        return self.once("centered", Sub(), self.x, self.mean())

    def squares(self) -> Tensor:
        return self.once("squares", Mul(), self.centered(), self.centered())

    def variance(self) -> Tensor:
        return self.once("variance", Mean((1,), keep_dims=True), self.squares())

    def spread(self) -> Tensor:
        """The variance, at least LEAST."""
        return self.once("spread", Maximum(), self.variance(), self.number("least", LEAST))

    def density(self) -> Tensor:
        """[1, A, F]: the power spectral density, units^2 / Hz, one-sided."""
        return self.known.get("density") or self._density()

    def _density(self) -> Tensor:
        rows = self.once("by_axis", Transpose((0, 2, 1)), self.x)
        starts = range(0, self.x.shape[1] - self.segment + 1, max(self.segment // 2, 1))
        total = None
        for i, start in enumerate(starts):
            shape = (1, self.x.shape[2], self.segment)
            piece = self.once(f"segment_{i}", Slice((0, 0, start), shape, (1, 1, 1), shape), rows)
            middle = self.once(f"segment_mean_{i}", Mean((2,), keep_dims=True), piece)
            piece = self.once(f"segment_centered_{i}", Sub(), piece, middle)
            if "hann" not in self.known:
                self.known["hann"] = self.b.constant("hann", window_of("hann", self.segment).astype(np.float32))
            piece = self.once(f"segment_windowed_{i}", Mul(), piece, self.known["hann"])
            spectrum = self.once(f"spectrum_{i}", FloatFft(self.points()), piece)
            power = self.once(f"power_{i}", FloatEnergy(), spectrum)
            total = power if total is None else self.once(f"powers_{i}", Add(), total, power)
        assert total is not None, "a segment is no longer than the window"
        energy = (window_of("hann", self.segment) ** 2).sum() * len(starts)
        scale = np.full(self.points() // 2 + 1, 2 / (self.sample_rate * energy))
        scale[[0, -1]] /= 2
        return self.once("density", Mul(), total, self.b.constant("per_hz", scale.astype(np.float32)))

    def points(self) -> int:
        return max(SMALLEST_FFT, 1 << (self.segment - 1).bit_length())

    def sums(self, name: str, weights: Array, first: int = 0) -> Tensor:
        """[1, 1, A]: the weighted sum of neighbouring frequencies of the density."""
        tables: dict[str, Array] = {
            "weights": weights.astype(np.float32), "first": np.array([first], np.int16), "place": np.zeros(1, np.int16),
            "width": np.array([weights.size], np.int16),
        }  # fmt: skip
        constants = [self.b.constant(f"{name}_{key}", value) for key, value in tables.items()]
        density = self.density()
        summed = self.once(f"{name}_by_axis", Bands(), density, *constants)
        return self.once(name, Reshape((1, 1, density.shape[1])), summed)


# ------------------------------------------------------------------------------------------------------------ features
# Each gives [1, 1, A].


def _std(w: Windowed) -> Tensor:
    return w.once("std", Sqrt(), w.variance())


def _rms(w: Windowed) -> Tensor:
    power = w.once("mean_square", Mean((1,), keep_dims=True), w.once("square", Mul(), w.x, w.x))
    return w.once("rms", Sqrt(), power)


def _min(w: Windowed) -> Tensor:
    return w.once("min", ReduceMin((1,), keep_dims=True), w.x)


def _max(w: Windowed) -> Tensor:
    return w.once("max", ReduceMax((1,), keep_dims=True), w.x)


def _range(w: Windowed) -> Tensor:
    return w.once("range", Sub(), _max(w), _min(w))


def _skew(w: Windowed) -> Tensor:
    third = w.once("third_moment", Mean((1,), keep_dims=True), w.once("cubes", Mul(), w.squares(), w.centered()))
    deviation = w.once("deviation", Sqrt(), w.spread())
    return w.once("skew", Div(), third, w.once("cubed_deviation", Mul(), w.spread(), deviation))


def _kurtosis(w: Windowed) -> Tensor:
    fourth = w.once("fourth_moment", Mean((1,), keep_dims=True), w.once("fourth_powers", Mul(), w.squares(), w.squares()))
    ratio = w.once("moment_ratio", Div(), fourth, w.once("squared_spread", Mul(), w.spread(), w.spread()))
    return w.once("kurtosis", Sub(), ratio, w.number("three", 3))


def _crossings(w: Windowed, x: Tensor, name: str) -> Tensor:
    n = x.shape[1]
    below = w.once(f"{name}_below", Compare("<"), x, w.number("zero", 0))
    earlier, later = w.part(below, 0, n - 1, f"{name}_earlier"), w.part(below, 1, n - 1, f"{name}_later")
    return _count(w, w.once(f"{name}_changes", Compare("!="), earlier, later), name)


def _count(w: Windowed, flags: Tensor, name: str) -> Tensor:
    return w.once(name, Sum((1,), keep_dims=True), w.once(f"{name}_ones", Cast(f32), flags))


def _zero_crossings(w: Windowed) -> Tensor:
    return _crossings(w, w.x, "zero_crossings")


def _mean_crossings(w: Windowed) -> Tensor:
    return _crossings(w, w.centered(), "mean_crossings")


def _peaks(w: Windowed) -> Tensor:
    n = w.x.shape[1]
    left, middle, right = (w.part(w.x, i, n - 2, f"{side}_neighbours") for i, side in enumerate(("left", "own", "right")))
    rising = w.once("above_left", Compare(">"), middle, left)
    falling = w.once("above_right", Compare(">"), middle, right)
    return _count(w, w.once("peak", Logical("and"), rising, falling), "peaks")


def _centroid(w: Windowed) -> Tensor:
    hz = np.arange(w.points() // 2 + 1) * w.sample_rate / w.points()
    moment, total = w.sums("moment", hz), w.sums("total", np.ones(hz.size))
    return w.once("centroid", Div(), moment, w.once("some_total", Maximum(), total, w.number("least", LEAST)))


MOTION: dict[str, Callable[[Windowed], Tensor]] = {
    "mean": Windowed.mean, "std": _std, "rms": _rms, "min": _min, "max": _max, "range": _range, "skew": _skew,
    "kurtosis": _kurtosis, "zero_crossings": _zero_crossings, "mean_crossings": _mean_crossings, "peaks": _peaks,
    "centroid": _centroid,
}  # fmt: skip


def _band(w: Windowed, low: float, high: float, logarithm: bool) -> Tensor:
    """The power between two frequencies: the density at low <= f < high, times the step of frequency; or its logarithm."""
    step = w.sample_rate / w.points()
    inside = np.flatnonzero((np.arange(w.points() // 2 + 1) * step >= low) & (np.arange(w.points() // 2 + 1) * step < high))
    if not inside.size:
        raise InputError(
            f"a band must hold a frequency of the FFT, a multiple of {step:g} Hz up to {w.sample_rate / 2:g} Hz; {low:g} to "
            f"{high:g} Hz holds none"
        )
    name = f"power_{low:g}_{high:g}_hz"
    power = w.sums(name, np.full(inside.size, step), int(inside[0]))
    if not logarithm:
        return power
    return w.once(f"log_{name}", Log(), w.once(f"some_{name}", Maximum(), power, w.number("least", LEAST)))


def _paired(w: Windowed, distance: int) -> Tensor:
    """[1, 1, A - distance]: the correlation of each axis with the one ``distance`` after it."""
    deviation = w.once("deviation", Sqrt(), w.spread())

    def ends(x: Tensor, name: str) -> list[Tensor]:
        shape = (1, x.shape[1], x.shape[2] - distance)
        sides = (("first", 0), ("second", distance))
        return [w.once(f"{side}_{name}_{distance}", Slice((0, 0, at), shape, (1, 1, 1), shape), x) for side, at in sides]

    products = w.once(f"paired_{distance}", Mul(), *ends(w.centered(), "signals"))
    covariance = w.once(f"paired_covariance_{distance}", Mean((1,), keep_dims=True), products)
    scale = w.once(f"paired_deviation_{distance}", Mul(), *ends(deviation, "deviations"))
    return w.once(f"correlation_at_{distance}", Div(), covariance, scale)


def _lagged(w: Windowed, lag: int) -> Tensor:
    """The autocorrelation: the mean of x[n] x[n + lag], both without the mean of all, over the variance."""
    n = w.x.shape[1]
    if not 1 <= lag < n:
        raise InputError(f"a lag must be from 1 to {n - 1} samples, not {lag}")
    first, second = w.part(w.centered(), 0, n - lag, f"before_{lag}"), w.part(w.centered(), lag, n - lag, f"after_{lag}")
    total = w.once(f"correlation_{lag}", Sum((1,), keep_dims=True), w.once(f"products_{lag}", Mul(), first, second))
    mean = w.once(f"covariance_{lag}", Div(), total, w.number("count", n))
    return w.once(f"autocorrelation_{lag}", Div(), mean, w.spread())


# --------------------------------------------------------------------------------------------------------------- graph


def imu(
    window: int = 100,
    axes: int = 6,
    *,
    hop: int | None = None,
    sample_rate: float = 50.0,
    features: Sequence[str] = USUAL,
    bands: Sequence[tuple[float, float]] = (),
    log_bands: bool = False,
    lags: Sequence[int] = (),
    pairs: bool = False,
    segment: int | None = None,
    quantize: tuple[float, int] | None = None,
    name: str = "imu",
) -> Graph:
    """Features of a window of ``axes`` signals: float32[1, window, axes] in, float32[1, axes * features] out.

    features: names of ``MOTION``. bands: (from, up to) in Hz, the power between, or with log_bands its natural logarithm;
    lags: autocorrelations, in samples; pairs: the correlations of axes with each other; segment: samples of each transform of
    Welch's method, the whole window by default. The outputs are feature by feature, the axes of each together: ``imu_names``
    names them. hop: each run takes float32[1, hop, axes] instead and the graph keeps the window,
    zeros in it until it is whole. quantize: (scale, zero point) of int8 features.

    Raises InputError where a number doesn't fit the others.
    """
    if window < 3 or axes < 1:
        raise InputError(f"a window must have at least 3 samples of at least 1 axis, not {window} of {axes}")
    unknown = [f for f in features if f not in MOTION]
    if unknown or not [*features, *bands, *lags, *range(1, axes if pairs else 1)]:
        what = f'not "{unknown[0]}"' if unknown else "and at least one"
        raise InputError(f"features must be of {', '.join(MOTION)}, {what}")
    size = window if segment is None else segment
    if not 3 <= size <= min(window, LARGEST_FFT):
        raise InputError(f"a segment must have from 3 samples to the window's {window}, at most {LARGEST_FFT}; not {size}")
    b = Builder(name)
    x = samples = b.add(Tensor("samples", (1, window if hop is None else hop, axes), f32))
    if hop is not None and hop != window:
        x = _collected(b, x, window, hop, axes)
    w = Windowed(b, x, sample_rate, size)
    rows = [MOTION[f](w) for f in features] + [_band(w, *band, log_bands) for band in bands]
    rows += [_lagged(w, lag) for lag in lags] + [_paired(w, n) for n in range(1, axes if pairs else 1)]
    (y,) = b.apply("by_feature", Concat(2), *rows) if len(rows) > 1 else (rows[0],)
    (y,) = b.apply("features", Reshape((1, y.size)), y)
    if quantize is not None:
        scale, zero_point = quantize
        y = b.quantized("quantized", Quantize(i8), y, Quant((float(np.float32(scale)),), (zero_point,)))
    return b.graph([samples], [y])


def imu_names(
    axes: Sequence[str],
    features: Sequence[str] = USUAL,
    bands: Sequence[tuple[float, float]] = (),
    log_bands: bool = False,
    lags: Sequence[int] = (),
    pairs: bool = False,
) -> list[str]:
    """What each output of ``imu`` is: "mean of ax", ... ; axes: their names."""
    power = "log power" if log_bands else "power"
    kinds = [*features, *(f"{power} {low:g} to {high:g} Hz" for low, high in bands), *(f"autocorrelation at {n}" for n in lags)]
    distances = range(1, len(axes) if pairs else 1)
    paired = [f"correlation of {a} and {axes[i + n]}" for n in distances for i, a in enumerate(axes[: len(axes) - n])]
    return [f"{kind} of {axis}" for kind in kinds for axis in axes] + paired


def _collected(b: Builder, x: Tensor, window: int, hop: int, axes: int) -> Tensor:
    """The newest window of a stream of hops, [1, window, axes]."""
    if not 1 <= hop < window:
        raise InputError(f"a hop must have from 1 sample to the window's {window}, not {hop}")
    (flat,) = b.apply("flat", Reshape((1, hop * axes)), x)
    past = b.memory("past", np.zeros(kept(window * axes, hop * axes), np.float32))
    age = b.memory("age", np.zeros(1, np.int32))
    y, past_next, age_next = b.apply("frame", Framer(window * axes), flat, past, age)
    b.remember(past, past_next)
    b.remember(age, age_next)
    (y,) = b.apply("window", Reshape((1, window, axes)), y)
    return y
