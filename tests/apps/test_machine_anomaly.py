"""A motor's vibrations: what is made is what physics says, and faults are told from good windows that were never seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skosh.apps import machine_anomaly
from skosh.apps.app import app, compiled, samples_of
from skosh.apps.machine_anomaly import FAULTS, RATE, WINDOW, window
from skosh.base.errors import InputError
from tests.cli.run import run


def power(fault: str | None, low: float, high: float) -> float:
    rng = np.random.default_rng(0)
    found = [np.abs(np.fft.rfft(window(rng, fault)[:, 0])) ** 2 for _ in range(40)]
    at = np.fft.rfftfreq(WINDOW, 1 / RATE)
    return float(np.mean(found, axis=0)[(at >= low) & (at < high)].sum())


def test_faults_shake_where_physics_says() -> None:
    assert power("imbalance", 20, 34) > 2 * power(None, 20, 34)
    assert power("misalignment", 70, 95) > 5 * power(None, 70, 95)
    for ring in ("outer ring", "inner ring"):
        assert power(ring, 1100, 1300) > 5 * power(None, 1100, 1300)
        assert power(ring, 20, 34) < 1.5 * power(None, 20, 34)


def test_anomalies_from_training_to_decisions(tmp_path: Path) -> None:
    folder = tmp_path / "motor"
    made = run("app", "machine-anomaly", "train", "-o", str(folder), "--json").json
    accuracy = made["accuracy"]
    assert made["data"] == "synthetic" and accuracy["float"] > 0.95
    assert accuracy["int8"] > 0.95 and abs(accuracy["int8"] - accuracy["float"]) < 0.01
    assert set(accuracy["faults_int8"]) == set(FAULTS) and min(accuracy["faults_int8"].values()) > 0.9
    assert accuracy["false_alarms_int8"] < 0.05 < accuracy["found_int8"]
    build = compiled(app("machine-anomaly"), folder)
    assert build.verify(samples_of(app("machine-anomaly"), folder)).bit_exact
    told = [json.loads(line) for line in run("app", "machine-anomaly", "run", "-o", str(folder), "--json").out.splitlines()]
    assert len(told) == 28 and sum(one["decision"] == one["truth"] for one in told) >= 24
    assert all((one["score"] < 0) == (one["decision"] == "fault") for one in told)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must be given no folder"):
        machine_anomaly.learn(tmp_path, 0, print)
    with pytest.raises(InputError, match="must be given no file"):
        list(machine_anomaly.stream(tmp_path, None))
