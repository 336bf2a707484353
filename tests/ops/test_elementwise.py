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
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check, check_kernels, model, tensor
from tests.support.agree import Maker, random_input
from tests.support.litert import run_litert
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

Array = npt.NDArray[Any]
Generator = np.random.Generator

Shapes = tuple[tuple[int, ...], tuple[int, ...]]

SHAPES: list[Shapes] = [
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
    return tensor(
        shape, dtype, float(rng.uniform(low, high)) * unit, int(rng.integers(-128, 128)) if dtype == "int8" else 0
    )


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
def test_arithmetic(code: str, dtype: str, shapes: Shapes) -> None:
    seed = SHAPES.index(shapes) * 7
    rng = np.random.default_rng(seed)
    activation = ACTIVATIONS[seed % 4] if (code, dtype) != ("ADD", "int32") else "NONE"
    if code == "MUL" and dtype == "int32":
        activation = "NONE"
    x, y = (operand(s, dtype, rng) for s in shapes)
    z = quantized(out_shape(*shapes), dtype, rng)
    check(model(code, [x, y], [z], {"fused_activation_function": activation}), seed=seed)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "float32"])
@pytest.mark.parametrize("code", ["MAXIMUM", "MINIMUM"])
@pytest.mark.parametrize("shapes", SHAPES[:6])
def test_extremes(code: str, dtype: str, shapes: Shapes) -> None:
    rng = np.random.default_rng(0)
    x, y = (operand(s, dtype, rng) for s in shapes)
    check(model(code, [x, y], [quantized(out_shape(*shapes), dtype, rng)]), runs=1)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_squared_difference(dtype: str, shapes: Shapes) -> None:
    rng = np.random.default_rng(SHAPES.index(shapes))
    x, y = (operand(s, dtype, rng) for s in shapes)
    z = quantized(out_shape(*shapes), dtype, rng, 0.01, 2.0)
    check(model("SQUARED_DIFFERENCE", [x, y], [z]), seed=3)


def never_zero(zero_point: int) -> Maker:
    def make(t: Tensor, rng: Generator) -> Array:
        x = random_input(t, rng)
        return np.where(x == zero_point, x + 1, x).astype(x.dtype)

    return make


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32"])
@pytest.mark.parametrize("shapes", SHAPES)
def test_division(dtype: str, shapes: Shapes) -> None:
    rng = np.random.default_rng(SHAPES.index(shapes))
    zero = int(rng.integers(-127, 127)) if dtype == "int8" else 0
    scale = 0.01 if dtype == "int8" else None
    x, y = (tensor(s or (1,), dtype, scale, zero) for s in shapes)
    z = quantized(out_shape(*shapes, (1,)), dtype, rng, 0.005, 0.0156)  # above 1/64, TFLM shifts by more than 31
    options = {"fused_activation_function": ACTIVATIONS[SHAPES.index(shapes) % 4]}
    check(model("DIV", [x, y], [z], options), seed=1, make_input=never_zero(zero))


def test_division_where_tflm_shifts_too_far_is_rounded() -> None:
    x, y = tensor((256, 1), "int8", 0.01, 3), tensor((255,), "int8", 0.01, -128)
    graph = load(model("DIV", [x, y], [tensor((256, 255), "int8", 0.04, 7)], {}))
    a, b = np.arange(-128, 128).astype(np.int8), np.arange(-127, 128).astype(np.int8)
    got = run_graph(graph, [a.reshape(256, 1), b]).values[graph.outputs[0]]
    exact = (a.reshape(256, 1) - 3.0) / (b + 128.0) / 0.04 + 7
    assert np.max(np.abs(got - np.clip(exact, -128, 127))) <= 0.5001


def test_division_by_zero_saturates() -> None:
    small = np.array([-5, 0, 3])
    for dtype in ("int8", "int32"):
        scale = 0.5 if dtype == "int8" else None
        x = tensor((3,), dtype, scale)
        data = model("DIV", [x, tensor((1,), dtype, scale)], [tensor((3,), dtype, scale)], {})
        graph = check(data, oracle=False, make_input=lambda t, rng: np.zeros(t.shape, t.dtype.np))
        run = run_graph(graph, [small.astype(dtype), np.zeros(1, dtype)])
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        assert run.values[graph.outputs[0]].tolist() == [low, 0, high]


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-42], np.float32)


@pytest.mark.parametrize(
    "code", ["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "LESS", "EQUAL", "GREATER_EQUAL", "NOT_EQUAL"]
)
def test_special_floats(code: str) -> None:
    x, y = tensor((10, 10), "float32"), tensor((10, 1), "float32")
    out = tensor((10, 10), "float32" if code[0] in "ASMD" else "bool")

    def make(t: Tensor, rng: Generator) -> Array:
        return np.broadcast_to(SPECIAL, (10, 10)).copy() if t.shape == (10, 10) else SPECIAL.reshape(10, 1).copy()

    check(model(code, [x, y], [out]), runs=1, make_input=make)


# ------------------------------------------------------------------------------------------------- comparisons and logic

COMPARISONS = ["EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]


def few_values(t: Tensor, rng: Generator) -> Array:
    """Values from a short range, so that some are equal."""
    if t.dtype.kind == "bool":
        return random_input(t, rng)
    return np.asarray(rng.integers(-3, 3, t.shape), dtype=t.dtype.np)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "float32"])
