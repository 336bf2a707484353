"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX, ARG_MIN and L2_NORMALIZATION."""

from __future__ import annotations

from typing import Any

from skosh.base.dtypes import i8, i32, i64
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation, dtype
from skosh.importers.tflite.reader import Converted, Converter, Record
from skosh.ir.graph import Op
from skosh.ops.elements.quantization import Cast
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


def _arg(record: Record, walk: Any) -> bool:
    """int32, as the operator gives it, or int64 by one more step."""
    op: type[ArgExtreme] = ArgMax if record.code == "ARG_MAX" else ArgMin
    axes = record.numbers(1)
    if len(axes) != 1:
        raise ModelError(f"{record.code} must name one axis, not {len(axes)}")
    y, stated = record.output(), dtype(_output_type(record))
    if record.options_position is not None and stated.is_integer and stated != y.dtype:
        raise ModelError(f"{record.code} must give {stated}, as its options say, not {y.dtype}")
    if y.dtype not in (i32, i64):
        raise ModelError(f"{record.code} must give int32 or int64, not {y.dtype}")
    if y.dtype == i32:
        walk.make(op(axes[0]), record.input(0), out=y)
    else:
        walk.make(Cast(i64), walk.make(op(axes[0]), record.input(0)), out=y)
    return True


def _output_type(record: Record) -> int:
    from tflite.ArgMaxOptions import ArgMaxOptions
    from tflite.ArgMinOptions import ArgMinOptions

    return int(record.options(ArgMaxOptions if record.code == "ARG_MAX" else ArgMinOptions).OutputType())


def l2_normalization(record: Record) -> Op:
    from tflite.L2NormOptions import L2NormOptions

    if activation(record.options(L2NormOptions).FusedActivationFunction()) != "none":
        raise ModelError("L2_NORMALIZATION must not have a fused activation")
    return L2Normalize()


CONVERTERS: dict[str, Converter] = {
    "MEAN": mean, "SUM": sum_, "REDUCE_MAX": largest, "REDUCE_MIN": smallest,
    "L2_NORMALIZATION": l2_normalization,
}  # fmt: skip

EXPANSIONS = {"ARG_MAX": _arg, "ARG_MIN": _arg}
