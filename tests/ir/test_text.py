"""The text form of a graph: names, kinds, shapes, types, quantization, attributes."""

from __future__ import annotations

import numpy as np

from skosh.importers import load
from skosh.ir.text import graph_text
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes


def test_text_of_a_small_graph() -> None:
    tensors = [
        TensorSpec("x", (1, 2, 2, 3), "int8", 0.5, 3),
        TensorSpec("w", (2, 1, 1, 3), "int8", [0.25, 0.125], 0, 0, data=np.ones((2, 1, 1, 3))),
        TensorSpec("b", (2,), "int32", data=[7, -7]),
        TensorSpec("relu;bias;conv", (1, 2, 2, 2), "int8", 0.75, -128),
        TensorSpec("shape", (2,), "int32", data=[1, 8]),
        TensorSpec("flat", (1, 8), "int8", 0.75, -128),
    ]
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "fused_activation_function": "RELU"}
    operators = [OperatorSpec("CONV_2D", [0, 1, 2], [3], options), OperatorSpec("RESHAPE", [3, 4], [5])]
    graph = load(model_bytes(tensors, operators, [0], [5]), name="tiny")
    assert graph_text(graph).splitlines() == [
        "graph tiny: 2 nodes, 24 MACs",
        "in   %x i8[1, 2, 2, 3] scale 0.5 zero 3",
        "0    %relu i8[1, 2, 2, 2] scale 0.75 zero -128 = conv2d(%x, const i8[2, 1, 1, 3], const [7, -7])"
        "  stride=(1, 1), pads=(0, 0, 0, 0), dilation=(1, 1), activation=relu  # 24 MACs",
        "1    %flat i8[1, 8] scale 0.75 zero -128 = reshape(%relu)  shape=(1, 8)",
        "out  %flat",
    ]
