"""Models whose operators are integers themselves (QLinearConv and its kin): the same graphs as their QDQ forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx

import skosh
from skosh.ir.text import graph_text
from tests.importers.onnx_models import kinds, model, node, random, reference, runtime


def network() -> Any:
    """conv, relu, depthwise, residual, concat, average pool, sigmoid, gemm."""
    constants = {
        "w1": random((8, 3, 3, 3), 1, 0.2), "b1": random((8,), 2, 0.2), "w2": random((8, 1, 3, 3), 3, 0.4),
        "w3": random((5, 16), 4, 0.3), "b3": random((5,), 5, 0.3),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w1 b1", "c1", pads=[1, 1, 1, 1]), node("Relu", "c1", "r1"),
        node("Conv", "r1 w2", "c2", pads=[1, 1, 1, 1], group=8), node("Add", "r1 c2", "s"), node("Mul", "s c2", "m"),
        node("Concat", "s m", "j", axis=1), node("AveragePool", "j", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("LeakyRelu", "p", "l", alpha=0.1), node("GlobalAveragePool", "l", "g"), node("Flatten", "g", "f"),
        node("Gemm", "f w3 b3", "d", transB=1), node("Sigmoid", "d"),
    ]  # fmt: skip
    return model(nodes, {"x": (1, 3, 8, 8)}, constants, opset=17)


def quantized(proto: Any, folder: Path, form: str) -> Any:
    """By onnxruntime's own quantizer, int8, calibrated on a few random images."""
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [{"x": random((1, 3, 8, 8), k)} for k in range(8)]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    source, made = folder / "float.onnx", folder / f"{form}.onnx"
    onnx.save(proto, source)
    q.quantize_static(
        str(source), str(made), Reader(), quant_format=q.QuantFormat[form], per_channel=True,
        activation_type=q.QuantType.QInt8, weight_type=q.QuantType.QInt8,
    )  # fmt: skip
    return onnx.load(made)


def test_a_model_of_integer_operators_is_what_its_qdq_form_is(tmp_path: Path) -> None:
    proto = network()
    integers, pairs = (quantized(proto, tmp_path, form) for form in ("QOperator", "QDQ"))
    kept = {n.op_type for n in integers.graph.node}
    assert {"QLinearConv", "QGemm", "QLinearAdd", "QLinearConcat", "QLinearAveragePool"} <= kept
    graph, other = skosh.load(integers), skosh.load(pairs)
    assert "dequantize" not in kinds(graph)[:-1], graph_text(graph)
    for k in range(10, 14):
        x = [random((1, 3, 8, 8), k)]
        (got,), (want,), (qdq,) = reference(graph, x), runtime(integers, x), reference(other, x)
        assert np.abs(got - want).max() <= 0.0201  # steps of 1/256, and what four layers in a row may round differently
        assert np.abs(got - qdq).max() <= 0.0201


def test_a_matrix_product_of_integers() -> None:
    scale, zero = np.float32(0.02), np.int8(3)
    constants = {
        "s": scale, "z": zero, "w": np.arange(-20, 20, dtype=np.int8).reshape(8, 5), "ws": np.float32(0.01),
        "wz": np.int8(0), "ys": np.float32(0.004), "yz": np.int8(-7),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("QLinearMatMul", "q s z w ws wz ys yz", "m"),
        node("DequantizeLinear", "m ys yz"),
    ]  # fmt: skip
    proto = model(nodes, {"x": (1, 8)}, constants, opset=17)
    graph = skosh.load(proto)
    assert kinds(graph) == ["quantize", "dense", "dequantize"]
    x = [random((1, 8), 1)]
    assert np.abs(reference(graph, x)[0] - runtime(proto, x)[0]).max() <= 0.004 * 1.001


def test_scales_that_are_found_at_run_time_are_computed() -> None:
    nodes = [
        node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z", "i"), node("Cast", "i", "f", to=1),
        node("Mul", "f s"),
    ]  # fmt: skip
    proto = model(nodes, {"x": (1, 8)}, {"w": random((8, 5), 1, 50).astype(np.int8)}, opset=17)
    x = random((1, 8), 2)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert np.allclose(got, want, rtol=1e-6)
