"""The lazy registry: names of things that are found by name, and the module that is imported only when one is used."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from skosh.base.errors import InputError

Table = dict[str, str]  # name -> "package.module:Attribute"


def load(table: Table, name: str, what: str) -> Any:
    """The thing called ``name``; an InputError that lists the known names when there is none."""
    if name not in table:
        known = ", ".join(table)
        raise InputError(f'{what} must be one of {known}, not "{name}"', hint=nearest(name, table))
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names what was perhaps meant: "did you mean cortex-m4?"; "" where nothing is like it.

    Case, spaces and punctuation don't count, and a part of a name is like all of it.
    """
    plain = {_plain(k): k for k in known}
    wanted = _plain(name)
    close = [plain[p] for p in get_close_matches(wanted, plain, n=3, cutoff=0.7)]
    close += [k for p, k in plain.items() if len(wanted) > 1 and wanted in p and k not in close]
    *most, last = close[:3] or [""]
    return f"did you mean {', '.join(most)}{' or ' if most else ''}{last}?" if last else ""


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
