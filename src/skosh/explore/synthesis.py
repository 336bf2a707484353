"""What a unit costs on an FPGA: synthesized by Yosys, placed and routed by nextpnr, for a Lattice ECP5-25F."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skosh.rtl.unit import Unit
from skosh.rtl.verilog import rtlil
from skosh.targets.hardware_tools import nextpnr_ecp5, run_yosys, yosys_version
from skosh.targets.toolchain import cached, run_tool

DEVICE = "LFE5U-25F-6CABGA381"

SYNTHESIS = "synth_ecp5 -top cfu -json cfu.json; tee -q -o stat.json stat -json"

PLACE = (
    "--25k", "--package", "CABGA381", "--speed", "6", "--seed", "1", "--freq", "100", "--lpf-allow-unconstrained",
    "--timing-allow-fail", "--json", "cfu.json", "--report", "report.json", "--quiet",
)  # fmt: skip
"""A design that is slower than asked for is reported, not refused."""


@dataclass(frozen=True)
class Area:
    """lut: 4-input LUTs, two of them for each pair of carry cells; dsp: 18 x 18 multipliers; bram: blocks of 18 kbit."""

    lut: int
    ff: int
    dsp: int
    bram: int


def synthesized(unit: Unit) -> Area:
    """The unit's cells on an ECP5. Kept in the cache."""
    return _area(json.loads((_netlist(unit) / "stat.json").read_text(encoding="utf-8")))


def placed(unit: Unit) -> float:
    """MHz of the slowest path between registers of the unit alone, placed and routed with its port at pins; kept too."""
    netlist = _netlist(unit)

    def make(folder: Path) -> None:
        (folder / "cfu.json").write_bytes((netlist / "cfu.json").read_bytes())
        run_tool([*nextpnr_ecp5(), *PLACE], f'place and route "{unit.name}"', folder)
        (folder / "cfu.json").unlink()

    made = cached(("placed", netlist.name, nextpnr_ecp5(), PLACE), make)
    return slowest(json.loads((made / "report.json").read_text(encoding="utf-8")))


def slowest(report: dict[str, Any]) -> float:
    """MHz of the slowest clock of nextpnr's report."""
    found = min((clock["achieved"] for clock in report["fmax"].values()), default=math.nan)
    return round(float(found), 1)


def _netlist(unit: Unit) -> Path:
    """What a memory gives to a reader in the cycle in which it is written is used by no instruction: it may be anything."""
    text = re.sub(r"(COLLISION_X_MASK \d+')0+", r"\g<1>1", rtlil(unit, "cfu"))

    def make(folder: Path) -> None:
        (folder / "cfu.il").write_text(text, encoding="utf-8")
        run_yosys(f"read_rtlil cfu.il; {SYNTHESIS}", f'synthesize "{unit.name}"', folder)

    return cached(("netlist", yosys_version(), SYNTHESIS, text), make)


def _area(stat: dict[str, Any]) -> Area:
    cells = stat["modules"]["\\cfu"]["num_cells_by_type"]
    luts = cells.get("LUT4", 0) + 2 * cells.get("CCU2C", 0) + 4 * cells.get("TRELLIS_DPR16X4", 0)
    return Area(luts, cells.get("TRELLIS_FF", 0), cells.get("MULT18X18D", 0), cells.get("DP16KD", 0))
