"""What looks along axes: reductions, softmax, the largest element's place, layer normalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.folding import axes_of
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, grouped, plain
from skosh.ir.graph import Op
from skosh.ops.elementwise import Add, Mul, Sub
from skosh.ops.functions import Rsqrt
from skosh.ops.movement import normal_axis
from skosh.ops.reductions import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin, Sum
from skosh.ops.softmax import LogSoftmax, Softmax

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
    (tensor,) = ctx.real(kind(positions, keep_dims=True), (x.tensor,), output)
    stored = ctx.tensors[tensor].shape
    return Value(tensor, stored, tuple(() if a in axes else parts for a, parts in enumerate(x.axes)))


def softmax(ctx: Context, record: Record) -> None:
    """Along one axis; before operator set 13 along all from that axis on, taken as one."""
    op = Softmax() if record.kind == "Softmax" else LogSoftmax()
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    old = ctx.model.opset < 13
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


def layer_normalization(ctx: Context, record: Record) -> None:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, over the axes from ``axis`` on; float32."""
    if len([n for n in record.outputs if n]) > 1:
        raise ModelError("it must have one output")
    x, out = ctx.value(record.inputs[0]), record.outputs[0]
    x = ctx.kept(x, ctx.floats(x.tensor))
    axes = tuple(range(normal_axis(record.attributes.get("axis", -1), len(x.axes)), len(x.axes)))
    mean = reduced(ctx, Mean, x, axes, f"{out}_mean")
    (centred,) = ctx.apply(Sub(), (x.tensor, mean.tensor), f"{out}_centred")
    (square,) = ctx.apply(Mul(), (centred, centred), f"{out}_square")
    variance = reduced(ctx, Mean, ctx.kept(x, square), axes, f"{out}_variance")
    epsilon = ctx.constant(
        f"{out}_epsilon", np.full((1,) * len(x.stored), record.attributes.get("epsilon", 1e-5), np.float32)
    )
    (under,) = ctx.apply(Add(), (variance.tensor, epsilon), f"{out}_under")
    (factor,) = ctx.apply(Rsqrt(), (under,), f"{out}_factor")
    (tensor,) = ctx.apply(Mul(), (centred, factor), out)
    for op, name in zip((Mul(), Add()), record.inputs[1:], strict=False):
        if name:
            laid = ctx.constant_like(name, x) if name in ctx.constants else None
            if laid is None:
                raise ModelError("scale and bias must be constant and broadcast to the input")
            (tensor,) = ctx.apply(op, (tensor, laid), out)
    ctx.values[out] = ctx.kept(x, tensor)


CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(REDUCTIONS, reduction),
    "Softmax": softmax, "LogSoftmax": softmax, "ArgMax": arg_extreme, "ArgMin": arg_extreme,
    "LayerNormalization": layer_normalization,
}  # fmt: skip
