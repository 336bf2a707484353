"""x86-64 with AVX2 (x86-64-v3): PCs since 2013, and servers."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="x86-64-avx2",
    description="x86-64 with AVX2: PCs since 2013, and servers",
    flags=("-mcpu=x86_64_v3",),
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8,
    simd="avx2",
    needs=("avx2", "bmi2", "fma"),
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
