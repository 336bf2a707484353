"""Reductions and L2 normalization, against TFLM and against their kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from skosh.ir.graph import Tensor
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check, constant, model, tensor

few = settings(max_examples=25, deadline=None)
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
scales = st.floats(0.01, 4).map(lambda s: float(np.float32(s)))


def reduced(shape: tuple[int, ...], axes: list[int], keep: bool) -> tuple[int, ...]:
    gone = {a % len(shape) for a in axes}
    return tuple(1 if a in gone else n for a, n in enumerate(shape) if keep or a not in gone)


@few
@given(
    st.data(), st.sampled_from(["MEAN", "SUM"]), shapes, st.sampled_from([np.int8, np.int16, np.float32]), st.booleans()
)
def test_mean_and_sum(data: Any, code: str, shape: tuple[int, ...], dtype: Any, keep: bool) -> None:
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=4))
    zeros = [data.draw(st.integers(-128, 127)) if dtype == np.int8 else 0 for _ in range(2)]
    quants = [None, None] if dtype == np.float32 else [data.draw(scales), data.draw(scales)]
    x = tensor(shape, dtype, quants[0], zeros[0])
    y = tensor(reduced(shape, axes, keep), dtype, quants[1], zeros[1])
    check(model(code, [x, constant(axes)], [y], {"keep_dims": keep}), 1)


@pytest.mark.parametrize("axes", [[0, 2, 4], [1, 3], [0, 1, 2, 3, 4]])
def test_mean_of_five_axes(axes: list[int]) -> None:
    shape = (2, 3, 2, 3, 2)
    x, y = tensor(shape, np.float32), tensor(reduced(shape, axes, False), np.float32)
    data = model("MEAN", [x, constant(axes)], [y], {"keep_dims": False})
    if axes == [0, 2, 4]:
        with pytest.raises(ModelError, match="must lie together in at most 2 groups"):
            load(data)
    else:
        check(data, 1)


@few
@given(
    st.data(),
    st.sampled_from(["REDUCE_MAX", "REDUCE_MIN"]),
    shapes,
    st.sampled_from([np.int8, np.float32]),
    st.booleans(),
)
def test_max_and_min(data: Any, code: str, shape: tuple[int, ...], dtype: Any, keep: bool) -> None:
    axes = data.draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=4))
    x, y = tensor(shape, dtype), tensor(reduced(shape, axes, keep), dtype)
    check(model(code, [x, constant(axes)], [y], {"keep_dims": keep}), 1)


@few
@given(st.data(), st.sampled_from(["ARG_MAX", "ARG_MIN"]), shapes, st.sampled_from([np.int8, np.float32]))
def test_arg_max_and_min(data: Any, code: str, shape: tuple[int, ...], dtype: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    y = tensor(reduced(shape, [axis], False), np.int32)
    few_values = lambda t, rng: rng.integers(-2, 3, t.shape).astype(dtype)  # noqa: E731  (so that there are ties)
    check(model(code, [tensor(shape, dtype), constant(axis)], [y], {"output_type": "INT32"}), 1, make_input=few_values)


def odd_floats(t: Tensor, rng: np.random.Generator) -> Any:
    return rng.choice(np.array([np.nan, -np.inf, np.inf, 0, -0.0, 1, -1], np.float32), t.shape)


@pytest.mark.parametrize("code", ["REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN"])
def test_odd_floats(code: str) -> None:
    y = tensor((30,), np.int32 if code.startswith("ARG") else np.float32)
    check(model(code, [tensor((30, 3), np.float32), constant([1])], [y]), make_input=odd_floats)


def test_a_nan_is_passed_over() -> None:
    graph = load(model("REDUCE_MAX", [tensor((3,), np.float32), constant([0])], [tensor((), np.float32)]))
    got = run_graph(graph, [np.array([1, np.nan, -2], np.float32)]).values[graph.outputs[0]]
    assert got == 1


@few
@given(shapes, st.sampled_from([np.int8, np.float32]), st.integers(-128, 127), st.integers(0, 127))
def test_l2_normalization(shape: tuple[int, ...], dtype: Any, zero: int, reach: int) -> None:
    def near_zero(t: Tensor, rng: np.random.Generator) -> Any:
        if dtype == np.float32:
            return rng.normal(0, reach * 1e-6, t.shape).astype(np.float32)
        return np.clip(rng.integers(zero - reach, zero + reach + 1, t.shape), -128, 127).astype(np.int8)

    x = tensor(shape, dtype, None if dtype == np.float32 else 0.1, zero if dtype == np.int8 else 0)
    y = tensor(shape, dtype, None if dtype == np.float32 else 1 / 128)
    check(model("L2_NORMALIZATION", [x], [y]), 2, make_input=near_zero)


def test_l2_normalization_of_long_rows() -> None:
    x, y = tensor((1, 8300), scale=0.1, zero=-128), tensor((1, 8300), scale=1 / 128)
    check(model("L2_NORMALIZATION", [x], [y]), 1, make_input=lambda t, rng: np.full(t.shape, 127, np.int8))
