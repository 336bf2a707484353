"""x86-64 with SSE4.1 (x86-64-v2): what every PC since 2008 runs."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="x86-64",
    description="x86-64 with SSE4.1: any PC since 2008",
    flags=("-mcpu=x86_64_v2",),
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8,
    simd="sse4",
    needs=("sse4_1", "ssse3"),
    has_fpu=True,
    forms=(
        "skosh.machines.vectors.forms:PRODUCTS",
        "skosh.machines.vectors.forms:FLOATS",
        "skosh.machines.vectors.forms:WINDOWS",
        "skosh.machines.vectors.forms:MATRICES",
        "skosh.machines.vectors.forms:FILTERS_OF_A_CHANNEL",
        "skosh.machines.vectors.forms:LOOPS",
    ),
)
