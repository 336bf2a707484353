"""The folder of audio clips and of TFLite Micro's front end for them."""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.support.shared import ROOT
from tests.support.tflm import Tflm

Array = npt.NDArray[Any]


def audio_file(name: str) -> Path:
    """A file of ``../shared/audio`` (or ``shared/audio``) from the repository root; skips the test when it isn't there."""
    for folder in (ROOT.parent / "shared" / "audio", ROOT / "shared" / "audio"):
        if (folder / name).is_file():
            return folder / name
    pytest.skip("the shared audio files are not here")


@cache
def clips() -> dict[str, Array]:
    """Samples by name, int16 at 16 kHz."""
    found = {}
    for path in sorted(audio_file("yes_1000ms.wav").parent.glob("*.wav")):
        with wave.open(str(path)) as f:
            found[path.stem] = np.frombuffer(f.readframes(f.getnframes()), np.int16)
    return found


def frames(x: Array, size: int, hop: int) -> Array:
    """[windows, size]: the windows that lie in x, each ``hop`` after the one before."""
    return np.stack([x[at : at + size] for at in range(0, len(x) - size + 1, hop)])


def oracle_features(x: Array) -> Array:
    """[windows, 40] int8: what TFLite Micro's preprocessor gives for a clip, from a fresh state."""
    oracle = Tflm(audio_file("audio_preprocessor_int8.tflite").read_bytes())
    return np.stack([oracle.run([window[None]])[0].reshape(-1) for window in frames(x, 480, 320)])
