"""What can be computed now: shapes of tensors, and integers made of them. Converters then see constants.

Floats and quantized constants are folded by their operators' own meaning (``conversion``); this is the arithmetic on int32,
int64 and bool by which files work out shapes. Division and wrapping are TFLite's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import ModelError
from skosh.importers.tflite.attributes import activation, dtype
from skosh.importers.tflite.reader import Record
from skosh.importers.tflite.reshape import inserted, reshaped, squeezed
from skosh.ir.graph import Array, Tensor

LARGEST = 1 << 26
"""Bytes that a folded constant may have."""

Fold = Callable[[Record, Sequence[Array]], Any]


def folded(record: Record) -> list[Array] | None:
    """The output values, when they can be told now; None when they can't. ModelError for values that don't fit."""
    if record.code in BY_SHAPE:
        return [BY_SHAPE[record.code](record)]
    if record.code == "DEQUANTIZE" and record.input(0).data is not None and record.output().dtype == f32:
        x = record.input(0)
        if x.dtype == f32:
            return [record.constant(0)]  # float16, which is read as the float32 that are equal
        if x.quant is not None and x.quant.per_channel:
            record.take(0)
            return [dequantized(x)]
    if record.code not in FOLDS or any(t is None or t.data is None for t in record.inputs) or not record.inputs:
        return None
    if not all(counts(t) for t in (*record.inputs, *record.outputs) if t is not None):
        return None
    record.take(*range(len(record.inputs)))
    values = [t.data for t in record.inputs if t is not None and t.data is not None]
    try:
        with np.errstate(all="ignore"):
            made = FOLDS[record.code](record, values)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ModelError(f"{record.code} can't be computed: {error}") from error
    return [np.asarray(m) for m in (made if isinstance(made, list) else [made])]


def dequantized(t: Tensor) -> Array:
    """float32: scale * (q - zero point) of a constant, one product in float32, with a scale for all or for each channel."""
    assert t.data is not None and t.quant is not None, "only a quantized constant can be read as floats"
    shape = [1] * len(t.shape)
    if t.quant.per_channel:
        assert t.quant.axis is not None, "per channel means along some axis"
        shape[t.quant.axis] = -1
    scale = np.asarray(t.quant.scales, np.float32).reshape(shape)
    zero = np.asarray(t.quant.zero_points, np.int64).reshape(shape)
    return np.asarray((t.data.astype(np.int64) - zero).astype(np.float32) * scale).reshape(t.shape)


def counts(t: Tensor) -> bool:
    """Whether the tensor holds plain integers or truth values: no floats, nothing with a scale."""
    return t.quant is None and t.dtype.kind in ("int", "uint", "bool")


def bounded(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in shape)
    if any(n < 0 for n in sizes) or math.prod(sizes) > LARGEST // 8:
        raise ModelError(f"a computed constant can't have shape {list(sizes)}")
    return sizes


# --------------------------------------------------------------------------------------------- what shapes alone tell


def _shape(record: Record) -> Array:
    from tflite.ShapeOptions import ShapeOptions

    record.take(0)
    y, wanted = record.output(), dtype(record.options(ShapeOptions).OutType())
    if wanted != y.dtype and record.options_position is not None:
        raise ModelError(f"SHAPE must give {wanted}, as its options say, not {y.dtype}")
    return np.array(record.input(0).shape, y.dtype.np)


def _rank(record: Record) -> Array:
    record.take(0)
    return np.array(len(record.input(0).shape), record.output().dtype.np)


def _zeros_like(record: Record) -> Array:
    record.take(0)
    x = record.input(0)
    return np.full(bounded(x.shape), x.quant.zero_point if x.quant is not None else 0, x.dtype.np)


BY_SHAPE: dict[str, Callable[[Record], Array]] = {"SHAPE": _shape, "RANK": _rank, "ZEROS_LIKE": _zeros_like}


# ---------------------------------------------------------------------------------------------------- what constants tell


def _arithmetic(function: Any, table: str | None = None) -> Fold:
    def fold(r: Record, v: Sequence[Array]) -> Any:
        if table is not None:
            from importlib import import_module

            options = r.options(getattr(import_module(f"tflite.{table}"), table))
            if activation(options.FusedActivationFunction()) != "none":
                raise ModelError(f"{r.code} of integers must not have an activation")
        bounded(np.broadcast_shapes(*(a.shape for a in v)))
        return np.asarray(function(*v)).astype(r.output().dtype.np)

    return fold


def _quotient(a: Array, b: Array) -> Array:
    """Toward zero, as C divides."""
    if not np.all(b):
        raise ModelError("integers can't be divided by 0")
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a.astype(np.int64)) // np.abs(b.astype(np.int64))))


def _nonzero(function: Any) -> Any:
    def divided(a: Array, b: Array) -> Array:
        if not np.all(b):
            raise ModelError("integers can't be divided by 0")
        return np.asarray(function(a, b))

    return divided


def _reduce(function: Any) -> Fold:
    def fold(r: Record, v: Sequence[Array]) -> Any:
        from tflite.ReducerOptions import ReducerOptions

        axes = tuple(sorted({a % max(v[0].ndim, 1) for a in r.numbers(1)})) if v[0].ndim else ()
        keep = bool(r.options(ReducerOptions).KeepDims())
        return np.asarray(function(v[0], axis=axes, keepdims=keep)).astype(v[0].dtype)

    return fold


def _concatenation(r: Record, v: Sequence[Array]) -> Any:
    from tflite.ConcatenationOptions import ConcatenationOptions

    options = r.options(ConcatenationOptions)
    if activation(options.FusedActivationFunction()) != "none":
        raise ModelError("CONCATENATION must not have a fused activation")
    return np.concatenate(v, axis=int(options.Axis()))


def _pack(r: Record, v: Sequence[Array]) -> Any:
    from tflite.PackOptions import PackOptions

    options = r.options(PackOptions)
    if int(options.ValuesCount()) not in (0, len(v)):
        raise ModelError(f"PACK must have {options.ValuesCount()} inputs, as its options say, not {len(v)}")
    return np.stack(v, axis=int(options.Axis()))


def _unpack(r: Record, v: Sequence[Array]) -> Any:
    from tflite.UnpackOptions import UnpackOptions

    options = r.options(UnpackOptions)
    axis = int(options.Axis())
    if v[0].shape[axis] != int(options.Num()):
        raise ModelError(f"UNPACK of {v[0].shape[axis]} elements must have as many outputs, not {options.Num()}")
    return list(np.moveaxis(v[0], axis, 0))


def _gather(r: Record, v: Sequence[Array]) -> Any:
    from tflite.GatherOptions import GatherOptions

    options = r.options(GatherOptions)
    if options.BatchDims():
        raise ModelError("GATHER of constants must not have batch dimensions")
    bounded((*v[1].shape, *v[0].shape[1:]))
    if np.any((v[1] < 0) | (v[1] >= v[0].shape[int(options.Axis())])):
        raise ModelError("an index of GATHER must be inside its input")
    return np.take(v[0], v[1], axis=int(options.Axis()))


def _slice(r: Record, v: Sequence[Array]) -> Any:
    begin, size = r.numbers(1), r.numbers(2)
    places = []
    for n, b, s in zip(v[0].shape, begin, size, strict=True):
        stop = n if s == -1 else b + s
        if not 0 <= b <= stop <= n:
            raise ModelError(f"SLICE from {b} to {stop} must be inside an axis of {n}")
        places.append(slice(b, stop))
    return v[0][tuple(places)]


def _strided_slice(r: Record, v: Sequence[Array]) -> Any:
    """numpy's index has all that the specification can say; an empty result is one, too."""
    from tflite.StridedSliceOptions import StridedSliceOptions

    o = r.options(StridedSliceOptions)
    if o.Offset():
        raise ModelError("STRIDED_SLICE whose end is relative to its beginning (offset) is not supported")
    index: list[Any] = []
    for i, (b, e, step) in enumerate(zip(r.numbers(1), r.numbers(2), r.numbers(3), strict=True)):
        if o.EllipsisMask() >> i & 1:
            index.append(...)
        elif o.NewAxisMask() >> i & 1:
            index.append(None)
        elif o.ShrinkAxisMask() >> i & 1:
            index.append(0 if o.BeginMask() >> i & 1 else b)
        else:
            index.append(slice(None if o.BeginMask() >> i & 1 else b, None if o.EndMask() >> i & 1 else e, step))
    return v[0][tuple(index)]


