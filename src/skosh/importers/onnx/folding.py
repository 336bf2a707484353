"""What can be computed now: nodes that read constants only, shapes above all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skosh.base.budget import spend
from skosh.base.errors import ModelError
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array

LARGEST = 1 << 26  # bytes that a folded constant may have
_CASTS = {
    1: "float32",
    2: "uint8",
    3: "int8",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
}

Fold = Callable[[Record, Sequence[Any]], Any]


def folded(record: Record, values: Sequence[Array | None]) -> list[Array] | None:
    """Output values; None when the operator isn't one that is folded. ModelError for values that don't fit."""
    if record.kind not in FOLDS:
        return None
    try:
        with np.errstate(all="ignore"):
            made = FOLDS[record.kind](record, values)
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, ZeroDivisionError) as error:
        raise ModelError(f"{record.kind} can't be computed: {error}") from error
    found = [np.asarray(m) for m in (made if isinstance(made, list) else [made])]
    if sum(a.nbytes for a in found) > LARGEST:
        raise ModelError(f"a computed constant must be at most {LARGEST:,} bytes")
    spend("elements", sum(a.size for a in found), str(record.loc))
    return found


def _bounded(shape: Any) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in np.asarray(shape).reshape(-1))
    if any(n < 0 for n in sizes) or math.prod(sizes) > LARGEST // 8:
        raise ModelError(f"a constant can't have shape {list(sizes)}")
    return sizes


def _cast(r: Record, v: Sequence[Any]) -> Any:
    return np.asarray(v[0]).astype(_CASTS[r.attributes["to"]])


def _constant(r: Record, v: Sequence[Any]) -> Any:
    a = r.attributes
    if "value" in a:
        return a["value"]
    if "value_float" in a or "value_floats" in a:
        return np.asarray(a.get("value_float", a.get("value_floats")), np.float32)
    return np.asarray(a["value_int"] if "value_int" in a else a["value_ints"], np.int64)


def _of_shape(r: Record, v: Sequence[Any]) -> Any:
    value = r.attributes.get("value", np.zeros(1, np.float32))
    return np.full(_bounded(v[0]), value.reshape(()), value.dtype)


def axes_of(r: Record, v: Sequence[Any], rank: int) -> tuple[int, ...] | None:
    """The attribute or input ``axes``, counted from the front; None when there is neither."""
    axes = v[1] if len(v) > 1 and v[1] is not None else r.attributes.get("axes")
    if axes is None:
        return None
    found = tuple(int(a) for a in np.asarray(axes).reshape(-1))
    if any(not -rank <= a < rank for a in found):
        raise ModelError(f"axes must be in [{-rank}, {rank}), not {list(found)}")
    return tuple(a % rank for a in found)


def squeezed(r: Record, v: Sequence[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    axes = axes_of(r, v, len(shape))
    gone = [a for a, n in enumerate(shape) if n == 1] if axes is None else axes
    if any(shape[a] != 1 for a in gone):
        raise ModelError(f"only axes of size 1 can be squeezed, not {list(gone)} of {list(shape)}")
    return tuple(n for a, n in enumerate(shape) if a not in gone)


def unsqueezed(r: Record, v: Sequence[Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    raw = v[1] if len(v) > 1 and v[1] is not None else r.attributes.get("axes", ())
    rank = len(shape) + len(np.asarray(raw).reshape(-1))
    axes = axes_of(r, v, rank) or ()
    if len(set(axes)) != rank - len(shape):
        raise ModelError(f"axes must name each new axis once, not {list(axes)}")
    rest = iter(shape)
    return tuple(1 if a in axes else next(rest) for a in range(rank))


def reshape_target(r: Record, target: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Zeros copied and -1 worked out, as ONNX's Reshape defines them."""
    sizes = [int(n) for n in np.asarray(target).reshape(-1)]
    if not r.attributes.get("allowzero", 0):
        sizes = [shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(sizes)]
    total, rest = math.prod(shape), math.prod(n for n in sizes if n != -1)
    if sizes.count(-1) == 1 and rest > 0 and total % rest == 0:
        sizes[sizes.index(-1)] = total // rest
    if any(n < 0 for n in sizes) or math.prod(sizes) != total:
        raise ModelError(
            f"a reshape of {list(shape)} to {list(np.asarray(target).reshape(-1))} must keep the number of elements"
        )
    return tuple(sizes)


