"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR, to a size known at compile time."""

from __future__ import annotations

from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ops.moves.resize import ResizeBilinear, ResizeNearest


def nearest(record: Record) -> Converted:
    from tflite.ResizeNearestNeighborOptions import ResizeNearestNeighborOptions

    options = record.options(ResizeNearestNeighborOptions)
    return Converted(ResizeNearest(_size(record), bool(options.AlignCorners()), bool(options.HalfPixelCenters())), (0,))


def bilinear(record: Record) -> Converted:
    from tflite.ResizeBilinearOptions import ResizeBilinearOptions

    options = record.options(ResizeBilinearOptions)
    return Converted(
        ResizeBilinear(_size(record), bool(options.AlignCorners()), bool(options.HalfPixelCenters())), (0,)
    )


def _size(record: Record) -> tuple[int, int]:
    size = record.numbers(1)
    if len(size) != 2:
        raise ModelError(f"{record.code} must name a height and a width, not {size}")
    return size[0], size[1]


CONVERTERS: dict[str, Converter] = {"RESIZE_NEAREST_NEIGHBOR": nearest, "RESIZE_BILINEAR": bilinear}
