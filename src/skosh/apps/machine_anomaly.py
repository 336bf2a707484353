"""machine-anomaly: is a motor still as it was? Learned from good vibrations alone; faults are seen only when it is tried.

Data: made by the physics of a motor at 24 to 30 turns a second under changing load. Imbalance shakes at the turning frequency,
misalignment at twice and three times it; a damaged bearing rings at 1,200 Hz each time that a ball meets the damage, in its
outer or inner ring. Features of half a second (``skosh.features.imu``), and the Gaussian that fits the good ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.apps.app import App, Learned, Moment, Say
from skosh.base.errors import InputError, ToolError
from skosh.built import dequantized
from skosh.ir.graph import Array, Graph

RATE, WINDOW = 4000, 2048
BANDS = ((10, 40), (40, 80), (80, 200), (200, 600), (600, 1000), (1000, 1500), (1500, 1990))
FAULTS = ("imbalance", "misalignment", "outer ring", "inner ring")
MEETINGS = {"outer ring": 3.05, "inner ring": 4.95}
"""How often a ball meets the damage in a turn: of a bearing of 8 balls, n / 2 (1 -+ d / D cos a), with d / D cos a = 0.2375."""

RING, FADES = 1200.0, 400.0  # Hz at which the bearing's seat rings, and how fast that fades, 1/s
ALARMS = 0.01
"""The share of good windows that may be taken for faults."""

WIDER = 4.0
"""The integers reach so many times farther from the mean than good windows do, so that faults aren't clipped to look good."""

GOOD, TRIED = 800, 300  # windows to learn from, and to try; of each fault a third as many


def learn(data: Path | None, seed: int, say: Say) -> Learned:
    """Learns from good windows; accuracy is the area under the ROC curve of other good ones and of faults."""
    if data is not None:
        raise InputError("machine-anomaly makes its own vibrations: it must be given no folder", loc=str(data))
    try:
        from sklearn.covariance import EllipticEnvelope
        from sklearn.metrics import roc_auc_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ToolError("machine-anomaly trains with scikit-learn", hint="pip install 'skosh[sklearn]'") from error
    rng = np.random.default_rng(seed)
    say(f"{GOOD + TRIED:,} windows of a good motor, {TRIED // 3} of each fault")
    front = front_end()
    here = skosh.compile(front, target="host")  # the same arithmetic as on the device

    def features(count: int, fault: str | None = None) -> Array:
        return np.asarray(here.run(np.stack([window(rng, fault) for _ in range(count)]))).reshape(count, -1)

    good, tried = features(GOOD), features(TRIED)
    broken = {fault: features(TRIED // 3, fault) for fault in FAULTS}
    model = make_pipeline(StandardScaler(), EllipticEnvelope(contamination=ALARMS, random_state=seed)).fit(good)
    floats = skosh.load(model, output="decision", name="anomaly")
    wide = good.mean(axis=0) + WIDER * (good - good.mean(axis=0))
    integers = skosh.quantize(floats, np.concatenate([good, wide.astype(np.float32)]))
    say("trying it")
    builds = [skosh.compile(g, target="host") for g in (floats, integers)]

    def areas(bad: Array) -> list[float]:
        truth = np.r_[np.zeros(TRIED), np.ones(len(bad))]
        return [round(float(roc_auc_score(truth, -b.run(np.concatenate([tried, bad])).reshape(-1))), 4) for b in builds]

    every = areas(np.concatenate(list(broken.values())))
    accuracy = {
        "float": every[0], "int8": every[1], "split": "other windows of the made motor",
        "what": "area under the ROC curve",
        "faults_int8": {fault: areas(x)[1] for fault, x in broken.items()},
        "false_alarms_int8": round(float((builds[1].run(tried) < 0).mean()), 4),
        "found_int8": round(float(np.mean([(builds[1].run(x) < 0).mean() for x in broken.values()])), 4),
    }  # fmt: skip
    samples = np.stack([window(rng, fault) for fault in (None, None, *FAULTS)])
    source = "the physics of a motor's vibration"
    return Learned(front.then(floats), front.then(integers), samples, accuracy, "synthetic", source)


def front_end() -> Graph:
    return skosh.features.imu(
        WINDOW, 1, sample_rate=RATE, features=("std", "skew", "kurtosis", "max"), bands=BANDS, log_bands=True, segment=1024,
        name="machine",
    )  # fmt: skip


def window(rng: np.random.Generator, fault: str | None) -> Array:
    """[WINDOW, 1] float32, in g: the vibration of a motor's housing. fault: one of FAULTS, or None."""
    t = np.arange(WINDOW) / RATE
    speed, load = rng.uniform(24, 30), rng.uniform(0.6, 1.4)
    phase = rng.uniform(0, 2 * np.pi, 5)
    turns = 2 * np.pi * (speed * t + 0.02 * np.cumsum(rng.normal(0, 0.02, WINDOW)))  # its speed isn't quite even
    x = load * (0.3 * np.sin(turns + phase[0]) + 0.12 * np.sin(2 * turns + phase[1]) + 0.04 * np.sin(18 * turns + phase[2]))
    x += 0.05 * np.sin(2 * np.pi * 100 * t + phase[3]) + rng.normal(0, 0.05, WINDOW)  # the mains' hum; the sensor's noise
    if fault == "imbalance":
        x += rng.uniform(0.15, 0.4) * np.sin(turns + phase[0])
    elif fault == "misalignment":
        x += rng.uniform(0.1, 0.3) * np.sin(2 * turns + phase[1]) + rng.uniform(0.05, 0.15) * np.sin(3 * turns + phase[4])
    elif fault is not None:
        x += _hits(rng, t, MEETINGS[fault] * speed, 0.0 if fault == "outer ring" else speed)
    return np.asarray(x, np.float32)[:, None]


def _hits(rng: np.random.Generator, t: Array, often: float, turning: float) -> Array:
    """Ringing after each hit. turning: how fast the damage goes in and out of the load, 0 where it stays in it."""
    x = np.zeros(WINDOW)
    for at in np.cumsum(rng.normal(1, 0.01, int(often * t[-1]))) / often:  # balls slip: hits are a little irregular
        since = np.maximum(t - at, 0)
        strength = rng.uniform(0.2, 0.5) * (0.6 + 0.4 * np.cos(2 * np.pi * turning * at))
        x += strength * np.exp(-FADES * since) * np.sin(2 * np.pi * RING * since)
    return x


def stream(file: Path | None, data: Path | None) -> Iterator[Moment]:
    """Ten seconds of a good motor, then two windows of each fault. file: none is read."""
    if file is not None:
        raise InputError("machine-anomaly makes its own vibrations: it must be given no file", loc=str(file))
    rng = np.random.default_rng(1)
    for n, fault in enumerate([None] * 20 + [f for f in FAULTS for _ in range(2)]):
        yield Moment((n + 1) * WINDOW / RATE, window(rng, fault)[None], "good" if fault is None else "fault")


def decide(graph: Graph, outputs: tuple[Array, ...]) -> dict[str, Any]:
    """Below 0 is a fault: less likely than all but ALARMS of the good windows. score: the log-likelihood above that."""
    tensor = graph.tensors[graph.outputs[0]]
    score = float((outputs[0] if tensor.quant is None else dequantized(outputs[0], tensor)).reshape(-1)[0])
    return {"decision": "fault" if score < 0 else "good", "score": round(score, 3)}


APP = App(
    "machine-anomaly", "Is a motor still as it was?", "nano-33-ble", "no file", learn, stream, decide,
)  # fmt: skip
