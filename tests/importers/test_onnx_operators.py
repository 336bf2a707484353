"""Every operator of ONNX that skosh reads, against onnxruntime's own kernels."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import skosh
from skosh.importers.onnx import converters
from tests.importers.onnx_cases import CASES, IMAGE, ints, r
from tests.importers.onnx_models import kinds, model, node, random, reference, runtime
from tests.importers.onnx_node_cases import RIGHT, verdicts

EPS = float(np.finfo(np.float32).eps)


@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_onnxruntime_does(name: str) -> None:
    """To (8 + terms) half units in the last place of the largest output: sums are taken in another order."""
    case = CASES[name]
    proto = model(case.nodes, {"x": case.shape}, case.constants, case.outputs, case.opset, case.types)
    x = random(case.shape, seed=7)
    x = x if case.low is None else np.abs(x) + np.float32(case.low)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert got.shape == want.shape
    assert np.abs(got.astype(np.float64) - want).max() <= EPS * (8 + case.terms) / 2 * max(1.0, np.abs(want).max())


def test_every_operator_is_tried() -> None:
    tried = {n.op_type for c in CASES.values() for n in c.nodes}
    tried |= {v.operator for v in verdicts() if v.kind == RIGHT} | {"LSTM", "RNN"}  # these have a file of their own
    assert {k for k in converters() if "." not in k} - tried == set()  # test_onnx_ml has the other domains


@pytest.mark.parametrize("name", ["conv_batch_norm", "conv_scaled", "flatten_gemm", "squeeze_excite", "residual"])
def test_the_import_leaves_one_transpose_at_the_border(name: str) -> None:
    case = CASES[name]
    proto = model(case.nodes, {"x": case.shape}, case.constants, case.outputs, case.opset)
    flat = name == "flatten_gemm"  # nothing to turn back at the end
    assert kinds(skosh.load(proto)).count("transpose") == 2 - flat
    assert "transpose" not in kinds(skosh.load(proto, layout="nhwc"))
    x = random(case.shape, seed=7)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto, layout="nhwc"), [x.transpose(0, 2, 3, 1)])
    got = got if flat else got.transpose(0, 3, 1, 2)
    assert np.allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_a_batch_norm_is_folded_in_double_precision() -> None:
    """Weights times gain / sqrt(variance + epsilon), rounded to float32 once."""
    case = CASES["conv_batch_norm"]
    graph = skosh.load(model(case.nodes, {"x": IMAGE}, case.constants))
    assert kinds(graph) == ["transpose", "conv2d", "relu", "transpose"]
    gain, variance = (case.constants[k].astype(np.float64) for k in "gv")
    wanted = case.constants["w"].astype(np.float64) * (gain / np.sqrt(variance + np.float32(1e-5))).reshape(-1, 1, 1, 1)
    (conv,) = (n for n in graph.nodes if n.op.kind == "conv2d")
    assert np.array_equal(graph.tensors[conv.inputs[1]].data.transpose(0, 3, 1, 2), wanted.astype(np.float32))


def test_an_index_from_outside_is_an_embedding() -> None:
    proto = model(
        [node("Gather", "table x", "e"), node("ReduceMean", "e axes", keepdims=0)],
        {"x": (1, 6)},
        {"table": r(10, 4), "axes": ints(1)},
        types={"x": 7},
    )
    x = np.array([[3, 0, 9, 9, 1, 4]], np.int64)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert np.allclose(got, want, rtol=0, atol=8 * EPS)
