"""Arm Cortex-M33 (ARMv8-M main line): DSP and the single-precision FPU (FPv5-SP), hard-float ABI."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="cortex-m33",
    description="Arm Cortex-M33: DSP and float; nRF5340, STM32U5, RP2350",
    # zig's processor names carry no FPU (nor, for the M33, the DSP extension): say it
    flags=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m33+dsp+fp_armv8d16sp"),
    flash=Memory(0x08000000, 2 << 20),
    ram=Memory(0x20000000, 512 << 10),
    timings="cortex-m33",
    emulator="CORTEX_M33",
    has_fpu=True,
    has_dsp=True,
    forms=(
        "skosh.machines.arm_m.tile_forms:TILES",
        "skosh.machines.arm_m.pair_forms:PAIRS",
        "skosh.machines.arm_m.pair_forms:INT16_PAIRS",
    ),
    storage=("skosh.machines.arm_m.packed_pair_forms:PACKED_PAIRS",),
)
