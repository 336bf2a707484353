"""Activations and functions of one tensor: reference = TFLM = kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from skosh.base.errors import UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.graph import Tensor
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check, model, tensor
from tests.support.tflite_writer import TensorSpec

Array = npt.NDArray[Any]
Generator = np.random.Generator

SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-42, 88.8, -88.8, -104.5, 0.5, 2.5], np.float32
)


def every_value(t: Tensor, rng: Generator) -> Array:
    """All 256 of int8; special floats and random ones of all sizes."""
    n = t.shape[-1]
    if t.dtype.name == "i8":
        return np.resize(np.arange(-128, 128), t.shape).astype(np.int8)
    if t.dtype.name == "f32":
        spread = rng.normal(0, 1, n) * 10.0 ** rng.uniform(-3, 1.5, n)
        return np.concatenate([SPECIAL, spread])[:n].astype(np.float32).reshape(t.shape)
    values = rng.integers(t.dtype.min, t.dtype.max, n, endpoint=True, dtype=t.dtype.np)
    values[:4] = t.dtype.min, t.dtype.max, 0, -1
    return values.reshape(t.shape)


def positive(t: Tensor, rng: Generator) -> Array:
    """No number below the zero point."""
    x = every_value(t, rng)
    assert t.quant is not None
    return np.maximum(x, t.quant.zero_point).astype(x.dtype)


def random_tensor(dtype: str, rng: Generator, low: float = 0.005, high: float = 0.1) -> TensorSpec:
    if dtype not in ("int8", "int16"):
        return tensor((256,), dtype)
    scale = float(rng.uniform(low, high)) * (1 if dtype == "int8" else 1 / 256)
    return tensor((256,), dtype, scale, int(rng.integers(-128, 128)) if dtype == "int8" else 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("code", ["RELU", "RELU6", "LEAKY_RELU"])
def test_relus(code: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = random_tensor(dtype, rng), random_tensor(dtype, rng)
    if seed == 0:
        y = x
    options = {"alpha": float(rng.uniform(-0.5, 1.5))} if code == "LEAKY_RELU" else {}
    check(model(code, [x], [y], options), runs=1, seed=seed, make_input=every_value)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("code", ["ELU", "HARD_SWISH"])
def test_int8_tables(code: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = random_tensor("int8", rng), random_tensor("int8", rng, 0.01)
    check(model(code, [x], [y], {}), runs=1, make_input=every_value)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("code", ["LOGISTIC", "TANH"])
def test_sigmoids(code: str, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = random_tensor(dtype, rng, 0.001, 0.2)
    if dtype == "int16":
        scale = [2.0**-12, 2.0**-11, 2.0**-13, 1e-5, 0.02, 1.3][seed] if seed < 6 else float(10 ** rng.uniform(-5, -1))
        x = tensor((256,), dtype, scale)
    scales = {"int8": (1 / 256, -128) if code == "LOGISTIC" else (1 / 128, 0), "int16": (1 / 32768, 0)}
    y = tensor((256,), dtype, *scales.get(dtype, ()))
    check(model(code, [x], [y], {}), runs=1, seed=seed, ulp=2, make_input=every_value)


FLOATS = [
    "ELU",
    "HARD_SWISH",
    "ABS",
    "NEG",
    "EXP",
    "LOG",
    "SQRT",
    "RSQRT",
    "SQUARE",
    "SIN",
    "COS",
    "CEIL",
    "FLOOR",
    "ROUND",
]


@pytest.mark.parametrize("code", FLOATS)
def test_floats(code: str) -> None:
    exact = code in ("HARD_SWISH", "ABS", "NEG", "SQRT", "RSQRT", "SQUARE", "CEIL", "FLOOR", "ROUND")
    x = tensor((256,), "float32")
    check(model(code, [x], [x], {}), runs=2, ulp=0 if exact else 2, make_input=every_value)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_abs(dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = random_tensor(dtype, rng)
    check(model("ABS", [x], [x if seed == 0 else random_tensor(dtype, rng)], {}), runs=1, make_input=every_value)


def test_abs_of_int16_without_scale() -> None:
    x = TensorSpec("", (256,), "int16")
    check(model("ABS", [x], [x], {}), runs=1, make_input=every_value)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("code", ["ABS", "NEG"])
def test_integers_that_tflm_lacks(code: str, dtype: str) -> None:
    if (code, dtype) == ("ABS", "int64"):
        return
    x = tensor((256,), dtype)
    check(model(code, [x], [x], {}), runs=1, make_input=every_value, oracle=False)


@pytest.mark.parametrize("seed", range(5))
def test_rsqrt_int8(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = random_tensor("int8", rng), random_tensor("int8", rng)
    check(model("RSQRT", [x], [y], {}), runs=1, make_input=positive)


PRELU_SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((1, 4, 3, 5), (1, 1, 5)), ((1, 2, 3, 4), (2, 3, 4)), ((6, 8), (1,)), ((2, 3, 4), (3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("shapes", PRELU_SHAPES)
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_prelu(dtype: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(len(shapes[0]))
    unit = 1 if dtype == "int8" else 1 / 256
    x, y = tensor(shapes[0], dtype), tensor(shapes[0], dtype)
    alpha = tensor(shapes[1], "float32", data=rng.normal(0, 1, shapes[1]))
    if dtype != "float32":
        x, y = (tensor(shapes[0], dtype, s * unit, z if dtype == "int8" else 0) for s, z in ((0.05, -3), (0.03, 11)))
        alpha = tensor(shapes[1], "int8", 0.02, 7, data=rng.integers(-128, 128, shapes[1]))
    check(model("PRELU", [x, alpha], [y]))


# ---------------------------------------------------------------------------------------- what TFLM's wheel doesn't have


def outputs_of(data: bytes, x: Array) -> Array:
    graph = load(data, name="test")
    return run_graph(graph, [x]).values[graph.outputs[0]]


INT8 = np.arange(-128, 128).astype(np.int8)


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("EXP", np.exp),
        ("LOG", lambda v: np.log(np.maximum(v, 1e-30))),
        ("RELU_N1_TO_1", lambda v: np.clip(v, -1, 1)),
        ("GELU", lambda v: 0.5 * v * (1 + np.tanh(0.7978845608 * (v + 0.044715 * v**3)))),
    ],
)
def test_int8_functions_that_tflm_lacks(code: str, function: Any) -> None:
    x, y = tensor((256,), "int8", 0.02, 3), tensor((256,), "int8", 0.05, -9)
    options = {"approximate": True} if code == "GELU" else {}
    data = model(code, [x], [y], options)
    check(data, runs=1, oracle=False, make_input=every_value)
    exact = function((INT8.astype(float) - 3) * 0.02) / 0.05 - 9
    assert np.max(np.abs(outputs_of(data, INT8) - np.clip(exact, -128, 127))) <= 0.751  # requantized with two roundings


def test_int8_sqrt_truncates() -> None:
    x, y = tensor((256,), "int8", 0.02, -100), tensor((256,), "int8", 0.01, -128)
    data = model("SQRT", [x], [y], {})
    check(data, runs=1, oracle=False, make_input=every_value)
    exact = np.sqrt(np.maximum(INT8.astype(float) + 100, 0) * 0.02) / 0.01 - 128
    error = np.clip(exact, -128, 127) - outputs_of(data, INT8)
    assert np.min(error) > -1e-4 and np.max(error) < 1.0001


@pytest.mark.parametrize("code", ["GELU", "GELU approximate", "RELU_N1_TO_1"])
def test_floats_that_tflm_lacks(code: str) -> None:
    x = tensor((256,), "float32")
    data = model(code.split()[0], [x], [x], {"approximate": " " in code} if code.startswith("GELU") else {})
    check(data, runs=1, oracle=False, make_input=every_value)
    v = np.linspace(-5, 5, 256).astype(np.float32)
    got = outputs_of(data, v)
    if code == "RELU_N1_TO_1":
        assert np.array_equal(got, np.clip(v, -1, 1))
    else:
        exact = 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v.astype(float) ** 3)))
        assert np.max(np.abs(got - exact)) < (2e-6 if " " in code else 5e-4)


def test_a_table_is_made_of_the_exact_gelu() -> None:
    x, y = tensor((256,), "int8", 0.03, 3), tensor((256,), "int8", 0.03, -120)
    exact = outputs_of(model("GELU", [tensor((256,), "float32")], [tensor((256,), "float32")], {}),
                       ((INT8.astype(np.float32) - 3) * np.float32(0.03)))  # fmt: skip
    got = outputs_of(model("GELU", [x], [y], {}), INT8)
    assert np.max(np.abs(np.clip(exact / np.float32(0.03) - 120, -128, 127) - got)) <= 0.501


def test_complaints() -> None:
    x = tensor((4,), "int8", 0.1)
    with pytest.raises(UnsupportedError) as caught:
        load(model("LOGISTIC", [x], [x], {}), name="test")
    assert caught.value.obstacles[0].problem == (
        f"logistic to i8 must have scale 0.00390625 and zero point -128, not {float(np.float32(0.1))!r} and 0"
    )
    with pytest.raises(UnsupportedError) as caught:
        load(model("SIN", [x], [x], {}), name="test")
    assert caught.value.obstacles[0].problem == '"t0" must be f32, not i8'
