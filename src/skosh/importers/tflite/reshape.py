"""RESHAPE, SQUEEZE, EXPAND_DIMS: all become Reshape, with the shape worked out here."""

from __future__ import annotations

import math
from collections.abc import Sequence

from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ops.moves.reshape import Reshape


def reshape(record: Record) -> Converted:
    return Converted(Reshape(reshaped(record)), (0,))


def reshaped(record: Record) -> tuple[int, ...]:
    """The new shape comes from input 1, else from the options; one size may be -1. With both, TFLite takes the input."""
    from tflite.ReshapeOptions import ReshapeOptions

    stated = tuple(int(n) for n in record.options(ReshapeOptions).NewShapeAsNumpy())
    if record.has(1):
        wanted = record.numbers(1)
    else:
        wanted = () if stated == (0,) else stated  # how old converters write a scalar
    return resolved(wanted, record.input(0).shape)


def resolved(wanted: Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with its -1, if there is one, replaced by what is left."""
    if 0 in shape and math.prod(n for n in wanted if n != -1) == 0:
        return tuple(0 if n == -1 else int(n) for n in wanted)  # an empty constant
    if sum(n == -1 for n in wanted) > 1 or any(n < -1 or n == 0 for n in wanted):
        raise ModelError(f"the new shape must have positive sizes and at most one -1, not {tuple(wanted)}")
    known = math.prod(n for n in wanted if n != -1)
    size = math.prod(shape)
    if size % known:
        raise ModelError(f"{size} elements must divide into the new shape {tuple(wanted)}")
    return tuple(size // known if n == -1 else int(n) for n in wanted)


def squeeze(record: Record) -> Converted:
    return Converted(Reshape(squeezed(record)), (0,))


def squeezed(record: Record) -> tuple[int, ...]:
    """Axes of size 1 go: those named, or all."""
    from tflite.SqueezeOptions import SqueezeOptions

    shape = record.input(0).shape
    axes = {_axis(int(a), len(shape)) for a in record.options(SqueezeOptions).SqueezeDimsAsNumpy()}
    if any(shape[a] != 1 for a in axes):
        raise ModelError(f"the squeezed axes {sorted(axes)} of {shape} must have size 1")
    gone = axes or {a for a, n in enumerate(shape) if n == 1}
    return tuple(n for a, n in enumerate(shape) if a not in gone)


def expand_dims(record: Record) -> Converted:
    return Converted(Reshape(inserted(record)), (0,))


def inserted(record: Record) -> tuple[int, ...]:
    """A new axis of size 1, at the place that input 1 names."""
    shape = record.input(0).shape
    where = record.numbers(1)
    if len(where) != 1:
        raise ModelError(f"one axis must be named, not {len(where)}")
    axis = _axis(where[0], len(shape) + 1)
    return (*shape[:axis], 1, *shape[axis:])


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ModelError(f"the axis must be in [{-rank}, {rank}), not {axis}")
    return axis % rank


CONVERTERS: dict[str, Converter] = {"RESHAPE": reshape, "SQUEEZE": squeeze, "EXPAND_DIMS": expand_dims}
