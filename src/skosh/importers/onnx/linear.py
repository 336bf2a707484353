"""Layers with weights: Conv, ConvTranspose, Gemm, MatMul. Weights are re-laid here, so that activations need not be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skosh.base.arith import round_half_away
from skosh.base.dtypes import i8, i32
from skosh.base.errors import ModelError
from skosh.importers.onnx.affine import following
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.taken import Taken
from skosh.importers.onnx.values import Value, channels_last, grouped, groups_of, plain
from skosh.importers.onnx.windows import geometry, transposed_pads
from skosh.ir.graph import Array, Op, Quant
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.dense import BatchMatMul, Dense


def conv(ctx: Context, record: Record) -> None:
    """w: [F, C / groups, (KH,) KW]."""
    x, w = ctx.value(record.inputs[0]), _weights(ctx, record)
    rank = len(x.shape)
    if rank not in (3, 4) or w.ndim != rank:
        raise ModelError(f"a convolution must have 1 or 2 axes of space, not {rank - 2}", hint="use a 2D convolution")
    check_kernel(record, w)
    g = geometry(record, w.shape[2:], x.shape[2:])
    groups, filters, channels = int(record.attributes.get("group", 1)), w.shape[0], x.shape[1]
    if groups < 1 or w.shape[1] * groups != channels or filters % groups:
        raise ModelError(
            f"{channels} channels and {filters} filters must divide into {groups} groups, as weights of {list(w.shape)} do"
        )
    depthwise = groups == channels and groups > 1
    kernel = (2, 3) if rank == 4 else (2,)
    # [F, C/g, KH, KW] -> [F, KH, KW, C/g], or for one channel a group [1, KH, KW, F]
    perm = (1, *kernel, 0) if depthwise else (0, *kernel, 1)
    op = (DepthwiseConv2D if depthwise else Conv2D)(g.stride, g.pads, g.dilation)
    _layer(
        ctx,
        record,
        op,
        ctx.laid(x, channels_last(rank)),
        w,
        perm,
        axis=1,
        rank=rank,
        channels_axis=3 if depthwise else 0,
    )


def conv_transpose(ctx: Context, record: Record) -> None:
    """w: [C, F, (KH,) KW]."""
    x, w = ctx.value(record.inputs[0]), _weights(ctx, record)
    rank = len(x.shape)
    if rank not in (3, 4) or w.ndim != rank:
        raise ModelError(f"a convolution must have 1 or 2 axes of space, not {rank - 2}", hint="use a 2D convolution")
    check_kernel(record, w)
    groups, dilation = int(record.attributes.get("group", 1)), tuple(record.attributes.get("dilations", ()))
    if groups < 1 or w.shape[0] != x.shape[1] or w.shape[0] % groups or len(dilation) not in (0, rank - 2):
        raise ModelError(f"{x.shape[1]} channels and weights of {list(w.shape)} must divide into {groups} groups")
    if groups > 1 or any(d != 1 for d in dilation):
        w = spread(w, groups, dilation or (1,) * (rank - 2))
        name = f"{record.inputs[1]}_spread"
        ctx.constants[name] = w
        record = replace(record, inputs=Taken((record.inputs[0], name, *record.inputs[2:])))
    stride, pads = transposed_pads(record, w.shape[2:], x.shape[2:])
    perm = (1, *((2, 3) if rank == 4 else (2,)), 0)
    op = TransposeConv(stride, pads)
    _layer(
        ctx, record, op, ctx.laid(x, channels_last(rank)), w, perm, axis=1, rank=rank, channels_axis=0, filters_axis=1
    )


def check_kernel(record: Record, w: Array) -> None:
    """A window that the file states must be that of the weights."""
    stated = tuple(record.attributes.get("kernel_shape", w.shape[2:]))
    if stated != w.shape[2:]:
        raise ModelError(f"kernel_shape must be that of the weights, {list(w.shape[2:])}, not {list(stated)}")


def spread(w: Array, groups: int, dilation: tuple[int, ...]) -> Array:
    """Weights [C, F / groups, ...] as [C, F, ...] of one group without dilation: zeros stand where nothing was."""
    channels, filters = w.shape[0], w.shape[1]
    sizes = tuple((k - 1) * d + 1 for k, d in zip(w.shape[2:], dilation, strict=True))
    if channels * filters * groups * int(np.prod(sizes)) > MAX_SPREAD or any(d < 1 for d in dilation):
        raise ModelError(
            "a transposed convolution in groups or with dilation must be smaller", hint="use a resize and a convolution"
        )
    out = np.zeros((channels, filters * groups, *sizes), w.dtype)
    places = tuple(slice(None, None, d) for d in dilation)
    part = channels // groups
    for g in range(groups):
        own = slice(g * part, (g + 1) * part)
        out[(own, slice(g * filters, (g + 1) * filters), *places)] = w[own]
    return out


MAX_SPREAD = 1 << 22


def gemm(ctx: Context, record: Record) -> None:
    """y = alpha * A B + beta * C."""
    a = record.attributes
    x = ctx.value(record.inputs[0])
    x = Value(x.tensor, x.stored, x.axes[::-1]) if a.get("transA", 0) else x
    bias = record.inputs[2] if len(record.inputs) > 2 else ""
    alpha, beta = float(a.get("alpha", 1.0)), float(a.get("beta", 1.0))
    if record.inputs[1] in ctx.constants:
        w = ctx.constants[record.inputs[1]]
        transposed = bool(a.get("transB", 0))
        if w.ndim != 2 or len(x.shape) != 2:
            raise ModelError(f"A and B must have 2 dimensions, not {len(x.shape)} and {w.ndim}")
        c = ctx.constants.get(bias) if bias else None
        rowwise = c is None or c.size in (1, w.shape[0 if transposed else 1])
        if (not bias or c is not None) and rowwise:
            _dense(ctx, record, x, filters_axis=0 if transposed else 1, alpha=alpha, beta=beta)
            return
    second = ctx.value(record.inputs[1])
    second = Value(second.tensor, second.stored, second.axes[::-1]) if a.get("transB", 0) else second
    if len(x.shape) != 2 or len(second.shape) != 2 or x.shape[1] != second.shape[0]:
        raise ModelError(f"A and B must be matrices that fit each other, not {list(x.shape)} and {list(second.shape)}")
    b = Body(ctx, record)
    y = ctx.fresh(f"{record.outputs[0]}/product")
    ctx.values[y] = product(ctx, x, second, y)
    y = y if alpha == 1.0 else b.of("Mul", y, alpha)
    if bias:
        y = b.of("Add", y, bias if beta == 1.0 else b.of("Mul", bias, beta))
    b.end(y)


def matmul(ctx: Context, record: Record) -> None:
    first, second = record.inputs
    if second in ctx.constants and ctx.constants[second].ndim == 2 and len(ctx.shape(first)) > 1:
        _dense(ctx, record, ctx.value(first), filters_axis=1)
        return
    shapes = ctx.shape(first), ctx.shape(second)
    if min(map(len, shapes)) < 2:  # a vector is a row before a matrix, a column behind one
        b = Body(ctx, record)
        rows, columns = ([0] if len(shapes[0]) == 1 else []), ([1] if len(shapes[1]) == 1 else [])
        left = b.of("Unsqueeze", first, rows) if rows else first
        right = b.of("Unsqueeze", second, columns) if columns else second
        y = b.of("MatMul", left, right)
        gone = [len(b.shape(y)) - 2] * len(rows) + [len(b.shape(y)) - 1] * len(columns)
        b.end(b.of("Squeeze", y, gone))
        return
    ctx.values[record.outputs[0]] = product(ctx, ctx.value(first), ctx.value(second), record.outputs[0])


CONVERTERS = {"Conv": conv, "ConvTranspose": conv_transpose, "Gemm": gemm, "MatMul": matmul}


# ------------------------------------------------------------------------------------------------------------ dense


def _dense(ctx: Context, record: Record, x: Value, filters_axis: int, alpha: float = 1.0, beta: float = 1.0) -> None:
    """x: [..., K] with constant weights [K, N] (filters_axis 1) or [N, K]. The weights' columns follow x's memory."""
    w = _weights(ctx, record)
    depth, rank = w.shape[1 - filters_axis], len(x.shape)
    if x.shape[-1] != depth:
        raise ModelError(f"a row of {x.shape[-1]} elements must meet a column as long, not {depth}")
    rows, columns = x.order(groups_of(rank)[:-1]), x.axes[-1]
    turned = rank == 2 and rows == tuple(sorted(rows)) and max(rows, default=-1) < min(columns, default=len(x.stored))
    order: Array = np.arange(depth)
    if turned:
        order = order.reshape([x.stored[p] for p in columns]).transpose(np.argsort(columns, kind="stable")).reshape(-1)
        tensor = x.tensor
    else:
        tensor = ctx.laid(x)
    _layer(
        ctx, record, Dense(keep_dims=rank != 2), tensor, np.take(w, order, 1 - filters_axis), (filters_axis, 1 - filters_axis),
        axis=rank - 1, rank=rank, channels_axis=0, filters_axis=filters_axis, alpha=alpha, beta=beta, order=order,
    )  # fmt: skip


def product(ctx: Context, a: Value, b: Value, output: str) -> Value:
    """a b of activations; an operand whose memory is the transpose is taken as it is."""
    (left, swap_a), (right, swap_b) = _as_matrix(ctx, a), _as_matrix(ctx, b)
    (tensor,) = ctx.real(BatchMatMul(swap_a, swap_b), (left, right), output)
    return plain(tensor, ctx.tensors[tensor].shape)


def _as_matrix(ctx: Context, v: Value) -> tuple[str, bool]:
    """(tensor, whether its last two axes are swapped)."""
    own = groups_of(len(v.axes))
    swapped = [*own[:-2], own[-1], own[-2]]
    order, turned = v.order(own), v.order(swapped)
    if order != tuple(sorted(order)) and turned == tuple(sorted(turned)):
        return ctx.laid(v, swapped), True
    return ctx.laid(v), False


# ----------------------------------------------------------------------------------------------------------- weights


def _weights(ctx: Context, record: Record) -> Array:
    w = ctx.known(record, 1, "the weights")
    assert w is not None
    if not np.isfinite(w).all():
        raise ModelError("the weights must be finite")
    return w


def _layer(
    ctx: Context, record: Record, op: Op, x: str, w: Array, perm: tuple[int, ...], *, axis: int, rank: int, channels_axis: int,
    filters_axis: int = 0, alpha: float = 1.0, beta: float = 1.0, order: Array | None = None,
) -> None:  # fmt: skip
    """Make the node, on integers where the file's scales allow it.

    w: as in the file, permuted by ``perm`` to what the operator takes, there with the output channels at channels_axis.
    axis: of the output's ``rank`` axes, that of the channels. order: how w's rows were taken, for dense layers.
    """
    filters = w.shape[filters_axis]
    bias_name = record.inputs[2] if len(record.inputs) > 2 else ""
    bias = None if not bias_name else ctx.known(record, 2, "the bias")
    if bias is not None and bias.size != filters and not (isinstance(op, Dense) and bias.size == 1):
        raise ModelError(f"the bias must have {filters} elements, not {bias.size}")
    integers = _integers(ctx, record, x, filters_axis)
    if integers is not None and alpha == beta == 1.0:
        data, scales = integers
        data = data if order is None else np.take(data, order, 1 - filters_axis)
        quant = Quant(scales, (0,) * len(scales), channels_axis if len(scales) > 1 else None)
        name = record.outputs[0]
        inputs = [x, ctx.quantized_constant(record.inputs[1], _moved(data, perm, rank, op), quant)]
        if bias is not None:
            inputs.append(_integer_bias(ctx, x, bias_name, bias, scales, filters))
        tensors = ctx.real(op, inputs, name)
    else:
        affine, name = following(ctx, record.outputs[0], filters, axis, rank)
        along = [1] * w.ndim
        along[filters_axis] = -1
        scaled = w.astype(np.float64) * (alpha * affine.scale).reshape(along)
        added = (
            affine.shift
            if bias is None
            else affine.shift + beta * affine.scale * np.broadcast_to(bias.astype(np.float64).reshape(-1), filters)
        )
        inputs = [ctx.floats(x), ctx.constant(record.inputs[1], _moved(scaled, perm, rank, op))]
        if bias is not None or added.any():
            inputs.append(ctx.constant(bias_name or f"{record.inputs[1]}_bias", added))
        tensors = ctx.apply(op, inputs, name)
    stored = ctx.tensors[tensors[0]].shape
    ctx.values[name] = (
        plain(tensors[0], stored) if isinstance(op, Dense) else grouped(tensors[0], stored, channels_last(rank), rank)
    )


def _moved(w: Array, perm: tuple[int, ...], rank: int, op: Op) -> Array:
    """Re-laid; a filter over one axis gets a height of 1."""
    laid = w.transpose(perm)
    return laid.reshape(laid.shape[0], 1, *laid.shape[1:]) if rank == 3 and not isinstance(op, Dense) else laid


def _integers(ctx: Context, record: Record, x: str, filters_axis: int) -> tuple[Array, tuple[float, ...]] | None:
    """(int8 weights, their scales) where input, weights and output are all int8 and the weights' zero points are 0."""
    found = ctx.quants.get(record.inputs[1])
    if ctx.tensors[x].dtype != i8 or ctx.tensors[x].quant is None or found is None:
        return None
    data, quant = found
    fits = (
        data.dtype == np.int8 and not any(quant.zero_points) and (not quant.per_channel or quant.axis == filters_axis)
    )
    return (data, quant.scales) if fits and ctx.output_quant(record.outputs[0]) is not None else None


def _integer_bias(ctx: Context, x: str, name: str, bias: Array, scales: tuple[float, ...], filters: int) -> str:
    """int32 in units of x.scale * w.scale: the file's own integers where they are in these units already."""
    x_quant = ctx.tensors[x].quant
    assert x_quant is not None
    units = np.array([x_quant.scale * s for s in scales])
    held = tuple(float(np.float32(u)) for u in units)
    quant = Quant(held, (0,) * len(held), 0 if len(held) > 1 else None)
    data, own = ctx.quants.get(name, (None, None))
    if data is not None and own is not None and data.dtype == np.int32 and not any(own.zero_points):
        given: Any = np.asarray(own.scales)
        if given.size in (1, units.size) and np.allclose(given, units, rtol=1e-5, atol=0):
            return ctx.quantized_constant(name, np.broadcast_to(data.reshape(-1), filters).copy(), quant)
    steps = round_half_away(np.broadcast_to(bias.astype(np.float64).reshape(-1), filters) / units)
    return ctx.quantized_constant(name, np.clip(steps, i32.min, i32.max).astype(np.int32), quant)