def _range(r: Record, v: Sequence[Array]) -> Any:
    start, stop, step = (int(a.reshape(())) for a in v)
    if step == 0:
        raise ModelError("the step of RANGE must not be 0")
    bounded([max(0, math.ceil((stop - start) / step))])
    return np.arange(start, stop, step, dtype=v[0].dtype)


def _cast(r: Record, v: Sequence[Array]) -> Any:
    from skosh.importers.tflite.quantization import check_cast

    check_cast(r)
    return v[0].astype(r.output().dtype.np)


def _full(r: Record, v: Sequence[Array]) -> Any:
    return np.full(bounded(r.numbers(0)), v[1].reshape(()))


def _broadcast(r: Record, v: Sequence[Array]) -> Any:
    return np.array(np.broadcast_to(v[0], bounded(r.numbers(1))))


def _tile(r: Record, v: Sequence[Array]) -> Any:
    bounded([int(n) for n in np.asarray(v[0].shape, np.int64) * v[1]])
    return np.tile(v[0], r.numbers(1))


def _where(r: Record, v: Sequence[Array]) -> Any:
    """Where a constant is true: [count, rank]."""
    return np.argwhere(v[0]).astype(np.int64)


def _select(r: Record, v: Sequence[Array]) -> Any:
    truth, a, b = v
    if r.code == "SELECT" and truth.ndim == 1 and a.ndim > 1 and truth.shape == a.shape[:1]:  # one for each row
        truth = truth.reshape(-1, *[1] * (a.ndim - 1))
    bounded(np.broadcast_shapes(truth.shape, a.shape, b.shape))
    return np.where(truth, a, b)


