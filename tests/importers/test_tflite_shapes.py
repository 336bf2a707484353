"""Shapes that a file computes, and sizes that it leaves open: worked out when it is read, and right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skosh.base.errors import InputError, UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from tests.support.agree import check_against_tflm
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

OPEN = {"shape_signature": (-1, 4, 3)}


def ints(name: str, *data: Any, shape: tuple[int, ...] | None = None, dtype: Any = np.int32) -> TensorSpec:
    return TensorSpec(name, (len(data),) if shape is None else shape, dtype, data=list(data))


def value(name: str, shape: tuple[int, ...], dtype: Any = np.int32) -> TensorSpec:
    return TensorSpec(name, shape, dtype)


FLATTEN = [
    TensorSpec("x", (1, 4, 3), np.float32, shape_signature=(-1, 4, 3)),
    value("sizes", (3,)), ints("from", 0), ints("to", 1), ints("by", 1), value("batch", ()), ints("rest", 12, shape=()),
    value("wanted", (2,)), TensorSpec("y", (1, 1), np.float32, shape_signature=(-1, -1)),
    TensorSpec("z", (1, 1), np.float32, shape_signature=(-1, -1)),
]  # fmt: skip
FLATTENED = [
    OperatorSpec("SHAPE", [0], [1], {"out_type": "INT32"}),
    OperatorSpec("STRIDED_SLICE", [1, 2, 3, 4], [5], {"shrink_axis_mask": 1}),
    OperatorSpec("PACK", [5, 6], [7], {"values_count": 2}),
    OperatorSpec("RESHAPE", [0, 7], [8]),
    OperatorSpec("RELU", [8], [9]),
]


def test_flatten_as_keras_writes_it_with_an_open_batch() -> None:
    graph = load(model_bytes(FLATTEN, FLATTENED, [0], [9]))
    check_graph(graph)
    assert [n.op.kind for n in graph.nodes] == ["reshape", "relu"]
    assert graph.tensors["z"].shape == (1, 12)
    x = np.arange(12, dtype=np.float32).reshape(1, 4, 3) - 5
    assert np.array_equal(run_graph(graph, [x]).values["z"], np.maximum(x, 0).reshape(1, 12))


def test_a_batch_that_is_given() -> None:
    graph = load(model_bytes(FLATTEN, FLATTENED, [0], [9]), shapes={"x": (5, 4, 3)})
    check_graph(graph)
    assert graph.tensors["z"].shape == (5, 12)


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        ({"w": (1, 4, 3)}, r'shapes must name inputs of the model \(x\), not "w"'),
        ({"x": (1, 4, 4)}, r"its shape must fit \[\?, 4, 3\], not \[1, 4, 4\]"),
        ({"x": (0, 4, 3)}, r"its shape must fit"),
        ({"x": (1 << 40, 4, 3)}, r"must not take more than"),
    ],
)
def test_shapes_that_do_not_fit(shapes: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load(model_bytes(FLATTEN, FLATTENED, [0], [9]), shapes=shapes)


def test_an_open_size_is_asked_for_and_its_readers_are_no_obstacles() -> None:
    x = TensorSpec("x", (1, 1), np.float32, shape_signature=(-1, -1))
    tensors = [x, ints("axes", 1), TensorSpec("y", (1,), np.float32, shape_signature=(-1,))]
    data = model_bytes(tensors, [OperatorSpec("SUM", [0, 1], [2])], [0], [2])
    with pytest.raises(UnsupportedError) as caught:
        load(data)
    assert len(caught.value.obstacles) == 1
    assert load(data, shapes={"x": (2, 7)}).tensors["y"].shape == (2,)


# -------------------------------------------------------------------------------------------- arithmetic on constants

CASES: list[tuple[str, list[TensorSpec], dict[str, Any], list[int], Any]] = [
    ("ADD", [ints("a", 1, 2), ints("b", 3, -4)], {}, [4, -2], np.int32),
    ("SUB", [ints("a", 1, 2), ints("b", 3, -4)], {}, [-2, 6], np.int32),
    ("MUL", [ints("a", 7, 2), ints("b", 3, -4)], {}, [21, -8], np.int32),
    ("DIV", [ints("a", 7, -7), ints("b", 2, 2)], {}, [3, -3], np.int32),
    ("FLOOR_DIV", [ints("a", 7, -7), ints("b", 2, 2)], {}, [3, -4], np.int32),
    ("FLOOR_MOD", [ints("a", 7, -7), ints("b", 3, 3)], {}, [1, 2], np.int32),
    ("MAXIMUM", [ints("a", 7, -7), ints("b", 2, 2)], {}, [7, 2], np.int32),
    ("REDUCE_PROD", [ints("a", 7, -7, 2), ints("b", 0)], {"keep_dims": True}, [-98], np.int32),
    ("RANGE", [ints("a", 2, shape=()), ints("b", 9, shape=()), ints("c", 3, shape=())], {}, [2, 5, 8], np.int32),
    ("FILL", [ints("a", 3), ints("b", 8, shape=())], {}, [8, 8, 8], np.int32),
    ("GATHER", [ints("a", 5, 6, 7), ints("b", 2, 0)], {}, [7, 5], np.int32),
    ("CONCATENATION", [ints("a", 5, 6), ints("b", 2)], {}, [5, 6, 2], np.int32),
    ("CAST", [ints("a", 5, 1 << 40, dtype=np.int64)], {}, [5, 0], np.int32),
    ("SLICE", [ints("a", 5, 6, 7), ints("b", 1), ints("c", -1)], {}, [6, 7], np.int32),
    ("TILE", [ints("a", 5, 6), ints("b", 2)], {}, [5, 6, 5, 6], np.int32),
    ("REVERSE_V2", [ints("a", 5, 6), ints("b", 0)], {}, [6, 5], np.int32),
    ("CUMSUM", [ints("a", 5, 6, 1), ints("b", 0, shape=())], {"exclusive": True}, [0, 5, 11], np.int32),
    ("MINIMUM", [ints("a", 5, -6, dtype=np.int64), ints("b", 0, dtype=np.int64, shape=(1,))], {}, [0, -6], np.int64),
]


@pytest.mark.parametrize("case", CASES, ids=[c[0] for c in CASES])
def test_integers_are_computed_now(case: Any) -> None:
    """The result is added to an input at run time, so that the graph shows it."""
    code, inputs, options, want, dtype = case
    count = len(want)
    x, y = TensorSpec("x", (count,), np.float32), TensorSpec("y", (count,), np.float32)
    folded, real = TensorSpec("r", (count,), dtype), TensorSpec("f", (count,), np.float32)
    tensors = [x, y, folded, real, *inputs]
    operators = [
        OperatorSpec(code, list(range(4, 4 + len(inputs))), [2], options),
        OperatorSpec("CAST", [2], [3]),
        OperatorSpec("ADD", [0, 3], [1]),
    ]
    graph = load(model_bytes(tensors, operators, [0], [1]))
    assert [n.op.kind for n in graph.nodes] == ["add"]
    got = run_graph(graph, [np.zeros(count, np.float32)]).values["y"]
    assert np.array_equal(got, np.array(want, np.float32))


def test_division_by_zero_is_an_obstacle() -> None:
    tensors = [TensorSpec("x", (1,), np.float32), ints("a", 1), ints("b", 0), value("r", (1,))]
    with pytest.raises(UnsupportedError, match="integers can't be divided by 0"):
        load(model_bytes(tensors, [OperatorSpec("FLOOR_DIV", [1, 2], [3])], [0], [3]))


def test_a_list_that_would_not_fit_memory_is_refused() -> None:
    tensors = [
        TensorSpec("x", (1,), np.float32),
        ints("a", 1 << 30, 1 << 30),
        ints("b", 0, shape=()),
        value("r", (1, 1)),
    ]
    with pytest.raises(UnsupportedError, match="a computed constant can't have shape"):
        load(model_bytes(tensors, [OperatorSpec("FILL", [1, 2], [3])], [0], [3]))


def test_a_constant_output_is_a_copy() -> None:
    tensors = [TensorSpec("x", (2, 3), np.float32), value("sizes", (2,))]
    graph = load(model_bytes(tensors, [OperatorSpec("SHAPE", [0], [1], {"out_type": "INT32"})], [0], [1]))
    check_graph(graph)
    assert run_graph(graph, [np.zeros((2, 3), np.float32)]).values["sizes"].tolist() == [2, 3]


# ------------------------------------------------------------------------------------------- weights in other ways


def dense(weights: TensorSpec, *before: OperatorSpec, at: int = 2, more: tuple[TensorSpec, ...] = ()) -> bytes:
    tensors = [TensorSpec("x", (1, 3), np.float32), TensorSpec("y", (1, 2), np.float32), weights, *more]
    return model_bytes(tensors, [*before, OperatorSpec("FULLY_CONNECTED", [0, at, -1], [1])], [0], [1])


def ran(graph: Graph) -> list[float]:
    check_graph(graph)
    return run_graph(graph, [np.array([[1, 2, 3]], np.float32)]).values["y"].reshape(-1).tolist()


W = [[1, -2, 0.5], [3, 0.25, -1]]


def test_float16_weights_are_read_as_the_equal_float32() -> None:
    half = TensorSpec("w", (2, 3), np.float16, data=W)
    full = TensorSpec("w32", (2, 3), np.float32)
    graph = load(dense(half, OperatorSpec("DEQUANTIZE", [2], [3]), at=3, more=(full,)))
    assert [n.op.kind for n in graph.nodes] == ["dense"]
    assert ran(graph) == ran(load(dense(half))) == [-1.5, 0.5]


@pytest.mark.parametrize("scales", [0.5, [0.5, 0.25]])
def test_int8_weights_that_meet_floats_are_read_as_floats(scales: Any) -> None:
    """TFLite's dynamic range: its own kernels round the activations too; TFLite Micro has none."""
    w = TensorSpec("w", (2, 3), np.int8, scales, 0, data=[[1, 2, 3], [-4, 5, 6]])
    rows = [14 * 0.5, 24 * (0.5 if scales == 0.5 else 0.25)]
    assert ran(load(dense(w))) == rows


