"""A unit as RTLIL and as Verilog."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

from skosh.rtl.hardware import Hardware
from skosh.rtl.unit import Unit
from skosh.targets.hardware_tools import run_yosys, yosys_version
from skosh.targets.toolchain import cached

_SCRIPT = "read_rtlil unit.il; proc; opt; wreduce; opt; write_verilog -noattr unit.v"


@cache
def rtlil(unit: Unit, module: str) -> str:
    """The hardware in Yosys's own language; the same unit gives the same text."""
    from amaranth.back import rtlil as writer

    hardware = Hardware(unit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(writer.convert(hardware, ports=hardware.port.all(), name=module, emit_src=False))


def verilog(unit: Unit, module: str) -> str:
    """The hardware as Verilog-2005, by Yosys."""
    text = rtlil(unit, module)

    def make(folder: Path) -> None:
        (folder / "unit.il").write_text(text, encoding="utf-8")
        run_yosys(_SCRIPT, f'unit "{unit.name}" as Verilog', folder)

    return (cached(("unit verilog", yosys_version(), _SCRIPT, text), make) / "unit.v").read_text(encoding="utf-8")