def slices(r: Record, v: Sequence[Any], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """One slice for each axis: from inputs, or from attributes before operator set 10."""
    a = r.attributes
    given = [v[i] if i < len(v) and v[i] is not None else None for i in range(1, 5)]
    starts, ends = (given[0], given[1]) if "starts" not in a else (a["starts"], a["ends"])
    if starts is None or ends is None:
        raise ModelError("a slice must have starts and ends")
    count = len(np.asarray(starts).reshape(-1))
    axes = given[2] if given[2] is not None else a.get("axes", range(count))
    steps = given[3] if given[3] is not None else [1] * count
    found = [slice(None)] * len(shape)
    for start, end, axis, step in zip(
        *(np.asarray(list(np.asarray(p).reshape(-1)), np.int64) for p in (starts, ends, axes, steps)), strict=True
    ):
        if not -len(shape) <= axis < len(shape) or step == 0:
            raise ModelError("a slice's axes must exist and its steps differ from 0")
        n = shape[axis]
        stop = None if step < 0 and end < -n else int(end)
        found[axis] = slice(int(start), stop, int(step))
    return tuple(found)


def _split(r: Record, v: Sequence[Any]) -> Any:
    axis, a = r.attributes.get("axis", 0), v[0]
    n, count = a.shape[axis], len(r.outputs)
    part = -(-n // count)
    sizes = v[1] if len(v) > 1 and v[1] is not None else r.attributes.get("split", [part] * (count - 1))
    if r.attributes.get("num_outputs", count) != count:
        raise ModelError(f"num_outputs must be {count}, the number of outputs")
    if len(sizes) not in (count - 1, count) or sum(int(s) for s in sizes) > n:
        raise ModelError(f"a split of {n} must have {count} sizes that make it up, not {list(sizes)}")
    return np.split(a, np.cumsum(np.asarray(sizes, np.int64)[: count - 1]), axis)


def _tile(r: Record, v: Sequence[Any]) -> Any:
    _bounded(np.asarray(v[0].shape, np.int64) * v[1])
    return np.tile(v[0], tuple(int(n) for n in v[1]))


def _running_sum(r: Record, v: Sequence[Any]) -> Any:
    axis, a = int(np.reshape(v[1], ())), v[0]
    a = np.flip(a, axis) if r.attributes.get("reverse", 0) else a
    total = np.cumsum(a, axis, a.dtype) - (a if r.attributes.get("exclusive", 0) else 0)
    return np.flip(total, axis) if r.attributes.get("reverse", 0) else total


def _reduce(function: Any) -> Fold:
    def fold(r: Record, v: Sequence[Any]) -> Any:
        axes = axes_of(r, v, v[0].ndim)
        return function(v[0], axis=axes, keepdims=bool(r.attributes.get("keepdims", 1))).astype(v[0].dtype)

    return fold


def _elementwise(function: Any) -> Fold:
    def fold(r: Record, v: Sequence[Any]) -> Any:
        _bounded(np.broadcast_shapes(*(np.shape(a) for a in v)))
        return np.asarray(function(*v)).astype(v[0].dtype)

    return fold


def _compare(function: Any) -> Fold:
    return lambda r, v: function(*v)


def _divided(a: Any, b: Any) -> Any:
    return a / b if np.asarray(a).dtype.kind == "f" else np.trunc(a / b)


def _range(r: Record, v: Sequence[Any]) -> Any:
    start, stop, step = (np.asarray(a).reshape(()) for a in v)
    count = max(0, math.ceil((stop - start) / step))
    _bounded([count])
    return (start + np.arange(count) * step).astype(start.dtype)


def _expand(r: Record, v: Sequence[Any]) -> Any:
    shape = np.broadcast_shapes(v[0].shape, _bounded(v[1]))
    _bounded(shape)
    return np.array(np.broadcast_to(v[0], shape))


FOLDS: dict[str, Fold] = {
    "Constant": _constant,
    "ConstantOfShape": _of_shape,
    "Identity": lambda r, v: v[0],
    "Cast": _cast,
    "Shape": lambda r, v: np.array(v[0].shape, np.int64)[slice(r.attributes.get("start", 0), r.attributes.get("end"))],
    "Size": lambda r, v: np.int64(v[0].size),
    "Gather": lambda r, v: np.take(v[0], np.asarray(v[1]), axis=r.attributes.get("axis", 0)),
    "Concat": lambda r, v: np.concatenate(v, axis=r.attributes["axis"]),
    "Unsqueeze": lambda r, v: v[0].reshape(unsqueezed(r, v, v[0].shape)),
    "Squeeze": lambda r, v: v[0].reshape(squeezed(r, v, v[0].shape)),
    "Reshape": lambda r, v: v[0].reshape(reshape_target(r, v[1], v[0].shape)),
    "Flatten": lambda r, v: v[0].reshape(math.prod(v[0].shape[: r.attributes.get("axis", 1)]), -1),
    "Transpose": lambda r, v: v[0].transpose(r.attributes.get("perm")),
    "Slice": lambda r, v: v[0][slices(r, v, v[0].shape)],
    "Split": _split,
    "Tile": _tile,
    "Trilu": lambda r, v: (np.triu if r.attributes.get("upper", 1) else np.tril)(
        v[0], int(np.reshape(v[1], ())) if len(v) > 1 and v[1] is not None else 0
    ),
    "CumSum": _running_sum,
    "Range": _range,
    "Expand": _expand,
    "Where": lambda r, v: np.where(*v),
    "Add": _elementwise(np.add), "Sub": _elementwise(np.subtract), "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divided), "Pow": _elementwise(np.power), "Mod": _elementwise(np.mod),
    "Min": lambda r, v: np.minimum.reduce(np.broadcast_arrays(*v)),
    "Max": lambda r, v: np.maximum.reduce(np.broadcast_arrays(*v)),
    "Neg": _elementwise(np.negative), "Abs": _elementwise(np.abs), "Sqrt": _elementwise(np.sqrt), "Exp": _elementwise(np.exp),
    "Log": _elementwise(np.log), "Floor": _elementwise(np.floor), "Ceil": _elementwise(np.ceil),
    "Reciprocal": _elementwise(np.reciprocal),
    "Equal": _compare(np.equal), "Less": _compare(np.less), "Greater": _compare(np.greater),
    "LessOrEqual": _compare(np.less_equal), "GreaterOrEqual": _compare(np.greater_equal), "Not": _compare(np.logical_not),
    "And": _compare(np.logical_and), "Or": _compare(np.logical_or),
    "ReduceProd": _reduce(np.prod), "ReduceSum": _reduce(np.sum), "ReduceMax": _reduce(np.max), "ReduceMin": _reduce(np.min),
}  # fmt: skip
"""Operator -> its value. BatchNormalization and the like never read constants alone in files that people have."""
