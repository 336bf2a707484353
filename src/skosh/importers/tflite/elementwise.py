"""Arithmetic, comparisons, logic and choice, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Converter, Record
from skosh.ir.graph import Op
from skosh.ops.elements import comparisons
from skosh.ops.elements import elementwise as ops
from skosh.ops.elements.floors import FloorDiv, FloorMod
from skosh.ops.moves.reshape import Reshape


def _fused(make: Callable[[str], Op], table: str) -> Converter:
    """A converter of an operator whose only option, in the schema's ``table``, is its fused activation."""

    def convert(record: Record) -> Op:
        options = record.options(getattr(import_module(f"tflite.{table}"), table))
        if table in ("AddOptions", "SubOptions"):
            options.PotScaleInt16()  # which of two ways to compute the same sum
        return make(activation(options.FusedActivationFunction()))

    return convert


def _plain(make: Callable[[], Op]) -> Converter:
    return lambda record: make()


def select(record: Record, walk: Any) -> bool:
    """SELECT: the condition is as large as the others, one truth value, or one for each index of their first axis."""
    condition, x = record.input(0), record.input(1)
    if len(record.inputs) != 3 or record.input(2).shape != x.shape:
        raise ModelError(f"SELECT must have two choices of one shape, not {x.shape} and {record.input(2).shape}")
    if condition.shape in ((), (1,), x.shape):
        return False
    if condition.shape != x.shape[:1]:
        raise ModelError(f"the condition of SELECT must have shape {x.shape} or {x.shape[:1]}, not {condition.shape}")
    rows = walk.make(Reshape((x.shape[0], *[1] * (len(x.shape) - 1))), condition)
    walk.make(comparisons.Select(), rows, x, record.input(2), out=record.output())
    return True


CONVERTERS: dict[str, Converter] = {
    "ADD": _fused(ops.Add, "AddOptions"),
    "SUB": _fused(ops.Sub, "SubOptions"),
    "MUL": _fused(ops.Mul, "MulOptions"),
    "DIV": _fused(ops.Div, "DivOptions"),
    "FLOOR_DIV": _plain(FloorDiv),
    "FLOOR_MOD": _plain(FloorMod),
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
    "SELECT": _plain(comparisons.Select),
}

EXPANSIONS = {"SELECT": select}
