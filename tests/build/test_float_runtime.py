"""float32 without an FPU is that of IEEE 754: every operation, on every target that has no FPU, against this computer's."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from skosh.targets import names, target
from skosh.verify.arithmetic import OPERATIONS, PAIRS, SPECIAL, Arithmetic, random_pairs, special_pairs

MACHINES = [name for name in names() if target(name).soft_float and not name.startswith("vexriscv")]  # rv32imc's serves it


@cache
def arithmetic(machine: str) -> Arithmetic:
    return Arithmetic(target(machine))


def test_targets_without_an_fpu_have_their_own():
    assert set(MACHINES) == {"cortex-m0plus", "cortex-m3", "rv32imc"}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_all_pairs_of_special_numbers(machine, operation):
    seen = 0
    for a, b in special_pairs():
        assert arithmetic(machine).difference(operation, a, b) == ""
        seen += PAIRS
    assert seen >= len(SPECIAL) ** 2


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_kinds_of_hard_pairs(machine, operation):
    for a, b in random_pairs(np.random.default_rng(7)).values():
        assert arithmetic(machine).difference(operation, a, b) == ""


@pytest.mark.parametrize("machine", MACHINES)
@settings(max_examples=10, deadline=None)
@given(a=arrays(np.uint32, 64), b=arrays(np.uint32, 64))
def test_any_bits(machine, a, b):
    """All pairs of what hypothesis thinks of."""
    x, y = np.repeat(a, 64), np.tile(b, 64)
    for operation in OPERATIONS:
        assert arithmetic(machine).difference(operation, x, y) == ""


@pytest.mark.parametrize("machine", MACHINES)
def test_what_an_operation_costs(machine):
    """Normal numbers: a bound that a mistake in the fast paths would break."""
    a, b = random_pairs(np.random.default_rng(7))["normal"]
    costs = {operation: arithmetic(machine).run(operation, a, b)[1] for operation in ("add", "subtract", "multiply")}
    assert max(costs.values()) < 50, costs


def test_a_difference_is_told(monkeypatch):
    a, b = np.full(PAIRS, 0x3F800000, np.uint32), np.full(PAIRS, 0x40000000, np.uint32)
    found = arithmetic("cortex-m0plus")
    wrong = found.run("add", a, b)[0].copy()
    wrong[7] ^= 1
    monkeypatch.setattr(found, "run", lambda *_: (wrong, 0.0))
    assert found.difference("add", a, b) == "add of 3f800000 and 40000000 is 40400001, not 40400000 (1 of 4096)"
