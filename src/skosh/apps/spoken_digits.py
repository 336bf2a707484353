"""spoken-digits: which digit somebody says whose voice was never heard in training.

Data: a folder as the Free Spoken Digit Dataset has it (8 kHz). MFCC every 20 ms, the last 0.8 s of them less their mean, with
slopes, and a network of 64 neurons. Copies of the training clips are higher or lower, as if the vocal tract was shorter or
longer, softer or louder, and come a little earlier or later.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.apps.app import App, Learned, Moment, Say, decision, shares
from skosh.apps.sound_data import digits, read_wav
from skosh.base.errors import InputError, ToolError
from skosh.built import Build
from skosh.ir.graph import Array, Graph
from skosh.quantizer.study.batch import runs

RATE, HOP, ROWS = 8000, 160, 39
HOPS = ROWS + 1  # the first window is whole at the second hop
LENGTH = HOPS * HOP
COEFFICIENTS = 13
FLOOR = 1e-6
"""Energies below this count as this: above it, the pauses around a word, which tell its length, would look like soft sounds."""

WARPS = (0.85, 0.92, 1.0, 1.08, 1.15)
"""By how much copies of a clip are slower, and so lower."""
COPIES, SHIFT, LOUDER = 10, 600, 10.0
"""Copies of each clip; by how many samples they come earlier or later, by how many dB they are louder or softer, at most."""

ASK = 5  # of a long recording, a decision every so many hops


def learn(data: Path | None, seed: int, say: Say) -> Learned:
    """Trains for the accuracy on each speaker left out, on a random split beside it, and at last on all speakers."""
    clips = digits(_given(data), RATE)
    labels, speakers = np.array([c.label for c in clips]), np.array([c.speaker for c in clips])
    rng = np.random.default_rng(seed)
    here = skosh.compile(front_end(), target="host")  # the same arithmetic as on the device
    x = _features(here, [placed(c.samples) for c in clips])
    copies = []
    for k in range(COPIES):
        say(f"features of {len(clips):,} clips, {k + 1} of {COPIES} variations")
        copies.append(_features(here, [_varied(c.samples, WARPS[k % len(WARPS)], rng) for c in clips]))
    names = sorted(set(speakers))
    by_speaker = [_fold(x, copies, labels, speakers == s, seed, say, f"without {s}") for s in names]
    held = rng.random(len(labels)) < 1 / len(names)
    at_random = _fold(x, copies, labels, held, seed, say, "a random split")
    say("training on everybody")
    floats = skosh.load(_trained(copies, labels, seed), name="digits")
    integers = skosh.quantize(floats, np.concatenate(copies)[:: len(copies)])
    accuracy = {
        "float": _mean([f for f, _ in by_speaker]), "int8": _mean([i for _, i in by_speaker]),
        "split": "each speaker left out",
        "random_split": {"float": _mean([at_random[0]]), "int8": _mean([at_random[1]])},
        "speakers_int8": {str(s): _mean([i]) for s, (_, i) in zip(names, by_speaker, strict=True)},
    }  # fmt: skip
    front = front_end()
    source = f"recordings of {len(names)} speakers, {len(clips):,} clips"
    hops = np.concatenate([list(_hops(placed(c.samples))) for c in (clips[0], clips[-1])])
    return Learned(front.then(floats), front.then(integers), hops, accuracy, "real", source)


def front_end() -> Graph:
    """int16[1, 160] in, the features of the last 0.8 s out, float32[1, 39 * 24]."""
    cepstrum = skosh.features.mfcc(
        25, 20, COEFFICIENTS, 32, sample_rate=RATE, lower_hz=60, upper_hz=3800, window="hamming", scale="log", floor=FLOOR,
        name="digits",
    )  # fmt: skip
    return cepstrum.then(skosh.features.recent(ROWS, COEFFICIENTS, first=1, centered=True, slopes=True))


def placed(samples: Array, late: int = 0) -> Array:
    """[LENGTH] int16: a clip with silence around it, ``late`` samples after the middle; of a longer one, the loudest part."""
    if len(samples) > LENGTH:
        energy = np.concatenate([[0], np.cumsum(samples.astype(np.float64) ** 2)])
        best = int(np.argmax(energy[LENGTH:] - energy[:-LENGTH]))
        samples = samples[best : best + LENGTH]
    at = int(np.clip((LENGTH - len(samples)) // 2 + late, 0, LENGTH - len(samples)))
    whole = np.zeros(LENGTH, np.int16)
    whole[at : at + len(samples)] = samples
    return whole


def stream(file: Path | None, data: Path | None) -> Iterator[Moment]:
    """Hops of 20 ms: of a WAV file, with a decision at its end, or every 0.1 s of a long one; else of ten clips of a folder."""
    if file is None:
        for k, clip in enumerate(digits(_given(data), RATE)[::7][:10]):
            yield from _moments(placed(clip.samples), k * LENGTH / RATE, clip.label)
        return
    samples = read_wav(file, RATE)
    yield from _moments(placed(samples) if len(samples) <= LENGTH else samples, 0.0, None)


def _moments(samples: Array, start: float, truth: str | None) -> Iterator[Moment]:
    for i, hop in enumerate(_hops(samples)):
        asks = i + 1 >= HOPS and (i + 1 - HOPS) % ASK == 0
        yield Moment(start + (i + 1) * HOP / RATE, hop, truth, asks)


def _given(data: Path | None) -> Path:
    if data is None:
        raise InputError(
            "spoken-digits must be given a folder of recordings DIGIT_SPEAKER_NUMBER.wav",
            hint="--data DIR; the Free Spoken Digit Dataset is one",
        )
    return data


# ------------------------------------------------------------------------------------------------------------ training


def _hops(samples: Array) -> Array:
    return samples[: len(samples) // HOP * HOP].reshape(-1, 1, HOP)


def _varied(samples: Array, warp: float, rng: np.random.Generator) -> Array:
    """A copy that is slower by ``warp``, softer or louder, somewhere near the middle."""
    at = np.arange(round(len(samples) * warp)) / warp
    slower = np.interp(at, np.arange(len(samples)), samples.astype(np.float64))
    louder = np.round(slower * 10 ** (rng.uniform(-LOUDER, LOUDER) / 20)).clip(-32768, 32767)
    return placed(louder.astype(np.int16), int(rng.integers(-SHIFT, SHIFT + 1)))


def _features(front: Build, clips: Sequence[Array]) -> Array:
    """[N, features]: the front end at the last hop of each clip of LENGTH. All rows are of the clip by then."""
    run = front.runner
    found = []
    for clip in clips:
        for hop in _hops(clip):
            (y,) = run.run([hop])
        found.append(np.array(y).reshape(-1))
    return np.stack(found)


def _trained(copies: Sequence[Array], labels: Array, seed: int) -> Any:
    try:
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError as error:
        raise ToolError("spoken-digits trains with scikit-learn", hint="pip install 'skosh[sklearn]'") from error
    model = make_pipeline(StandardScaler(), MLPClassifier((64,), alpha=1.0, max_iter=12, random_state=seed))
    with warnings.catch_warnings(), threadpool_limits(1):  # such small products gain nothing from more
        warnings.simplefilter("ignore")  # that it could converge further
        return model.fit(np.concatenate(copies), np.tile(labels, len(copies)))


def _fold(
    x: Array, copies: list[Array], labels: Array, held: Array, seed: int, say: Say, what: str
) -> tuple[float, float]:
    """(float, int8): the share of clips of ``held`` that a model trained on the others tells right."""
    model = _trained([c[~held] for c in copies], labels[~held], seed)
    integers = skosh.quantize(skosh.load(model, name="digits"), x[~held])
    scores = [values[integers.outputs[0]] for values in runs(integers, [(row[None],) for row in x[held]])]
    said = np.asarray(integers.notes.classes)[shares(integers, np.concatenate(scores)).argmax(axis=1)]
    found = float((model.predict(x[held]) == labels[held]).mean()), float((said == labels[held]).mean())
    say(f"{what}: {100 * found[0]:.1f} % in float, {100 * found[1]:.1f} % in int8")
    return found


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 4)


APP = App(
    "spoken-digits", "Which digit somebody says", "nano-33-ble", "a WAV file, 8 kHz", learn, stream, decision,
)  # fmt: skip
