"""The lazy registry: names of things that are found by name, and the module that is imported only when one is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from skosh.base.errors import InputError

Table = dict[str, str]  # name -> "package.module:Attribute"


def load(table: Table, name: str, what: str) -> Any:
    """The thing called ``name``; an InputError that lists the known names when there is none."""
    if name not in table:
        known = ", ".join(table)
        raise InputError(f'{what} must be one of {known}, not "{name}"')
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
