"""Random one-layer models in TFLite form, for comparing with TFLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

Array = npt.NDArray[Any]
Generator = np.random.Generator

ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
STEPS = {"int8": 128, "int16": 32768}
"""Inputs reach to about 3, so that RELU6 and RELU_N1_TO_1 cut some outputs and leave others."""


def activation_tensor(
    name: str, shape: Sequence[int], dtype: str, rng: Generator, scale: float | None = None
) -> TensorSpec:
    """An input or output with a random scale and zero point fit for its type."""
    if dtype == "float32":
        return TensorSpec(name, tuple(shape), dtype)
    zero = int(rng.integers(-128, 128)) if dtype == "int8" else 0
    own = float(rng.uniform(1, 5) / STEPS[dtype]) if scale is None else scale
    return TensorSpec(name, tuple(shape), dtype, own, zero)


def weights_tensor(
    name: str, shape: Sequence[int], dtype: str, rng: Generator, axis: int, per_channel: bool
) -> TensorSpec:
    """Constant weights, quantized per channel of ``axis`` or with one scale. dtype: that of the input."""
    shape = tuple(shape)
    if dtype == "float32":
        return TensorSpec(name, shape, dtype, data=rng.normal(0, 1, shape).astype(np.float32))
    scales = rng.uniform(0.002, 0.01, shape[axis] if per_channel else 1).astype(np.float32)
    return TensorSpec(name, shape, "int8", scales, 0, axis, data=rng.integers(-127, 128, shape))


def bias_tensor(name: str, size: int, dtype: str, rng: Generator, scale: float = 1.0) -> TensorSpec:
    """A constant bias. dtype: "float32", "int32", "int64" or "int16"."""
    if dtype == "float32":
        return TensorSpec(name, (size,), dtype, data=rng.normal(0, 1, size).astype(np.float32))
    span = {"int16": 1 << 15, "int32": 20_000, "int64": 5_000_000}[dtype]
    return TensorSpec(name, (size,), dtype, scale, data=rng.integers(-span, span, size))


def layer(code: str, tensors: Sequence[TensorSpec], options: Mapping[str, Any], inputs: Sequence[int] = (0,)) -> bytes:
    """One operator: all tensors but the last are its operands in order, the last is its output."""
    last = len(tensors) - 1
    return model_bytes(tensors, [OperatorSpec(code, list(range(last)), [last], options)], list(inputs), [last])


def output_scale(x: TensorSpec, w: TensorSpec, terms: int, rng: Generator) -> float:
    """A scale that uses the output's range without saturating all the time."""
    if x.dtype == "float32":
        return 1.0
    spread = STEPS[str(x.dtype)] * float(np.max(x.scales)) * float(np.max(w.scales)) * 42 * np.sqrt(terms)
    return float(spread / STEPS[str(x.dtype)] * rng.uniform(1, 4))
