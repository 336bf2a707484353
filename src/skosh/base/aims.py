"""What a program is compiled for."""

from __future__ import annotations

from typing import Literal, get_args

from skosh.base.errors import InputError

Aim = Literal["balanced", "speed", "flash", "ram"]

AIMS: tuple[Aim, ...] = get_args(Aim)
"""In the order in which people are told of them."""


def as_aim(word: str) -> Aim:
    """The aim of that name; an InputError that lists them for another word."""
    if word not in AIMS:
        joules = 'on one chip, energy is cycles times a constant: choose "speed"; skosh place tells joules'
        hint = joules if word == "energy" else ""
        raise InputError(f'optimize must be one of {", ".join(AIMS)}, not "{word}"', hint=hint)
    return word
