"""Lists that loops fill row by row, told by their rows, so that nothing is copied before the list is read as a whole.

    step 1: CONCATENATION(SLICE(list, 0:1), RESHAPE(h1), SLICE(list, 2:4)) -> list'
    ->  list' has the rows list[0:1], h1, list[2:4]; what is made of it after the last step is concat h0, h1, h2, h3

Without that a loop of T steps would copy its list T times. Also GATHER at an index that is known now: a slice.
"""

from __future__ import annotations

from typing import Any

from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.movement import slice_spec, strided_slice_spec
from skosh.importers.tflite.reader import Record
from skosh.ir.graph import Tensor
from skosh.ops.moves.movement import Concat, Slice, normal_axis
from skosh.ops.moves.reshape import Reshape

Rows = tuple[tuple[Tensor, int, int], ...]
"""(tensor, first row, count): pieces of a list along its first axis."""


def rows_of(t: Tensor, walk: Any) -> Rows:
    return walk.rows.get(t.name) or (((t, 0, t.shape[0]),) if t.shape[0] else ())


def part(rows: Rows, first: int, count: int) -> Rows:
    """Rows first to first + count."""
    found, at = [], 0
    for t, start, size in rows:
        low, high = max(first, at), min(first + count, at + size)
        if low < high:
            found.append((t, start + low - at, high - low))
        at += size
    return tuple(found)


def is_list(t: Tensor | None, walk: Any) -> bool:
    """Whether a tensor may be told by rows: it is already, or it is a constant that a loop begins with."""
    return t is not None and (t.name in walk.rows or (walk.depth > 0 and t.data is not None and len(t.shape) > 0))


def put(y: Tensor, shape: tuple[int, ...], rows: Rows, walk: Any) -> None:
    """y, of this shape, has these rows; it is one of the pieces itself where there is only that."""
    if len(rows) == 1 and rows[0][1:] == (0, rows[0][0].shape[0]) and rows[0][0].shape == shape:
        walk.alias(y, rows[0][0])
    else:
        walk.tell(Tensor(y.name, shape, y.dtype, y.quant), rows)


def whole(t: Tensor, rows: Rows, walk: Any) -> Tensor:
    """Put a list together, at last."""
    if not rows:
        raise ModelError(f'"{t.name}" must have at least one element')
    pieces = [piece(x, start, count, walk) for x, start, count in rows]
    op = Concat(0) if len(pieces) > 1 else Reshape(t.shape)
    made: Tensor = walk.make(op, *pieces, out=t)
    return made


def piece(x: Tensor, start: int, count: int, walk: Any) -> Tensor:
    if (start, count) == (0, x.shape[0]):
        return x
    size = (count, *x.shape[1:])
    made: Tensor = walk.make(Slice((start, *[0] * (len(size) - 1)), size, (1,) * len(size), size), x)
    return made


# ------------------------------------------------------------------------------------------------------------- operators


def sliced(record: Record, walk: Any) -> bool:
    """SLICE and STRIDED_SLICE of whole rows."""
    x, y = record.input(0), record.output()
    if not is_list(x, walk) or any(t is None or t.data is None for t in record.inputs[1:]):
        return False
    spec = slice_spec(record) if record.code == "SLICE" else strided_slice_spec(record)
    (begin, *others), (count, *sizes), (step, *steps) = spec.begin, spec.size, spec.step
    if step != 1 or any(others) or any(s != 1 for s in steps) or tuple(sizes) != x.shape[1:]:
        return False
    record.take(*range(len(record.inputs)))
    rows = part(rows_of(x, walk), begin, count)
    if spec.shape == (count, *x.shape[1:]):
        put(y, spec.shape, rows, walk)
    elif len(rows) == 1:
        walk.make(Reshape(spec.shape), piece(*rows[0], walk), out=y)
    else:
        return False
    return True


def joined(record: Record, walk: Any) -> bool:
    """CONCATENATION along the first axis, inside a loop."""
    from tflite.ConcatenationOptions import ConcatenationOptions

    tensors = [t for t in record.inputs if t is not None]
    if not any(is_list(t, walk) for t in tensors) or len(tensors) != len(record.inputs):
        return False
    options, y = record.options(ConcatenationOptions), record.output()
    shapes = {t.shape[1:] for t in tensors}
    axis = normal_axis(int(options.Axis()), len(tensors[0].shape))
    kinds = {(t.dtype, t.quant) for t in (*tensors, y)}
    if axis != 0 or activation(options.FusedActivationFunction()) != "none" or len(shapes) > 1 or len(kinds) > 1:
        return False
    record.take(*range(len(record.inputs)))
    rows = tuple(r for t in tensors for r in rows_of(t, walk))
    put(y, (sum(t.shape[0] for t in tensors), *tensors[0].shape[1:]), rows, walk)
    return True


def updated(record: Record, walk: Any) -> bool:
    """DYNAMIC_UPDATE_SLICE at a place that is known now."""
    x, update, y = record.input(0), record.input(1), record.output()
    starts = record.numbers(2)
    if len(starts) != len(x.shape) or len(update.shape) != len(x.shape) or x.dtype != update.dtype or not x.shape:
        raise ModelError("DYNAMIC_UPDATE_SLICE must have an update and a start for each axis of its input")
    place = [min(max(s, 0), n - u) for s, n, u in zip(starts, x.shape, update.shape, strict=True)]
    if any(u > n for n, u in zip(x.shape, update.shape, strict=True)):
        raise ModelError(f"an update of {update.shape} must fit {x.shape}")
    if any(place[1:]) or update.shape[1:] != x.shape[1:] or x.quant != update.quant:
        raise ModelError("DYNAMIC_UPDATE_SLICE must put in whole rows, of the scale that its input has")
    record.take(0, 1)
    old, end = rows_of(x, walk), place[0] + update.shape[0]
    put(y, x.shape, (*part(old, 0, place[0]), *rows_of(update, walk), *part(old, end, x.shape[0] - end)), walk)
    return True


def gathered(record: Record, walk: Any) -> bool:
    """GATHER of one index that is known now."""
    from tflite.GatherOptions import GatherOptions

    x, index, y = record.input(0), record.input(1), record.output()
    if index.data is None or index.size != 1 or not x.shape or index.dtype.kind != "int":
        return False
    options = record.options(GatherOptions)
    axis, at = normal_axis(int(options.Axis()), len(x.shape)), int(index.data.reshape(()))
    if options.BatchDims() or not 0 <= at < x.shape[axis]:
        return False
    record.take(0, 1)
    shape = (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])
    if axis == 0 and x.name in walk.rows:
        ((found, start, count),) = part(rows_of(x, walk), at, 1)
        walk.make(Reshape(shape), piece(found, start, count, walk), out=y)
        return True
    begin = tuple(at if a == axis else 0 for a in range(len(x.shape)))
    size = tuple(1 if a == axis else n for a, n in enumerate(x.shape))
    walk.make(Slice(begin, size, (1,) * len(size), shape), x, out=y)
    return True


EXPANSIONS: dict[str, Any] = {
    "SLICE": sliced, "STRIDED_SLICE": sliced, "CONCATENATION": joined, "DYNAMIC_UPDATE_SLICE": updated, "GATHER": gathered,
}  # fmt: skip
