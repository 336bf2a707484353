"""Filters of sensor streams: coefficients as scipy makes them, samples of some channels in, the same filtered out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from skosh.base.dtypes import f32
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.ir.graph import Array, Graph, Tensor
from skosh.ops.signal.filters import ImpulseResponse, Sections


def sos_filter(sos: ArrayLike, *, samples: int, channels: int = 1, name: str = "sos_filter") -> Graph:
    """Second-order sections as ``scipy.signal.butter(..., output="sos")`` gives them, [sections, 6].

    Each run takes float32[samples, channels] and gives as much; the state of the sections is inside, zeros at first, as in
    ``scipy.signal.sosfilt``. Raises InputError where these are no sections, or one of them isn't stable.
    """
    b = Builder(name)
    x = b.add(Tensor("samples", _shape(samples, channels), f32))
    return b.graph([x], [filtered(b, x, sections_of(sos))])


def fir_filter(taps: ArrayLike, *, samples: int, channels: int = 1, every: int = 1, name: str = "fir_filter") -> Graph:
    """A finite impulse response as ``scipy.signal.firwin`` gives it, [taps]; ``every``: one of how many outputs stays.

    Each run takes float32[samples, channels] and gives float32[samples / every, channels]; the samples before are inside, zeros
    at first, as in ``scipy.signal.lfilter(taps, 1, x)[::every]``. Raises InputError where these are no taps.
    """
    values = _numbers(taps, "taps")
    if values.ndim != 1 or values.size < 2:
        raise InputError(f"taps must be two numbers or more in a row, not {list(values.shape)}")
    if every < 1 or samples % every:
        raise InputError(f"samples must be a multiple of every, {every}, not {samples}")
    b = Builder(name)
    x = b.add(Tensor("samples", _shape(samples, channels), f32))
    past = b.memory("past", np.zeros((values.size - 1, channels), np.float32))
    op = ImpulseResponse(every)
    y, past_next, _ = b.apply("filtered", op, x, b.constant("taps", values.astype(np.float32)), past)
    b.remember(past, past_next)
    return b.graph([x], [y])


def without_gravity(
    *, samples: int, channels: int = 3, sample_rate: float = 50, cutoff_hz: float = 0.3, name: str = "without_gravity"
) -> Graph:
    """Accelerations less what changes slower than ``cutoff_hz``: a high-pass of first order, by the bilinear transform.

    Each run takes float32[samples, channels] and gives as much.
    """
    if not 0 < cutoff_hz < sample_rate / 2:
        raise InputError(f"cutoff_hz must be between 0 and {sample_rate / 2:g}, half of the sample rate, not {cutoff_hz:g}")
    tangent = np.tan(np.pi * cutoff_hz / sample_rate)
    gain, pole = 1 / (1 + tangent), (tangent - 1) / (tangent + 1)
    return sos_filter([[gain, -gain, 0, 1, pole, 0]], samples=samples, channels=channels, name=name)


def sections_of(sos: ArrayLike) -> Array:
    """[S, 5] float32: b0, b1, b2, a1, a2 of each section, divided by its a0."""
    values = _numbers(sos, "sos")
    if values.ndim != 2 or values.shape[1] != 6 or not values.size:
        raise InputError(f"sos must be [sections, 6], not {list(values.shape)}", hint='scipy.signal: output="sos"')
    if not values[:, 3].all():
        raise InputError("a0, the fourth number of each section, must not be 0")
    scaled = (values / values[:, 3:4])[:, [0, 1, 2, 4, 5]].astype(np.float32)
    for i, (a1, a2) in enumerate(scaled[:, 3:].astype(np.float64)):
        if not (abs(a2) < 1 and abs(a1) < 1 + a2):  # the stability triangle of a polynomial of degree 2
            raise InputError(f"section {i} must be stable in float32: its poles inside the unit circle, not on it or outside")
    return np.asarray(scaled)


def filtered(b: Builder, x: Tensor, sos: Array, name: str = "filtered") -> Tensor:
    """x [N, C] through these sections, whose state the graph keeps."""
    state = b.memory(f"{name}_state", np.zeros((len(sos), x.shape[1], 2), np.float32))
    y, after = b.apply(name, Sections(), x, b.constant(f"{name}_sections", sos), state)
    b.remember(state, after)
    return y


def _shape(samples: int, channels: int) -> tuple[int, int]:
    if samples < 1 or channels < 1:
        raise InputError(f"samples and channels must be at least 1, not {samples} and {channels}")
    return samples, channels


def _numbers(given: ArrayLike, name: str) -> Array:
    values = np.asarray(given)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise InputError(f"{name} must be finite numbers")
    return values.astype(np.float64)
