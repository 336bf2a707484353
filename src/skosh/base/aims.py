"""What a program is compiled for."""

from __future__ import annotations

from typing import Literal, get_args

from skosh.base.errors import InputError

Aim = Literal["balanced", "speed", "flash", "ram", "energy"]

AIMS: tuple[Aim, ...] = get_args(Aim)
"""In the order in which people are told of them."""


def as_aim(word: str) -> Aim:
    """The aim of that name; an InputError that lists them for another word."""
    if word not in AIMS:
        raise InputError(f'optimize must be one of {", ".join(AIMS)}, not "{word}"')
    return word
