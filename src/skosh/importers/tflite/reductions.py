"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN and L2_NORMALIZATION."""

from __future__ import annotations

from skosh.base.dtypes import i8, i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Op
from skosh.ops.reductions.l2norm import L2Normalize
from skosh.ops.reductions.reductions import ArgExtreme, ArgMax, ArgMin, Extreme, Mean, ReduceMax, ReduceMin, Sum


def mean(record: Record) -> Converted:
    return Converted(Mean(record.numbers(1), _keeps(record)), (0,))


def sum_(record: Record) -> Converted:
    return Converted(Sum(record.numbers(1), _keeps(record)), (0,))


def largest(record: Record) -> Converted:
    return _extreme(record, ReduceMax)


def smallest(record: Record) -> Converted:
    return _extreme(record, ReduceMin)


def _extreme(record: Record, op: type[Extreme]) -> Converted:
    x, y = record.input(0), record.output()
    if x.dtype == i8 and x.quant != y.quant:
        raise ModelError(f"{record.code} must have one scale and zero point for input and output")
    return Converted(op(record.numbers(1), _keeps(record)), (0,))


def _keeps(record: Record) -> bool:
    from tflite.ReducerOptions import ReducerOptions

    return bool(record.options(ReducerOptions).KeepDims())


def arg_max(record: Record) -> Converted:
    return _arg(record, ArgMax)


def arg_min(record: Record) -> Converted:
    return _arg(record, ArgMin)


def _arg(record: Record, op: type[ArgExtreme]) -> Converted:
    axes = record.numbers(1)
    if len(axes) != 1:
        raise ModelError(f"{record.code} must name one axis, not {len(axes)}")
    if record.output().dtype != i32:
        raise ModelError(
            f"{record.code} must give int32, not {record.output().dtype}", hint="set output_type=tf.int32 in the model"
        )
    return Converted(op(axes[0]), (0,))


def l2_normalization(record: Record) -> Op:
    from tflite.L2NormOptions import L2NormOptions

    if activation(record.options(L2NormOptions).FusedActivationFunction()) != "none":
        raise ModelError("L2_NORMALIZATION must not have a fused activation")
    return L2Normalize()


CONVERTERS: dict[str, Converter] = {
    "MEAN": mean, "SUM": sum_, "REDUCE_MAX": largest, "REDUCE_MIN": smallest, "ARG_MAX": arg_max, "ARG_MIN": arg_min,
    "L2_NORMALIZATION": l2_normalization,
}  # fmt: skip
