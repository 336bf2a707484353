"""The boards under ``devices/``, one TOML file each.

    description = "Nordic nRF52840 DK"
    target = "cortex-m4"
    chip = "nrf52840"       # optional: the record of place/catalogue/chips.toml with what it draws
    clock_mhz = 64
    flash = 1048576         # bytes
    ram = 262144
    evidence = "datasheet"  # of all numbers of the file: measured, datasheet, derived or assumed
    [source]                # of all numbers of the file; title, and revision or address
    title = "nRF52840 Product Specification"
    revision = "v1.7"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from skosh.base.errors import InputError, Loc
from skosh.base.evidence import read_band, read_evidence, read_source
from skosh.targets.machine import Device

TEXTS = ("description", "target")
NUMBERS = {"clock_mhz": "MHz", "flash": "bytes", "ram": "bytes"}


@cache
def devices() -> tuple[Device, ...]:
    """All boards, by name."""
    folder = files("skosh.targets") / "devices"
    return tuple(
        read_device(entry.name.removesuffix(".toml"), tomllib.loads(entry.read_text(encoding="utf-8")), entry.name)
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".toml")
    )


def read_device(name: str, told: Mapping[str, Any], file: str) -> Device:
    """A board from the values of its TOML file. InputError: something is missing, or a number has no source."""
    place = Loc(file, name)
    strange = sorted(set(told) - {*TEXTS, *NUMBERS, "chip", "evidence", "source"})
    if strange:
        raise InputError(f"a board has no {', '.join(strange)}", loc=place, hint=f"it has {', '.join((*TEXTS, *NUMBERS))}")
    for key in (*TEXTS, *NUMBERS):
        if key not in told:
            raise InputError(f"a board must have {key}", loc=place)
    numbers = {key: read_band(told[key], place) for key in NUMBERS}
    for key, (low, high) in numbers.items():
        if not 0 < low == high:
            raise InputError(f"{key} must be one number > 0, not {told[key]}", loc=place)
    return Device(
        name=name,
        description=str(told["description"]),
        target=str(told["target"]),
        clock_mhz=numbers["clock_mhz"][0],
        flash=int(numbers["flash"][0]),
        ram=int(numbers["ram"][0]),
        source=read_source(told.get("source"), {}, place),
        evidence=read_evidence(told.get("evidence"), place),
        chip=str(told.get("chip", "")),
    )


def device(name: str) -> Device:
    """The board called ``name``; an InputError that lists the known ones when there is none."""
    for board in devices():
        if board.name == name:
            return board
    known = ", ".join(board.name for board in devices())
    raise InputError(f'device must be one of {known}, not "{name}"')
