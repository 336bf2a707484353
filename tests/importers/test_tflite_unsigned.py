"""uint8 models, the older way to quantize, made int8: the answers of TFLite's own uint8 kernels, less 128."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from skosh.base.errors import InputError, UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check_kernels
from tests.support.litert import run_litert
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes

Generator = np.random.Generator


def u8(name: str, shape: Sequence[int], scale: float, zero: int, data: Any = None) -> TensorSpec:
    return TensorSpec(name, tuple(shape), np.uint8, scale, zero, data=data)


def bias(size: int, scale: float, rng: Generator) -> TensorSpec:
    return TensorSpec("bias", (size,), np.int32, scale, 0, data=rng.integers(-4000, 4000, size))


def layer(code: str, seed: int, options: Mapping[str, Any], *, weights: tuple[int, ...], y: tuple[int, ...]) -> bytes:
    """A layer of 7 x 6 x 4 numbers; every other one has weights that 8 bits with zero point 0 can't hold."""
    rng = np.random.default_rng(seed)
    x = u8("x", (1, 7, 6, 4), float(rng.uniform(0.01, 0.05)), int(rng.integers(0, 256)))
    zero = int(rng.integers(90, 160))
    low, high = (0, 256) if seed % 2 else (zero - 60, zero + 60)
    w = u8("w", weights, float(rng.uniform(0.002, 0.01)), zero, rng.integers(low, high, weights))
    count = weights[3] if code == "DEPTHWISE_CONV_2D" else weights[0]
    out = u8("y", y, 0.08, int(rng.integers(60, 200)))
    return model_bytes([x, w, bias(count, 1e-4, rng), out], [OperatorSpec(code, [0, 1, 2], [3], options)], [0], [3])


def check(model: bytes, *, apart: int = 0, runs: int = 3, seed: int = 0) -> Graph:
    """Against LiteRT; ``apart``: how many steps an answer may differ."""
    graph = load(model)
    check_graph(graph)
    rng = np.random.default_rng(seed)
    for _ in range(runs):
        inputs = [rng.integers(0, 256, t.shape).astype(np.uint8) for t in graph.required(graph.inputs)]
        values = run_graph(graph, [(x.astype(np.int16) - 128).astype(np.int8) for x in inputs]).values
        for name, want in zip(graph.outputs, run_litert(model, inputs), strict=True):
            got = values[name]
            if got.dtype == np.int8:
                got = got.astype(np.int64) + 128
            worst = np.abs(got.astype(np.float64) - want.astype(np.float64)).max()
            assert worst <= apart, f"{name} is {worst} apart"
    return graph


WINDOW = {"stride_w": 1, "stride_h": 2, "dilation_w_factor": 1, "dilation_h_factor": 1}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions(seed: int, padding: str) -> None:
    size = (1, 4, 6, 5) if padding == "SAME" else (1, 3, 4, 5)
    options = {**WINDOW, "padding": padding, "fused_activation_function": ("NONE", "RELU", "RELU6")[seed % 3]}
    check_kernels(check(layer("CONV_2D", seed, options, weights=(5, 3, 3, 4), y=size)))
    deep = {**options, "depth_multiplier": 2}
    check_kernels(check(layer("DEPTHWISE_CONV_2D", seed, deep, weights=(1, 3, 3, 8), y=(*size[:3], 8))))


@pytest.mark.parametrize("seed", range(4))
def test_dense(seed: int) -> None:
    check_kernels(check(layer("FULLY_CONNECTED", seed, {}, weights=(5, 168), y=(1, 5))))


def test_weights_that_fit_keep_the_fast_kernels() -> None:
    options = {**WINDOW, "padding": "VALID"}
    for seed, zero in ((0, 0), (1, None)):
        graph = load(layer("CONV_2D", seed, options, weights=(5, 3, 3, 4), y=(1, 3, 4, 5)))
        quant = graph.tensors[graph.nodes[0].inputs[1]].quant
        assert quant is not None
        assert (quant.zero_point == 0) == (zero == 0)


PAIRS = [("ADD", {}), ("SUB", {"fused_activation_function": "RELU"}), ("MUL", {}), ("MAXIMUM", None), ("MINIMUM", None)]


