"""The boards under ``devices/``, one TOML file each."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from skosh.base.errors import InputError
from skosh.base.registry import nearest
from skosh.targets.machine import Device


@cache
def devices() -> tuple[Device, ...]:
    """All boards, by name."""
    folder = files("skosh.targets") / "devices"
    found = []
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            fields = tomllib.loads(entry.read_text(encoding="utf-8"))
            found.append(Device(name=entry.name.removesuffix(".toml"), **fields))
    return tuple(found)


def device(name: str) -> Device:
    """The board called ``name``; an InputError that lists the known ones when there is none."""
    known = {board.name: board for board in devices()}
    if name not in known:
        hint = nearest(name, known)
        raise InputError(f'device must be one of {", ".join(known)}, not "{name}"', hint=hint)
    return known[name]
