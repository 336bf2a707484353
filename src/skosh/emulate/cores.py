"""What Unicorn must be told about a processor: how to open it, and the numbers of its registers."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from skosh.base.errors import ToolError
from skosh.targets.toolchain import DEVICE

TRANSLATED = 64 << 20
"""Bytes for translated code; Unicorn asks for 1 GiB by itself. One of 100 KB takes a few MB; when full, it is emptied."""


@dataclass(frozen=True)
class Core:
    """``model``: Unicorn's number of the processor; sp, lr, pc: of its stack pointer, return address, program counter.

    ``mode_bit`` is set in an address to run from: 1 for Thumb.
    """

    architecture: int
    mode: int
    model: int
    sp: int
    lr: int
    pc: int
    mode_bit: int

    def open(self) -> Any:
        """A new emulator without memory. ToolError when there is no room for translated code: Unicorn would end the process."""
        try:
            mmap.mmap(-1, 2 * TRANSLATED).close()
        except OSError as error:
            raise ToolError(
                f"the emulator needs {2 * TRANSLATED >> 20} MiB, and there is no such memory",
                hint="allow this process more (ulimit -v), or end others",
            ) from error
        emulator = unicorn_package().Uc(self.architecture, self.mode)
        emulator.ctl_set_tcg_buffer_size(TRANSLATED)
        emulator.ctl_set_cpu_model(self.model)
        return emulator


def core_of(name: str) -> Core:
    """The processor that ``Target.emulator`` names: "CORTEX_M4", or "RISCV32_..." as Unicorn calls it."""
    unicorn = unicorn_package()
    if name.startswith("RISCV32_"):
        riscv = unicorn.riscv_const
        return Core(
            unicorn.UC_ARCH_RISCV,
            unicorn.UC_MODE_RISCV32,
            getattr(riscv, f"UC_CPU_{name}"),
            riscv.UC_RISCV_REG_SP,
            riscv.UC_RISCV_REG_RA,
            riscv.UC_RISCV_REG_PC,
            0,
        )
    arm = unicorn.arm_const
    return Core(
        unicorn.UC_ARCH_ARM,
        unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS,
        getattr(arm, f"UC_CPU_ARM_{name}"),
        arm.UC_ARM_REG_SP,
        arm.UC_ARM_REG_LR,
        arm.UC_ARM_REG_PC,
        1,
    )


def unicorn_package() -> Any:
    """The unicorn package, which has no types; imported on use, a ToolError when it can't be."""
    try:
        import_module("unicorn.arm_const")
        import_module("unicorn.riscv_const")
        return import_module("unicorn")
    except ImportError as error:
        raise ToolError("no emulator: unicorn can't be imported", hint=DEVICE) from error
