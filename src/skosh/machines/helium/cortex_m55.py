"""Arm Cortex-M55 (Armv8.1-M main line): Helium, the M-profile vector extension (MVE) with 128-bit vectors of integers.

Runs in QEMU's model of the Corstone-300 board AN547, with code and data in its DDR memory, which is a file that we
share with the emulator. Vectors of floats are switched off in the compiler: MVE flushes subnormal floats to zero, the
scalar FPU doesn't, so only scalar floats mean the same everywhere.
"""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="cortex-m55",
    description="Arm Cortex-M55: Helium vectors, DSP and float; Corstone-300, Alif Ensemble",
    # zig's name alone has neither the vectors nor the FPU that every M55 with Helium can have
    flags=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m55-mve_fp+mve+fp_armv8d16"),
    # Our schedules unroll, with vector registers counted; more of it spills them. LLVM 17 reloads a spilled vector inside a
    # loop of DLSTP and LETP, where the last round leaves its inactive lanes zero, and uses it whole when the loop is entered
    # again: wrong sums. Predicates that are said (VCTP) cost an instruction a round, and are right.
    c_flags=("-fno-unroll-loops", "-mllvm", "-arm-loloops-disable-tailpred", "-DSKOSH_HELD"),
    # DDR seen from the secure side
    flash=Memory(0x70000000, 8 << 20),
    ram=Memory(0x71000000, 4 << 20),
    emulator="qemu-system-arm:mps3-an547",
    marker=0x72000000,
    has_fpu=True,
    has_dsp=True,
    simd="helium",
    has_helium=True,
    has_assembly=False,  # ours is for cores without vectors
    forms=(
        "skosh.machines.helium.forms:SUMS",
        "skosh.machines.vectors.forms:PRODUCTS",
        "skosh.machines.vectors.forms:FLOATS",
        "skosh.machines.vectors.forms:WINDOWS",
        "skosh.machines.vectors.forms:MATRICES",
        "skosh.machines.vectors.forms:FILTERS_OF_A_CHANNEL",
        "skosh.machines.vectors.forms:LOOPS",
        "skosh.machines.arm_m.pair_forms:PAIRS",
        "skosh.machines.arm_m.pair_forms:INT16_PAIRS",
    ),
    storage=("skosh.machines.arm_m.packed_pair_forms:PACKED_PAIRS",),
)