def _cumulated(r: Record, v: Sequence[Array]) -> Any:
    from tflite.CumsumOptions import CumsumOptions

    options, a = r.options(CumsumOptions), v[0]
    axis = int(v[1].reshape(()))
    a = np.flip(a, axis) if options.Reverse() else a
    total = np.cumsum(a, axis, a.dtype) - (a if options.Exclusive() else 0)
    return np.flip(total, axis) if options.Reverse() else total


FOLDS: dict[str, Fold] = {
    "ADD": _arithmetic(np.add, "AddOptions"), "SUB": _arithmetic(np.subtract, "SubOptions"),
    "MUL": _arithmetic(np.multiply, "MulOptions"), "DIV": _arithmetic(_quotient, "DivOptions"),
    "FLOOR_DIV": _arithmetic(_nonzero(np.floor_divide)), "FLOOR_MOD": _arithmetic(_nonzero(np.mod)),
    "MAXIMUM": _arithmetic(np.maximum), "MINIMUM": _arithmetic(np.minimum), "NEG": _arithmetic(np.negative),
    "ABS": _arithmetic(np.abs), "SIGN": _arithmetic(np.sign), "SQUARE": _arithmetic(np.square),
    "POW": _arithmetic(np.power), "SQUARED_DIFFERENCE": _arithmetic(lambda a, b: np.square(a - b)),
    "EQUAL": _arithmetic(np.equal), "NOT_EQUAL": _arithmetic(np.not_equal), "LESS": _arithmetic(np.less),
    "LESS_EQUAL": _arithmetic(np.less_equal), "GREATER": _arithmetic(np.greater),
    "GREATER_EQUAL": _arithmetic(np.greater_equal), "LOGICAL_AND": _arithmetic(np.logical_and),
    "LOGICAL_OR": _arithmetic(np.logical_or), "LOGICAL_NOT": _arithmetic(np.logical_not),
    "SUM": _reduce(np.sum), "REDUCE_PROD": _reduce(np.prod), "REDUCE_MAX": _reduce(np.max), "REDUCE_MIN": _reduce(np.min),
    "REDUCE_ANY": _reduce(np.any), "REDUCE_ALL": _reduce(np.all), "CUMSUM": _cumulated,
    "CONCATENATION": _concatenation, "PACK": _pack, "UNPACK": _unpack, "GATHER": _gather, "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice, "RANGE": _range, "CAST": _cast, "FILL": _full, "BROADCAST_TO": _broadcast,
    "TILE": _tile, "WHERE": _where, "SELECT": _select, "SELECT_V2": _select,
    "RESHAPE": lambda r, v: v[0].reshape(reshaped(r)),
    "SQUEEZE": lambda r, v: v[0].reshape(squeezed(r)),
    "EXPAND_DIMS": lambda r, v: v[0].reshape(inserted(r)),
    "TRANSPOSE": lambda r, v: v[0].transpose(r.numbers(1)),
    "REVERSE_V2": lambda r, v: np.flip(v[0], r.numbers(1)),
    "BROADCAST_ARGS": lambda r, v: np.array(np.broadcast_shapes(r.numbers(0), r.numbers(1)), r.output().dtype.np),
}  # fmt: skip
"""Operator -> its value. The others wait for their operator's own meaning."""
