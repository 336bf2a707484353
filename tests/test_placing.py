"""``skosh.place`` and ``skosh place`` on real models: keys, accuracy, compressed samples, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.placing import Placement, milliseconds
from tests.cli.run import run
from tests.support.shared import models_folder

OPTION = {
    "name", "allowed", "why_not", "energy_uj", "latency_ms", "bytes", "life_days", "money_month", "accuracy",
}  # fmt: skip


def model(name: str = "micro_speech") -> Path:
    return models_folder() / f"{name}.tflite"


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Golden inputs, and as labels what the model says to all but two of them."""
    golden = np.load(models_folder() / "micro_speech.npz")
    y = golden["outputs"].reshape(len(golden["outputs"]), -1).argmax(axis=1)
    y[:2] = (y[:2] + 1) % 4
    return golden["inputs"], y


def test_the_json_has_the_keys(tmp_path: Path, samples: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = samples
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    page = tmp_path / "p.html"
    ran = run("place", model(), "--device", "nrf52840-dk", "--link", "ble-1m", "--rate", "0.5", "--samples", tmp_path / "x.npy",
              "--labels", tmp_path / "y.npy", "--html", page, "--json")  # fmt: skip
    assert ran.status == 0, ran.err
    told: dict[str, Any] = json.loads(ran.out)
    assert {"best", "aim", "options", "break_even_macs_per_byte", "flips"} <= told.keys()
    assert told["best"] in {o["name"] for o in told["options"] if o["allowed"]}
    for o in told["options"]:
        assert o.keys() >= OPTION
        assert 0 < o["energy_uj"][0] <= o["energy_uj"][1]
        assert 0 < o["latency_ms"]["p50"] <= o["latency_ms"]["p95"]
        assert o["life_days"][0] <= o["life_days"][1]
        assert o["allowed"] == (o["why_not"] is None)
        assert o["accuracy"] == pytest.approx(1 - 2 / len(y)), "two labels were made wrong"
    names = {o["name"] for o in told["options"]}
    assert {"device", "raw-fog", "raw-cloud", "compressed-fog", "compressed-cloud"} <= names
    assert any(n.startswith("split-fog after ") for n in names)
    for f in told["flips"]:
        assert {"what", "from", "to", "best_then"} <= f.keys()
    low, high = told["break_even_macs_per_byte"]
    assert 0 < low <= high
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_flips_hold_when_asked_again() -> None:
    """The command, with the number that a flip names."""
    arguments = ("place", model(), "--device", "nucleo-l4r5zi", "--link", "ble-1m", "--json")
    told = json.loads(run(*arguments, "--rate", "0.2").out)
    options = {"event rate": "--rate", "data rate": "--data-rate", "distance": "--distance"}
    assert told["flips"]
    for f in told["flips"]:
        rest = () if f["what"] == "event rate" else ("--rate", "0.2")
        again = json.loads(run(*arguments, *rest, options[f["what"]], f["to"]).out)
        assert again["best"] == f["best_then"] != told["best"]


def test_the_answer_as_tables() -> None:
    ran = run("place", model(), "--device", "nrf52840-dk", "--link", "lora-sf9")
    assert ran.status == 0
    assert "Best for energy" in ran.out
    assert "payload: 1,960 bytes a decision" in ran.out
    assert "not tried, early-exit: needs labelled samples" in ran.out
    refused = run("place", model(), "--device", "nrf52840-dk", "--link", "lora-sf9", "--deadline", "1us")
    assert refused.status == 1
    assert "no option is allowed" in refused.out


def test_raw_samples_of_a_sensor(samples: tuple[np.ndarray, np.ndarray]) -> None:
    """Sound in front of a model that reads features: its bytes, its compressed size, and features as an option."""
    t = np.arange(16_000)
    sound = np.stack([(3000 * np.sin(t / (20 + i))).astype(np.int16) for i in range(3)])
    found = skosh.place(model(), device="nrf52840-dk", link="ble-2m", raw=sound)
    assert isinstance(found, Placement)
    assert found.named["raw-fog"].bytes == 32_000
    assert found.named["features-fog"].bytes == 1_960
    assert found.named["compressed-fog"].bytes < 16_000
    assert dict(found.named["device"].parts)["compute"].high > dict(found.named["device"].parts)["compute"].low
    assert found.best is not None and "Placement(micro_speech on nrf52840-dk" in repr(found)
    with pytest.raises(InputError, match="raw samples must be integers"):
        skosh.place(model(), device="nrf52840-dk", link="ble-2m", raw=sound.astype(np.float32))


def test_what_doesnt_fit(samples: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = samples
    where = {"device": "nrf52840-dk", "link": "ble-1m"}
    with pytest.raises(InputError, match=r"there must be as many labels as samples, \d+, not 1"):
        skosh.place(model(), x, y[:1], **where)
    with pytest.raises(InputError, match="samples must be int8 or real numbers, not <U3"):
        skosh.place(model(), np.array(["yes"]), y[:1], **where)
    with pytest.raises(InputError, match="place has no such condition"):
        skosh.place(model(), weather="fine", **where)
    with pytest.raises(InputError, match="give labelled samples"):
        skosh.place(model(), accuracy=0.9, **where)


@pytest.mark.parametrize(
    ("told", "ms"), [(200, 200), ("200ms", 200), ("0.2 s", 200), ("50us", 0.05), ("7", 7), (None, None)]
)
def test_deadlines(told: float | str | None, ms: float | None) -> None:
    assert milliseconds(told) == ms


@pytest.mark.parametrize("told", ["soon", "-3ms", 0, "0s"])
def test_deadlines_that_are_none(told: float | str) -> None:
    with pytest.raises(InputError, match="deadline must be"):
        milliseconds(told)


def test_boards_without_a_modelled_machine_get_a_band() -> None:
    """Cycles of Cortex-M55 aren't modelled: instructions times a band."""
    from skosh.placing import cycles_band

    assert cycles_band(100, None).low < 100 < cycles_band(100, None).high
    assert cycles_band(100, 130).low == cycles_band(100, 130).high == 130
