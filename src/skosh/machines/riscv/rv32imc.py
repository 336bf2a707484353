"""RISC-V RV32IMC: a small core with multiply, divide and 16-bit instructions; no float, no atomics.

Cycles are those of Hazard3, the RISC-V core of RP2350: Espressif publishes none for the ESP32-C3.
"""

from __future__ import annotations

from skosh.targets.machine import ForestCosts, Memory, Target

TARGET = Target(
    name="rv32imc",
    description="RISC-V RV32IMC: ESP32-C3, CH32V, RP2350's Hazard3",
    flags=("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c"),
    flash=Memory(0x42000000, 8 << 20),
    ram=Memory(0x3FC80000, 512 << 10),
    timings="hazard3",
    emulator="RISCV32_SIFIVE_E31",
    startup="startup_riscv",
    soft_float="float_rv32im.S",
    has_unaligned_access=False,
    twin_rows=2,
    forest_costs=ForestCosts((10.1, 12.4), (3.9, 4.2), (14, 18), 85),
    forms=(
        "skosh.machines.words.twin_forms:TWINS",
        "skosh.machines.words.stair_forms:STAIRS",
    ),
)
