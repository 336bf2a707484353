"""Softmax and LogSoftmax against TFLM."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.layers import layer
from tests.ops.one_operator import check
from tests.support.tflite_writer import TensorSpec

SHAPES = [(1,), (2, 12), (1, 3, 40)]
OUTPUTS = {
    ("int8", "int8"): (1 / 256, -128),
    ("int8", "int16"): (1 / 65536, -32768),
    ("int16", "int16"): (1 / 32768, 0),
}


@pytest.mark.parametrize(("x_type", "y_type"), [*OUTPUTS, ("float32", "float32")])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_softmax_equals_tflm(seed: int, shape: tuple[int, ...], x_type: str, y_type: str) -> None:
    rng = np.random.default_rng(seed)
    scale, zero = OUTPUTS.get((x_type, y_type), ((), ()))
    x_scale = float(10 ** rng.uniform(-3, 0) / (256 if x_type == "int16" else 1)) if x_type != "float32" else ()
    x_zero = int(rng.integers(-128, 128)) if x_type == "int8" else 0
    tensors = [TensorSpec("x", shape, x_type, x_scale, x_zero), TensorSpec("y", shape, y_type, scale, zero)]
    model = layer("SOFTMAX", tensors, {"beta": float(rng.choice([1.0, 0.5, 3.0]))})
    check(model, runs=2, ulp=4)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_log_softmax_equals_tflm(seed: int, shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(seed)
    quantized = dtype == "int8"
    x_scale = float(10 ** rng.uniform(-2.5, 0.5)) if quantized else ()
    tensors = [
        TensorSpec("x", shape, dtype, x_scale, int(rng.integers(-128, 128))),
        TensorSpec("y", shape, dtype, 16 / 256 if quantized else (), 127),
    ]
    check(layer("LOG_SOFTMAX", tensors, {}), runs=2, ulp=4)


@pytest.mark.parametrize(("x_type", "y_type"), [("int8", "int8"), ("int8", "int16")])
@pytest.mark.parametrize("x_scale", [0.02, 0.3])
def test_softmax_of_many_rows_takes_a_table_and_equals_tflm(x_scale: float, x_type: str, y_type: str) -> None:
    scale, zero = OUTPUTS[x_type, y_type]
    tensors = [TensorSpec("x", (64, 16), x_type, x_scale, 3), TensorSpec("y", (64, 16), y_type, scale, zero)]
    graph = check(layer("SOFTMAX", tensors, {"beta": 1.0}), runs=1)
    (made,) = graph.nodes[0].op.calls(*(graph.operands(n) for n in (graph.nodes[0].inputs, graph.nodes[0].outputs)))
    assert "table" in made.buffers
