"""QDQ models: integers in the file become integer operators, with no float in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import skosh
from skosh.base.dtypes import i8
from skosh.ir.graph import Array
from skosh.optimize import optimize_graph
from tests.importers.onnx_models import kinds, model, node, random, reference, runtime


class Qdq:
    """A QDQ model under construction. unsigned: activations are uint8 in the file, as onnxruntime's quantizer makes them."""

    def __init__(self, unsigned: bool = False) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.unsigned = unsigned

    def weights(self, name: str, values: Array, axis: int | None) -> str:
        """int8, symmetric, a scale for each index of the axis."""
        others = None if axis is None else tuple(a for a in range(values.ndim) if a != axis)
        scale = (np.abs(values).max(axis=others) / 127).astype(np.float32)
        along = [1] * values.ndim
        if axis is not None:
            along[axis] = -1
        q = np.clip(np.rint(values / scale.reshape(along)), -127, 127).astype(np.int8)
        return self.dequantized(name, q, scale, np.zeros(scale.shape, np.int8), axis)

    def bias(self, name: str, values: Array, scale: Array) -> str:
        scale = scale.astype(np.float32)
        q = np.rint(values / scale).astype(np.int32)
        return self.dequantized(name, q, scale, np.zeros(scale.shape, np.int32), 0)

    def dequantized(self, name: str, q: Array, scale: Array, zero: Array, axis: int | None) -> str:
        self.constants |= {f"{name}_q": q, f"{name}_s": scale, f"{name}_z": zero}
        attributes = {} if axis is None else {"axis": axis}
        self.nodes.append(node("DequantizeLinear", f"{name}_q {name}_s {name}_z", name, **attributes))
        return name

    def pair(self, x: str, scale: float, zero: int, name: str) -> str:
        """QuantizeLinear, DequantizeLinear of an activation; zero: that of int8."""
        kind, moved = (np.uint8, zero + 128) if self.unsigned else (np.int8, zero)
        self.constants |= {f"{name}_s": np.float32(scale), f"{name}_z": np.array(moved, kind)}
        self.nodes.append(node("QuantizeLinear", f"{x} {name}_s {name}_z", f"{name}_q"))
        self.nodes.append(node("DequantizeLinear", f"{name}_q {name}_s {name}_z", name))
        return name

    def add(self, *nodes: Any) -> None:
        self.nodes.extend(nodes)

    def model(self, **inputs: Any) -> Any:
        return model(self.nodes, inputs, self.constants)


def network(unsigned: bool) -> Any:
    """conv, relu, depthwise, residual, max pool, flatten, gemm, softmax."""
    b = Qdq(unsigned)
    b.pair("x", 1 / 64, 3, "xq")
    w = random((8, 3, 3, 3), 1, 0.2)
    b.weights("w1", w, 0)
    b.bias("b1", random((8,), 2, 0.2), b.constants["w1_s"] / 64)
    b.add(node("Conv", "xq w1 b1", "c1", pads=[1, 1, 1, 1]), node("Relu", "c1", "r1"))
    b.pair("r1", 3 / 255, -128, "a1")
    b.weights("w2", random((8, 1, 3, 3), 3, 0.4), 0)
    b.add(node("Conv", "a1 w2", "c2", group=8, pads=[1, 1, 1, 1]))
    b.pair("c2", 6 / 255, 5, "a2")
    b.add(node("Add", "a1 a2", "s"), node("Clip", "s lo hi", "k"))
    b.constants |= {"lo": np.float32(0), "hi": np.float32(6)}
    b.pair("k", 5 / 255, -128, "a3")
    b.add(node("MaxPool", "a3", "p", kernel_shape=[2, 2], strides=[2, 2]))
    b.pair("p", 5 / 255, -128, "a4")
    b.add(node("Flatten", "a4", "f"))
    b.pair("f", 5 / 255, -128, "a5")
    b.weights("w3", random((5, 128), 4, 0.1), 0)
    b.bias("b3", random((5,), 5, 0.2), b.constants["w3_s"] * 5 / 255)
    b.add(node("Gemm", "a5 w3 b3", "g", transB=1))
    b.pair("g", 8 / 255, 0, "a6")
    b.add(node("Softmax", "a6", "t"))
    b.pair("t", 1 / 256, -128, "y")
    return b.model(x=(1, 3, 8, 8))


@pytest.mark.parametrize("unsigned", [False, True])
def test_a_network_becomes_integers_throughout(unsigned: bool) -> None:
    graph = optimize_graph(skosh.load(network(unsigned), layout="nhwc"))
    assert kinds(graph) == [
        "quantize", "conv2d", "depthwise_conv2d", "add", "max_pool2d", "dense", "softmax", "dequantize",
    ]  # fmt: skip
    inner = [graph.tensors[n.outputs[0]].dtype for n in graph.nodes[:-1]]
    assert set(inner) == {i8}


