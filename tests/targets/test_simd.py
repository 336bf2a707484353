"""Vector machines compute what the language says: each spelling against the interpreter, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.build import compile_host
from skosh.emit.functions import kernel_text
from skosh.targets import missing, names, target
from skosh.targets.simd import MACHINES, vector_machine
from tests.support.lanes import expected, run_here, trials, unit

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
