"""RISC-V RV32IMAC: RV32IMC with atomic instructions, which inference has no use for. Cycles are those of Hazard3."""

from __future__ import annotations

from dataclasses import replace

from skosh.machines.riscv import rv32imc

TARGET = replace(
    rv32imc.TARGET,
    name="rv32imac",
    description="RISC-V RV32IMAC: ESP32-C6, ESP32-H2, GD32VF103",
    flags=("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+a+c"),
    sibling_of="rv32imc",
)
