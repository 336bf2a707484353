"""FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i16, i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.convolution import check_bias_type
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Tensor
from skosh.ops.layers.dense import BatchMatMul, Dense


def fully_connected(record: Record) -> Converted:
    """The output keeps the input's leading sizes when the option says so, or the file's output has as many."""
    from tflite.FullyConnectedOptions import FullyConnectedOptions

    options = record.options(FullyConnectedOptions)
    if options.WeightsFormat() != 0:
        raise ModelError("weights must be in their default order, not shuffled")
    x, w = record.input(0), record.input(1)
    options.AsymmetricQuantizeInputs()  # how TFLite rounds the floats that meet integer weights; here they stay floats
    stated = record.output().shape
    keep = bool(w.shape and x.shape) and x.shape[-1] == w.shape[-1] and len(stated) == len(x.shape)
    keep = bool(options.KeepNumDims()) or (keep and stated[-1] == w.shape[0])
    if record.has(2):
        check_bias_type(record, 2, options.QuantizedBiasType())
    op = Dense(activation(options.FusedActivationFunction()), keep)
    if record.has(2) or x.dtype != i16 or options.QuantizedBiasType() != 2 or not w.shape:
        return Converted(op)
    name = f"{record.output().name}/zero_bias"
    return Converted(op, (0, 1), more_inputs=(Tensor(name, w.shape[:1], i32, data=np.zeros(w.shape[0], np.int32)),))


def batch_matmul(record: Record) -> BatchMatMul:
    from tflite.BatchMatMulOptions import BatchMatMulOptions

    options = record.options(BatchMatMulOptions)
    options.AsymmetricQuantizeInputs()
    return BatchMatMul(bool(options.AdjX()), bool(options.AdjY()))


CONVERTERS: dict[str, Converter] = {"FULLY_CONNECTED": fully_connected, "BATCH_MATMUL": batch_matmul}
