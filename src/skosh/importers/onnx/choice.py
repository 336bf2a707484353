"""Comparisons, logic, and choice between values: all at each place alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skosh.base.dtypes import bool_
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.elementwise import combined
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ops.elements.comparisons import Compare, Logical, LogicalNot, Select

Converter = Callable[[Context, Record], None]

COMPARISONS = {"Equal": "==", "Less": "<", "LessOrEqual": "<=", "Greater": ">", "GreaterOrEqual": ">="}


def comparison(ctx: Context, record: Record) -> None:
    a, b = record.inputs
    ctx.values[record.outputs[0]] = combined(ctx, Compare(COMPARISONS[record.kind]), a, b, record.outputs[0])


def logical(ctx: Context, record: Record) -> None:
    a, b = record.inputs
    op = Logical("and" if record.kind == "And" else "or")
    ctx.values[record.outputs[0]] = combined(ctx, op, a, b, record.outputs[0])


def negation(ctx: Context, record: Record) -> None:
    x = ctx.value(record.inputs[0])
    (tensor,) = ctx.apply(LogicalNot(), (x.tensor,), record.outputs[0])
    ctx.values[record.outputs[0]] = ctx.kept(x, tensor)


def where(ctx: Context, record: Record) -> None:
    """b where a is true, else c; the layout is that of the largest which is not constant."""
    out = record.outputs[0]
    shape = tuple(int(n) for n in np.broadcast_shapes(*(ctx.shape(n) for n in record.inputs)))
    main = next((n for n in record.inputs if n not in ctx.constants and ctx.shape(n) == shape), None)
    if main is None:
        tensors = [ctx.laid(ctx.value(n)) for n in record.inputs]
        ctx.values[out] = plain(chosen(ctx, tensors, out), shape)
        return
    value = ctx.value(main)
    found = [aligned(ctx, n, value) for n in record.inputs]
    if None in found:
        tensors = [ctx.laid(ctx.value(n)) for n in record.inputs]
        ctx.values[out] = plain(chosen(ctx, tensors, out), shape)
        return
    ctx.values[out] = ctx.kept(value, chosen(ctx, [t for t in found if t is not None], out))


def aligned(ctx: Context, name: str, value: Value) -> str | None:
    """The tensor of a name, as it broadcasts to how ``value`` is stored; None when that can't be said."""
    if name in ctx.constants:
        return ctx.constant_like(name, value) if ctx.constants[name].ndim <= len(value.axes) else None
    other = ctx.value(name)
    if len(other.axes) > len(value.axes):
        return None
    return ctx.like(other, value)


def chosen(ctx: Context, tensors: list[str], output: str) -> str:
    condition, yes, no = tensors
    if ctx.tensors[condition].dtype != bool_:
        raise ModelError("the condition must be bool")
    return ctx.apply(Select(), (condition, ctx.floats(yes), ctx.floats(no)), output)[0]


def triangle(ctx: Context, record: Record) -> None:
    """Trilu: what is above or below a diagonal becomes 0."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    k = ctx.known(record, 1, "the diagonal") if len(record.inputs) > 1 and record.inputs[1] else np.zeros((), np.int64)
    if k is None or k.size != 1 or len(x.shape) < 2:
        raise ModelError("the diagonal must be one number, and the input have 2 dimensions or more")
    whole = np.ones(x.shape[-2:], bool)
    kept = (
        np.triu(whole, int(k.reshape(()))) if record.attributes.get("upper", 1) else np.tril(whole, int(k.reshape(())))
    )
    dtype = ctx.tensors[ctx.floats(x.tensor)].dtype.np
    names = (f"{out}_kept", f"{out}_zero")
    ctx.constants[names[0]], ctx.constants[names[1]] = kept, np.zeros((1,) * len(x.axes), dtype)
    tensors = [aligned(ctx, names[0], x), ctx.floats(x.tensor), aligned(ctx, names[1], x)]
    if None in tensors:
        x = plain(ctx.laid(x), x.shape)
        tensors = [aligned(ctx, names[0], x), ctx.floats(x.tensor), aligned(ctx, names[1], x)]
    ctx.values[out] = ctx.kept(x, chosen(ctx, [t for t in tensors if t is not None], out))


CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(COMPARISONS, comparison), "And": logical, "Or": logical, "Not": negation, "Where": where,
    "Trilu": triangle,
}  # fmt: skip
