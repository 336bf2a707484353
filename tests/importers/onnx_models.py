"""Small ONNX models made with onnx.helper, and what onnxruntime computes for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph

FLOAT = TensorProto.FLOAT


def node(kind: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """Names are separated by spaces; "_" is an absent input."""
    names = ["" if n == "_" else n for n in inputs.split()]
    return helper.make_node(kind, names, outputs.split(), name=outputs.split()[0], **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Sequence[int | str]],
    constants: dict[str, Any] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 20,
    types: dict[str, int] | None = None,
) -> onnx.ModelProto:
    """Constants: float32 unless they are integer arrays."""
    kinds = types or {}
    made = {
        n: np.asarray(v, np.float32 if np.asarray(v).dtype.kind == "f" else None) for n, v in (constants or {}).items()
    }
    graph = helper.make_graph(
        list(nodes),
        "made",
        [helper.make_tensor_value_info(n, kinds.get(n, FLOAT), list(s)) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kinds.get(n, FLOAT), None) for n in outputs],
        [numpy_helper.from_array(v, n) for n, v in made.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def runtime(proto: onnx.ModelProto, values: Sequence[Array]) -> list[Array]:
    """What onnxruntime's plain kernels give."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, dict(zip((i.name for i in session.get_inputs()), values, strict=True))))


def reference(graph: Graph, values: Sequence[Array]) -> list[Array]:
    found = run_graph(graph, list(values)).values
    return [found[n] for n in graph.outputs]


def kinds(graph: Graph) -> list[str]:
    return [n.op.kind for n in graph.nodes]


def random(shape: Sequence[int], seed: int = 0, scale: float = 1.0) -> Array:
    return (np.random.default_rng(seed).normal(size=tuple(shape)) * scale).astype(np.float32)
