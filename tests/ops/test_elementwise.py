"""Arithmetic, comparisons, logic and choice: reference = TFLM = kernels, over shapes, types, scales and activations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from skosh.base.dtypes import from_numpy
from skosh.base.errors import UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.graph import Tensor
from tests.ops.one_operator import check, model, tensor
from tests.support.agree import Maker, random_input
from tests.support.tflite_writer import TensorSpec

Array = npt.NDArray[Any]
Generator = np.random.Generator

SHAPES = [
    ((7,), (7,)),
    ((2, 3, 5), (5,)),
    ((), (4, 2)),
    ((3, 4), (1,)),
    ((1,), (1, 1)),
    ((2, 1, 3, 1), (1, 4, 1, 2)),
    ((2, 1, 2, 1, 3), (1, 3, 2, 2, 1)),
    ((4, 1, 3), (2, 1, 5, 1)),
]
ACTIVATIONS = ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]


def quantized(shape: tuple[int, ...], dtype: str, rng: Generator, low: float = 0.004, high: float = 0.1) -> TensorSpec:
    """A tensor with a random scale and, in int8, a random zero point; other types as they are."""
    if dtype not in ("int8", "int16"):
        return tensor(shape, dtype)
    unit = 1.0 if dtype == "int8" else 1 / 256
    return tensor(shape, dtype, float(rng.uniform(low, high)) * unit, int(rng.integers(-128, 128)) if dtype == "int8" else 0)


def operand(shape: tuple[int, ...], dtype: str, rng: Generator) -> TensorSpec:
    """An input; one without dimensions is constant."""
    spec = quantized(shape, dtype, rng)
    if shape:
        return spec
    values = random_input(Tensor("", shape, from_numpy(np.dtype(dtype))), rng)
    return replace(spec, data=values)


def out_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
@pytest.mark.parametrize("code", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_arithmetic(code: str, dtype: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    seed = SHAPES.index(shapes) * 7
    rng = np.random.default_rng(seed)
    activation = ACTIVATIONS[seed % 4] if (code, dtype) != ("ADD", "int32") else "NONE"
    if code == "MUL" and dtype == "int32":
        activation = "NONE"
    x, y = (operand(s, dtype, rng) for s in shapes)
    z = quantized(out_shape(*shapes), dtype, rng)
    check(model(code, [x, y], [z], {"fused_activation_function": activation}), seed=seed)
