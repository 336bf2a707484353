"""AArch64 with NEON and its dot products (Armv8.2-A): vectors of 128 bits. Runs in QEMU's emulation of Linux programs."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="aarch64",
    description="AArch64 with NEON dot products: Cortex-A55, A76, Raspberry Pi 5",
    flags=("-target", "aarch64-freestanding-none", "-mcpu=generic+neon+dotprod"),
    flash=Memory(0x10000000, 64 << 20),
    ram=Memory(0x20000000, 64 << 20),
    emulator="qemu-aarch64:max,sve=off",
    marker=0x24000000,
    pointer_bytes=8,
    simd="neon",
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
