"""Floor 8: compiled models running, on this computer or a Cortex-M under Unicorn: outputs, counts, modelled cycles."""

from __future__ import annotations

from skosh.emulate.cost import Cost
from skosh.emulate.counter import Snapshot
from skosh.emulate.host import HostModel
from skosh.emulate.machine import Machine, Run, run_firmware

__all__ = ["Cost", "HostModel", "Machine", "Run", "Snapshot", "run_firmware"]
