"""Files of onnxruntime's quantizers in all their forms, each made by its tool, against onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static

import skosh
from tests.importers.onnx_models import model, node, random, reference, runtime

SHAPE = (1, 3, 12, 12)
INT8, UINT8, INT16, UINT16 = QuantType.QInt8, QuantType.QUInt8, QuantType.QInt16, QuantType.QUInt16


@pytest.fixture(scope="module")
def source(tmp_path_factory: Any) -> Path:
    """A convolution, a depthwise one, a mean and a dense layer, in floats."""
    constants = {"w1": random((8, 3, 3, 3), 1, 0.3), "b1": random((8,), 2, 0.1), "w2": random((8, 1, 3, 3), 3, 0.3),
                 "w3": random((10, 8), 4, 0.3), "b3": random((10,), 5, 0.1)}  # fmt: skip
    nodes = [
        node("Conv", "x w1 b1", "c1", pads=[1, 1, 1, 1]), node("Relu", "c1", "r1"),
        node("Conv", "r1 w2", "c2", group=8, strides=[2, 2]), node("Relu", "c2", "r2"),
        node("GlobalAveragePool", "r2", "g"), node("Flatten", "g", "f"), node("Gemm", "f w3 b3", "y", transB=1),
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("quantizers") / "net.onnx"
    made = model(nodes, {"x": SHAPE}, constants, opset=21)
    made.ir_version = 10
    onnx.save(made, path)
    return path


class Samples:
    """What the calibration reads."""

    def __init__(self) -> None:
        self.rows: Iterator[Any] = iter([{"x": random(SHAPE, seed)} for seed in range(4)])

    def get_next(self) -> Any:
        return next(self.rows, None)


def worst(path: Path) -> tuple[float, float]:
    """(the largest difference, the largest output) of a few runs."""
    graph, proto, apart, size = skosh.load(path), onnx.load(path), 0.0, 0.0
    for seed in range(3):
        x = random(SHAPE, seed)
        (want,), (got,) = runtime(proto, [x]), reference(graph, [x])
        apart, size = max(apart, float(np.abs(got - want).max())), max(size, float(np.abs(want).max()))
    return apart, size


STATIC = [
    (form, kind, weights, per_channel)
    for form in (QuantFormat.QDQ, QuantFormat.QOperator)
    for kind, weights in ((INT8, INT8), (UINT8, INT8), (UINT8, UINT8), (INT16, INT8), (UINT16, INT8), (UINT16, UINT8))
    for per_channel in (False, True)
    if not (form == QuantFormat.QOperator and kind in (INT16, UINT16)) and not (per_channel and weights == UINT8)
]


@pytest.mark.parametrize(("form", "kind", "weights", "per_channel"), STATIC, ids=lambda v: str(v))
def test_static(source: Path, tmp_path: Path, form: Any, kind: Any, weights: Any, per_channel: bool) -> None:
    """To a step of the output: integers are rounded as TensorFlow Lite rounds them; of 16 bits nearly as the file means it."""
    path = tmp_path / "q.onnx"
    types = {"activation_type": kind, "weight_type": weights, "per_channel": per_channel}
    quantize_static(source, path, Samples(), quant_format=form, **types)
    apart, size = worst(path)
    assert apart <= (2.5 / 127 if kind in (INT8, UINT8) else 1e-3) * size


@pytest.mark.parametrize("weights", [INT8, UINT8])
def test_dynamic(source: Path, tmp_path: Path, weights: Any) -> None:
    """Scales found at run time are computed in floats."""
    path = tmp_path / "d.onnx"
    quantize_dynamic(source, path, weight_type=weights)
    apart, size = worst(path)
    assert apart <= 1e-5 * size


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("depth", [64, 40])
def test_weights_of_four_bits(tmp_path: Path, form: Any, symmetric: bool, depth: int) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    plain = model(
        [node("MatMul", "x w", "h"), node("Relu", "h")], {"x": (1, depth)}, {"w": random((depth, 16))}, opset=21
    )
    plain.ir_version = 10
    tool = MatMulNBitsQuantizer(plain, block_size=32, is_symmetric=symmetric, quant_format=form)
    tool.process()
    made, x = tool.model.model, random((1, depth), 3)
    (want,), (got,) = runtime(made, [x]), reference(skosh.load(made), [x])
    assert np.allclose(got, want, atol=2e-5)
