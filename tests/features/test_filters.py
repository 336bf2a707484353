"""Filters against scipy, hop by hop; their C against their meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal

import skosh
from skosh.base.errors import InputError
from tests.features.test_microfrontend import features_of
from tests.ops.one_operator import check_kernels

SOS = {
    "low": scipy.signal.butter(5, 0.2, output="sos"),
    "band": scipy.signal.butter(3, [0.1, 0.4], "bandpass", output="sos"),
    "elliptic": scipy.signal.ellip(6, 0.5, 40, 0.3, output="sos"),
}


def signal(rows: int, channels: int) -> Any:
    return np.random.default_rng(rows).normal(0, 3, (rows, channels)).astype(np.float32)


def run(graph: Any, x: Any, hop: int) -> Any:
    return features_of(graph, x.reshape(-1, hop, x.shape[1])).reshape(-1, x.shape[1])


@pytest.mark.parametrize("kind", list(SOS))
@pytest.mark.parametrize(("hop", "channels"), [(1, 1), (8, 3), (20, 2)])
def test_sections(kind: str, hop: int, channels: int) -> None:
    x = signal(40 * hop, channels)
    want = scipy.signal.sosfilt(SOS[kind], x.astype(np.float64), axis=0)
    got = run(skosh.features.sos_filter(SOS[kind], samples=hop, channels=channels), x, hop)
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


@pytest.mark.parametrize(("taps", "hop", "channels", "every"), [(2, 1, 1, 1), (33, 8, 3, 1), (31, 8, 2, 4), (7, 30, 1, 3)])
def test_impulse_responses(taps: int, hop: int, channels: int, every: int) -> None:
    h = scipy.signal.firwin(taps, 0.4)
    x = signal(30 * hop, channels)
    want = scipy.signal.lfilter(h, 1, x.astype(np.float64), axis=0)[::every]
    got = run(skosh.features.fir_filter(h, samples=hop, channels=channels, every=every), x, hop)
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def test_gravity_goes() -> None:
    t = np.arange(1000) / 50
    shake = np.sin(2 * np.pi * 5 * t)
    x = np.stack([shake, 9.81 + 0 * t, shake - 9.81], axis=1).astype(np.float32)
    y = run(skosh.features.without_gravity(samples=10), x, 10)
    late = y[500:]
    assert np.abs(late[:, 1]).max() < 0.02 and np.abs(late[:, 2] - shake[500:]).max() < 0.1
    b, a = scipy.signal.butter(1, 0.3, "highpass", fs=50)
    assert np.abs(y - scipy.signal.lfilter(b, a, x.astype(np.float64), axis=0)).max() < 1e-4


@pytest.mark.parametrize(
    "graph",
    [
        skosh.features.sos_filter(SOS["band"], samples=5, channels=3),
        skosh.features.fir_filter([0.5, 0.25, 0.25], samples=6, channels=2, every=3),
    ],
)
def test_kernels_have_the_meaning(graph: Any) -> None:
    check_kernels(graph)
    assert skosh.compile(graph, target="cortex-m4").verify(3).bit_exact


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: skosh.features.sos_filter([[1, 2, 3]], samples=4), r"\[sections, 6\], not \[1, 3\]"),
        (lambda: skosh.features.sos_filter([[1, 0, 0, 0, 0, 0]], samples=4), "must not be 0"),
        (lambda: skosh.features.sos_filter([[1, 0, 0, 1, -2, 1]], samples=4), "section 0 must be stable"),
        (lambda: skosh.features.sos_filter([[1, 0, 0, 1, np.nan, 0]], samples=4), "finite numbers"),
        (lambda: skosh.features.fir_filter([1.0], samples=4), "two numbers or more"),
        (lambda: skosh.features.fir_filter([1.0, 2.0], samples=5, every=2), "multiple of every"),
        (lambda: skosh.features.fir_filter(["a", "b"], samples=5), "finite numbers"),
        (lambda: skosh.features.sos_filter(SOS["low"], samples=0), "at least 1"),
        (lambda: skosh.features.without_gravity(samples=4, cutoff_hz=30), "between 0 and 25"),
    ],
)
def test_what_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
