"""Features of motion against numpy and scipy; their C against their meaning."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
import scipy.stats

import skosh
from skosh.base.errors import InputError
from skosh.features.motion import MOTION, USUAL
from skosh.ir.interpret_graph import run_graph
from tests.features.test_microfrontend import features_of
from tests.ops.one_operator import check_kernels

RATE = 50.0
ORACLES = {
    "mean": lambda x: x.mean(axis=0),
    "std": lambda x: x.std(axis=0),
    "rms": lambda x: np.sqrt((x**2).mean(axis=0)),
    "min": lambda x: x.min(axis=0),
    "max": lambda x: x.max(axis=0),
    "range": lambda x: np.ptp(x, axis=0),
    "skew": scipy.stats.skew,
    "kurtosis": scipy.stats.kurtosis,
    "zero_crossings": lambda x: (np.diff(x < 0, axis=0)).sum(axis=0),
    "mean_crossings": lambda x: (np.diff(x < x.mean(axis=0), axis=0)).sum(axis=0),
    "peaks": lambda x: np.bincount(scipy.signal.argrelmax(x, axis=0)[1], minlength=x.shape[1]),
    "centroid": lambda x: _density(x)[0] @ _density(x)[1] / _density(x)[1].sum(axis=0),
}


def _density(x: Any, segment: int | None = None) -> Any:
    n = len(x) if segment is None else segment
    points = max(8, 1 << (n - 1).bit_length())
    return scipy.signal.welch(x, RATE, nperseg=n, noverlap=n - max(n // 2, 1), nfft=points, axis=0)


def motion(n: int, axes: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / RATE
    waves = rng.normal(0, 2, axes) * np.sin(2 * np.pi * rng.uniform(0.5, 20, axes) * t + rng.uniform(0, 6, axes))
    return (waves + rng.gamma(2, 0.5, (n, axes)) + rng.normal(0, 1, axes)).astype(np.float32)


def run(graph: Any, x: Any) -> Any:
    """[features, axes], by the meaning of the graph."""
    return run_graph(graph, [x[None]]).values[graph.outputs[0]].reshape(-1, x.shape[1])


def test_every_feature_has_an_oracle() -> None:
    assert set(ORACLES) == set(MOTION)


@pytest.mark.parametrize(("window", "axes"), [(100, 6), (64, 1), (33, 3)])
def test_features(window: int, axes: int) -> None:
    graph = skosh.features.imu(window, axes, sample_rate=RATE, features=tuple(MOTION))
    for seed in range(20):
        x = motion(window, axes, seed)
        got = run(graph, x)
        for row, (name, oracle) in zip(got, ((n, ORACLES[n]) for n in MOTION), strict=True):
            want = oracle(x.astype(np.float64))
            assert np.allclose(row, want, rtol=2e-5, atol=2e-5), f"{name}: {row} {want}"


@pytest.mark.parametrize("segment", [None, 32, 50])
def test_bands_and_lags(segment: int | None) -> None:
    x, bands, lags = motion(128, 3, 5), [(0, 5), (5, 12.5), (12.5, 25.1)], [1, 7, 40]
    got = run(skosh.features.imu(128, 3, sample_rate=RATE, features=(), bands=bands, lags=lags, segment=segment), x)
    hz, power = _density(x.astype(np.float64), segment)
    wants = [power[(hz >= low) & (hz < high)].sum(axis=0) * hz[1] for low, high in bands]
    c = x.astype(np.float64) - x.mean(axis=0)
    wants += [(c[:-k] * c[k:]).sum(axis=0) / (c * c).sum(axis=0) for k in lags]
    assert np.allclose(got, wants, rtol=2e-5, atol=2e-5)


def test_pairs_and_logarithms() -> None:
    x = motion(64, 4, 9)
    graph = skosh.features.imu(64, 4, sample_rate=RATE, features=(), bands=[(1, 9)], log_bands=True, pairs=True)
    got = run_graph(graph, [x[None]]).values[graph.outputs[0]][0]
    hz, power = _density(x.astype(np.float64))
    logs = np.log(power[(hz >= 1) & (hz < 9)].sum(axis=0) * hz[1])
    pairs = [(i, i + n) for n in (1, 2, 3) for i in range(4 - n)]
    want = [*logs, *(np.corrcoef(x.astype(np.float64).T)[i, j] for i, j in pairs)]
    assert np.allclose(got, want, rtol=2e-5, atol=2e-5)
    names = skosh.features.imu_names("abcd", (), [(1, 9)], log_bands=True, pairs=True)
    assert names[0] == "log power 1 to 9 Hz of a"
    assert names[4:] == [f"correlation of {'abcd'[i]} and {'abcd'[j]}" for i, j in pairs]


def test_hops() -> None:
    x = motion(200, 2, 3)
    whole = skosh.features.imu(50, 2)
    got = features_of(skosh.features.imu(50, 2, hop=20), x.reshape(10, 20, 2))
    for i in range(2, 10):  # two hops of the past fill a window of 50
        window = x[20 * (i - 2) : 20 * (i - 2) + 50]
        assert np.array_equal(got[i], run(whole, window).reshape(-1))


def test_what_stands_still_has_finite_features() -> None:
    got = run(skosh.features.imu(40, 2, features=tuple(MOTION), lags=[3]), np.full((40, 2), 9.81, np.float32))
    assert np.isfinite(got).all()


def test_kernels_have_the_meaning_and_a_device_agrees() -> None:
    graph = skosh.features.imu(20, 2, features=tuple(MOTION), bands=[(0, 10)], lags=[2], quantize=(0.25, 3))
    check_kernels(graph)
    assert skosh.compile(graph, target="cortex-m4").verify(3).bit_exact


def test_names() -> None:
    names = skosh.features.imu_names(["ax", "ay"], bands=[(0, 5)], lags=[1])
    graph = skosh.features.imu(30, 2, bands=[(0, 5)], lags=[1])
    assert len(names) == graph.tensors[graph.outputs[0]].size == 2 * (len(USUAL) + 2)
    assert names[0] == "mean of ax" and names[-3] == "power 0 to 5 Hz of ay"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(window=2), "at least 3 samples"),
        (dict(features=["median"]), 'not "median"'),
        (dict(features=[]), "at least one"),
        (dict(hop=120), "from 1 sample to the window's 100"),
        (dict(bands=[(30, 40)]), "holds none"),
        (dict(lags=[100]), "from 1 to 99"),
        (dict(segment=200), "a segment must have"),
    ],
)
def test_what_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        skosh.features.imu(**how)
