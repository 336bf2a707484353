"""VexRiscv, a soft core for FPGAs (RV32IM, five stages, caches), simulated cycle for cycle; with a custom function unit too."""

from __future__ import annotations

from dataclasses import replace

from skosh.targets.machine import Memory, Target

TARGET = Target(
    name="vexriscv",
    description="VexRiscv RV32IM soft core, simulated: true cycles",
    flags=("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m"),
    flash=Memory(0x40000000, 2 << 20),
    ram=Memory(0x10000000, 512 << 10),
    emulator="vexriscv:flash=0,ram=0",
    startup="startup_vexriscv",
    soft_float="float_rv32im.S",
    has_unaligned_access=False,
    forms=("skosh.machines.words.twin_forms:TWINS",),
    twin_rows=2,
)

WITH_LANES = replace(
    TARGET,
    name="vexriscv-cfu",
    description='VexRiscv with the custom function unit "lanes", simulated: true cycles',
    flags=(*TARGET.flags, "-DSKOSH_CFU_LANES"),
    unit="skosh.machines.custom.lanes:LANES",
    forms=(
        "skosh.machines.custom.forms:PRODUCTS",
        "skosh.machines.custom.forms:DEPTHWISE",
        "skosh.machines.custom.forms:POOL",
        *TARGET.forms,
    ),
)

WITH_QUADS = replace(
    TARGET,
    name="vexriscv-quads",
    description='VexRiscv with the small custom function unit "quads", simulated: true cycles',
    flags=(*TARGET.flags, "-DSKOSH_CFU_QUADS"),
    unit="skosh.machines.custom.quads:QUADS",
    forms=("skosh.machines.custom.forms:QUAD_PRODUCTS", *TARGET.forms),
)
