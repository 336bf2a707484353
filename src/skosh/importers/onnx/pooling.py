"""Pooling and resizing: over the axes of space, in channels-last memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, channels_last, grouped
from skosh.importers.onnx.windows import geometry
from skosh.ir.graph import Op
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import DepthToSpace, SpaceToDepth
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape
from skosh.ops.moves.resize import ResizeBilinear, ResizeNearest
from skosh.ops.reductions.reductions import Mean, ReduceMax


def spatial(ctx: Context, name: str) -> tuple[str, int]:
    """(the tensor [N, H, W, C], the rank in the file)."""
    x = ctx.value(name)
    if len(x.shape) not in (3, 4):
        raise ModelError(f"there must be 1 or 2 axes of space, not {len(x.shape) - 2}")
    return ctx.laid(x, channels_last(len(x.shape))), len(x.shape)


def put(ctx: Context, record: Record, op: Op, tensor: str, rank: int) -> None:
    (made,) = ctx.real(op, (tensor,), record.outputs[0])
    ctx.values[record.outputs[0]] = grouped(made, ctx.tensors[made].shape, channels_last(rank), rank)


def pool(ctx: Context, record: Record) -> None:
    tensor, rank = spatial(ctx, record.inputs[0])
    space = ctx.shape(record.inputs[0])[2:]
    a = record.attributes
    if len([n for n in record.outputs if n]) > 1:
        raise ModelError("pooling must have one output, without indices")
    g = geometry(record, tuple(a.get("kernel_shape", ())) or space, space, ceil=bool(a.get("ceil_mode", 0)))
    if g.dilation != (1, 1):
        raise ModelError("pooling must have no dilation", hint="use a stride, or a dilated convolution")
    if record.kind == "MaxPool":
        put(ctx, record, MaxPool2D(g.size, g.stride, g.pads), tensor, rank)
        return
    padded = any(a.get("pads", ())) or a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    if a.get("count_include_pad", 0) and padded:
        if a.get("ceil_mode", 0):
            raise ModelError("an average that counts its padding must not have ceil_mode")
        quant = ctx.tensors[tensor].quant
        top, bottom, left, right = g.pads
        pad = Pad(((0, 0), (top, bottom), (left, right), (0, 0)), 0.0 if quant is None else quant.zero_point)
        (tensor,) = ctx.apply(pad, (tensor,), f"{record.outputs[0]}_padded", quant)
        put(ctx, record, AveragePool2D(g.size, g.stride, (0, 0, 0, 0)), tensor, rank)
        return
    put(ctx, record, AveragePool2D(g.size, g.stride, g.pads), tensor, rank)


def global_average(ctx: Context, record: Record) -> None:
    tensor, rank = spatial(ctx, record.inputs[0])
    put(ctx, record, Mean((1, 2), keep_dims=True), tensor, rank)


def global_maximum(ctx: Context, record: Record) -> None:
    tensor, rank = spatial(ctx, record.inputs[0])
    put(ctx, record, ReduceMax((1, 2), keep_dims=True), tensor, rank)


def resize(ctx: Context, record: Record) -> None:
    """Resize and Upsample of the axes of space."""
    a = record.attributes
    tensor, rank = spatial(ctx, record.inputs[0])
    shape = ctx.shape(record.inputs[0])
    sizes = _sizes(ctx, record, shape)
    mode = a.get("mode", "nearest")
    where = a.get(
        "coordinate_transformation_mode",
        "asymmetric" if record.kind == "Upsample" or ctx.opset < 11 else "half_pixel",
    )
    if where == "pytorch_half_pixel" and all(n > 1 for n in sizes):
        where = "half_pixel"
    if (
        sizes[:2] != shape[:2]
        or where not in ("asymmetric", "half_pixel", "align_corners")
        or mode not in ("nearest", "linear", "bilinear")
    ):
        raise ModelError(
            f"a resize must be of height and width, nearest or linear, not {mode} with {where} to {list(sizes)}",
            hint="half_pixel, asymmetric and align_corners can be compiled",
        )
    target = (1, sizes[2]) if rank == 3 else (sizes[2], sizes[3])
    aligned, half = where == "align_corners", where == "half_pixel"
    if mode == "nearest":
        _check_nearest(record, shape[2:], sizes[2:], where)
        put(ctx, record, ResizeNearest(target, False, False), tensor, rank)
    else:
        if a.get("antialias", 0) or a.get("exclude_outside", 0):
            raise ModelError("a linear resize must not be antialiased")
        put(ctx, record, ResizeBilinear(target, aligned, half), tensor, rank)


def _check_nearest(record: Record, space: tuple[int, ...], sizes: tuple[int, ...], where: str) -> None:
    """A ModelError unless floor(i * size / out), which is what is compiled, picks the same pixels."""
    rounding = record.attributes.get("nearest_mode", "round_prefer_floor") if record.kind == "Resize" else "floor"
    for n, out in zip(space, sizes, strict=True):
        i = np.arange(out, dtype=np.float64)
        x = {
            "asymmetric": i * n / out,
            "half_pixel": (i + 0.5) * n / out - 0.5,
            "align_corners": i * (n - 1) / max(1, out - 1),
        }[where]
        picks = {
            "floor": np.floor(x),
            "ceil": np.ceil(x),
            "round_prefer_floor": np.ceil(x - 0.5),
            "round_prefer_ceil": np.floor(x + 0.5),
        }
        known = rounding in picks
        if not known or not np.array_equal(np.clip(picks[rounding], 0, n - 1), np.arange(out) * n // out):
            raise ModelError(
                f"a nearest resize of {n} to {out} with {where} and {rounding} can't be compiled",
                hint="use asymmetric and floor",
            )


def _sizes(ctx: Context, record: Record, shape: tuple[int, ...]) -> tuple[int, ...]:
    first = 1 if record.kind == "Upsample" or ctx.opset < 11 else 2
    scales = (
        ctx.known(record, first, "the scales")
        if len(record.inputs) > first
        else np.asarray(record.attributes.get("scales", ()))
    )
    sizes = ctx.known(record, 3, "the sizes") if len(record.inputs) > 3 else None
    if "axes" in record.attributes or record.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ModelError("a resize must name the sizes or scales of all axes")
    if sizes is not None and sizes.size == len(shape):
        return tuple(int(n) for n in sizes)
    if scales is None or scales.size != len(shape) or not (np.isfinite(scales) & (scales > 0) & (scales <= 64)).all():
        raise ModelError("a resize must have a size, or a scale in (0, 64], for each axis")
    found = tuple(math.floor(n * float(s)) for n, s in zip(shape, scales, strict=True))
    if any(abs(n * float(s) - f) > 1e-4 for n, s, f in zip(shape, scales, found, strict=True)):
        raise ModelError("a resize must give whole sizes", hint="name sizes in place of scales")
    return found


def depth_to_space(ctx: Context, record: Record) -> None:
    """ONNX's DCR order is TFLite's; CRD takes channels in another order first."""
    tensor, rank = spatial(ctx, record.inputs[0])
    block, mode = int(record.attributes["blocksize"]), record.attributes.get("mode", "DCR")
    if rank != 4 or mode not in ("DCR", "CRD"):
        raise ModelError("there must be 4 dimensions, and a mode DCR or CRD")
    if mode == "CRD":
        n, h, w, c = ctx.tensors[tensor].shape
        if block < 1 or c % (block * block):
            raise ModelError(f"{c} channels must divide by block^2, block = {block}")
        x = ctx.reshaped(ctx.value(record.inputs[0]), (n, c // (block * block), block * block, h, w))
        tensor = ctx.laid(x, [(0,), (3,), (4,), (2,), (1,)])
        quant = ctx.tensors[tensor].quant
        tensor = ctx.once(Reshape((n, h, w, c)), tensor, f"{tensor}_shaped", quant)
    put(ctx, record, DepthToSpace(block), tensor, rank)


def space_to_depth(ctx: Context, record: Record) -> None:
    """DCR: a channel of the result is (row and column in the block, channel); CRD: (channel, row and column)."""
    tensor, rank = spatial(ctx, record.inputs[0])
    block = int(record.attributes["blocksize"])
    mode = record.attributes.get("mode", "DCR")
    if rank != 4 or mode not in ("DCR", "CRD"):
        raise ModelError("there must be 4 dimensions, and a mode DCR or CRD")
    put(ctx, record, SpaceToDepth(block), tensor, rank)
    if mode == "CRD":
        y = ctx.values[record.outputs[0]]
        n, c, h, w = y.shape
        parted = ctx.reshaped(y, (n, block * block, c // (block * block), h, w))
        turned = Value(parted.tensor, parted.stored, tuple(parted.axes[k] for k in (0, 2, 1, 3, 4)))
        ctx.values[record.outputs[0]] = ctx.reshaped(turned, (n, c, h, w))


CONVERTERS: dict[str, Any] = {
    "MaxPool": pool, "AveragePool": pool, "GlobalAveragePool": global_average, "GlobalMaxPool": global_maximum,
    "Resize": resize, "Upsample": resize, "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
}  # fmt: skip
