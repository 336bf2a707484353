"""``skosh verify``."""

from __future__ import annotations

from typing import Any

import pytest

import skosh
from tests.cli.fakes import EXACT, WRONG, FakeBuild
from tests.cli.run import run


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> FakeBuild:
    made = FakeBuild()
    monkeypatch.setattr(skosh, "compile", lambda model, **options: made)
    return made


def test_exact(build: FakeBuild) -> None:
    ran = run("verify", "kws.tflite")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == "kws on cortex-m4: identical on 20 samples: 240 elements, against reference.\n"
    assert build.asked == {"samples": 20, "against": None}


def test_wrong(build: FakeBuild) -> None:
    build.proof = WRONG
    ran = run("verify", "kws.tflite")
    assert ran.status == 1
    assert ran.out == (
        "kws on cortex-m4: not identical, 5 of 240 elements differ, on 20 samples: against reference, tflm.\n"
        "The first: sample 2: kws_01_dense: logits[0, 3] is 16, not 17 as reference has it.\n"
    )


@pytest.mark.parametrize(("proof", "status"), [(EXACT, 0), (WRONG, 1)])
def test_json(build: FakeBuild, proof: Any, status: int) -> None:
    build.proof = proof
    ran = run("verify", "kws.tflite", "--json")
    assert ran.status == status
    assert list(ran.json) == ["bit_exact", "mismatches", "elements", "samples", "against", "first_difference"]
    assert ran.json["bit_exact"] is (status == 0)


@pytest.mark.parametrize(
    ("options", "samples"),
    [
        (("--samples", "5"), 5),
        (("--samples", "x.npy"), "x.npy"),
        (("--golden", "x.npz"), "x.npz"),
        ((), 20),
    ],
)
def test_samples(build: FakeBuild, options: tuple[str, ...], samples: object) -> None:
    run("verify", "kws.tflite", *options)
    assert build.asked["samples"] == samples


def test_against(build: FakeBuild) -> None:
    run("verify", "kws.tflite", "--against", "reference, host,tflm")
    assert build.asked["against"] == ("reference", "host", "tflm")


def test_no_samples(build: FakeBuild) -> None:
    ran = run("verify", "kws.tflite", "--samples", "0")
    assert (ran.status, ran.err) == (2, "skosh: --samples must be a positive count or a file, not 0.\n")


def test_samples_and_golden(build: FakeBuild) -> None:
    ran = run("verify", "kws.tflite", "--samples", "3", "--golden", "x.npz")
    assert ran.status == 2
    assert ran.err == "skosh: --samples and --golden can't both be given. Hint: the golden file brings its own inputs\n"
