"""Recordings of sound: WAV files, and folders of spoken digits as the Free Spoken Digit Dataset has them."""

from __future__ import annotations

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skosh.base.errors import InputError
from skosh.ir.graph import Array

LONGEST = 3600  # seconds of a recording
NAME = re.compile(r"([0-9])_([A-Za-z]+)_([0-9]+)\.wav")


@dataclass(frozen=True, eq=False)
class Clip:
    """samples: [N] int16; label: the digit; speaker: who."""

    samples: Array
    label: str
    speaker: str


def read_wav(path: Path, rate: int) -> Array:
    """[N] int16 of a WAV file with one channel of 16 bits at ``rate`` Hz. InputError when it isn't one, or holds no sound."""
    where = str(path)
    try:
        with wave.open(where) as file:
            found = (file.getnchannels(), 8 * file.getsampwidth(), file.getframerate())
            count = file.getnframes()
            if found != (1, 16, rate):
                raise InputError(
                    f"must have 1 channel of 16 bits at {rate:,} Hz, not {found[0]} of {found[1]} bits at {found[2]:,} Hz",
                    loc=where, hint=f"ffmpeg -i IN.wav -ac 1 -ar {rate} -c:a pcm_s16le OUT.wav",
                )  # fmt: skip
            if not 0 < count <= LONGEST * rate:
                raise InputError(f"must have from 1 to {LONGEST * rate:,} samples, not {count:,}", loc=where)
            samples = np.frombuffer(file.readframes(count), "<i2").astype(np.int16)
    except (OSError, EOFError, wave.Error) as error:
        raise InputError("can't be read as a WAV file", loc=where) from error
    if samples.size != count:
        raise InputError(f"says that it has {count:,} samples, but has {samples.size:,}: it is cut off", loc=where)
    if samples.min() == samples.max():
        raise InputError(f"must hold a sound, but all {count:,} samples are {samples[0]}", loc=where)
    return samples


def digits(folder: Path, rate: int) -> list[Clip]:
    """The clips of a folder of DIGIT_SPEAKER_NUMBER.wav, or of a folder "recordings" in it, in the order of their names.

    InputError unless two speakers at least say two digits at least.
    """
    inner = folder / "recordings"
    found = sorted((inner if inner.is_dir() else folder).glob("*.wav"))
    if not found:
        raise InputError("must hold DIGIT_SPEAKER_NUMBER.wav", loc=str(folder), hint="digits/7_anna_0.wav, for example")
    clips = []
    for file in found:
        match = NAME.fullmatch(file.name)
        if match is None:
            raise InputError('must be called DIGIT_SPEAKER_NUMBER.wav, as "7_anna_0.wav"', loc=str(file))
        clips.append(Clip(read_wav(file, rate), match[1], match[2]))
    if len({c.label for c in clips}) < 2 or len({c.speaker for c in clips}) < 2:
        raise InputError("must hold two digits and two speakers at least", loc=str(folder))
    return clips
