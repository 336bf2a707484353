"""Which targets can run here: some need an emulator that isn't a Python package, some a processor of their own."""

from __future__ import annotations

import shutil

import pytest

from skosh.targets import missing as missing_here
from skosh.targets import names, target


def missing(name: str) -> str:
    """What a target needs to run, and isn't here: an emulator's program, a processor; "" when it can run."""
    program, colon, _ = target(name).emulator.partition(":")
    if program == "vexriscv":
        return "simulated cycle for cycle, a thousand times slower: tests/emulate/test_soc.py runs it"
    if colon and shutil.which(program) is None:
        return f"{program} is not installed"
    return missing_here(target(name))


def runnable() -> tuple[str, ...]:
    """The targets that can run here."""
    return tuple(name for name in names() if not missing(name))


def needs(name: str) -> None:
    """Skips the test when the target can't run here."""
    if missing(name):
        pytest.skip(missing(name))
