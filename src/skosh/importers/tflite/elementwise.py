"""Arithmetic, comparisons, logic and choice, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module

from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Converter, Record
from skosh.ir.graph import Op
from skosh.ops.elements import comparisons
from skosh.ops.elements import elementwise as ops


def _fused(make: Callable[[str], Op], table: str) -> Converter:
    """A converter of an operator whose only option, in the schema's ``table``, is its fused activation."""

    def convert(record: Record) -> Op:
        options = record.options(getattr(import_module(f"tflite.{table}"), table))
        return make(activation(options.FusedActivationFunction()))

    return convert


def _plain(make: Callable[[], Op]) -> Converter:
    return lambda record: make()


CONVERTERS: dict[str, Converter] = {
    "ADD": _fused(ops.Add, "AddOptions"),
    "SUB": _fused(ops.Sub, "SubOptions"),
    "MUL": _fused(ops.Mul, "MulOptions"),
    "DIV": _fused(ops.Div, "DivOptions"),
    "MAXIMUM": _plain(ops.Maximum),
    "MINIMUM": _plain(ops.Minimum),
    "SQUARED_DIFFERENCE": _plain(ops.SquaredDifference),
    "EQUAL": _plain(partial(comparisons.Compare, "==")),
    "NOT_EQUAL": _plain(partial(comparisons.Compare, "!=")),
    "LESS": _plain(partial(comparisons.Compare, "<")),
    "LESS_EQUAL": _plain(partial(comparisons.Compare, "<=")),
    "GREATER": _plain(partial(comparisons.Compare, ">")),
    "GREATER_EQUAL": _plain(partial(comparisons.Compare, ">=")),
    "LOGICAL_AND": _plain(partial(comparisons.Logical, "and")),
    "LOGICAL_OR": _plain(partial(comparisons.Logical, "or")),
    "LOGICAL_NOT": _plain(comparisons.LogicalNot),
    "SELECT_V2": _plain(comparisons.Select),
}
