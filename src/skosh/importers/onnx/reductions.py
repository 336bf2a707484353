"""What looks along axes: reductions, softmax, the largest element's place, running sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.dtypes import bool_, f32
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.folding import axes_of
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.scores import without_factor
from skosh.importers.onnx.values import Value, grouped, plain
from skosh.ir.graph import Op
from skosh.ops.elements.elementwise import Add, Mul, Sub
from skosh.ops.elements.functions import Abs, Exp, Log, Sqrt
from skosh.ops.layers.dense import Dense
from skosh.ops.moves.movement import Slice, normal_axis
from skosh.ops.reductions.ordering import Running
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
    if ctx.tensors[x.tensor].dtype != f32 and not ctx.is_real(x.tensor):
        name = _of_integers(ctx, record, axes)
        if name:
            ctx.values[record.outputs[0]] = ctx.value(name)
            return
    y = reduced(ctx, REDUCTIONS[record.kind], x, axes, record.outputs[0])
    if not record.attributes.get("keepdims", 1):
        y = Value(y.tensor, y.stored, tuple(parts for a, parts in enumerate(y.axes) if a not in axes))
    ctx.values[record.outputs[0]] = y


def _of_integers(ctx: Context, record: Record, axes: tuple[int, ...]) -> str:
    """The reduction of whole numbers or bools, two halves at a time; empty where the operator itself has them."""
    b, x, kind = Body(ctx, record), record.inputs[0], record.kind
    dtype = ctx.tensors[ctx.value(x).tensor].dtype
    keep = bool(record.attributes.get("keepdims", 1))
    if dtype == bool_:
        x = b.of("Cast", x, to=6)
    step = {"ReduceSum": "Add", "ReduceMean": "Add", "ReduceProd": "Mul", "ReduceMax": "Max", "ReduceMin": "Min"}[kind]
    for axis in axes:
        x = halves(b, x, axis, step)
    if kind == "ReduceMean":
        count = np.asarray(math.prod(ctx.shape(record.inputs[0])[a] for a in axes))
        x = b.of("Div", x, count.astype(ctx.tensors[ctx.value(x).tensor].dtype.np))
    x = b.of("Cast", x, to=9) if dtype == bool_ else x
    return x if keep else b.of("Squeeze", x, list(axes))


def halves(b: Body, x: str, axis: int, kind: str) -> str:
    """The axis becomes 1: its second half is put onto the first, again and again."""
    while (n := b.shape(x)[axis]) > 1:
        half = n // 2
        first, second = (b.of("Slice", x, [s], [s + half], [axis]) for s in (0, half))
        y = b.of(kind, first, second)
        x = y if n % 2 == 0 else b.of("Concat", y, b.of("Slice", x, [n - 1], [n], [axis]), axis=axis)
    return x


def product(b: Body, record: Record) -> str:
    """ReduceProd."""
    x, a = record.inputs[0], record.attributes
    given = b.ctx.known(record, 1, "the axes") if len(record.inputs) > 1 else None
    axes = axes_of(record, [None, given], len(b.shape(x)))
    if not axes and a.get("noop_with_empty_axes", 0):
        return x
    axes = axes or tuple(range(len(b.shape(x))))
    for axis in axes:
        x = halves(b, x, axis, "Mul")
    return x if a.get("keepdims", 1) or not axes else b.of("Squeeze", x, list(axes))


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
    """CumSum as a product with a triangle of ones, which has integer forms; long ones, others and CumProd step by step."""
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    given = ctx.known(record, 1, "the axis")
    assert given is not None and given.size == 1, "checked before"
    axis = normal_axis(int(given.reshape(())), len(x.axes))
    n = x.shape[axis]
    exclusive, reverse = bool(record.attributes.get("exclusive", 0)), bool(record.attributes.get("reverse", 0))
    if n > MAX_RUNNING or record.kind == "CumProd" or not ctx.is_real(x.tensor):
        op = Running(axis, "sum" if record.kind == "CumSum" else "product", exclusive, reverse)
        (tensor,) = ctx.apply(op, (ctx.floats(ctx.laid(x)),), out)
        ctx.values[out] = plain(tensor, x.shape)
        return
    ones = np.tril(np.ones((n, n), np.float32), -1 if exclusive else 0)
    ones = ones[::-1, ::-1] if reverse else ones
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
    op, tensor = (ArgMax if record.kind == "ArgMax" else ArgMin)(axis), ctx.laid(x)
    last = bool(record.attributes.get("select_last_index", 0)) and x.shape[axis] > 1
    if last:  # the first from the other end
        n, shape = x.shape[axis], x.shape
        begin, step = ([v if a == axis else w for a in range(len(shape))] for v, w in ((n - 1, 0), (-1, 1)))
        (tensor,) = ctx.real(Slice(tuple(begin), shape, tuple(step), shape), (tensor,), f"{out}_turned")
    (tensor,) = ctx.real(op, (tensor,), out)
    if last:
        end = ctx.constant(f"{out}_end", np.full((1,) * len(ctx.tensors[tensor].shape), n - 1, np.int32))
        (tensor,) = ctx.apply(Sub(), (end, tensor), out)
    y = plain(tensor, ctx.tensors[tensor].shape)
    if record.attributes.get("keepdims", 1):
        y = ctx.reshaped(y, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))
    ctx.values[out] = y


CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"), composed),
    "CumSum": running_sum, "CumProd": running_sum, "ReduceProd": body(product),
    "Softmax": softmax, "LogSoftmax": softmax, "ArgMax": arg_extreme, "ArgMin": arg_extreme,
}  # fmt: skip
