"""magic-wand: which of seven exercises an arm does, from the accelerations and turns of a watch; people never seen in training.

Data: the watch recordings in the package ``seglearn`` (20 recordings of each of 7 shoulder exercises, 50 Hz). Features of two
seconds (``skosh.features.imu``), and a network of 64 neurons, trained with the watch turned a little on the wrist.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.apps.app import App, Learned, Moment, Say, decision, shares
from skosh.apps.motion_data import AXES, Recording, read_csv, recordings
from skosh.base.errors import ToolError
from skosh.built import Build
from skosh.ir.graph import Array, Graph
from skosh.quantizer.study.batch import runs

RATE, WINDOW, HOP = 50, 100, 50
FEATURES = ("mean", "std", "min", "max", "rms", "skew", "kurtosis", "mean_crossings")
BANDS = ((0.3, 1.2), (1.2, 2.5), (2.5, 5.0), (5.0, 12.0))
TURNED, LOUDER, COPIES = 12.0, 0.07, 3
"""Degrees and share by which copies of the training windows differ, and how many."""

FOLDS = 5


def learn(data: Path | None, seed: int, say: Say) -> Learned:
    """Trains for the accuracy on people left out (5 folds), on a random split beside it, and at last on all people."""
    found = recordings(data)
    windows, labels, people = _windows(found)
    front = front_end()
    say(f"features of {len(windows):,} windows of {len(found)} recordings")
    here = skosh.compile(front, target="host")  # the same arithmetic as on the device
    x = _features(here, windows)
    rng = np.random.default_rng(seed)
    copies = [_features(here, _varied(windows, rng)) for _ in range(COPIES)]
    folds = np.array([sorted(set(people)).index(p) % FOLDS for p in people])
    by_person = [_fold(x, copies, labels, folds == k, seed, say, f"people left out, {k + 1} of {FOLDS}") for k in range(FOLDS)]
    held = rng.random(len(labels)) < 1 / FOLDS
    at_random = _fold(x, copies, labels, held, seed, say, "a random split")
    say("training on everybody")
    model = _trained(np.concatenate([x, *copies]), np.tile(labels, 1 + COPIES), seed)
    floats = skosh.load(model, name="gestures")
    integers = skosh.quantize(floats, x)
    accuracy = {
        "float": _mean([f for f, _ in by_person]), "int8": _mean([i for _, i in by_person]), "split": "by person, 5 folds",
        "random_split": {"float": _mean([at_random[0]]), "int8": _mean([at_random[1]])},
        "folds_int8": [_mean([i]) for _, i in by_person],
    }  # fmt: skip
    chosen = windows[:: max(1, len(windows) // 8)][:8]
    return Learned(
        front.then(floats), front.then(integers), chosen, accuracy, "real", "seglearn's watch recordings, 7 exercises, 20 arms"
    )


def front_end() -> Graph:
    return skosh.features.imu(
        WINDOW, len(AXES), sample_rate=RATE, features=FEATURES, bands=BANDS, log_bands=True, pairs=True,
        name="magic_wand",
    )  # fmt: skip


def stream(file: Path | None, data: Path | None) -> Iterator[Moment]:
    """Windows of a CSV file with the columns ax, ay, az, wx, wy, wz at 50 Hz; without a file, of the first recording."""
    found = recordings(data)[0] if file is None else Recording(read_csv(file), None, "")
    for at in range(0, len(found.samples) - WINDOW + 1, HOP):
        yield Moment((at + WINDOW) / RATE, found.samples[at : at + WINDOW][None], found.label)


# ------------------------------------------------------------------------------------------------------------ training


def _windows(found: list[Recording]) -> tuple[Array, Array, Array]:
    """(windows [N, 100, 6], labels, people)."""
    rows = [(r, at) for r in found for at in range(0, len(r.samples) - WINDOW + 1, HOP)]
    windows = np.stack([r.samples[at : at + WINDOW] for r, at in rows])
    return windows, np.array([r.label for r, _ in rows]), np.array([r.person for r, _ in rows])


def _features(front: Build, windows: Array) -> Array:
    return np.asarray(front.run(windows)).reshape(len(windows), -1)


def _varied(windows: Array, rng: np.random.Generator) -> Array:
    """The same windows with the watch turned a little, and a little slower or faster."""
    angles = np.deg2rad(rng.normal(0, TURNED, (len(windows), 3)))
    turn = _turns(angles)
    louder = rng.normal(1, LOUDER, (len(windows), 1, 1))
    halves = [np.einsum("nij,ntj->nti", turn, windows[:, :, i : i + 3]) for i in (0, 3)]
    return (np.concatenate(halves, axis=2) * louder).astype(np.float32)


def _turns(angles: Array) -> Array:
    """[N, 3, 3]: turns about x, then y, then z. angles: [N, 3] in radians."""
    total = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.broadcast_to(np.eye(3), total.shape).copy()
        turn[:, i, i] = turn[:, j, j] = np.cos(angles[:, axis])
        turn[:, j, i] = np.sin(angles[:, axis])
        turn[:, i, j] = -turn[:, j, i]
        total = turn @ total
    return np.asarray(total)


def _trained(x: Array, labels: Array, seed: int) -> Any:
    try:
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise ToolError("magic-wand trains with scikit-learn", hint="pip install 'skosh[sklearn]'") from error
    model = make_pipeline(StandardScaler(), MLPClassifier((64,), alpha=1.0, max_iter=60, random_state=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could converge further
        return model.fit(x, labels)


def _fold(x: Array, copies: list[Array], labels: Array, held: Array, seed: int, say: Say, what: str) -> tuple[float, float]:
    """(float, int8): the share of windows of ``held`` that a model trained on the others tells right."""
    known = np.concatenate([x[~held], *(c[~held] for c in copies)])
    model = _trained(known, np.tile(labels[~held], 1 + len(copies)), seed)
    integers = skosh.quantize(skosh.load(model, name="gestures"), x[~held])
    scores = [values[integers.outputs[0]] for values in runs(integers, [(row[None],) for row in x[held]])]
    said = np.asarray(integers.notes.classes)[shares(integers, np.concatenate(scores)).argmax(axis=1)]
    found = float((model.predict(x[held]) == labels[held]).mean()), float((said == labels[held]).mean())
    say(f"{what}: {100 * found[0]:.1f} % in float, {100 * found[1]:.1f} % in int8")
    return found


def _mean(shares: list[float]) -> float:
    return round(float(np.mean(shares)), 4)


APP = App(
    "magic-wand", "Which exercise an arm does, from a watch", "nano-33-ble", "a CSV file with ax, ay, az, wx, wy, wz at 50 Hz",
    learn, stream, decision,
)  # fmt: skip
