"""What looks along axes: reductions, softmax, the largest element's place, running sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.folding import axes_of
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.scores import without_factor
from skosh.importers.onnx.values import Value, grouped, plain
from skosh.ir.graph import Op
from skosh.ops.elements.elementwise import Add, Mul, Sub
from skosh.ops.elements.functions import Abs, Exp, Log, Sqrt
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.movement import normal_axis
from skosh.ops.reductions.reductions import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, Sum
from skosh.ops.reductions.softmax import LogSoftmax, Softmax

REDUCTIONS: dict[str, type[Mean] | type[Sum] | type[ReduceMax] | type[ReduceMin]] = {
    "ReduceMean": Mean, "ReduceSum": Sum, "ReduceMax": ReduceMax, "ReduceMin": ReduceMin,
}  # fmt: skip


def reduction(ctx: Context, record: Record) -> None:
    """Over the stored axes that make up the file's; where they lie too far apart the memory is put in order first."""
    x = ctx.value(record.inputs[0])
    given = ctx.known(record, 1, "the axes") if len(record.inputs) > 1 else None
    axes = axes_of(record, [None, given], len(x.axes))
    if not axes and record.attributes.get("noop_with_empty_axes", 0):
        ctx.values[record.outputs[0]] = x
        return
    axes = axes or tuple(range(len(x.axes)))
    y = reduced(ctx, REDUCTIONS[record.kind], x, axes, record.outputs[0])
    if not record.attributes.get("keepdims", 1):
        y = Value(y.tensor, y.stored, tuple(parts for a, parts in enumerate(y.axes) if a not in axes))
    ctx.values[record.outputs[0]] = y


def reduced(ctx: Context, kind: Any, x: Value, axes: tuple[int, ...], output: str) -> Value:
    """The axes become 1."""
    positions = tuple(sorted(p for a in axes for p in x.axes[a]))
    if not positions:
        return x
    infinite = {"open": True} if kind in (ReduceMax, ReduceMin) else {}
    (tensor,) = ctx.real(kind(positions, keep_dims=True, **infinite), (x.tensor,), output)
    stored = ctx.tensors[tensor].shape
    return Value(tensor, stored, tuple(() if a in axes else parts for a, parts in enumerate(x.axes)))


def composed(ctx: Context, record: Record) -> None:
    """Sums of something else: lengths (L1, L2), squares, logarithms of sums, of sums of exponentials too."""
    x, out, kind = ctx.value(record.inputs[0]), record.outputs[0], record.kind
    x = ctx.kept(x, ctx.floats(x.tensor))
    given = ctx.known(record, 1, "the axes") if len(record.inputs) > 1 else None
    axes = axes_of(record, [None, given], len(x.axes)) or tuple(range(len(x.axes)))
    each, largest = x, None
    if kind == "ReduceL1":
        each = ctx.kept(x, ctx.apply(Abs(), (x.tensor,), out)[0])
    elif kind in ("ReduceL2", "ReduceSumSquare"):
        each = ctx.kept(x, ctx.apply(Mul(), (x.tensor, x.tensor), out)[0])
    elif kind == "ReduceLogSumExp":
        largest = reduced(ctx, ReduceMax, x, axes, out)
        (below,) = ctx.apply(Sub(), (x.tensor, largest.tensor), out)
        each = ctx.kept(x, ctx.apply(Exp(), (below,), out)[0])
    y = reduced(ctx, Sum, each, axes, out)
    if kind == "ReduceL2":
        y = ctx.kept(y, ctx.apply(Sqrt(), (y.tensor,), out)[0])
    elif kind.startswith("ReduceLog"):
        y = ctx.kept(y, ctx.apply(Log(), (y.tensor,), out)[0])
    if largest is not None:
        y = ctx.kept(y, ctx.apply(Add(), (y.tensor, largest.tensor), out)[0])
    if not record.attributes.get("keepdims", 1):
        y = Value(y.tensor, y.stored, tuple(parts for a, parts in enumerate(y.axes) if a not in axes))
    ctx.values[out] = y


def running_sum(ctx: Context, record: Record) -> None:
    """CumSum as a product with a triangle of ones."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    given = ctx.known(record, 1, "the axis")
    assert given is not None and given.size == 1, "checked before"
    axis = normal_axis(int(given.reshape(())), len(x.axes))
    n = x.shape[axis]
    if n > MAX_RUNNING:
        raise ModelError(f"a running sum must be of at most {MAX_RUNNING} elements, not {n}")
    ones = np.tril(np.ones((n, n), np.float32), -1 if record.attributes.get("exclusive", 0) else 0)
    ones = ones[::-1, ::-1] if record.attributes.get("reverse", 0) else ones
    groups = [*((a,) for a in range(len(x.axes)) if a != axis), (axis,)]
    tensor = ctx.floats(ctx.laid(x, groups))
    (tensor,) = ctx.apply(Dense(keep_dims=True), (tensor, ctx.constant(f"{out}_ones", ones)), out)
    ctx.values[out] = grouped(tensor, ctx.tensors[tensor].shape, groups, len(x.axes))


MAX_RUNNING = 256


def softmax(ctx: Context, record: Record) -> None:
    """Along one axis; before operator set 13 along all from that axis on, taken as one."""
    op: Op = Softmax() if record.kind == "Softmax" else LogSoftmax()
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    if record.kind == "Softmax":
        tensor, factor = without_factor(ctx, x.tensor)
        op, x = (Softmax(factor), ctx.kept(x, tensor)) if factor != 1.0 else (op, x)
    old = ctx.opset < 13
    axis = normal_axis(record.attributes.get("axis", 1 if old else -1), len(x.axes))
    if old and math.prod(x.shape[axis + 1 :]) > 1:
        flat = ctx.reshaped(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))
        (tensor,) = ctx.real(op, (ctx.laid(flat),), out)
        ctx.values[out] = ctx.reshaped(plain(tensor, ctx.tensors[tensor].shape), x.shape)
        return
    ctx.values[out] = along_last(ctx, op, x, axis, out)


def along_last(ctx: Context, op: Op, x: Value, axis: int, output: str) -> Value:
    if x.axes[axis] == (len(x.stored) - 1,):
        (tensor,) = ctx.real(op, (x.tensor,), output)
        return ctx.kept(x, tensor)
    groups = [*((a,) for a in range(len(x.axes)) if a != axis), (axis,)]
    (tensor,) = ctx.real(op, (ctx.laid(x, groups),), output)
    return grouped(tensor, ctx.tensors[tensor].shape, groups, len(x.axes))


def arg_extreme(ctx: Context, record: Record) -> None:
    """The index, as int32; the file says int64."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    axis = normal_axis(record.attributes.get("axis", 0), len(x.axes))
    if record.attributes.get("select_last_index", 0):
        raise ModelError("of equal elements it must select the first")
    op = (ArgMax if record.kind == "ArgMax" else ArgMin)(axis)
    (tensor,) = ctx.real(op, (ctx.laid(x),), out)
    y = plain(tensor, ctx.tensors[tensor].shape)
    if record.attributes.get("keepdims", 1):
        y = ctx.reshaped(y, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    ctx.values[out] = y


CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"), composed),
    "CumSum": running_sum,
    "Softmax": softmax, "LogSoftmax": softmax, "ArgMax": arg_extreme, "ArgMin": arg_extreme,
}  # fmt: skip
