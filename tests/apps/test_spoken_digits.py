"""Spoken digits: real recordings of a few clips a speaker, learned and heard by the device."""

from __future__ import annotations

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from skosh.apps import spoken_digits
from skosh.apps.app import app, compiled, samples_of
from skosh.apps.sound_data import digits, read_wav
from skosh.base.errors import InputError
from tests.cli.run import run
from tests.support.shared import digits_folder

CLIPS = 8  # of each digit of each speaker


def written(path: Path, samples: np.ndarray, rate: int = 8000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small part of the data set."""
    folder = tmp_path_factory.mktemp("digits")
    for file in (digits_folder() / "recordings").glob("*.wav"):
        if int(file.stem.rpartition("_")[2]) < CLIPS:
            shutil.copyfile(file, folder / file.name)
    return folder


def test_digits_from_recordings_to_decisions(few: Path, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    made = run("app", "spoken-digits", "train", "-o", str(folder), "--data", str(few), "--json").json
    accuracy = made["accuracy"]
    assert made["data"] == "real" and accuracy["split"] == "each speaker left out"
    assert accuracy["int8"] > 0.5 and abs(accuracy["int8"] - accuracy["float"]) < 0.01
    assert accuracy["random_split"]["int8"] > accuracy["int8"]
    build = compiled(app("spoken-digits"), folder)
    assert build.verify(samples_of(app("spoken-digits"), folder)[30:50]).bit_exact
    heard = few / "7_theo_3.wav"
    lines = run("app", "spoken-digits", "run", "-o", str(folder), "--wav", str(heard), "--json").out.splitlines()
    assert len(lines) == 1 and json.loads(lines[0])["t"] == 0.8 and json.loads(lines[0])["decision"] == "7"
    several = run("app", "spoken-digits", "run", "-o", str(folder), "--data", str(few), "--json").out.splitlines()
    told = [json.loads(line) for line in several]
    assert len(told) == 10 and sum(one["decision"] == one["truth"] for one in told) >= 9


def test_a_long_recording_is_asked_every_tenth_of_a_second(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-99, 99, 3 * spoken_digits.LENGTH)
    moments = list(spoken_digits.stream(written(tmp_path / "long.wav", noise), None))
    asked = [m.t for m in moments if m.asks]
    assert asked[0] == 0.8 and np.allclose(np.diff(asked), 0.1) and len(moments) == 3 * spoken_digits.HOPS


def test_clips_are_put_into_the_middle() -> None:
    clip = np.full(1000, 9, np.int16)
    for late in (0, 300, -300):
        at = np.flatnonzero(spoken_digits.placed(clip, late))
        assert len(at) == 1000 and at[0] == (spoken_digits.LENGTH - 1000) // 2 + late
    loud = np.concatenate([np.ones(4000), np.full(spoken_digits.LENGTH, 50), np.ones(4000)]).astype(np.int16)
    assert (spoken_digits.placed(loud) == 50).all()


def test_bad_recordings(tmp_path: Path) -> None:
    sound = np.arange(100)
    for file, message in {
        written(tmp_path / "rate.wav", sound, rate=16000): "1 channel of 16 bits at 8,000 Hz, not 1 of 16 bits at 16,000 Hz",
        written(tmp_path / "stereo.wav", sound, channels=2): "must have 1 channel",
        written(tmp_path / "empty.wav", sound[:0]): "from 1 to 28,800,000 samples, not 0",
        written(tmp_path / "still.wav", 0 * sound + 3): "must hold a sound, but all 100 samples are 3",
    }.items():
        with pytest.raises(InputError, match=message):
            read_wav(file, 8000)
    cut = tmp_path / "cut.wav"
    cut.write_bytes(written(tmp_path / "whole.wav", sound).read_bytes()[:-20])
    with pytest.raises(InputError, match="it is cut off"):
        read_wav(cut, 8000)
    cut.write_bytes(b"RIFF")
    with pytest.raises(InputError, match="can't be read as a WAV file"):
        read_wav(cut, 8000)


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must hold DIGIT_SPEAKER_NUMBER\.wav"):
        digits(tmp_path, 8000)
    written(tmp_path / "7_anna_0.wav", np.arange(50))
    with pytest.raises(InputError, match="two digits and two speakers"):
        digits(tmp_path, 8000)
    written(tmp_path / "seven.wav", np.arange(50))
    with pytest.raises(InputError, match=r"must be called DIGIT_SPEAKER_NUMBER\.wav"):
        digits(tmp_path, 8000)
    with pytest.raises(InputError, match="must be given a folder of recordings"):
        spoken_digits.learn(None, 0, print)
    both = run("app", "spoken-digits", "run", "--csv", "a.csv", "--wav", "a.wav")
    assert both.status == 2 and "one recording" in both.err
