"""Arm Cortex-M0+ (ARMv6-M): no divide, no 32x32->64 multiply, no unaligned access."""

from __future__ import annotations

from skosh.targets.machine import ForestCosts, Memory, Target

TARGET = Target(
    name="cortex-m0plus",
    description="Arm Cortex-M0+: the smallest; RP2040, STM32G0, SAMD21",
    flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus"),
    flash=Memory(0x08000000, 2 << 20),
    ram=Memory(0x20000000, 512 << 10),
    timings="cortex-m0plus",
    emulator="CORTEX_M0",
    soft_float="float_thumb.S",
    has_float_sums=True,
    has_hardware_divide=False,
    has_long_multiply=False,
    has_unaligned_access=False,
    twin_rows=1,
    forest_costs=ForestCosts((8.3, 15.6), (4.4, 5.0), (13, 17), 50),
    forms=(
        "skosh.machines.words.twin_forms:TWINS",
        "skosh.machines.words.stair_forms:STAIRS",
    ),
)
