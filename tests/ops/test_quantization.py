"""Quantize, requantize, dequantize and cast: reference = TFLM = kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from skosh.base.errors import UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.graph import Tensor
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check, check_kernels, model, tensor
from tests.support.tflite_writer import TensorSpec

Array = npt.NDArray[Any]
Generator = np.random.Generator

PAIRS = [
    ("float32", "int8"), ("float32", "int16"), ("int8", "int8"), ("int8", "uint8"), ("int8", "int16"), ("int8", "int32"),
    ("uint8", "int8"), ("int16", "int8"), ("int16", "int16"), ("int16", "int32"), ("int32", "int8"), ("int32", "int16"),
]  # fmt: skip
UNITS = {"int8": 1.0, "uint8": 1.0, "int16": 1 / 256, "int32": 1e-6, "float32": 1.0}


def values(t: Tensor, rng: Generator) -> Array:
    """Floats over the outputs' ranges with exact ties; integers over their own, with the ends."""
    n = t.size
    if t.dtype.name == "f32":
        near = rng.uniform(-12, 12, n)
        near[: n // 4] = (rng.integers(-500, 500, n // 4) + 0.5) * 0.0625
        return near.astype(np.float32).reshape(t.shape)
    x = rng.integers(t.dtype.min, t.dtype.max, n, endpoint=True, dtype=t.dtype.np)
    x[:2] = t.dtype.min, t.dtype.max
    return x.reshape(t.shape)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_quantize(source: str, target: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scales = [float(rng.uniform(0.01, 0.1)) * UNITS[t] for t in (source, target)]
    if seed == 0:
        scales[1] = 0.0625 if source == "float32" else scales[0]
    zeros = [
        int(rng.integers(-100, 101)) + (128 if t == "uint8" else 0) if "int8" in t else 0 for t in (source, target)
    ]
    x = tensor((16, 16), source, None if source == "float32" else scales[0], zeros[0])
    y = tensor((16, 16), target, scales[1], zeros[1])
    check(model("QUANTIZE", [x], [y], {}), runs=1, seed=seed, make_input=values)


def test_quantize_clamps_what_c_leaves_undefined() -> None:
    graph = load(model("QUANTIZE", [tensor((5,), "float32")], [tensor((5,), "int8", 0.5, 3)], {}), name="test")
    x = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38], np.float32)
    assert run_graph(graph, [x]).values[graph.outputs[0]].tolist() == [127, -128, -128, 127, -128]
    check_kernels(graph, make_input=lambda t, rng: x)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8"])
def test_dequantize(dtype: str) -> None:
    x = tensor((256,), dtype, 0.0371, 0 if dtype == "int16" else 17)
    check(model("DEQUANTIZE", [x], [tensor((256,), "float32")], {}), runs=1, make_input=values)


TFLM_FROM = ["int8", "int16", "int32", "uint32", "float32", "bool"]
TFLM_TO = ["int8", "int16", "int32", "uint32", "float32"]


def castable(t: Tensor, rng: Generator) -> Array:
    """Numbers of either sign with fractions; all of an integer type's."""
    if t.dtype.name == "f32":
        return rng.uniform(-1e6, 1e6, t.shape).astype(np.float32)
    if t.dtype.kind == "bool":
        return rng.integers(0, 2, t.shape).astype(bool)
    return values(t, rng)


@pytest.mark.parametrize("target", [*TFLM_TO, "bool", "int64", "uint8"])
@pytest.mark.parametrize("source", [*TFLM_FROM, "int64", "uint8"])
def test_cast(source: str, target: str) -> None:
    data = model("CAST", [tensor((64,), source, None)], [tensor((64,), target, None)], {})
    check(data, runs=1, make_input=castable, oracle=source in TFLM_FROM and target in TFLM_TO)


SPECIAL = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 2147483520, -2147483648, 2147483648, -0.9, 300.7], np.float32)


@pytest.mark.parametrize("target", ["int8", "int32", "uint32", "int64"])
def test_cast_clamps(target: str) -> None:
    data = model("CAST", [tensor((10,), "float32")], [tensor((10,), target, None)], {})
    graph = check(data, runs=1, oracle=target != "int64", make_input=lambda t, rng: SPECIAL)
    got = run_graph(graph, [SPECIAL]).values[graph.outputs[0]].tolist()
    low, high = np.iinfo(target).min, np.iinfo(target).max
    assert got[:3] == [0, high, low]
    assert got[9] == min(300, high)


def test_complaints() -> None:
    for source, target, problem in [
        ("int8", "int8", '"t1" is i8 but has no scale'),
        ("int32", "int32", "i32 must be quantized to i8 or i16, not i32"),
    ]:
        x = tensor((4,), source, 0.1)
        y = tensor((4,), target, 0.1) if target == "int32" else None
        data = model("QUANTIZE", [x], [y or TensorSpec("", (4,), target)], {})
        with pytest.raises(UnsupportedError) as caught:
            load(data, name="test")
        assert caught.value.obstacles[0].problem == problem
