"""What moves elements or only renames their places. Transposes and most reshapes make no node: see ``values``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.folding import reshape_target, slices, squeezed, unsqueezed
from skosh.importers.onnx.picking import border
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import Value, plain
from skosh.ops.moves.movement import BroadcastTo, Concat, Slice, Split, normal_axis
from skosh.ops.moves.padding import MirrorPad, Pad


def reshape(ctx: Context, record: Record) -> None:
    x = ctx.value(record.inputs[0])
    given = [None if not n else ctx.known(record, i, "the shape") for i, n in enumerate(record.inputs) if i > 0]
    values = [None, *given]
    match record.kind:
        case "Reshape":
            target = given[0] if given else record.attributes.get("shape")
            shape = reshape_target(record, target, x.shape)
        case "Flatten":
            at = record.attributes.get("axis", 1)
            at += len(x.shape) if at < 0 else 0
            shape = (math.prod(x.shape[:at]), math.prod(x.shape[at:]))
        case "Squeeze":
            shape = squeezed(record, values, x.shape)
        case _:
            shape = unsqueezed(record, values, x.shape)
    ctx.values[record.outputs[0]] = ctx.reshaped(x, shape)


def transpose(ctx: Context, record: Record) -> None:
    x = ctx.value(record.inputs[0])
    perm = tuple(record.attributes.get("perm", range(len(x.axes))[::-1]))
    if sorted(perm) != list(range(len(x.axes))):
        raise ModelError(f"perm must name each of the {len(x.axes)} axes once, not {list(perm)}")
    ctx.values[record.outputs[0]] = Value(x.tensor, x.stored, tuple(x.axes[p] for p in perm))


def shape_of(ctx: Context, record: Record) -> None:
    a = record.attributes
    shape = np.array(ctx.shape(record.inputs[0]), np.int64)
    part = shape[slice(a.get("start", 0), a.get("end"))]
    ctx.constants[record.outputs[0]] = part if record.kind == "Shape" else np.array(np.prod(shape))


def along(x: Value, axis: int, ctx: Context) -> tuple[Value, int]:
    """(the value with a stored axis that is this axis of the file, that stored axis)."""
    axis = normal_axis(axis, len(x.axes))
    found = x.stored_axis(axis)
    if found is None:
        x = plain(ctx.laid(x), x.shape)
        return x, axis
    return x, found


def resized(x: Value, tensor: str, stored: tuple[int, ...], axis: int, at: int) -> Value:
    """The value where one axis has another size now."""
    axes = list(x.axes)
    axes[axis] = (at,) if stored[at] != 1 else ()
    return Value(tensor, stored, tuple(axes))


def concat(ctx: Context, record: Record) -> None:
    """All inputs follow the first one's layout."""
    x = ctx.value(record.inputs[0])
    axis = normal_axis(record.attributes["axis"], len(x.axes))
    values = [ctx.value(n) for n in record.inputs]
    if any(len(v.axes) != len(x.axes) for v in values):
        raise ModelError(f"all inputs must have {len(x.axes)} dimensions")
    alike = next((v for v in values if v.stored_axis(axis) is not None), None)
    at = None if alike is None else alike.stored_axis(axis)
    tensors = []
    for v in values:
        if alike is None or at is None:
            break
        resized_like = resized(
            alike, "", tuple(v.shape[axis] if p == at else n for p, n in enumerate(alike.stored)), axis, at
        )
        moved = (
            ctx.like(v, resized_like)
            if v.shape[:axis] + v.shape[axis + 1 :] == x.shape[:axis] + x.shape[axis + 1 :]
            else None
        )
        if moved is None:
            break
        tensors.append(moved)
    if len(tensors) < len(values) or alike is None or at is None:
        (tensor,) = ctx.real(Concat(axis), [ctx.laid(v) for v in values], record.outputs[0])
        ctx.values[record.outputs[0]] = plain(tensor, ctx.tensors[tensor].shape)
        return
    (tensor,) = ctx.real(Concat(at), tensors, record.outputs[0])
    ctx.values[record.outputs[0]] = resized(alike, tensor, ctx.tensors[tensor].shape, axis, at)


