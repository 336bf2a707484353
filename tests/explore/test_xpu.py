"""One model on every unit: each row says how its number was come by, or why there is none."""

from __future__ import annotations

import json

import pytest

from skosh.base.errors import ToolError
from skosh.explore import xpu
from skosh.explore.synthesis import Area
from skosh.rtl.unit import Unit
from tests.cli.run import run
from tests.support.shared import models_folder

SMALL = models_folder() / "hello_world.tflite"


def test_rows_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated, modelled and measured; a synthesis takes a minute, and is tested by itself."""

    def synthesized(unit: Unit) -> Area:
        return Area(len(unit.name), 2, 3, 4)

    def nowhere(graph: object, accelerator: str) -> None:
        raise ToolError(f"{accelerator} is not installed")

    monkeypatch.setattr(xpu, "synthesized", synthesized)
    monkeypatch.setattr(xpu, "to_ethos_u", nowhere)
    monkeypatch.setattr(xpu, "WAYS", tuple(w for w in xpu.WAYS if w[1] not in ("lanes", "cortex-m55")))
    monkeypatch.setattr(xpu, "BATCH", 8)
    ran = run("xpu", SMALL, "--json")
    assert ran.status == 0, ran.err
    rows = {r["target"]: r for r in json.loads(ran.out)["rows"]}
    assert list(rows) == ["vexriscv", "vexriscv-quads", "cortex-m4", "opencl", xpu.NPU]
    assert all(set(r) == {"unit", "target", "bit_exact", "cycles", "time_us", "area", "how"} for r in rows.values())
    assert 0 < rows["vexriscv-quads"]["cycles"] < rows["vexriscv"]["cycles"]
    assert rows["vexriscv-quads"]["area"] == {"lut": 5, "ff": 2, "dsp": 3, "bram": 4}
    assert all(rows[t]["bit_exact"] for t in ("vexriscv", "vexriscv-quads", "cortex-m4", "opencl"))
    assert rows["opencl"]["time_us"] > 0 and rows["opencl"]["cycles"] is None
    assert rows[xpu.NPU]["how"] == f"not available: {xpu.NPU} is not installed"
    assert rows[xpu.NPU]["bit_exact"] is None


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xpu, "WAYS", tuple(w for w in xpu.WAYS if w[1] == "cortex-m4"))
    ran = run("xpu", SMALL)
    assert ran.status == 0, ran.err
    assert "microcontroller, SIMD" in ran.out and "published timings" in ran.out
