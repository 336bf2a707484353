"""Real models: bit-exact with TFLite's own outputs on every target, and as small as they have been."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import skosh
from skosh.built import Build
from skosh.targets import names
from skosh.verify.samples import Samples, load_samples, random_samples
from tests.support.machines import needs
from tests.support.shared import models_folder, shared_models

COUNT = 2  # samples of each model on each target
ARENA = {"ad": 768, "kws": 16_000, "ic": 49_152, "vww": 55_296}  # with optimize="ram"
FLASH = {"kws": 40_000, "ic": 95_000, "vww": 60_000, "ad": 285_000}  # with optimize="flash", at most
STACK = 1_500  # less than this


@cache
def made(path: Path, target: str, optimize: str = "balanced") -> Build:
    return skosh.compile(str(path), target=target, optimize=optimize)


def samples(build: Build, path: Path) -> Samples:
    """The first golden samples, or random ones."""
    golden = path.with_suffix(".npz")
    if not golden.is_file():
        return random_samples(build.source, COUNT)
    found = load_samples(build.source, golden)
    return Samples(found.inputs[:COUNT], None if found.golden is None else found.golden[:COUNT])


@pytest.mark.skipif(not shared_models(), reason="the shared models are not here")
@pytest.mark.parametrize("target", [n for n in names() if not n.startswith("vexriscv")])
@pytest.mark.parametrize("path", shared_models(), ids=lambda p: p.stem)
def test_bit_exact(path: Path, target: str) -> None:
    needs(target)
    build = made(path, target)
    from skosh.verify.proof import prove

    chosen = samples(build, path)
    proof = prove(build.source, build.program, build.runner, chosen, tracer=build.tracer)
    assert proof.bit_exact, str(proof.first_difference)
    assert proof.against == (("reference", "golden") if chosen.golden is not None else ("reference",))


@pytest.mark.parametrize("name", ARENA)
def test_arena(name: str) -> None:
    assert made(models_folder() / f"{name}.tflite", "cortex-m4", "ram").program.plan.arena_bytes == ARENA[name]


@pytest.mark.parametrize("name", FLASH)
def test_flash_and_stack(name: str) -> None:
    profile = made(models_folder() / f"{name}.tflite", "cortex-m4", "flash").profile()
    assert profile.flash.total <= FLASH[name]
    assert profile.ram.stack is not None
    assert profile.ram.stack < STACK


@pytest.mark.parametrize("name", ["kws", "ad"])
def test_every_golden_sample_on_the_host(name: str) -> None:
    path = models_folder() / f"{name}.tflite"
    proof = made(path, "host").verify(golden=path.with_suffix(".npz"))
    assert proof.bit_exact, str(proof.first_difference)