def split(ctx: Context, record: Record) -> None:
    given = ctx.known(record, 1, "the sizes") if len(record.inputs) > 1 else None
    x = ctx.value(record.inputs[0])
    axis = normal_axis(record.attributes.get("axis", 0), len(x.axes))
    x, at = along(x, axis, ctx)
    n, count = x.shape[axis], len(record.outputs)
    part = -(-n // count)
    sizes = (
        tuple(int(s) for s in given)
        if given is not None
        else tuple(record.attributes.get("split", [min(part, n - k * part) for k in range(count)]))
    )
    if len(sizes) != count or record.attributes.get("num_outputs", count) != count:
        raise ModelError(f"there must be as many sizes as outputs, not {len(sizes)} and {count}")
    for name, tensor in zip(record.outputs, ctx.real(Split(at, sizes), (x.tensor,), record.outputs[0]), strict=True):
        ctx.values[name] = resized(x, tensor, ctx.tensors[tensor].shape, axis, at)


def cut(ctx: Context, record: Record) -> None:
    """Slice, one node for all axes."""
    x = ctx.value(record.inputs[0])
    given = [None, *(ctx.known(record, i, "starts, ends, axes and steps") for i in range(1, len(record.inputs)))]
    wanted = slices(record, given, x.shape)
    if any(
        s != slice(None) and s.indices(n) != (0, n, 1) and x.stored_axis(a) is None
        for a, (s, n) in enumerate(zip(wanted, x.shape, strict=True))
    ):
        x = plain(ctx.laid(x), x.shape)
    begin, size, step = [0] * len(x.stored), list(x.stored), [1] * len(x.stored)
    axes = list(x.axes)
    for axis, (one, n) in enumerate(zip(wanted, x.shape, strict=True)):
        picked = range(*one.indices(n))
        at = x.stored_axis(axis)
        if len(picked) == 0:
            raise ModelError(f"a slice must not be empty, as {one} of {n} is")
        if at is not None:
            begin[at], size[at], step[at] = picked.start, len(picked), picked.step
            axes[axis] = (at,) if len(picked) > 1 else ()
    op = Slice(tuple(begin), tuple(size), tuple(step), tuple(size))
    (tensor,) = ctx.real(op, (x.tensor,), record.outputs[0])
    ctx.values[record.outputs[0]] = Value(tensor, tuple(size), tuple(axes))


MAX_PAD, MAX_BORDER = 1 << 20, 64


def pad(ctx: Context, record: Record) -> None:
    a = record.attributes
    x = ctx.value(record.inputs[0])
    pads = ctx.known(record, 1, "the pads") if len(record.inputs) > 1 else np.asarray(a.get("pads", ()))
    value = ctx.known(record, 2, "the value") if len(record.inputs) > 2 else np.asarray(a.get("value", 0.0))
    named = ctx.known(record, 3, "the axes") if len(record.inputs) > 3 else None
    axes = [int(k) % len(x.axes) for k in named] if named is not None else list(range(len(x.axes)))
    mode, number = a.get("mode", "constant"), 0.0 if value is None else float(value.reshape(()))
    if pads is None or pads.size != 2 * len(axes) or mode not in ("constant", "reflect", "edge", "wrap"):
        raise ModelError(
            f"pads must be pairs for each axis, of mode constant, reflect, edge or wrap, not {pads} of {mode}"
        )
    pairs = {axis: (int(pads[i]), int(pads[i + len(axes)])) for i, axis in enumerate(axes)}
    if any(not -MAX_PAD <= n <= MAX_PAD for pair in pairs.values() for n in pair):
        raise ModelError("a pad must be smaller")
    if mode in ("edge", "wrap"):
        for axis, (before, after) in pairs.items():
            if min(before, after) < 0 or before + after > MAX_BORDER:
                raise ModelError(f"a border of mode {mode} must be 0 to {MAX_BORDER} wide")
            x = border(ctx, x, axis, before, after, mode, record.outputs[0]) if before or after else x
        ctx.values[record.outputs[0]] = x
        return
    if any(pair != (0, 0) and x.stored_axis(axis) is None for axis, pair in pairs.items()):
        x = plain(ctx.laid(x), x.shape)
    where = {
        p if (p := x.stored_axis(axis)) is not None else axis: pair for axis, pair in pairs.items() if pair != (0, 0)
    }
    stored = tuple(where.get(p, (0, 0)) for p in range(len(x.stored)))
    t = ctx.tensors[x.tensor]
    if t.quant is not None:
        number = float(np.clip(np.rint(number / t.quant.scale) + t.quant.zero_point, t.dtype.min, t.dtype.max))
    as_stored = int(number) if t.dtype.is_integer else number
    op = Pad(stored, as_stored) if mode == "constant" else MirrorPad(stored, True)
    (tensor,) = ctx.real(op, (x.tensor,), record.outputs[0])
    shape = ctx.tensors[tensor].shape
    made = [(p,) if (p := x.stored_axis(a)) is not None else k for a, k in enumerate(x.axes)]
    if len(x.stored) == len(x.axes) and all(x.stored_axis(a) in (a, None) for a in range(len(x.axes))):
        ctx.values[record.outputs[0]] = plain(tensor, shape)
    else:
        ctx.values[record.outputs[0]] = Value(tensor, shape, tuple(made))


def expand(ctx: Context, record: Record) -> None:
    x, shape = ctx.value(record.inputs[0]), ctx.known(record, 1, "the shape")
    assert shape is not None
    try:
        target = tuple(int(n) for n in np.broadcast_shapes(x.shape, tuple(int(n) for n in shape)))
    except ValueError:
        raise ModelError(f"{list(x.shape)} doesn't broadcast to {[int(n) for n in shape]}") from None
    if target == x.shape:
        ctx.values[record.outputs[0]] = x
        return
    (tensor,) = ctx.real(BroadcastTo(target), (ctx.laid(x),), record.outputs[0])
    ctx.values[record.outputs[0]] = plain(tensor, target)


CONVERTERS: dict[str, Any] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), reshape),
    "Transpose": transpose, "Shape": shape_of, "Size": shape_of, "Concat": concat, "Split": split, "Slice": cut, "Pad": pad,
    "Expand": expand,
}  # fmt: skip
