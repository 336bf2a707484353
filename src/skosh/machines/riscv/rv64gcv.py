"""RISC-V RV64GCV: RVV 1.0 vectors of any length. Runs in QEMU's emulation of Linux programs, with vectors of 128 bits.

Nothing that is compiled knows the length: ``vector_length(target("rv64gcv"), 512)`` runs the same program on 512 bits.
The compiler may use vectors of integers only: QEMU 7.2 ends with an assertion at some vector conversions of floats.
"""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="rv64gcv",
    description="RISC-V RV64GCV: RVV 1.0 vectors of any length; SpacemiT K1, SiFive X280",
    flags=("-target", "riscv64-freestanding-none", "-mcpu=generic_rv64+m+a+f+d+c+zve64x+zvl128b"),
    flash=Memory(0x10000000, 64 << 20),
    ram=Memory(0x20000000, 64 << 20),
    emulator="qemu-riscv64:rv64,v=true,vext_spec=v1.0,vlen=128",
    marker=0x24000000,
    pointer_bytes=8,
    simd="rvv",
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
