"""Chips by family, from ``chips.toml``: which target's C one takes, and what that costs beside C made for it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Chip:
    """A family of chips. ``pattern``: a regular expression for the names, without punctuation, in capitals.

    ``target``: whose C it takes, "" where none fits; ``cost``: what that costs, or why none fits.
    """

    family: str
    pattern: str
    core: str
    target: str
    cost: str


@cache
def families() -> tuple[Chip, ...]:
    """All families, the narrower ones first."""
    text = (files("skosh.targets") / "chips.toml").read_text(encoding="utf-8")
    return tuple(Chip(**fields) for fields in tomllib.loads(text)["chip"])


def chips(name: str) -> tuple[Chip, ...]:
    """The families that a chip called ``name`` may belong to: the first whose pattern fits; () where none does."""
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    return tuple(c for c in families() if re.match(c.pattern, plain))[:1]
