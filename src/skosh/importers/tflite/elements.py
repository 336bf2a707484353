"""What a TFLite tensor says about its elements: whether skosh can hold them, their scales and zero points."""

from __future__ import annotations

from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.base.errors import Loc, ModelError
from skosh.importers.tflite.attributes import OTHER_TYPES, RESOURCE
from skosh.importers.tflite.flatbuffer import Budget
from skosh.ir.graph import Array, Quant

_OTHER_ADVICE = "convert with int8, int16 or float32 tensors"
_TYPE_ADVICE = {
    "float16": "keep weights in float16 and all that is computed in float32, as TensorFlow's converter does",
}


NO_SCALE = 1e-30
"""In place of a scale of 0, which files give to what is always 0: a factor with it in it is 0 in 32 bits."""


def why_not(table: Any, number: int) -> tuple[str, str] | None:
    """Why skosh can't hold a tensor of element type ``number``: (problem, advice), or None."""
    if number in OTHER_TYPES and number != RESOURCE:
        return f"has element type {OTHER_TYPES[number]}", _TYPE_ADVICE.get(OTHER_TYPES[number], _OTHER_ADVICE)
    if table.Sparsity() is not None:
        return "is stored as a sparse tensor", "convert the model without sparsity; zeros cost flash, not accuracy"
    details = table.Quantization()
    if details is not None and details.DetailsType() != 0:
        return "has a custom quantization", "quantize with one scale for the tensor or one for each channel"
    return None


def quantization(
    table: Any, shape: tuple[int, ...], dtype: DType, loc: Loc, budget: Budget, data: Array | None = None
) -> Quant | None:
    """A tensor's scales and zero points; None for floats, booleans and tensors that have none.

    data: of a constant, which may have a scale of 0 where it is 0.
    """
    if table is None or not dtype.is_integer:
        return None
    scales = budget.numbers(table.ScaleAsNumpy()).astype(np.float32)
    zeros = budget.numbers(table.ZeroPointAsNumpy()).astype(np.int64)
    if scales.size == 0:
        return None
    zeros = np.zeros(scales.size, dtype=np.int64) if zeros.size == 0 else zeros
    if zeros.size != scales.size:
        raise ModelError(f"it has {scales.size} scales but {zeros.size} zero points", loc=loc)
    axis = int(table.QuantizedDimension()) if scales.size > 1 else None
    if axis is not None and len(shape) == 1:
        axis = 0  # biases carry the axis of their weights in many files
    if axis is not None and (not 0 <= axis < len(shape) or shape[axis] != scales.size):
        raise ModelError(
            f"it must have 1 scale or one for each index of axis {axis} of {shape}, not {scales.size}", loc=loc
        )
    if data is not None and np.any(scales == 0):
        empty = ~data.any() if axis is None else ~data.any(axis=tuple(a for a in range(data.ndim) if a != axis))
        scales = np.where((scales == 0) & empty, np.float32(NO_SCALE), scales)
    bad = ~(np.isfinite(scales) & (scales > 0))
    if np.any(bad):
        channel = int(np.argmax(bad))
        where = f"channel {channel}" if axis is not None else "it"
        raise ModelError(
            f"its scale must be > 0 and finite, not {float(scales[channel])}",
            loc=loc,
            hint=f"{where} may be constant in the training data; quantize again with representative samples",
        )
    if np.any((zeros < dtype.min) | (zeros > dtype.max)):
        raise ModelError(f"its zero point must be in [{dtype.min}, {dtype.max}]", loc=loc)
    return Quant(tuple(float(s) for s in scales), tuple(int(z) for z in zeros), axis)
