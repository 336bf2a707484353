"""Real models: the graph means exactly what TensorFlow Lite Micro computed on a Cortex-M4."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skosh.importers import load
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import macs
from skosh.ir.interpret_graph import run_graph
from tests.support.shared import shared_models
from tests.support.tflm import run_tflm

MACS = {
    "kws": 2_656_768, "vww": 7_489_664, "ic": 12_501_632, "ad": 264_192, "micro_speech": 336_000, "hello_world": 288,
}  # fmt: skip


@pytest.mark.parametrize("path", [p for p in shared_models() if p.with_suffix(".npz").exists()], ids=lambda p: p.stem)
def test_golden_outputs_bit_for_bit(path: Path) -> None:
    graph = load(path)
    check_graph(graph)
    if path.stem in MACS:
        assert macs(graph) == MACS[path.stem]
    with np.load(path.with_suffix(".npz")) as data:
        inputs, outputs = data["inputs"], data["outputs"]
    (x,), (y,) = graph.required(graph.inputs), graph.required(graph.outputs)
    for sample, want in zip(inputs, outputs, strict=True):
        got = run_graph(graph, [sample.reshape(x.shape)]).values[y.name]
        assert np.array_equal(got.reshape(-1), want.reshape(-1))


@pytest.mark.parametrize("path", [p for p in shared_models() if "float" in p.stem], ids=lambda p: p.stem)
def test_float_models_equal_tflm_bit_for_bit(path: Path) -> None:
    graph = load(path)
    (x,) = graph.required(graph.inputs)
    rng = np.random.default_rng(0)
    for _ in range(20):
        sample = rng.uniform(0, 6.3, x.shape).astype(np.float32)
        got = run_graph(graph, [sample]).values[graph.outputs[0]]
        assert np.array_equal(got, run_tflm(path.read_bytes(), [sample])[0])
