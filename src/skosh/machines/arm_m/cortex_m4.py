"""Arm Cortex-M4F (ARMv7E-M): DSP instructions and the single-precision FPU (FPv4-SP), hard-float ABI."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="cortex-m4",
    description="Arm Cortex-M4F: DSP and float; STM32F4/L4, nRF52",
    # zig's processor names carry no FPU (nor, for the M33, the DSP extension): say it
    flags=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp"),
    flash=Memory(0x08000000, 2 << 20),
    ram=Memory(0x20000000, 512 << 10),
    timings="cortex-m4",
    emulator="CORTEX_M4",
    has_fpu=True,
    has_dsp=True,
    forms=(
        "skosh.machines.arm_m.tile_forms:TILES",
        "skosh.machines.arm_m.pair_forms:PAIRS",
        "skosh.machines.arm_m.pair_forms:INT16_PAIRS",
    ),
    storage=("skosh.machines.arm_m.packed_pair_forms:PACKED_PAIRS",),
)
