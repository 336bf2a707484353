"""Arm Cortex-M85 (Armv8.1-M main line): the instructions of the Cortex-M55, with Helium, issued two at a time.

It gets the C of the M55, and runs in the same model of a board, whose M55 has every instruction that the compiler writes for
it: pointer authentication, which the M85 adds, is written only where it is asked for. Instructions are counted; how many
cycles they take is known for neither.
"""

from __future__ import annotations

from dataclasses import replace

from skosh.machines.helium import cortex_m55

TARGET = replace(
    cortex_m55.TARGET,
    name="cortex-m85",
    description="Arm Cortex-M85: Helium vectors, DSP and float; RA8",
    flags=("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m85-mve_fp+mve+fp_armv8d16"),
    sibling_of="cortex-m55",
)
