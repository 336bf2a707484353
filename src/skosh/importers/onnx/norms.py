"""Normalizations of activations, by what they hold themselves: layer, instance, group, root mean square, length.

y = (x - mean) / sqrt(variance + epsilon) * scale + bias over some axes; float32. (Batch normalization is ``affine``'s.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.reductions import reduced
from skosh.importers.onnx.values import Value
from skosh.ops.elements.elementwise import Add, Div, Maximum, Mul, Sub
from skosh.ops.elements.functions import Abs, Rsqrt, Sqrt
from skosh.ops.moves.movement import normal_axis
from skosh.ops.reductions.reductions import Mean, Sum


def layer_normalization(ctx: Context, record: Record) -> None:
    """Over the axes from ``axis`` on."""
    x = _floats(ctx, record)
    axes = _from_axis(record, x)
    if any(record.outputs[1:]):
        b = Body(ctx, record)
        mean = b.of("ReduceMean", record.inputs[0], list(axes))
        centred = b.of("Sub", record.inputs[0], mean)
        variance = b.of("ReduceMean", b.of("Mul", centred, centred), list(axes))
        under = b.of("Sqrt", b.of("Add", variance, float(record.attributes.get("epsilon", 1e-5))))
        b.end(mean, 1)
        b.end(b.of("Reciprocal", under), 2)
    y = normalized(ctx, x, axes, record.attributes.get("epsilon", 1e-5), record.outputs[0])
    ctx.values[record.outputs[0]] = stretched(ctx, record, y, record.inputs[1:3])


def rms_normalization(ctx: Context, record: Record) -> None:
    """As layer normalization, without the mean: x / sqrt(mean of x^2 + epsilon) * scale."""
    x = _floats(ctx, record)
    y = by_length(ctx, x, x, _from_axis(record, x), record.attributes.get("epsilon", 1e-5), record.outputs[0])
    ctx.values[record.outputs[0]] = stretched(ctx, record, y, record.inputs[1:2])


def instance_normalization(ctx: Context, record: Record) -> None:
    """Over all places of each channel."""
    x = _floats(ctx, record)
    axes = tuple(range(2, len(x.axes)))
    if not axes:
        raise ModelError("there must be axes of space")
    y = normalized(ctx, x, axes, record.attributes.get("epsilon", 1e-5), record.outputs[0])
    ctx.values[record.outputs[0]] = stretched(ctx, record, y, by_channel(ctx, record, x))


def group_normalization(ctx: Context, record: Record) -> None:
    """Over all places and the channels of a group; a scale and a bias for each channel, before operator set 21 each group."""
    x = _floats(ctx, record)
    groups, channels = int(record.attributes.get("num_groups", 1)), x.shape[1]
    if groups < 1 or channels % groups:
        raise ModelError(f"{channels} channels must divide into {groups} groups")
    parted = ctx.reshaped(x, (x.shape[0], groups, channels // groups, *x.shape[2:]))
    axes = tuple(range(2, len(parted.axes)))
    y = normalized(ctx, parted, axes, record.attributes.get("epsilon", 1e-5), record.outputs[0])
    if ctx.opset < 21:
        ctx.values[record.outputs[0]] = ctx.reshaped(stretched(ctx, record, y, by_channel(ctx, record, y)), x.shape)
    else:
        y = ctx.reshaped(y, x.shape)
        ctx.values[record.outputs[0]] = stretched(ctx, record, y, by_channel(ctx, record, y))


def length_normalization(ctx: Context, record: Record) -> None:
    """x / its length along an axis, by the sum of absolutes or the root of the sum of squares; 0 where that is 0."""
    x = _floats(ctx, record)
    axes = (normal_axis(record.attributes.get("axis", -1), len(x.axes)),)
    order, out = record.attributes.get("p", 2), record.outputs[0]
    if order not in (1, 2):
        raise ModelError(f"p must be 1 or 2, not {order}")
    (each,) = ctx.apply(Abs(), (x.tensor,), out) if order == 1 else ctx.apply(Mul(), (x.tensor, x.tensor), out)
    total = reduced(ctx, Sum, ctx.kept(x, each), axes, out)
    length = total.tensor if order == 1 else ctx.apply(Sqrt(), (total.tensor,), out)[0]
    least = ctx.constant(f"{out}_least", np.full((1,) * len(x.stored), np.finfo(np.float32).tiny, np.float32))
    (length,) = ctx.apply(Maximum(), (length, least), out)
    ctx.values[out] = ctx.kept(x, ctx.apply(Div(), (x.tensor, length), out)[0])


def normalized(ctx: Context, x: Value, axes: tuple[int, ...], epsilon: float, out: str) -> Value:
    """(x - mean) / sqrt(variance + epsilon) over the axes."""
    mean = reduced(ctx, Mean, x, axes, f"{out}_mean")
    (centred,) = ctx.apply(Sub(), (x.tensor, mean.tensor), f"{out}_centred")
    return by_length(ctx, x, ctx.kept(x, centred), axes, epsilon, out)


def by_length(ctx: Context, x: Value, centred: Value, axes: tuple[int, ...], epsilon: float, out: str) -> Value:
    """centred / sqrt(mean of its squares + epsilon)."""
    (square,) = ctx.apply(Mul(), (centred.tensor, centred.tensor), f"{out}_square")
    variance = reduced(ctx, Mean, ctx.kept(x, square), axes, f"{out}_variance")
    added = ctx.constant(f"{out}_epsilon", np.full((1,) * len(x.stored), epsilon, np.float32))
    (under,) = ctx.apply(Add(), (variance.tensor, added), f"{out}_under")
    (factor,) = ctx.apply(Rsqrt(), (under,), f"{out}_factor")
    return ctx.kept(x, ctx.apply(Mul(), (centred.tensor, factor), out)[0])


def stretched(ctx: Context, record: Record, x: Value, names: tuple[str, ...]) -> Value:
    """x * scale + bias, constants that broadcast to x; each may be absent, and makes no node if it changes nothing."""
    tensor = x.tensor
    for op, name, idle in zip((Mul(), Add()), names, (1.0, 0.0), strict=False):
        if not name:
            continue
        laid = ctx.constant_like(name, x) if name in ctx.constants else None
        if laid is None:
            raise ModelError("scale and bias must be constant and broadcast to the input")
        if not (ctx.constants[name] == idle).all():
            (tensor,) = ctx.apply(op, (tensor, laid), record.outputs[0])
    return ctx.kept(x, tensor)


def by_channel(ctx: Context, record: Record, x: Value) -> tuple[str, ...]:
    """Names of the second and third input, a number for each channel, as constants that broadcast to x."""
    made = []
    for k, what in ((1, "the scale"), (2, "the bias")):
        data = ctx.known(record, k, what)
        if data is None or data.size != x.shape[1]:
            raise ModelError(f"{what} must have a number for each of {x.shape[1]} channels or groups")
        made.append(f"{record.outputs[0]}_{k}")
        ctx.constants[made[-1]] = data.reshape(1, -1, *(1,) * (len(x.axes) - 2))
    return tuple(made)


def _floats(ctx: Context, record: Record) -> Value:
    x = ctx.value(record.inputs[0])
    return ctx.kept(x, ctx.floats(x.tensor))


def _from_axis(record: Record, x: Value) -> tuple[int, ...]:
    return tuple(range(normal_axis(record.attributes.get("axis", -1), len(x.axes)), len(x.axes)))


CONVERTERS: dict[str, Any] = {
    "LayerNormalization": layer_normalization, "RMSNormalization": rms_normalization,
    "InstanceNormalization": instance_normalization, "GroupNormalization": group_normalization,
    "LpNormalization": length_normalization,
}  # fmt: skip
