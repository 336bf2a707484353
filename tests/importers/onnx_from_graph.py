"""An int8 Graph written as a QDQ ONNX model, channels first: the same weights, the same scales, another file format."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from skosh.ir.graph import Graph, Quant, Tensor
from tests.importers.onnx_models import model, node


class Writer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Any] = {}
        self.names: dict[str, str] = {}  # tensor -> its dequantized value in the file

    def written(self) -> onnx.ModelProto:
        (given,), (wanted,) = self.graph.inputs, self.graph.outputs
        x = self.graph.tensors[given]
        self.dequantized("x", given, x)
        for n in self.graph.nodes:
            getattr(self, n.op.kind)(n, n.op, *n.inputs)
        last = self.nodes.pop()  # the output stays int8
        self.nodes[-1].output[0] = "y"
        assert last.output[0] == self.names[wanted]
        shape = (x.shape[0], x.shape[3], *x.shape[1:3])
        types = {"x": TensorProto.INT8, "y": TensorProto.INT8}
        return model(self.nodes, {"x": shape}, self.constants, types=types)

    def dequantized(self, integers: str, tensor: str, t: Tensor) -> None:
        name = f"t{len(self.names)}"
        self.names[tensor] = name
        self.nodes.append(node("DequantizeLinear", f"{integers} {self.scale(name, t.quant)}", name))

    def scale(self, name: str, quant: Quant | None) -> str:
        assert quant is not None
        self.constants |= {f"{name}_s": np.float32(quant.scale), f"{name}_z": np.int8(quant.zero_point)}
        return f"{name}_s {name}_z"

    def finish(self, n: Any, kind: str, inputs: str, activation: str = "none", **attributes: Any) -> None:
        """The operator, its clamp, QuantizeLinear and DequantizeLinear."""
        t, name = self.graph.tensors[n.outputs[0]], f"v{len(self.nodes)}"
        self.nodes.append(node(kind, inputs, name, **attributes))
        if activation == "relu":
            self.nodes.append(node("Relu", name, f"{name}_relu"))
            name += "_relu"
        elif activation == "relu6":
            self.constants |= {"zero": np.float32(0), "six": np.float32(6)}
            self.nodes.append(node("Clip", f"{name} zero six", f"{name}_clip"))
            name += "_clip"
        else:
            assert activation == "none"
        self.nodes.append(node("QuantizeLinear", f"{name} {self.scale(name, t.quant)}", f"{name}_q"))
        self.dequantized(f"{name}_q", n.outputs[0], t)

    def weights(self, tensor: str, perm: tuple[int, ...]) -> str:
        t, name = self.graph.tensors[tensor], f"w{len(self.constants)}"
        assert t.data is not None and t.quant is not None
        axis = perm.index(t.quant.axis) if t.quant.axis is not None else 0
        several = len(t.quant.scales) > 1
        scales = np.array(t.quant.scales if several else t.quant.scales[0], np.float32)
        self.constants |= {
            f"{name}_q": t.data.transpose(perm),
            f"{name}_s": scales,
            f"{name}_z": np.zeros(scales.shape, t.data.dtype),
        }
        self.nodes.append(
            node("DequantizeLinear", f"{name}_q {name}_s {name}_z", name, **({"axis": axis} if several else {}))
        )
        return name

    def conv2d(
        self, n: Any, op: Any, x: str, w: str, bias: str, perm: tuple[int, ...] = (0, 3, 1, 2), group: int = 1
    ) -> None:
        top, bottom, left, right = op.pads
        inputs = f"{self.names[x]} {self.weights(w, perm)} {self.weights(bias, (0,))}"
        attributes = {"pads": [top, left, bottom, right], "strides": list(op.stride), "group": group}
        self.finish(n, "Conv", inputs, op.activation, **attributes)

    def depthwise_conv2d(self, n: Any, op: Any, x: str, w: str, bias: str) -> None:
        self.conv2d(n, op, x, w, bias, (3, 0, 1, 2), self.graph.tensors[x].shape[3])

    def dense(self, n: Any, op: Any, x: str, w: str, bias: str) -> None:
        self.finish(
            n, "Gemm", f"{self.names[x]} {self.weights(w, (0, 1))} {self.weights(bias, (0,))}", op.activation, transB=1
        )

    def average_pool2d(self, n: Any, op: Any, x: str) -> None:
        assert op.pads == (0, 0, 0, 0)
        self.finish(n, "AveragePool", self.names[x], kernel_shape=list(op.size), strides=list(op.stride))

    def reshape(self, n: Any, op: Any, x: str) -> None:
        self.finish(n, "Flatten", self.names[x])

    def add(self, n: Any, op: Any, a: str, b: str) -> None:
        self.finish(n, "Add", f"{self.names[a]} {self.names[b]}", op.activation)

    def softmax(self, n: Any, op: Any, x: str) -> None:
        self.finish(n, "Softmax", self.names[x])
