"""Vector machines compute what the language says: each spelling against the interpreter, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import skosh
from skosh.base.errors import ToolError
from skosh.build import compile_host
from skosh.emit.functions import kernel_text
from skosh.targets import missing, names, target
from skosh.targets.simd import MACHINES, vector_machine
from tests.support.lanes import expected, run_here, trials, unit
from tests.support.shared import models_folder, shared_models

NATIVE = [name for name in names() if target(name).simd and target(name).is_host and target(name).needs]


@pytest.mark.parametrize("name", NATIVE)
@pytest.mark.parametrize("vectors", [1, 2])
def test_the_machine_computes_what_the_language_says(name: str, vectors: int) -> None:
    chosen = target(name)
    if missing(chosen):
        pytest.skip(missing(chosen))
    found = trials(vector_machine(chosen.simd), vectors)
    got = run_here(found, chosen.flags)
    differ = [
        t.name
        for t, after in zip(found, got, strict=True)
        if not np.array_equal(expected(t)["y"].view(np.uint8), after["y"].view(np.uint8))
    ]
    assert not differ


@pytest.mark.parametrize("name", NATIVE)
def test_every_spelling_compiles_without_a_warning(name: str) -> None:
    chosen = target(name)
    found = trials(vector_machine(chosen.simd))
    compile_host({"t.c": unit([t.kernel for t in found])}, machine=chosen.flags)


@pytest.mark.parametrize("name", MACHINES)
def test_every_spelling_is_used(name: str) -> None:
    machine = vector_machine(name)
    for t in trials(machine):
        assert f"#if {machine.test}" in kernel_text(t.kernel, "k", lambda n: n), f"{t.name} stays scalar"


@pytest.mark.skipif(not shared_models(), reason="the shared models are not here")
@pytest.mark.parametrize("name", NATIVE)
def test_models_build_for_processors_that_are_not_here(name: str) -> None:
    """Without a warning; and where this computer can't run them, a letter says what it lacks."""
    build = skosh.compile(models_folder() / "kws.tflite", target=name)
    machine = vector_machine(target(name).simd)
    assert f"#if {machine.test}" in build.sources["kws.c"]
    compile_host(build.sources, machine=target(name).flags)
    if missing(target(name)):
        with pytest.raises(ToolError, match="needs a processor with"):
            build.verify(1)


def test_what_a_processor_lacks_is_told() -> None:
    made = replace(target("x86-64-avx2"), needs=("no_such_thing",))
    assert missing(made) == "x86-64-avx2 needs a processor with no_such_thing, which this computer lacks"
    assert missing(target("host")) == ""
