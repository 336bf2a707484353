"""The boards under ``devices/``, one TOML file each.

    description = "Nordic nRF52840 DK"
    target = "cortex-m4"
    chip = "nrf52840"          # optional: the record of place/catalogue/chips.toml with what it draws
    clock_mhz = 64
    flash = 1048576            # bytes
    ram = 262144
    source = "nRF52840 Product Specification v1.7; a note, such as the table"   # of all numbers of the file
    evidence = "datasheet"     # of all numbers of the file: measured, datasheet, derived or assumed
    platformio = "nordicnrf52/nrf52840_dk"   # its names elsewhere: arduino, platformio, zephyr

``source`` may also be a table with title, revision, table and address.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from skosh.base.errors import InputError, Loc
from skosh.base.evidence import Source, read_band, read_evidence, read_source
from skosh.base.registry import nearest
from skosh.targets.machine import Device

TEXTS = ("description", "target")
NUMBERS = ("clock_mhz", "flash", "ram")
NAMES = ("chip", "arduino", "platformio", "zephyr")


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
    known = (*TEXTS, *NUMBERS, *NAMES, "source", "evidence")
    strange = sorted(set(told) - set(known))
    if strange:
        raise InputError(f"a board has no {', '.join(strange)}", loc=place, hint=f"it has {', '.join(known)}")
    for key in (*TEXTS, *NUMBERS):
        if key not in told:
            raise InputError(f"a board must have {key}", loc=place)
    for key in (*TEXTS, *NAMES):
        if not isinstance(told.get(key, ""), str):
            raise InputError(f"{key} must be a text, not {told[key]}", loc=place)
    numbers = {key: read_band(told[key], place) for key in NUMBERS}
    for key, (low, high) in numbers.items():
        if not 0 < low == high:
            raise InputError(f"{key} must be one number > 0, not {told[key]}", loc=place)
    return Device(
        name=name,
        description=told["description"],
        target=told["target"],
        clock_mhz=told["clock_mhz"],
        flash=int(numbers["flash"][0]),
        ram=int(numbers["ram"][0]),
        source=board_source(told.get("source"), place),
        evidence=read_evidence(told.get("evidence"), place),
        **{key: told[key] for key in NAMES if key in told},
    )


def board_source(told: Any, place: Loc) -> Source:
    """A source as a table, or as a text, "title; note"."""
    if not isinstance(told, str):
        return read_source(told, {}, place)
    title, _, note = told.partition(";")
    return read_source({"title": title.strip(), "table": note.strip()}, {}, place)


def device(name: str) -> Device:
    """The board called ``name``; an InputError that lists the known ones when there is none."""
    known = {board.name: board for board in devices()}
    if name not in known:
        hint = nearest(name, known)
        raise InputError(f'device must be one of {", ".join(known)}, not "{name}"', hint=hint)
    return known[name]
