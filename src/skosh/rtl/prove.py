"""Two functions of the language, shown equal for all arguments by a solver: Yosys's ``sat`` on their hardware."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from skosh.base.errors import ScheduleError
from skosh.ir.kernel import Function
from skosh.rtl.datapath import Datapath
from skosh.rtl.hardware import shape_of
from skosh.rtl.wires import Path as Wires
from skosh.rtl.wires import Wire
from skosh.targets.hardware_tools import run_yosys


class _Straight(Wires):
    """Without registers: what a function gives doesn't hang on its cuts."""

    def register(self, wire: Wire) -> Wire:
        return wire


def counterexample(f: Function, g: Function) -> dict[str, int] | None:
    """Arguments for which the two differ; None when there are none. For small functions: no wide products."""
    if [p.dtype for p in f.params] != [p.dtype for p in g.params] or f.returns != g.returns:
        raise ScheduleError(f"{f.name} and {g.name} must take and give the same types")
    with TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "both.il").write_text(_both(f, g), encoding="utf-8")
        script = "read_rtlil both.il; proc; opt; tee -q -o said sat -prove same 1 -show-inputs both"
        run_yosys(script, f"compare {f.name} and {g.name}", work)
        said = (work / "said").read_text(encoding="utf-8")
    if "no model found: SUCCESS" in said:
        return None
    found = re.findall(r"^\s*\\(\w+)\s+(-?\d+)\s", said, re.MULTILINE)
    assert found, "a failed proof shows the arguments"
    return {name: int(value) for name, value in found if name in {p.name for p in f.params}}


def _both(f: Function, g: Function) -> str:
    """A module with the arguments as inputs, and whether the two agree as output."""
    from amaranth.back import rtlil
    from amaranth.hdl import Module, Signal

    m, same = Module(), Signal(name="same")
    inputs = {p.name: Signal(shape_of(p.dtype), name=p.name) for p in f.params}
    data = Datapath(_Straight(m), {}, lambda name, row: None)
    given = [Wire(x) for x in inputs.values()]
    one, two = (data.path.real(data.call(h, given)).value for h in (f, g))
    m.d.comb += same.eq(one == two)
    return str(rtlil.convert(m, ports={**{n: (s, None) for n, s in inputs.items()}, "same": (same, None)}, name="both"))
