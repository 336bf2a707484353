"""Arm Cortex-M3 (ARMv7-M): Thumb-2, hardware divide, no DSP instructions, no FPU."""

from __future__ import annotations

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="cortex-m3",
    description="Arm Cortex-M3: STM32F1, SAM3X",
    flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3"),
    flash=Memory(0x08000000, 2 << 20),
    ram=Memory(0x20000000, 512 << 10),
    timings="cortex-m3",
    emulator="CORTEX_M3",
    soft_float="float_thumb.S",
    has_float_sums=True,
)