def test_4_bit_weights() -> None:
    """Two to a byte, the first in the lower half: [[1, -2, 3], [-8, 7, 0]]."""
    w = TensorSpec("w", (2, 3), "int4", 0.5, 0, data=bytes([0xE1, 0x83, 0x07]))
    assert ran(load(dense(w))) == [0.5 * (1 - 4 + 9), 0.5 * (-8 + 14)]


def test_a_scale_of_0_on_zeros() -> None:
    x, y = TensorSpec("x", (1, 3), np.int8, 0.5, 3), TensorSpec("y", (1, 2), np.int8, 0.25, -7)
    w = TensorSpec("w", (2, 3), np.int8, [0.0, 0.5], 0, data=[[0, 0, 0], [1, 2, -3]])
    data = model_bytes([x, w, y], [OperatorSpec("FULLY_CONNECTED", [0, 1, -1], [2])], [0], [2])
    graph = load(data)
    got = run_graph(graph, [np.array([[5, 9, 4]], np.int8)]).values["y"]
    assert got.tolist() == [[-7, -7 + (2 + 12 - 3)]]
    zeros = TensorSpec("w", (2, 3), np.int8, 0.0, 0, data=np.zeros((2, 3)))
    check_against_tflm(model_bytes([x, zeros, y], [OperatorSpec("FULLY_CONNECTED", [0, 1, -1], [2])], [0], [2]))
