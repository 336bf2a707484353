"""AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D."""

from __future__ import annotations

from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation, padding
from skosh.importers.tflite.convolution import explicit_pads
from skosh.importers.tflite.reader import Converter, Record
from skosh.ops.layers.pooling import AveragePool2D, L2Pool2D, MaxPool2D, Pool2D
from skosh.ops.layers.windows import Window


def _pool(kind: type[Pool2D]) -> Converter:
    def convert(record: Record) -> Pool2D:
        from tflite.Pool2DOptions import Pool2DOptions

        options = record.options(Pool2DOptions)
        size = int(options.FilterHeight()), int(options.FilterWidth())
        stride = int(options.StrideH()), int(options.StrideW())
        shape = record.input(0).shape
        if len(shape) != 4:
            raise ModelError(f"the input must have 4 dimensions, not {len(shape)}")
        pads = explicit_pads(padding(options.Padding()), (shape[1], shape[2]), Window(size, stride, (0, 0, 0, 0)))
        fused = activation(options.FusedActivationFunction())
        ties = size[0] * size[1] % 2 == 0 or any(pads)  # an odd number of elements has no mean of x.5
        if kind is AveragePool2D and record.unsigned and ties:
            return AveragePool2D(size, stride, pads, fused, upward=True)
        return kind(size, stride, pads, fused)

    return convert


CONVERTERS: dict[str, Converter] = {
    "AVERAGE_POOL_2D": _pool(AveragePool2D),
    "MAX_POOL_2D": _pool(MaxPool2D),
    "L2_POOL_2D": _pool(L2Pool2D),
}
