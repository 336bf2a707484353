"""Elements by their places: GatherElements, the scatters, OneHot, TopK, and what hangs on where something is."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import i32
from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.importers.onnx.values import plain
from skosh.ops.moves.movement import normal_axis
from skosh.ops.moves.scatter import ScatterNd
from skosh.ops.reductions.ordering import TopK

MAX_PLACES = 1 << 20


def coordinates(b: Body, index: str, axis: int) -> str:
    """[..., rank]: for each element of the index its own place, but on ``axis`` what it says."""
    shape = b.shape(index)
    if np.prod(shape, dtype=np.float64) * len(shape) > MAX_PLACES:
        raise ModelError(f"an index must have fewer elements than {list(shape)}")
    grid = np.indices(shape, np.int64)
    said = b.of("Unsqueeze", b.of("Cast", index, to=7), [-1])
    return b.of("Concat", *(said if k == axis else grid[k][..., None] for k in range(len(shape))), axis=-1)


def gather_elements(b: Body, record: Record) -> str:
    x, index = record.inputs
    rank = len(b.shape(x))
    if len(b.shape(index)) != rank:
        raise ModelError(f"the index must have {rank} dimensions, as the input has")
    axis = normal_axis(record.attributes.get("axis", 0), rank)
    if any(n > m for k, (n, m) in enumerate(zip(b.shape(index), b.shape(x), strict=True)) if k != axis):
        raise ModelError(f"an index of {list(b.shape(index))} must lie inside {list(b.shape(x))}")
    return b.of("GatherND", x, coordinates(b, index, axis))


def scatter_elements(b: Body, record: Record) -> str:
    x, index, updates = record.inputs
    axis = normal_axis(record.attributes.get("axis", 0), len(b.shape(x)))
    if b.shape(index) != b.shape(updates) or len(b.shape(index)) != len(b.shape(x)):
        raise ModelError("the index and the updates must have one shape, of as many dimensions as the input")
    reduction = record.attributes.get("reduction", "none")
    return b.of("ScatterND", x, coordinates(b, index, axis), updates, reduction=reduction)


def scatter_nd(ctx: Context, record: Record) -> None:
    x, index, updates = (ctx.laid(ctx.value(n)) for n in record.inputs)
    op = ScatterNd(str(record.attributes.get("reduction", "none")))
    tensors = (ctx.floats(x), ctx.as_type(index, i32), ctx.floats(updates))
    (tensor,) = ctx.apply(op, tensors, record.outputs[0])
    ctx.values[record.outputs[0]] = plain(tensor, ctx.tensors[tensor].shape)


def one_hot(b: Body, record: Record) -> str:
    """values: [off, on]. An index beyond the depth gives no "on"."""
    index, _, values = record.inputs
    depth = b.ctx.known(record, 1, "the depth")
    if depth is None or depth.size != 1 or not 1 <= int(depth.reshape(())) <= MAX_PLACES:
        raise ModelError("the depth must be one number, 1 or more")
    n = int(depth.reshape(()))
    axis = normal_axis(record.attributes.get("axis", -1), len(b.shape(index)) + 1)
    index = b.of("Cast", index, to=6)
    index = b.of("Where", b.of("Less", index, np.array([0], np.int32)), b.of("Add", index, np.array([n], np.int32)), index)
    along = np.arange(n, dtype=np.int32).reshape(-1, *(1,) * (len(b.shape(index)) - axis))
    at = b.of("Equal", b.of("Unsqueeze", index, [axis]), along)
    off, on = (b.of("Slice", values, [k], [k + 1]) for k in (0, 1))
    return b.of("Where", at, on, off)


def hardmax(b: Body, record: Record) -> str:
    """1 at the first largest element along an axis, 0 elsewhere; before operator set 13 of all from the axis on."""
    x, old = record.inputs[0], b.ctx.opset < 13
    shape = b.shape(x)
    axis = normal_axis(record.attributes.get("axis", 1 if old else -1), len(shape))
    if old:
        x = b.of("Flatten", x, axis=axis)
    along = 1 if old else axis
    at = b.of("ArgMax", x, axis=along, keepdims=0)
    y = b.of("OneHot", at, [b.shape(x)[along]], np.array([0, 1], np.float32), axis=along)
    return b.of("Reshape", y, shape) if old else y


def top_k(ctx: Context, record: Record) -> None:
    """Values and their places, int32; sorted, whether the file asks for that or not."""
    x, a = ctx.value(record.inputs[0]), record.attributes
    count = ctx.known(record, 1, "how many are wanted") if len(record.inputs) > 1 else np.asarray(a["k"])
    if count is None or count.size != 1:
        raise ModelError("how many are wanted must be one number")
    a.get("sorted", 1)
    axis = normal_axis(a.get("axis", -1), len(x.axes))
    op = TopK(axis, int(count.reshape(())), bool(a.get("largest", 1)))
    tensors = ctx.apply(op, (ctx.floats(ctx.laid(x)),), record.outputs[0] or f"{record.outputs[1]}_values")
    for name, tensor in zip(record.outputs, tensors, strict=False):
        if name:
            ctx.values[name] = plain(tensor, ctx.tensors[tensor].shape)


def compress(b: Body, record: Record) -> str:
    kept = b.ctx.known(record, 1, "the condition")
    if kept is None:
        raise ModelError("the condition must be there")
    x, axis = record.inputs[0], record.attributes.get("axis")
    if axis is None:
        x, axis = b.of("Reshape", x, [-1]), 0
    return b.of("Gather", x, np.flatnonzero(kept), axis=axis)


def reverse_sequence(b: Body, record: Record) -> str:
    """The first elements of each row of a batch backwards: as many as its length says."""
    x, a = record.inputs[0], record.attributes
    lengths = b.ctx.known(record, 1, "the lengths")
    batch, time = int(a.get("batch_axis", 1)), int(a.get("time_axis", 0))
    if lengths is None or {batch, time} != {0, 1}:
        raise ModelError("the axes must be the first two, and the lengths be there")
    steps, rows = b.shape(x)[time], b.shape(x)[batch]
    if lengths.size != rows or (lengths > steps).any() or (lengths < 0).any():
        raise ModelError(f"there must be a length of at most {steps} for each of {rows} rows")
    t, n = np.meshgrid(np.arange(steps), np.arange(rows), indexing="ij")
    back = np.where(t < lengths, lengths - 1 - t, t)
    places = np.stack([back, n] if time == 0 else [n, back], -1)
    return b.of("GatherND", x, (places if time == 0 else places.transpose(1, 0, 2)).astype(np.int64))


def eye_like(b: Body, record: Record) -> str:
    x, a = record.inputs[0], record.attributes
    shape, kind = b.shape(x), a.get("dtype")
    if len(shape) != 2:
        raise ModelError("there must be 2 dimensions")
    ones = b.constant(np.eye(*shape, k=int(a.get("k", 0)), dtype=np.float32))
    if kind is not None:
        return b.of("Cast", ones, to=kind)
    if x in b.ctx.constants:
        return b.constant(b.ctx.constants[ones].astype(b.ctx.constants[x].dtype))
    dtype = b.ctx.tensors[b.ctx.values[x].tensor]
    return b.constant(b.ctx.constants[ones].astype(dtype.dtype.np if dtype.quant is None else np.float32))


def tensor_scatter(b: Body, record: Record) -> str:
    """A cache with new rows put in along an axis, from where ``write_indices`` says for each batch; round the end."""
    cache, update = record.inputs[:2]
    axis = normal_axis(record.attributes.get("axis", -2), len(b.shape(cache)))
    circular = record.attributes.get("mode", "linear") == "circular"
    batch, count, size = b.shape(cache)[0], b.shape(update)[axis], b.shape(cache)[axis]
    start = record.input(2) or b.constant(np.zeros(batch, np.int64))
    first = b.of("Reshape", b.of("Cast", start, to=7), (batch, *(1,) * (len(b.shape(cache)) - 1)))
    along = np.arange(count).reshape((1,) * axis + (-1,) + (1,) * (len(b.shape(cache)) - axis - 1))
    places = b.of("Add", first, along.astype(np.int64))
    if circular:
        places = b.of("Mod", places, np.array([size], np.int64))
    return b.of("ScatterElements", cache, b.of("Expand", places, b.shape(update)), update, axis=axis)


CONVERTERS: dict[str, Any] = {
    "GatherElements": body(gather_elements), "ScatterElements": body(scatter_elements), "Scatter": body(scatter_elements),
    "ScatterND": scatter_nd, "OneHot": body(one_hot), "Hardmax": body(hardmax), "TopK": top_k, "Compress": body(compress),
    "ReverseSequence": body(reverse_sequence), "EyeLike": body(eye_like), "TensorScatter": body(tensor_scatter),
}  # fmt: skip
