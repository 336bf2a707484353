"""Models as the planner sees them, made up, and settings for them."""

from __future__ import annotations

from typing import Any

from skosh.place.band import Band
from skosh.place.catalogue import catalogue
from skosh.place.planner import make_setting
from skosh.place.setting import Setting
from skosh.place.work import CutWork, Work

KNOWN = catalogue()


def work(cycles: float = 8.8e6, raw_bytes: int = 9216, cuts: tuple[CutWork, ...] = (), **changes: Any) -> Work:
    fields: dict[str, Any] = {
        "name": "made", "target": "cortex-m4", "cycles": Band(cycles, cycles), "macs": int(cycles / 2), "flash": 100_000,
        "ram": 50_000, "code": 10_000, "raw_bytes": raw_bytes, "input_bytes": raw_bytes, "result_bytes": 2,
        "front_end": False, "cuts": cuts,
    }  # fmt: skip
    return Work(**{**fields, **changes})


def setting(device: str = "nucleo-l4r5zi", link: str = "ble-1m", **changes: Any) -> Setting:
    return make_setting(KNOWN, device=device, link=link, **changes)
