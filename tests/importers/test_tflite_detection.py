"""TFLite_Detection_PostProcess against TFLite Micro's own, which leaves the places beyond the boxes found as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flatbuffers import flexbuffers

from skosh.base.errors import UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check_kernels
from tests.support.litert import run_litert
from tests.support.tflite_writer import OperatorSpec, TensorSpec, model_bytes
from tests.support.tflm import run_tflm

USUAL = {
    "max_detections": 6, "max_classes_per_detection": 1, "detections_per_class": 100, "use_regular_nms": False,
    "nms_score_threshold": 0.2, "nms_iou_threshold": 0.5, "num_classes": 3,
    "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
}  # fmt: skip


def anchors(count: int) -> Any:
    rng = np.random.default_rng(7)
    return np.concatenate([rng.uniform(0.2, 0.8, (count, 2)), rng.uniform(0.1, 0.5, (count, 2))], 1).astype(np.float32)


def model(count: int = 20, background: int = 1, quantized: bool = False, **options: Any) -> bytes:
    custom = bytes(flexbuffers.Dumps(USUAL | options))
    kinds = USUAL["num_classes"] + background
    slots = (USUAL | options)["max_detections"]
    outputs = [TensorSpec(n, s, np.float32) for n, s in (
        ("boxes", (1, slots, 4)), ("classes", (1, slots)), ("scores", (1, slots)), ("count", (1,)))]  # fmt: skip
    if quantized:
        given = [
            TensorSpec("codes", (1, count, 4), np.uint8, 0.04, 128),
            TensorSpec("values", (1, count, kinds), np.uint8, 1 / 256, 0),
        ]
        fixed = TensorSpec("anchors", (count, 4), np.uint8, 1 / 250, 3, data=np.round(anchors(count) * 250 + 3))
    else:
        given = [TensorSpec("codes", (1, count, 4), np.float32), TensorSpec("values", (1, count, kinds), np.float32)]
        fixed = TensorSpec("anchors", (count, 4), np.float32, data=anchors(count))
    operator = OperatorSpec(
        "CUSTOM", [0, 1, 2], [3, 4, 5, 6], custom_code="TFLite_Detection_PostProcess", custom_options=custom
    )
    return model_bytes([*given, fixed, *outputs], [operator], [0, 1], [3, 4, 5, 6])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "options",
    [{}, {"background": 0}, {"nms_iou_threshold": 0.1, "nms_score_threshold": 0.9}],
    ids=str,
)
def test_what_a_detector_finds(options: Any, seed: int) -> None:
    data = model(**options)
    graph = load(data)
    check_graph(graph)
    rng = np.random.default_rng(seed)
    codes, values = graph.required(graph.inputs)
    given = [rng.normal(0, 2, codes.shape).astype(np.float32), rng.uniform(0, 1, values.shape).astype(np.float32)]
    if seed == 4:
        given[1] = np.round(given[1] * 4).astype(np.float32) / 4  # many equal scores
    run = run_graph(graph, given).values
    got, want = [run[n] for n in graph.outputs], run_tflm(data, given)
    found = int(want[3][0])
    assert got[3].tolist() == [found]
    for mine, theirs in zip(got[:3], want[:3], strict=True):
        assert np.allclose(mine[0, :found], theirs[0, :found], atol=1e-6)
        assert not mine[0, found:].any()
    if seed in (0, 4):
        check_kernels(graph)


def test_quantized_detectors_are_read_as_floats() -> None:
    data = model(quantized=True)
    graph = load(data)
    rng = np.random.default_rng(1)
    given = [rng.integers(0, 256, t.shape).astype(np.uint8) for t in graph.required(graph.inputs)]
    run, want = run_graph(graph, given).values, run_litert(data, given)
    assert run[graph.outputs[3]] == want[3] > 1
    found = int(want[3][0])
    for name, theirs in zip(graph.outputs, want[:3], strict=False):
        assert np.allclose(run[name][0, :found], theirs[0, :found], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"use_regular_nms": True}, "with use_regular_nms isn't supported. Hint: export the model with"),
        ({"max_classes_per_detection": 2}, "must give one class for each box"),
        ({"mystery": 1}, "have mystery, which isn't read here"),
        ({"nms_iou_threshold": 0.0}, r"the threshold of the overlap must be in \(0, 1\]"),
        ({"num_classes": 7}, "scores of 7 classes, and a background perhaps, can't have shape"),
        ({"max_detections": 1 << 30}, "are out of proportion"),
    ],
)
def test_what_it_does_not_do(options: Any, text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        load(model(**options) if "max_detections" not in options else model_with(options))


def model_with(options: Any) -> bytes:
    """The usual outputs, and other options."""
    return model().replace(bytes(flexbuffers.Dumps(USUAL)), bytes(flexbuffers.Dumps(USUAL | options)))


def test_damaged_options() -> None:
    good = bytes(flexbuffers.Dumps(USUAL))
    for end in range(0, len(good), 3):
        with pytest.raises(UnsupportedError):
            load(model().replace(good, good[:end].ljust(len(good), b"\xff")))
