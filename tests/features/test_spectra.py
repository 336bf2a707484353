"""Float front ends against librosa and scipy, hop by hop, on speech; their C against their meaning."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import scipy.signal

import skosh
from skosh.base.errors import InputError
from skosh.features.spectra import COSINES, window_of
from skosh.ir.graph import Graph
from tests.features.test_microfrontend import features_of
from tests.ops.one_operator import check_kernels
from tests.support.audio import clips

WINDOW, HOP = 512, 160


def speech(n: int = 8000) -> Any:
    return clips()["yes_1000ms"][4000 : 4000 + n]


def features(graph: Graph, x: Any, hop: int = HOP, waits: int = 3) -> Any:
    """[frames, features] of whole windows, by the meaning of the graph."""
    return features_of(graph, x[: len(x) // hop * hop].reshape(-1, hop))[waits:]


def near(got: Any, want: Any) -> None:
    want = want.T[: len(got)]
    assert len(want) == len(got) > 10
    assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max()


def common(**more: Any) -> dict[str, Any]:
    return dict(sr=16000, n_fft=WINDOW, hop_length=HOP, center=False, **more)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("window", ["hann", "hamming", "blackman"])
def test_spectrogram(power: int, window: str) -> None:
    x = speech()
    got = features(skosh.features.spectrogram(32, 10, window=window, power=power), x)
    wants = np.abs(librosa.stft(x / 32768, n_fft=WINDOW, hop_length=HOP, window=window, center=False)) ** power
    near(got, wants)


@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize("mel", ["slaney", "htk"])
def test_mel_energies(mel: str, norm: str | None) -> None:
    x = speech()
    got = features(skosh.features.mfe(32, 10, 32, mel=mel, norm=norm, lower_hz=60, upper_hz=7600), x)
    how = common(n_mels=32, htk=mel == "htk", norm=norm, fmin=60, fmax=7600)
    near(got, librosa.feature.melspectrogram(y=x / 32768, **how))


@pytest.mark.parametrize("lifter", [0, 22])
@pytest.mark.parametrize("emphasis", [0.0, 0.97])
def test_mfcc(lifter: int, emphasis: float) -> None:
    x = speech()
    y = librosa.effects.preemphasis(x / 32768, coef=emphasis, zi=[0]) if emphasis else x / 32768
    power = librosa.feature.melspectrogram(y=y, **common(n_mels=40))
    want = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=None), n_mfcc=13, lifter=lifter)
    near(features(skosh.features.mfcc(32, 10, 13, lifter=lifter, pre_emphasis=emphasis), x), want)


def test_a_window_shorter_than_the_fft() -> None:
    """25 ms of samples and zeros: librosa centres the window, so its frames begin 56 samples earlier."""
    x = speech()
    graph = skosh.features.log_mel(25, 10, 40)
    got = features(graph, x, waits=2)
    y = np.concatenate([np.zeros(56), x / 32768])
    power = librosa.feature.melspectrogram(y=y, win_length=400, n_mels=40, **common())
    near(got[:45], np.log(np.maximum(power, 1e-10)))


def test_without_its_mean() -> None:
    x = (speech() // 2 + 5000).astype(np.int16)
    frames = np.lib.stride_tricks.sliding_window_view(x / 32768, WINDOW)[::HOP]
    frames = (frames - frames.mean(axis=1, keepdims=True)) * scipy.signal.get_window("hann", WINDOW)
    got = features(skosh.features.spectrogram(32, 10, remove_dc=True), x)
    near(got, (np.abs(np.fft.rfft(frames)) ** 2).T)


@pytest.mark.parametrize("kind", [k for k in COSINES if k != "rectangular"])
def test_windows(kind: str) -> None:
    assert np.allclose(window_of(kind, 400), scipy.signal.get_window(kind, 400), atol=1e-12)


@pytest.mark.parametrize("make", [skosh.features.spectrogram, skosh.features.mfe, skosh.features.log_mel, skosh.features.mfcc])
def test_kernels_have_the_meaning(make: Any) -> None:
    check_kernels(make(4, 2, sample_rate=8000) if make is skosh.features.spectrogram else make(16, 8, sample_rate=8000))


def test_on_a_device_and_quantized() -> None:
    graph = skosh.features.mfcc(20, 10, 10, 20, sample_rate=8000, pre_emphasis=0.95, quantize=(0.5, -20))
    build = skosh.compile(graph, target="cortex-m4")
    rows = speech(2400).reshape(-1, 80)
    assert build.verify(rows).bit_exact
    assert build.run(rows[:4]).dtype == np.int8


def test_a_front_end_and_its_model() -> None:
    front = skosh.features.log_mel(32, 10, 40)
    assert front.tensors[front.outputs[0]].shape == (1, 40)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(stride_ms=30), "a stride must be from one sample"),
        (dict(fft=300), "power of two of points"),
        (dict(fft=256), "from the window's 400"),
        (dict(window="kaiser"), "a window must be one of"),
        (dict(power=3), "power must be 1 or 2"),
        (dict(pre_emphasis=1.5), "pre_emphasis must be"),
        (dict(upper_hz=9000), "between 0 and 8000 Hz"),
        (dict(channels=300), "must have a frequency"),
        (dict(mel="bark"), "mel must be"),
        (dict(scale="none"), "made of logarithms"),
        (dict(scale="log2"), "scale must be"),
        (dict(floor=0), "floor must be above 0"),
        (dict(coefficients=50), "from 1 to the 40 channels"),
        (dict(lifter=-1), "lifter must be 0 or more"),
        (dict(quantize=(0.0, 3)), "a scale must be above 0"),
    ],
)
def test_what_is_refused(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        skosh.features.mfcc(**how)