@pytest.mark.parametrize("unsigned", [False, True])
def test_a_network_is_within_one_step_a_layer_of_onnxruntime(unsigned: bool) -> None:
    """onnxruntime rounds x * (sx sw / sy) once, half to even; TFLite Micro, which we follow, twice in fixed point. So one
    output step of a layer may differ here and there; the softmax of the last layer has steps of 1/256."""
    proto = network(unsigned)
    graph = skosh.load(proto)
    far = []
    for seed in range(5):
        x = random((1, 3, 8, 8), seed)
        (want,), (got,) = runtime(proto, [x]), reference(graph, [x])
        far.append(np.abs(got - want).max() * 256)
    assert max(far) <= 2.001
    assert np.median(far) <= 1.001


def single(layer: Any, zero: int = 3) -> tuple[Any, int]:
    """One layer between pairs; (model, elements of the output)."""
    b = Qdq()
    b.pair("x", 1 / 32, zero, "xq")
    layer(b)
    b.pair("c", 1 / 16, -7, "y")
    return b.model(x=(1, 4, 9, 9)), 0


def conv(b: Qdq) -> None:
    b.weights("w", random((6, 4, 3, 3), 1, 0.3), 0)
    b.bias("bias", random((6,), 2), b.constants["w_s"] / 32)
    b.add(node("Conv", "xq w bias", "c"))


def depthwise(b: Qdq) -> None:
    b.weights("w", random((4, 1, 3, 3), 1, 0.5), 0)
    b.add(node("Conv", "xq w", "c", group=4))


def pointwise_one_scale(b: Qdq) -> None:
    b.weights("w", random((6, 4, 1, 1), 1, 0.5), None)
    b.add(node("Conv", "xq w", "c"))


def mean(b: Qdq) -> None:
    b.add(node("GlobalAveragePool", "xq", "c"))


def product(b: Qdq) -> None:
    b.add(node("Mul", "xq xq", "c"))


@pytest.mark.parametrize("layer", [conv, depthwise, pointwise_one_scale, mean, product])
def test_one_layer_differs_from_onnxruntime_by_rounding_alone(layer: Any) -> None:
    """At most one step, in fewer than 2 % of the places: those where the exact value lies near a tie."""
    proto, _ = single(layer)
    graph = skosh.load(proto)
    assert not {"f32"} & {
        str(graph.tensors[n.outputs[0]].dtype)
        for n in graph.nodes[1:]
        if n.op.kind in ("conv2d", "depthwise_conv2d", "mean", "mul")
    }
    steps = []
    for seed in range(8):
        x = random((1, 4, 9, 9), seed)
        (want,), (got,) = runtime(proto, [x]), reference(graph, [x])
        steps.append(np.rint((got - want) * 16).reshape(-1))
    found = np.abs(np.concatenate(steps))
    assert found.max() <= 1
    assert (found > 0).mean() < 0.02


def test_a_relu_and_a_max_pool_agree_with_onnxruntime_exactly() -> None:
    b = Qdq()
    b.pair("x", 1 / 32, 0, "xq")
    b.add(node("Relu", "xq", "r"))
    b.pair("r", 1 / 32, 0, "a")
    b.add(node("MaxPool", "a", "c", kernel_shape=[2, 2]))
    b.pair("c", 1 / 32, 0, "y")
    proto = b.model(x=(1, 4, 9, 9))
    x = random((1, 4, 9, 9), 3)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert np.array_equal(got, want)


def test_weights_with_zero_points_are_computed_in_floats() -> None:
    """No integer kernel takes them; the numbers are the file's all the same."""
    b = Qdq()
    b.pair("x", 1 / 32, 0, "xq")
    q = np.random.default_rng(1).integers(-100, 100, (6, 4, 3, 3)).astype(np.int8)
    b.dequantized("w", q, np.full(6, 0.01, np.float32), np.full(6, 9, np.int8), 0)
    b.add(node("Conv", "xq w", "c"))
    b.pair("c", 1 / 4, 0, "y")
    proto = b.model(x=(1, 4, 9, 9))
    graph = skosh.load(proto)
    assert "dequantize" in kinds(graph)
    x = random((1, 4, 9, 9), 3)
    (want,), (got,) = runtime(proto, [x]), reference(graph, [x])
    assert np.abs(got - want).max() <= 0.2501
    assert (got != want).mean() < 0.01


def test_a_layer_without_a_scale_for_its_output_is_computed_in_floats() -> None:
    b = Qdq()
    b.pair("x", 1 / 32, 0, "xq")
    b.weights("w", random((6, 4, 3, 3), 1, 0.3), 0)
    b.add(node("Conv", "xq w", "y"))
    proto = b.model(x=(1, 4, 9, 9))
    x = random((1, 4, 9, 9), 3)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert np.allclose(got, want, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_a_network_is_proved_on_a_device() -> None:
    build = skosh.compile(skosh.load(network(True)), target="cortex-m4")
    assert build.verify(samples=3, against=("reference", "host")).bit_exact
