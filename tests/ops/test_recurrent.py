"""SVDF and LSTM over several runs, against TFLM and against their kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from tests.ops.one_operator import check, constant, model, tensor
from tests.support.tflite_writer import TensorSpec

few = settings(max_examples=12, deadline=None)


def noise(seed: int, shape: tuple[int, ...], dtype: Any, **more: Any) -> TensorSpec:
    rng = np.random.default_rng(seed)
    if dtype == np.float32:
        return constant(rng.normal(0, 0.5, shape), np.float32)
    limit = {"int8": 127, "int16": 3000, "int32": 20000, "int64": 200000}[np.dtype(dtype).name]
    return constant(rng.integers(-limit, limit + 1, shape), dtype, **more)


# ---------------------------------------------------------------------------------------------------------------- SVDF


def svdf(sizes: tuple[int, int, int, int, int], dtype: Any, past: Any, zeros: Any, activation: str = "NONE") -> bytes:
    batch, depth, units, rank, memory = sizes
    filters = units * rank
    is_float = dtype == np.float32
    scales = [None] * 5 if is_float else [0.05, 0.01, 0.002, 0.04, 0.1]
    inputs = [
        tensor((batch, depth), dtype, scales[0], zeros[0]),
        noise(1, (filters, depth), dtype, scale=scales[1]),
        noise(2, (filters, memory), past, scale=scales[2]),
        noise(3, (units,), np.float32 if is_float else np.int32, scale=None if is_float else 0.002 * 0.04),
        tensor((batch, filters * memory), past, scales[3], zeros[1], is_variable=True),
    ]
    options = {"rank": rank, "fused_activation_function": activation}
    return model("SVDF", inputs, [tensor((batch, units), dtype, scales[4], zeros[2])], options)


sizes = st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.integers(1, 4))
zero_points = st.tuples(st.integers(-128, 127), st.integers(-20, 20), st.integers(-128, 127))


@few
@given(sizes, zero_points, st.sampled_from([np.int8, np.int16]))
def test_svdf(sizes: Any, zeros: Any, past: Any) -> None:
    zeros = zeros if past == np.int8 else (zeros[0], 0, zeros[2])
    check(svdf(sizes, np.int8, past, zeros, "RELU"), 5)


@few
@given(sizes, st.sampled_from(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))
def test_svdf_float(sizes: Any, activation: str) -> None:
    check(svdf(sizes, np.float32, np.float32, (0, 0, 0), activation), 5)


def test_svdf_needs_a_variable() -> None:
    inputs = [tensor((1, 2)), noise(1, (2, 2), np.int8), noise(2, (2, 3), np.int16), None, tensor((1, 6), np.int16)]
    with pytest.raises(ModelError, match="must be a variable, since it keeps the past"):
        load(model("SVDF", inputs, [tensor((1, 2))], {"rank": 1}))


# ---------------------------------------------------------------------------------------------------------------- LSTM


def lstm(
    sizes: tuple[int, int, int, int], dtype: Any, time_major: bool, clip: float, power: int = -11, zero: int = 0
) -> bytes:
    batch, steps, depth, cells = sizes
    is_float = dtype == np.float32
    weights = np.float32 if is_float else np.int8
    bias = {"float32": np.float32, "int8": np.int32, "int16": np.int64}[np.dtype(dtype).name]
    state = np.float32 if is_float else np.int16
    x_scale, h_scale, w_scale = (None, None, None) if is_float else (0.03, 1 / 128, 0.01)
    if dtype == np.int16:
        x_scale, h_scale = 0.0003, 1 / 32768
    row = (steps, batch) if time_major else (batch, steps)
    inputs: list[TensorSpec | None] = [tensor((*row, depth), dtype, x_scale, zero)]
    inputs += [noise(g, (cells, depth), weights, scale=w_scale) for g in range(4)]
    inputs += [noise(g + 4, (cells, cells), weights, scale=w_scale) for g in range(4)]
    inputs += [None] * 3
    inputs += [noise(g + 8, (cells,), bias, scale=x_scale * w_scale if x_scale and w_scale else None) for g in range(4)]
    inputs += [None] * 2
    inputs += [tensor((batch, cells), dtype, h_scale, -zero // 2, is_variable=True)]
    inputs += [tensor((batch, cells), state, None if is_float else 2.0**power, is_variable=True)]
    inputs += [None] * 4
    options = {"time_major": time_major, "cell_clip": clip, "fused_activation_function": "TANH"}
    y = tensor((*row, cells), dtype, h_scale, -zero // 2)
    return model("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options)


lstm_sizes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@few
@given(
    lstm_sizes, st.sampled_from([np.int8, np.int16]), st.booleans(), st.sampled_from([0.0, 0.5, 10.0, 1e9]),
    st.integers(-16, -9), st.integers(-60, 60),
)  # fmt: skip
def test_lstm(sizes: Any, dtype: Any, time_major: bool, clip: float, power: int, zero: int) -> None:
    check(lstm(sizes, dtype, time_major, clip, power, zero if dtype == np.int8 else 0), 2)


@few
@given(lstm_sizes, st.booleans(), st.sampled_from([0.0, 0.3]))
def test_lstm_float(sizes: Any, time_major: bool, clip: float) -> None:
    check(lstm(sizes, np.float32, time_major, clip), 3, ulp=1000)  # near 0 it is the difference of larger numbers


def test_lstm_refuses_variants() -> None:
    inputs: list[TensorSpec | None] = [tensor((1, 1, 2))] * 20
    inputs[10:18] = [None] * 8
    inputs[9] = tensor((2,))
    data = model("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [tensor((1, 1, 2))], {"fused_activation_function": "TANH"})
    with pytest.raises(ModelError, match="an LSTM with peephole weights is not supported"):
        load(data)
