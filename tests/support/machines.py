"""Which targets can run here: some need an emulator that isn't a Python package."""

from __future__ import annotations

import shutil

import pytest

from skosh.targets import names, target


def missing(name: str) -> str:
    """The program that a target runs in and that isn't here; "" when it can run."""
    program, colon, _ = target(name).emulator.partition(":")
    return program if colon and shutil.which(program) is None else ""


def runnable() -> tuple[str, ...]:
    """The targets that can run here."""
    return tuple(name for name in names() if not missing(name))


def needs(name: str) -> None:
    """Skips the test when the target can't run here."""
    if missing(name):
        pytest.skip(f"{missing(name)} is not installed")
