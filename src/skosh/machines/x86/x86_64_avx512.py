"""x86-64 with AVX-512 and VNNI: Ice Lake, Sapphire Rapids, Zen 4 and later."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="x86-64-avx512",
    description="x86-64 with AVX-512 and VNNI: Ice Lake, Zen 4 and later",
    flags=("-mcpu=x86_64_v4+avx512vnni",),
    flash=Memory(0, 1 << 40),
    ram=Memory(0, 1 << 40),
    pointer_bytes=8,
    simd="avx512",
    needs=("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"),
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
