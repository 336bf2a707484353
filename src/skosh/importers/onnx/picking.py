"""What picks elements by their places: gathers, tiles, and borders made of what is inside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ir.graph import Array
from skosh.ops.elements.quantization import Cast
from skosh.ops.moves.gather import Gather, GatherNd
from skosh.ops.moves.movement import Concat, Slice, Tile, normal_axis


def gather(ctx: Context, record: Record) -> None:
    """A constant index is a slice where it can be; an index that is an input is an embedding."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    axis = normal_axis(record.attributes.get("axis", 0), len(x.axes))
    index = ctx.constants.get(record.inputs[1])
    if index is None:
        where = ctx.laid(ctx.value(record.inputs[1]))
        (tensor,) = ctx.real(Gather(axis, from_end=True), (ctx.laid(x), where), out)
        ctx.values[out] = plain(tensor, ctx.tensors[tensor].shape)
        return
    n = x.shape[axis]
    if ((index < -n) | (index >= n)).any():
        raise ModelError(f"indices must be within {n}, not {index.reshape(-1)[:4].tolist()}")
    if index.ndim > 1:
        where = ctx.constant(f"{out}_index", (index % n).astype(np.int32))
        (tensor,) = ctx.real(Gather(axis), (ctx.laid(x), where), out)
        ctx.values[out] = plain(tensor, ctx.tensors[tensor].shape)
        return
    y = picked(ctx, x, axis, np.atleast_1d(index) % n, out)
    if index.ndim == 0:
        y = Value(y.tensor, y.stored, tuple(p for a, p in enumerate(y.axes) if a != axis))
    ctx.values[out] = y


def picked(ctx: Context, x: Value, axis: int, index: Array, output: str) -> Value:
    """The places ``index`` along one of the file's axes, by a slice where they are evenly spaced."""
    at = x.stored_axis(axis)
    if at is None:
        x, at = plain(ctx.laid(x), x.shape), axis
    steps = np.diff(index)
    if len(index) == 1 or ((steps == steps[0]).all() and steps[0] != 0):
        begin, size, step = [0] * len(x.stored), list(x.stored), [1] * len(x.stored)
        begin[at], size[at], step[at] = int(index[0]), len(index), int(steps[0]) if len(index) > 1 else 1
        op: Any = Slice(tuple(begin), tuple(size), tuple(step), tuple(size))
        (tensor,) = ctx.real(op, (x.tensor,), output)
    else:
        where = ctx.constant(f"{output}_index", index.astype(np.int32))
        (tensor,) = ctx.real(Gather(at), (x.tensor, where), output)
    stored = ctx.tensors[tensor].shape
    axes = list(x.axes)
    axes[axis] = (at,) if stored[at] != 1 else ()
    return Value(tensor, stored, tuple(axes))


def gather_nd(ctx: Context, record: Record) -> None:
    """Constant coordinates [..., K]: along one axis, or over the first K axes taken as one."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    index = ctx.constants.get(record.inputs[1])
    if record.attributes.get("batch_dims", 0):
        raise ModelError("batch_dims must be 0")
    if index is None:
        where = ctx.laid(ctx.value(record.inputs[1]))
        where = whole(ctx, where)
        (tensor,) = ctx.real(GatherNd(from_end=True), (ctx.laid(x), where), out)
        ctx.values[out] = plain(tensor, ctx.tensors[tensor].shape)
        return
    count = index.shape[-1] if index.ndim else 0
    if not 1 <= count <= len(x.shape):
        raise ModelError(f"the last axis of {list(index.shape)} must hold 1 to {len(x.shape)} coordinates")
    sizes = np.asarray(x.shape[:count])
    if ((index < -sizes) | (index >= sizes)).any():
        raise ModelError(f"coordinates must be within {x.shape[:count]}")
    rows = np.ravel_multi_index(tuple(np.moveaxis(index % sizes, -1, 0)), tuple(x.shape[:count]))
    if count > 1:
        x = ctx.reshaped(x, (math.prod(x.shape[:count]), *x.shape[count:]))
    y = picked(ctx, x, 0, rows.reshape(-1), out)
    ctx.values[out] = ctx.reshaped(y, (*index.shape[:-1], *x.shape[1:])) if index.ndim != 2 else y


def whole(ctx: Context, tensor: str) -> str:
    """Indices as int32, which is what those of an axis need."""
    return tensor if ctx.tensors[tensor].dtype == i32 else ctx.once(Cast(i32), tensor, f"{tensor}_index")


def tile(ctx: Context, record: Record) -> None:
    """Along axes as they are stored, where each is one of the file's."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    counts = ctx.known(record, 1, "the repeats")
    if counts is None or counts.size != len(x.axes) or (counts < 1).any():
        raise ModelError(f"there must be a repeat >= 1 for each of {len(x.axes)} axes")
    repeats = [int(n) for n in counts]
    if any(n > 1 and x.stored_axis(a) is None for a, n in enumerate(repeats)):
        x = plain(ctx.laid(x), x.shape)
    multiples = [1] * len(x.stored)
    axes = list(x.axes)
    for axis, n in enumerate(repeats):
        if n > 1:
            at = x.stored_axis(axis)
            multiples[axis if at is None else at] = n  # laid out plainly, an axis of size 1 is stored in its own place
            axes[axis] = (axis if at is None else at,)
    (tensor,) = ctx.real(Tile(tuple(multiples)), (x.tensor,), out)
    ctx.values[out] = Value(tensor, ctx.tensors[tensor].shape, tuple(axes))


def border(ctx: Context, x: Value, axis: int, before: int, after: int, mode: str, output: str) -> Value:
    """x with a border along one axis: "edge" repeats the outermost elements, "wrap" goes on at the other end."""
    n = x.shape[axis]
    if mode == "wrap" and max(before, after) > n:
        raise ModelError(f"a border that wraps must be at most {n} wide, not {max(before, after)}")
    at = x.stored_axis(axis)
    if at is None:
        x, at = plain(ctx.laid(x), x.shape), axis

    def part(start: int, size: int) -> str:
        sizes = tuple(size if p == at else k for p, k in enumerate(x.stored))
        begin = tuple(start if p == at else 0 for p in range(len(x.stored)))
        return ctx.real(Slice(begin, sizes, (1,) * len(sizes), sizes), (x.tensor,), output)[0]

    if mode == "wrap":
        first = [part(n - before, before)] if before else []
        last = [part(0, after)] if after else []
    else:
        first = [part(0, 1)] * before if before else []
        last = [part(n - 1, 1)] * after if after else []
    (tensor,) = ctx.real(Concat(at), [*first, x.tensor, *last], output)
    stored = ctx.tensors[tensor].shape
    return Value(tensor, stored, tuple((at,) if a == axis else parts for a, parts in enumerate(x.axes)))


CONVERTERS: dict[str, Any] = {"Gather": gather, "GatherND": gather_nd, "Tile": tile}
