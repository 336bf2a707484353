"""Arm Cortex-M7 (ARMv7E-M): dual issue, DSP; the single-precision half of FPv5, which every M7 with an FPU has."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="cortex-m7",
    description="Arm Cortex-M7: dual issue, DSP and float; STM32F7/H7, i.MX RT",
    # zig's processor names carry no FPU (nor, for the M33, the DSP extension): say it
    flags=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m7+fp_armv8d16sp"),
    flash=Memory(0x08000000, 2 << 20),
    ram=Memory(0x20000000, 512 << 10),
    timings="cortex-m7",
    emulator="CORTEX_M7",
    has_fpu=True,
    has_dsp=True,
    forms=(
        "skosh.machines.arm_m.tile_forms:TILES",
        "skosh.machines.arm_m.pair_forms:PAIRS",
        "skosh.machines.arm_m.pair_forms:INT16_PAIRS",
    ),
    storage=("skosh.machines.arm_m.packed_pair_forms:PACKED_PAIRS",),
)
