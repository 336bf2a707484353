"""Conv2D, DepthwiseConv2D and TransposeConv against TFLM, on random shapes, strides, dilations, types and scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from skosh.ir.call import Scratch
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_graph import run_graph
from skosh.ops.layers.windows import Window
from tests.ops.layers import ACTIVATIONS, activation_tensor, bias_tensor, layer, output_scale, weights_tensor
from tests.ops.one_operator import check
from tests.support.agree import assert_agrees, random_input
from tests.support.tflite_writer import TensorSpec

Generator = np.random.Generator
BIASES = {"int8": ("int32", None), "int16": ("int64", "int32", None), "float32": ("float32", None)}


def random_geometry(rng: Generator) -> dict[str, Any]:
    """Sizes that fit each other, and the options that say so."""
    kernel, stride = rng.integers(1, 5, 2), rng.integers(1, 4, 2)
    dilation = rng.integers(1, 3, 2) if rng.random() < 0.3 else np.ones(2, int)
    padding = str(rng.choice(["SAME", "VALID"]))
    reach = (kernel - 1) * dilation + 1
    size = rng.integers(reach if padding == "VALID" else np.ones(2, int), reach + 4)
    out = -(-size // stride) if padding == "SAME" else (size - reach) // stride + 1
    options = {
        "padding": padding,
        "stride_h": int(stride[0]),
        "stride_w": int(stride[1]),
        "dilation_h_factor": int(dilation[0]),
        "dilation_w_factor": int(dilation[1]),
        "fused_activation_function": str(rng.choice(ACTIVATIONS)),
    }
    return {"kernel": kernel, "size": size, "out": out, "options": options, "stride": stride}


def conv_model(seed: int, dtype: str, depthwise: bool = False) -> bytes:
    rng = np.random.default_rng(seed)
    g = random_geometry(rng)
    batch, per_channel = int(rng.choice([1, 1, 2])), bool(rng.random() < 0.7)
    if depthwise:
        channels, multiplier = (int(n) for n in rng.integers(1, 4, 2))
        filters, depth = channels * multiplier, 1
        w = weights_tensor("w", (1, *g["kernel"], filters), dtype, rng, 3, per_channel)
        g["options"]["depth_multiplier"] = multiplier
    else:
        groups, depth = int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 4))
        channels, filters = groups * depth, groups * int(rng.integers(1, 5))
        w = weights_tensor("w", (filters, *g["kernel"], depth), dtype, rng, 0, per_channel)
    x = activation_tensor("x", (batch, *g["size"], channels), dtype, rng)
    y = activation_tensor(
        "y", (batch, *g["out"], filters), dtype, rng, output_scale(x, w, int(np.prod(g["kernel"])) * depth, rng)
    )
    bias = rng.choice([b for b in BIASES[dtype] if not (depthwise and dtype == "int16" and b == "int32")])
    tensors = [x, w, y] if bias is None else [x, w, bias_tensor("b", filters, str(bias), rng), y]
    return layer("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", tensors, g["options"])


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(14))
def test_conv2d_equals_tflm(seed: int, dtype: str) -> None:
    check(conv_model(seed, dtype), runs=1)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(14))
def test_depthwise_equals_tflm(seed: int, dtype: str) -> None:
    check(conv_model(1000 + seed, dtype, depthwise=True), runs=1)


def transpose_model(seed: int, dtype: str) -> bytes:
    rng = np.random.default_rng(seed)
    kernel, stride, size = rng.integers(1, 5, 2), rng.integers(1, 4, 2), rng.integers(1, 4, 2)
    padding = str(rng.choice(["SAME", "VALID"]))
    natural = (size - 1) * stride + kernel
    out = size * stride if padding == "SAME" else np.maximum(natural, size * stride)
    channels, filters = (int(n) for n in rng.integers(1, 5, 2))
    x = activation_tensor("x", (1, *size, channels), dtype, rng)
    w = weights_tensor("w", (filters, *kernel, channels), dtype, rng, 0, bool(rng.random() < 0.7))
    shape = (1, *(int(n) for n in out), filters)
    y = activation_tensor("y", shape, dtype, rng, output_scale(x, w, int(np.prod(kernel)) * channels, rng))
    tensors = [TensorSpec("shape", (4,), "int32", data=shape), w, x]
    bias = rng.choice([{"int8": "int32", "int16": "int64", "float32": "float32"}[dtype], None, "int16"])
    if bias is not None and (bias != "int16" or dtype == "int16"):
        tensors.append(bias_tensor("b", filters, str(bias), rng))
    options = {
        "padding": padding,
        "stride_h": int(stride[0]),
        "stride_w": int(stride[1]),
        "fused_activation_function": str(rng.choice(ACTIVATIONS)),
    }
    return layer("TRANSPOSE_CONV", [*tensors, y], options, inputs=[2])


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
@pytest.mark.parametrize("seed", range(14))
def test_transpose_conv_equals_tflm(seed: int, dtype: str) -> None:
    check(transpose_model(2000 + seed, dtype), runs=1)


@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_kernels_without_scratch_memory_agree(seed: int, depthwise: bool) -> None:
    graph = load(conv_model(3000 + seed, "int8", depthwise), name="test")
    (node,) = graph.nodes
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    run = run_graph(graph, [random_input(graph.tensors["x"], np.random.default_rng(seed))])
    calls = node.op.frugal_calls(ins, outs)
    assert not any(isinstance(b, Scratch) for c in calls for b in c.buffers.values())
    (got,) = run_calls(node.op, ins, outs, [run.values[n] for n in node.inputs], calls=calls)
    assert_agrees(got, run.values["y"], "kernels without scratch memory")


def test_a_huge_window_on_a_small_input_costs_nothing() -> None:
    window = Window((1 << 20, 1 << 20), (1, 1), (1 << 19, 1 << 19, 1 << 19, 1 << 19))
    assert len(list(window.taps(3, 3))) == (4 + 3 - 1) ** 2  # 4 outputs a side, 3 inputs a side


def test_a_filter_that_does_not_fit_is_a_model_error() -> None:
    rng = np.random.default_rng(0)
    x, y = activation_tensor("x", (1, 2, 2, 1), "int8", rng), activation_tensor("y", (1, 1, 1, 1), "int8", rng)
    w = weights_tensor("w", (1, 3, 3, 1), "int8", rng, 0, False)
    with pytest.raises(ModelError, match=r"a window of \(3, 3\) must fit the input of \(2, 2\)"):
        load(layer("CONV_2D", [x, w, y], {"padding": "VALID", "stride_h": 1, "stride_w": 1}))
