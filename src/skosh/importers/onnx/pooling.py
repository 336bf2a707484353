"""Pooling and resizing: over the axes of space, in channels-last memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.sampling import places, resized, rounded
from skosh.importers.onnx.taps import average, maximum
from skosh.importers.onnx.values import Value, channels_last, grouped
from skosh.importers.onnx.windows import geometry
from skosh.ir.graph import Op
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import DepthToSpace, SpaceToDepth, normal_axis
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
    """Of one axis of space or two; those with dilation, of three axes, or that count padding rounded up go by ``taps``."""
    a, shape = record.attributes, ctx.shape(record.inputs[0])
    space = shape[2:]
    padded = any(a.get("pads", ())) or a.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    counted = bool(a.get("count_include_pad", 0)) and padded
    whole = ctx.is_whole(ctx.value(record.inputs[0]).tensor)
    dilated = any(d != 1 for d in a.get("dilations", ()))
    if len(space) not in (1, 2) or dilated or whole or (counted and a.get("ceil_mode", 0)):
        b = Body(ctx, record)
        dtype = ctx.tensors[ctx.value(record.inputs[0]).tensor].dtype
        y = (maximum if record.kind == "MaxPool" else average)(b, record)
        b.end(b.of("Cast", y, to={"u8": 2, "i8": 3, "i16": 5, "i32": 6}.get(dtype.name, 1)) if whole else y)
        return
    tensor, rank = spatial(ctx, record.inputs[0])
    g = geometry(record, tuple(a.get("kernel_shape", ())) or space, space, ceil=bool(a.get("ceil_mode", 0)))
    if record.kind == "MaxPool":
        put(ctx, record, MaxPool2D(g.size, g.stride, g.pads), tensor, rank)
        return
    if counted:
        quant = ctx.tensors[tensor].quant
        top, bottom, left, right = g.pads
        pad = Pad(((0, 0), (top, bottom), (left, right), (0, 0)), 0.0 if quant is None else quant.zero_point)
        (tensor,) = ctx.apply(pad, (tensor,), f"{record.outputs[0]}_padded", quant)
        put(ctx, record, AveragePool2D(g.size, g.stride, (0, 0, 0, 0)), tensor, rank)
        return
    put(ctx, record, AveragePool2D(g.size, g.stride, g.pads), tensor, rank)


def global_average(ctx: Context, record: Record) -> None:
    if len(ctx.shape(record.inputs[0])) > 4:
        b = Body(ctx, record)
        b.end(b.of("ReduceMean", record.inputs[0], list(range(2, len(b.shape(record.inputs[0]))))))
        return
    tensor, rank = spatial(ctx, record.inputs[0])
    put(ctx, record, Mean((1, 2), keep_dims=True), tensor, rank)


def global_maximum(ctx: Context, record: Record) -> None:
    tensor, rank = spatial(ctx, record.inputs[0])
    put(ctx, record, ReduceMax((1, 2), keep_dims=True), tensor, rank)


def resize(ctx: Context, record: Record) -> None:
    """Resize and Upsample: by operators that have integer forms where they mean the same, else by ``sampling``."""
    a = record.attributes
    shape = ctx.shape(record.inputs[0])
    old = record.kind == "Upsample" or ctx.opset < 11
    where = str(a.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel"))
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(str(a.get("mode", "nearest")), str(a.get("mode", "nearest")))
    if mode not in ("nearest", "linear", "cubic"):
        raise ModelError(f"a resize must be nearest, linear or cubic, not {mode}")
    for other, attribute in (("nearest", "nearest_mode"), ("cubic", "cubic_coeff_a")):
        if mode != other:  # says nothing about this mode
            a.get(attribute)
    axes, roi = _axes(ctx, record, len(shape)), ctx.known(record, 1, "the region") if not old else None
    sizes, scales = _sizes(ctx, record, shape, axes)
    usual = "half_pixel" if where == "pytorch_half_pixel" and all(n > 1 for n in sizes[2:]) else where
    whole = all(abs(n * s - m) < 1e-4 for n, s, m in zip(shape, scales, sizes, strict=True))
    plain_kind = len(shape) in (3, 4) and sizes[:2] == shape[:2] and whole and not a.get("antialias", 0)
    if plain_kind and not a.get("exclude_outside", 0) and usual in ("asymmetric", "half_pixel", "align_corners"):
        target = (1, sizes[2]) if len(shape) == 3 else (sizes[2], sizes[3])
        aligned, half = usual == "align_corners", usual == "half_pixel"
        if mode == "nearest" and _picks_alike(record, shape[2:], sizes[2:], usual):
            tensor, rank = spatial(ctx, record.inputs[0])
            put(ctx, record, ResizeNearest(target, False, False), tensor, rank)
            return
        if mode == "linear":
            tensor, rank = spatial(ctx, record.inputs[0])
            put(ctx, record, ResizeBilinear(target, aligned, half), tensor, rank)
            return
    if where == "tf_crop_and_resize":
        if roi is None or roi.size != 2 * len(axes):
            raise ModelError("a crop must have a region that is constant")
        region = np.concatenate([np.zeros(len(shape)), np.ones(len(shape))])
        for k, axis in enumerate(axes):
            region[axis], region[axis + len(shape)] = roi[k], roi[k + len(axes)]
        roi = region
    else:
        roi = None
    if record.kind == "Upsample" or ctx.opset < 11:
        record.attributes.plain.setdefault("nearest_mode", "floor")
    record.attributes.plain["mode"] = mode
    resized(ctx, record, sizes, scales, where, roi)


def _picks_alike(record: Record, space: tuple[int, ...], sizes: tuple[int, ...], where: str) -> bool:
    """Whether floor(i * size / out), which is what the operator picks, are the same pixels."""
    rounding = str(record.attributes.get("nearest_mode", "round_prefer_floor")) if record.kind == "Resize" else "floor"
    return all(
        np.array_equal(rounded(places(n, out, out / n, where, (0.0, 1.0)), rounding).clip(0, n - 1), np.arange(out) * n // out)
        for n, out in zip(space, sizes, strict=True)
    )


def _axes(ctx: Context, record: Record, rank: int) -> list[int]:
    return [normal_axis(int(k), rank) for k in record.attributes.get("axes", range(rank))]


def _sizes(
    ctx: Context, record: Record, shape: tuple[int, ...], axes: list[int]
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(sizes, scales) of all axes."""
    a = record.attributes
    first = 1 if record.kind == "Upsample" or ctx.opset < 11 else 2
    scales = ctx.known(record, first, "the scales") if len(record.inputs) > first else np.asarray(a.get("scales", ()))
    sizes = ctx.known(record, 3, "the sizes") if len(record.inputs) > 3 else None
    policy = str(a.get("keep_aspect_ratio_policy", "stretch"))
    found, factors = list(shape), [1.0] * len(shape)
    if sizes is not None and sizes.size:
        if sizes.size != len(axes) or policy not in ("stretch", "not_larger", "not_smaller"):
            raise ModelError("a resize must have a size for each axis, and stretch, not_larger or not_smaller")
        given = [int(n) for n in sizes]
        ratios = [n / shape[k] for n, k in zip(given, axes, strict=True)]
        if policy != "stretch":
            ratio = min(ratios) if policy == "not_larger" else max(ratios)
            ratios = [ratio] * len(axes)
            given = [math.floor(ratio * shape[k] + 0.5) for k in axes]
        for n, factor, k in zip(given, ratios, axes, strict=True):
            found[k], factors[k] = n, factor
    else:
        if scales is None or scales.size != len(axes) or not (np.isfinite(scales) & (scales > 0) & (scales <= 64)).all():
            raise ModelError("a resize must have a size, or a scale in (0, 64], for each axis")
        for s, k in zip(scales, axes, strict=True):
            found[k], factors[k] = math.floor(shape[k] * float(s)), float(s)
    if any(not 1 <= n <= MAX_SIZE for n in found):
        raise ModelError(f"a resize must give sizes from 1 to {MAX_SIZE}, not {found}")
    return tuple(found), tuple(factors)


MAX_SIZE = 1 << 14


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
