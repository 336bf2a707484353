"""This computer: no emulator, no cycle model; the quickest way to try a model."""

from __future__ import annotations

import sys

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="host",
    description="this computer, native code in a shared library",
    flags=("-mcpu=baseline",),  # the same code on every machine of one architecture, not what this one happens to have
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8 if sys.maxsize > 1 << 32 else 4,
    has_fpu=True,
)
