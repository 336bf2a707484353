"""AArch64 with SVE2: vectors of any length, with predicates. Runs in QEMU's emulation of Linux programs, on 128 bits.

Nothing that is compiled knows the length: ``vector_length(target("aarch64-sve"), 512)`` runs the same program on 512 bits.
"""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="aarch64-sve",
    description="AArch64 with SVE2 vectors of any length: Cortex-A510, Neoverse N2",
    flags=("-target", "aarch64-freestanding-none", "-mcpu=generic+neon+dotprod+sve+sve2"),
    flash=Memory(0x10000000, 64 << 20),
    ram=Memory(0x20000000, 64 << 20),
    emulator="qemu-aarch64:max,sve-max-vq=1",
    marker=0x24000000,
    pointer_bytes=8,
    simd="sve",
    startup="startup_user",
    has_fpu=True,
    forms=(
        "skosh.machines.vectors.dot_forms:LANES",
        "skosh.machines.vectors.forms:FLOATS",
        "skosh.machines.vectors.forms:WINDOWS",
        "skosh.machines.vectors.forms:MATRICES",
        "skosh.machines.vectors.forms:FILTERS_OF_A_CHANNEL",
        "skosh.machines.vectors.forms:LOOPS",
    ),
)
