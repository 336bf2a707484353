"""The audio preprocessor of TFLite Micro, compiled, against TFLite Micro itself: every feature of whole clips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import skosh
from tests.support.audio import audio_file, clips, frames, oracle_features

CLIPS = ["no_1000ms", "no_30ms", "noise_1000ms", "silence_1000ms", "yes_1000ms", "yes_30ms"]
LOUDNESS = (1, 30, 3000, 32768, 10**6)


@pytest.fixture(scope="module")
def builds() -> dict[str, Any]:
    model = audio_file("audio_preprocessor_int8.tflite")
    return {target: skosh.compile(model, target=target) for target in ("host", "cortex-m4")}


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_whole_clips(builds: dict[str, Any], clip: str, target: str) -> None:
    x = clips()[clip]
    got = builds[target].run(frames(x, 480, 320)).reshape(-1, 40)
    assert np.array_equal(got, oracle_features(x))


@pytest.mark.parametrize("loudness", LOUDNESS)
def test_noise_of_any_loudness(builds: dict[str, Any], loudness: int) -> None:
    x = np.clip(np.random.default_rng(loudness).normal(0, loudness, 16000), -32768, 32767).astype(np.int16)
    assert np.array_equal(builds["host"].run(frames(x, 480, 320)).reshape(-1, 40), oracle_features(x))


def test_every_layer_is_proved(builds: dict[str, Any]) -> None:
    proof = builds["cortex-m4"].verify(3)
    assert proof.bit_exact
    assert proof.elements > 3 * 40
