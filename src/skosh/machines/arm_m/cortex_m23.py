"""Arm Cortex-M23 (ARMv8-M baseline): the M0+ with a hardware divide, wide moves and compare-and-branch.

Unicorn has none; its Cortex-M33 has every instruction of the baseline, so that runs it. The compiler is told of an M23, and
writes none that this one lacks.
"""

from __future__ import annotations

from dataclasses import replace

from skosh.machines.arm_m import cortex_m0plus

TARGET = replace(
    cortex_m0plus.TARGET,
    name="cortex-m23",
    description="Arm Cortex-M23: SAML11, RA2, GD32E23x",
    flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m23"),
    timings="cortex-m23",
    emulator="CORTEX_M33",
    has_hardware_divide=True,
    sibling_of="cortex-m0plus",
)