@pytest.mark.parametrize(("code", "options"), PAIRS)
def test_pairs(code: str, options: Any) -> None:
    same = options is None
    a = u8("a", (1, 5, 6, 3), 0.03, 130)
    b, y = (
        u8("b", (1, 5, 6, 3), 0.03 if same else 0.011, 130 if same else 77),
        u8("y", (1, 5, 6, 3), 0.03 if same else 0.05, 130),
    )
    check_kernels(check(model_bytes([a, b, y], [OperatorSpec(code, [0, 1], [2], options or {})], [0, 1], [2])))


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 5)])
@pytest.mark.parametrize("code", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pooling(code: str, size: tuple[int, int]) -> None:
    options = {"stride_w": 1, "stride_h": 1, "filter_height": size[0], "filter_width": size[1], "padding": "SAME"}
    tensors = [u8("x", (1, 7, 6, 3), 0.1, 37), u8("y", (1, 7, 6, 3), 0.1, 37)]
    check_kernels(check(model_bytes(tensors, [OperatorSpec(code, [0], [1], options)], [0], [1])))


@pytest.mark.parametrize(
    ("code", "scale", "zero", "apart"),
    [
        ("LOGISTIC", 1 / 256, 0, 0),
        ("TANH", 1 / 128, 128, 0),
        ("SOFTMAX", 1 / 256, 0, 1),
        ("RELU", 0.04, 20, 0),
        ("RELU6", 0.03, 5, 0),
        ("RELU_N1_TO_1", 0.01, 120, 0),
    ],
)
def test_functions(code: str, scale: float, zero: int, apart: int) -> None:
    tensors = [u8("x", (1, 40), 0.04, 101), u8("y", (1, 40), scale, zero)]
    options = {"beta": 1.0} if code == "SOFTMAX" else {}
    check_kernels(check(model_bytes(tensors, [OperatorSpec(code, [0], [1], options)], [0], [1]), apart=apart, runs=8))


def test_concatenation_of_other_scales() -> None:
    """Only uint8 may join what has other scales than the result."""
    tensors = [
        u8("a", (1, 90), 0.02, 50),
        u8("b", (1, 90), 0.03, 128),
        u8("c", (1, 90), 0.05, 99),
        u8("y", (1, 270), 0.03, 128),
    ]
    graph = check(
        model_bytes(tensors, [OperatorSpec("CONCATENATION", [0, 1, 2], [3], {"axis": 1})], [0, 1, 2], [3]), runs=8
    )
    assert [n.op.kind for n in graph.nodes] == ["lookup", "lookup", "concat"]
    check_kernels(graph)


@pytest.mark.parametrize("code", ["MEAN", "SUM", "REDUCE_MAX"])
def test_reductions(code: str) -> None:
    axes = TensorSpec("axes", (2,), np.int32, data=[1, 2])
    y = u8(
        "y",
        (1, 3),
        0.1 if code == "REDUCE_MAX" else 0.09 if code == "MEAN" else 3.0,
        37 if code == "REDUCE_MAX" else 40,
    )
    check(model_bytes([u8("x", (1, 7, 6, 3), 0.1, 37), axes, y], [OperatorSpec(code, [0, 1], [2])], [0], [2]), apart=1)


def test_moves_and_what_reads_the_stored_number() -> None:
    x, pads = u8("x", (2, 3), 0.1, 37), TensorSpec("pads", (2, 2), np.int32, data=[[0, 1], [1, 0]])
    padded, raw = u8("y", (3, 4), 0.1, 37), TensorSpec("raw", (3, 4), np.float32)
    operators = [OperatorSpec("PAD", [0, 1], [2]), OperatorSpec("CAST", [2], [3], {"in_data_type": "UINT8"})]
    check(model_bytes([x, pads, padded, raw], operators, [0], [2, 3]))
    real = TensorSpec("real", (2, 3), np.float32)
    check(model_bytes([x, u8("r", (2, 3), 0.1, 37), real],
                      [OperatorSpec("RELU", [0], [1]), OperatorSpec("DEQUANTIZE", [1], [2])], [0], [2]))  # fmt: skip


def test_the_interface_of_the_file() -> None:
    model = layer("CONV_2D", 1, {**WINDOW, "padding": "VALID"}, weights=(5, 3, 3, 4), y=(1, 3, 4, 5))
    graph = load(model, interface="file")
    check_graph(graph)
    check_kernels(graph)
    x = np.random.default_rng(0).integers(0, 256, (1, 7, 6, 4)).astype(np.uint8)
    got = run_graph(graph, [x]).values[graph.outputs[0]]
    assert (graph.inputs, graph.outputs, got.dtype) == (("x",), ("y",), np.uint8)
    assert np.array_equal(got, run_litert(model, [x])[0])
    with pytest.raises(InputError, match='interface must be one of int8, file, not "uint8"'):
        load(model, interface="uint8")


def test_an_int8_model_that_takes_and_gives_uint8_stays_as_it_is() -> None:
    tensors = [u8("x", (1, 4), 0.1, 128), TensorSpec("a", (1, 4), np.int8, 0.1, 0), TensorSpec("b", (1, 4), np.int8, 0.1, 0),
               u8("y", (1, 4), 0.1, 128)]  # fmt: skip
    operators = [OperatorSpec("QUANTIZE", [0], [1]), OperatorSpec("RELU", [1], [2]), OperatorSpec("QUANTIZE", [2], [3])]
    graph = load(model_bytes(tensors, operators, [0], [3]))
    assert [graph.tensors[n].dtype.name for n in (*graph.inputs, *graph.outputs)] == ["u8", "u8"]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("edgetpu-custom-op", "this file is what the Edge TPU compiler made: use the model before that compiler"),
        ("ethos-u", "this file is what Vela made for an Ethos-U: use the model before that compiler"),
    ],
)
def test_what_compilers_for_accelerators_leave(code: str, text: str) -> None:
    tensors = [u8("x", (1, 4), 0.1, 128), u8("y", (1, 4), 0.1, 128)]
    with pytest.raises(UnsupportedError, match=text):
        load(model_bytes(tensors, [OperatorSpec("CUSTOM", [0], [1], custom_code=code, custom_options=b"x")], [0], [1]))


def test_int8_weights_with_a_zero_point_are_refused_in_convolutions() -> None:
    x, y = TensorSpec("x", (1, 4, 4, 2), np.int8, 0.1, 3), TensorSpec("y", (1, 2, 2, 1), np.int8, 0.1, 3)
    w = TensorSpec("w", (1, 3, 3, 2), np.int8, 0.1, 5, data=np.ones((1, 3, 3, 2)))
    operator = OperatorSpec("CONV_2D", [0, 1, -1], [2], {**WINDOW, "stride_h": 1, "padding": "VALID"})
    with pytest.raises(UnsupportedError, match="must have zero point 0"):
        load(model_bytes([x, w, y], [operator], [0], [2]))
