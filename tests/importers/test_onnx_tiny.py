"""MLPerf Tiny's networks as QDQ ONNX, with the TFLite files' weights and scales: same integers, same cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import skosh
from skosh.ops.elements.elementwise import Add
from skosh.ops.layers.dense import Dense
from skosh.optimize import optimize_graph
from tests.importers.onnx_from_graph import Writer
from tests.importers.onnx_models import kinds, reference, runtime
from tests.support.shared import models_folder

NETWORKS = ("kws", "ic", "vww")


def both(name: str) -> tuple[Any, Any, Any]:
    """(the TFLite file's graph, the same as ONNX, that loaded)."""
    graph = skosh.load(models_folder() / f"{name}.tflite")
    proto = Writer(graph).written()
    return graph, proto, skosh.load(proto, name=graph.name, layout="nhwc")


def operators(graph: Any) -> list[Any]:
    """All but views; a dense layer of one row has the same shape either way."""
    ops = [n.op for n in graph.nodes if not n.op.view]
    plain = [replace(op, keep_dims=False) if isinstance(op, Dense) else op for op in ops]
    return [replace(op, open=False) if isinstance(op, Add) else op for op in plain]  # infinities are for floats


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_is_that_of_the_tflite_file(name: str) -> None:
    """After optimization: the same operators in the same order, and bit for bit the same values in between."""
    source, proto, graph = both(name)
    old, new = (optimize_graph(g) for g in (source, graph))
    assert "transpose" not in kinds(new)
    assert operators(new) == operators(old)
    x = np.random.default_rng(1).integers(-128, 128, source.tensors[source.inputs[0]].shape).astype(np.int8)
    (want,), (got,) = reference(source, [x]), reference(graph, [x])
    assert np.array_equal(got, want)
    (theirs,) = runtime(proto, [x.transpose(0, 3, 1, 2)])  # rounds once where TFLite Micro rounds twice
    assert np.argmax(theirs) == np.argmax(got)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_c_costs_what_that_of_the_tflite_file_does(name: str) -> None:
    """Instructions on a Cortex-M4 within 1 %."""
    source, _, graph = both(name)
    old, new = (skosh.compile(g, target="cortex-m4") for g in (source, graph))
    assert new.verify(samples=1).bit_exact
    assert new.profile().instructions <= 1.01 * old.profile().instructions
