"""The wake words of the wheel ``pymicro-wakeword``: streaming networks with filters of 5 to 21 rows, as people run them."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import skosh

NAMES = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")


def model(name: str) -> Path:
    found = find_spec("pymicro_wakeword")
    assert found is not None and found.origin is not None, "pymicro-wakeword is of the extra test"
    return Path(found.origin).parent / "models" / f"{name}.tflite"


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the wheel is for Linux on x86-64 alone"
)
@pytest.mark.parametrize(
    ("name", "optimize"), [*((n, "balanced") for n in NAMES), ("okay_nabu", "speed"), ("hey_jarvis", "ram")]
)
def test_on_the_target_of_most_of_them(name: str, optimize: str) -> None:
    """On Cortex-M4 what TensorFlow Lite Micro computes, layer by layer, its state going from sample to sample."""
    build = skosh.compile(model(name), target="cortex-m4", optimize=optimize)
    proof = build.verify(6, against=("reference", "tflm"))
    assert (proof.bit_exact, proof.mismatches, proof.against) == (True, 0, ("reference", "tflm"))
    assert any(c.kernel.name == "depthwise_tiles" for c in build.program.routines), "the form that was wrong"
