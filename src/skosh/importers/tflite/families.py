"""Which module converts an operator: a family is ``skosh.importers.tflite.<name>``.

``CONVERTERS``: operator -> what makes a node of a record. ``EXPANSIONS``: operator -> what makes several nodes of one, where
that is needed: it is asked first, and False leaves the record to the converter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from skosh.importers.tflite.reader import Converter, Record

FAMILIES = (
    "convolution", "dense", "pooling", "softmax", "reshape", "elementwise", "activations", "reductions", "movement",
    "resize", "recurrent", "quantization", "control", "volumes", "unsigned", "lists", "detection", "signals",
)  # fmt: skip


def converter_for(code: str) -> Converter | None:
    """The converter of an operator by TFLite's name; families are imported in order, until one has it."""
    for family in FAMILIES:
        converter = converters(family).get(code)
        if converter is not None:
            return converter
    return None


@cache
def expansions_for(code: str) -> tuple[Callable[[Record, Any], bool], ...]:
    """What may make several nodes of an operator's record; each gets the record and the ``conversion.Walk``."""
    return tuple(expansions(family)[code] for family in FAMILIES if code in expansions(family))


@cache
def converters(family: str) -> Mapping[str, Converter]:
    table: Mapping[str, Converter] = getattr(_module(family), "CONVERTERS", {})
    return table


@cache
def expansions(family: str) -> Mapping[str, Callable[[Record, Any], bool]]:
    table: Mapping[str, Callable[[Record, Any], bool]] = getattr(_module(family), "EXPANSIONS", {})
    return table


def _module(family: str) -> object:
    return import_module(f"skosh.importers.tflite.{family}")
