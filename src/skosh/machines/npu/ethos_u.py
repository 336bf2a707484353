"""Ethos-U: a TFLite file compiled by Arm's Vela, and what Vela says that it takes.

Vela makes a TFLite file whose operators on the unit are one custom operator, a stream of commands with compressed weights,
for TensorFlow Lite Micro with Ethos-U's driver; what the unit can't do stays as it was, for the CPU. There is no open
simulator of the unit: the cycles are Vela's own estimate, for the system it assumes, and nothing here was run.
"""

from __future__ import annotations

import csv
import math
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skosh.base.errors import FitError, InputError, ToolError
from skosh.ir.graph import Graph
from skosh.machines.npu.fixed_shapes import fixed_file
from skosh.machines.npu.tools import ask

ACCELERATORS = (
    "ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256", "ethos-u65-256", "ethos-u65-512", "ethos-u85-128",
    "ethos-u85-256", "ethos-u85-512", "ethos-u85-1024", "ethos-u85-2048",
)  # fmt: skip
"""What Vela calls them: the unit, and its multiplications a cycle."""

HOW = "estimated by Vela, not measured"


@dataclass(frozen=True)
class EthosU:
    """What Vela made, and says of it.

    files: name -> content. npu_operators, cpu_operators: of Vela's own graph, after it took the file's apart. left_to_cpu: why
    operators stay with the CPU, in Vela's words. sram_bytes, dram_bytes, flash_bytes: what the model takes of each, flash on
    the chip and off. estimated_cycles: of the unit's clock, for one run. system_config, memory_mode, clock_hz: what Vela
    assumed.
    """

    accelerator: str
    vela: str
    system_config: str
    memory_mode: str
    clock_hz: int
    npu_operators: int
    cpu_operators: int
    left_to_cpu: tuple[str, ...]
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    macs: int
    estimated_cycles: int
    files: dict[str, bytes]

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        del told["files"]
        return {**told, "how": HOW}


def to_ethos_u(graph: Graph, accelerator: str) -> EthosU:
    """The file that a graph was loaded from, compiled for an accelerator.

    InputError when there is no such accelerator or the graph came from no TFLite file, FitError when the unit can run nothing
    of the model, ToolError when Vela is missing or refuses it.
    """
    if accelerator not in ACCELERATORS:
        raise InputError(f'accelerator must be one of {", ".join(ACCELERATORS)}, not "{accelerator}"')
    content = fixed_file(graph)
    name = re.sub(r"\W", "_", graph.name) or "model"
    with tempfile.TemporaryDirectory(prefix="skosh-") as scratch:
        source, made = Path(scratch, f"{name}.tflite"), Path(scratch, "made")
        source.write_bytes(content)
        options = ("--accelerator-config", accelerator, "--output-dir", str(made))
        said = ask("ethosu", "vela", str(source), *options, what=f"{graph.loc}: Vela")
        files = {p.name: p.read_bytes() for p in sorted(made.glob("*")) if p.is_file()}
    summary = next((c for n, c in files.items() if n.endswith(".csv")), None)
    if summary is None or f"{name}_vela.tflite" not in files:
        raise ToolError(f"Vela made {sorted(files) or 'nothing'}, not a model and its summary", loc=graph.loc)
    (row,) = csv.DictReader(summary.decode().splitlines())
    return _read(graph, accelerator, said, row, files)


def _read(graph: Graph, accelerator: str, said: str, row: Mapping[str, str], files: dict[str, bytes]) -> EthosU:
    """What stands in the summary (sizes in KiB) and, of operators, only in the text."""
    counts = {unit: re.search(rf"^{unit} operators = (\d+)", said, re.MULTILINE) for unit in ("NPU", "CPU")}
    npu, cpu = (int(found[1]) if (found := counts[unit]) else 0 for unit in ("NPU", "CPU"))
    why = tuple(
        f"{op}: {reason.strip()}"
        for op, reason in re.findall(r"\(supported operators\) operator: (\w+).*?\n\s*(?:- |Reason: )?([^\n]+)", said)
    )
    if npu == 0:
        raise FitError(
            f"{accelerator} can run no operator of the model. Vela says of {why[0] if why else 'it nothing'}", loc=graph.loc,
            hint="quantize the model to int8",
        )  # fmt: skip

    def kib(*names: str) -> int:
        return round(sum(float(row[f"{n}_memory_used"]) for n in names) * 1024)

    cycles = float(row["cycles_total"])
    if math.isnan(cycles):
        raise ToolError("Vela gives no estimate of cycles", loc=graph.loc)
    return EthosU(
        accelerator, said.split(maxsplit=1)[0], row["system_config"], row["memory_mode"], round(float(row["core_clock"])),
        npu, cpu, why, kib("sram"), kib("dram"), kib("on_chip_flash", "off_chip_flash"), int(row["nn_macs"]), round(cycles),
        files,
    )  # fmt: skip