@pytest.mark.parametrize("code", COMPARISONS)
@pytest.mark.parametrize("shapes", [SHAPES[0], SHAPES[1], SHAPES[5]])
def test_comparisons(code: str, dtype: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(COMPARISONS.index(code))
    x, y = (quantized(s, dtype, rng) for s in shapes)
    z = tensor(out_shape(*shapes), "bool")
    check(model(code, [x, y], [z]), seed=1, make_input=random_input if dtype == "int8" else few_values)


@pytest.mark.parametrize("scales", [(0.0001, 0.0001), (1e-9, 0.9), (0.25, 0.25), (0.003, 0.00299)])
def test_comparison_of_rounded_numbers(scales: tuple[float, float]) -> None:
    for code in COMPARISONS:
        x, y = (tensor((64,), "int8", s, z) for s, z in zip(scales, (-128, 5), strict=True))
        check(model(code, [x, y], [tensor((64,), "bool")]))


@pytest.mark.parametrize("code", ["EQUAL", "NOT_EQUAL"])
def test_comparison_of_bools(code: str) -> None:
    check(model(code, [tensor((2, 5), "bool"), tensor((5,), "bool")], [tensor((2, 5), "bool")]))


@pytest.mark.parametrize("code", ["LOGICAL_AND", "LOGICAL_OR"])
@pytest.mark.parametrize("shapes", [SHAPES[0], SHAPES[1], SHAPES[5]])
def test_logic(code: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    x, y = (tensor(s, "bool") for s in shapes)
    check(model(code, [x, y], [tensor(out_shape(*shapes), "bool")]))


def test_logical_not() -> None:
    check(model("LOGICAL_NOT", [tensor((3, 5), "bool")], [tensor((3, 5), "bool")]))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "int32", "bool", "int64"])
@pytest.mark.parametrize(
    "shapes", [((6,), (6,), (6,)), ((2, 3), (1,), (2, 3)), ((1, 3, 1), (4, 1, 2), (3, 2)), ((1,), (5,), (5,))]
)
def test_select(dtype: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    condition = tensor(shapes[0], "bool")
    x, y = (tensor(s, dtype) for s in shapes[1:])
    data = model("SELECT_V2", [condition, x, y], [tensor(out_shape(*shapes), dtype)])
    check(data, oracle=dtype in ("int8", "int16", "float32"))


# ----------------------------------------------------------------------------------------------------------- complaints


def complaint(data: bytes) -> str:
    with pytest.raises(UnsupportedError) as caught:
        load(data, name="test")
    return caught.value.obstacles[0].problem


def test_complaints() -> None:
    a, b = tensor((3,), "int8"), tensor((4,), "int8")
    assert complaint(model("ADD", [a, b], [a], {})) == "shapes (3,) and (4,) don't broadcast to each other"
    out = tensor((3,), "int8", 1e-8)
    assert (
        complaint(model("ADD", [a, a], [out], {}))
        == "the output's scale must not be 2^19 times smaller than the inputs'"
    )
    bools = tensor((3,), "bool")
    problem = complaint(model("LESS", [bools, bools], [bools], {}))
    assert problem == '"t0" must be i8 or i16 or i32 or i64 or f32, not bool'
    ints = tensor((3,), "int32")
    problem = complaint(model("ADD", [ints, ints], [ints], {"fused_activation_function": "RELU"}))
    assert problem == "an addition of i32 can't have the activation relu, which TFLM ignores"


@pytest.mark.parametrize("code", ["FLOOR_DIV", "FLOOR_MOD"])
def test_floor_division_of_int32(code: str) -> None:
    """Against LiteRT, since TFLM has floats only; by zero, where it stops, the answer is 0."""
    tensors = [TensorSpec("a", (4, 50), np.int32), TensorSpec("b", (50,), np.int32), TensorSpec("y", (4, 50), np.int32)]
    data = model_bytes(tensors, [OperatorSpec(code, [0, 1], [2])], [0, 1], [2])
    graph = load(data)
    rng = np.random.default_rng(3)
    a, b = rng.integers(-40, 40, (4, 50)).astype(np.int32), rng.integers(-9, 10, 50).astype(np.int32)
    a[0, :4], b[:4] = (2**31 - 1, -(2**31), 2**31 - 1, 7), (3, -5, -1, 2**31 - 1)
    b[b == 0] = 4
    assert np.array_equal(run_graph(graph, [a, b]).values["y"], run_litert(data, [a, b])[0])
    assert not run_graph(graph, [a, np.zeros_like(b)]).values["y"].any()
    check_kernels(graph)
