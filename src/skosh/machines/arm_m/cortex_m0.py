"""Arm Cortex-M0 (ARMv6-M): the instructions of the M0+, a pipeline of three stages: a branch that is taken costs more."""

from __future__ import annotations

from dataclasses import replace

from skosh.machines.arm_m import cortex_m0plus

TARGET = replace(
    cortex_m0plus.TARGET,
    name="cortex-m0",
    description="Arm Cortex-M0: STM32F0, nRF51, LPC11",
    flags=("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0"),
    timings="cortex-m0",
    sibling_of="cortex-m0plus",
)
