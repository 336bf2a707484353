"""Proofs: what is counted, and that a fault is found where it is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skosh.base.errors import InputError
from skosh.built import Build, build
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.targets import target as find_target
from skosh.verify.proof import TRACED_SAMPLES, _Count
from tests.conformance.random_models import Sketch, ring_buffer_model
from tests.ops.one_operator import model, tensor


def three_layers(seed: int = 3) -> Graph:
    """dense -> tanh -> dense, all filters alive."""
    s = Sketch(np.random.default_rng(seed))
    s.inputs = [s.add((1, 6))]

    def dense(x: int, units: int) -> int:
        w = s.constant(s.rng.integers(-100, 100, (units, s.shape(x)[1])), "int8", scales=0.01, zero_points=0)
        return s.node("FULLY_CONNECTED", [x, w, s.bias(units)], s.add((1, units)))

    middle = s.node("TANH", [dense(s.inputs[0], 8)], s.add((1, 8), like=None))
    s.tensors[middle] = replace(s.tensors[middle], scales=1 / 128, zero_points=0)
    s.outputs = [dense(middle, 5)]
    return load(s.finish(), name="m")


def made(target: str = "host", graph: Graph | None = None) -> Build:
    return build(graph or three_layers(), target=find_target(target))


@pytest.mark.parametrize("target", ["host", "cortex-m0plus"])
def test_counts(target: str) -> None:
    seen: list[int] = []
    proof = made(target).verify(10, progress=seen.append)
    assert (proof.bit_exact, proof.mismatches, proof.first_difference) == (True, 0, None)
    assert (proof.samples, proof.against, seen) == (10, ("reference",), list(range(1, 11)))
    assert proof.elements == 10 * 5 + TRACED_SAMPLES * (8 + 8 + 5)
    assert proof.as_json()["bit_exact"] is True


def test_other_oracles() -> None:
    pytest.importorskip("tflite_micro")
    proof = made("cortex-m4").verify(4, against=("reference", "host", "tflm"))
    assert (proof.bit_exact, proof.against) == (True, ("reference", "host", "tflm"))
    assert proof.elements == 3 * 4 * 5 + TRACED_SAMPLES * (8 + 8 + 5)


def test_an_oracle_that_does_not_exist() -> None:
    with pytest.raises(InputError) as caught:
        made().verify(1, against=("onnx",))
    assert str(caught.value) == 'against must name some of reference, host, tflm, tosa, library, not "onnx".'


def test_a_state_lives_from_sample_to_sample() -> None:
    graph = load(ring_buffer_model(1), name="stream")
    proof = made("cortex-m4", graph).verify(12, against=("reference", "host", "tflm"))
    assert proof.bit_exact, proof.first_difference
    assert proof.bit_exact == made("host", graph).verify(12).bit_exact


# ------------------------------------------------------------------------------------------------------------ a fault


def with_fault(good: Build, array: str, element: int) -> Build:
    """The build with one weight of the emitted C one larger."""
    name = good.program.name
    text = good.sources[f"{name}_weights.c"]
    start = text.index("{", text.index(f" {array}[", text.index(f"const int8_t {array}[") + 1)) + 1
    numbers = list(re.finditer(r"-?\d+", text[start : text.index("}", start)]))
    hit = numbers[element]
    value = int(hit.group()) + (1 if int(hit.group()) < 127 else -1)
    broken = text[: start + hit.start()] + str(value) + text[start + hit.end() :]
    compiled = replace(good.compiled, sources={**good.sources, f"{name}_weights.c": broken})
    return Build(compiled, good.target, good.optimize)


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_fault_is_found_in_its_layer(layer: int, target: str) -> None:
    good = made(target)
    node = good.program.layers[layer]
    (array,) = [d.name for d in good.program.data if d.name.startswith(node.name) and d.name.endswith("weight")]
    proof = with_fault(good, array, 0).verify(8)
    assert not proof.bit_exact
    assert proof.mismatches > 0
    first = proof.first_difference
    assert first is not None
    assert (first.layer, first.tensor, first.index, first.against) == (
        node.name,
        node.node.outputs[0],
        (0, 0),
        "reference",
    )
    assert abs(first.expected - first.got) >= 1
    assert str(first) == (
        f"sample {first.sample}: {node.name}: {first.tensor}[0, 0] is {first.got}, not {first.expected} as reference has it"
    )


def test_a_golden_output_that_differs(tmp_path: Path) -> None:
    good = made()
    x = np.random.default_rng(0).integers(-128, 128, (4, 6)).astype(np.int8)
    y = good.run(x)
    np.savez(tmp_path / "right.npz", inputs=x, outputs=y)
    proof = good.verify(golden=tmp_path / "right.npz")
    assert (proof.bit_exact, proof.samples, proof.against) == (True, 4, ("reference", "golden"))
    wrong = y.copy()
    wrong[2, 3] ^= 1
    np.savez(tmp_path / "wrong.npz", inputs=x, outputs=wrong)
    proof = good.verify(golden=tmp_path / "wrong.npz")
    assert (proof.bit_exact, proof.mismatches) == (False, 1)
    first = proof.first_difference
    assert first is not None
    assert (first.against, first.sample, first.layer, first.index) == ("golden", 2, "output", (0, 3))
    assert (first.expected, first.got) == (wrong[2, 3], y[2, 3])


# ---------------------------------------------------------------------------------------------------------------- bits


def compared(want: Any, got: Any) -> tuple[int, Any]:
    count = _Count()
    count.compare("reference", 0, "output", "y", np.asarray(want), np.asarray(got))
    return count.mismatches, count.first.index if count.first else None


def test_nan_equals_nan_and_zero_has_a_sign() -> None:
    other_nan = np.array([0x7FC00001], np.uint32).view(np.float32)
    assert compared(np.array([np.nan], np.float32), other_nan) == (0, None)
    assert compared(np.array([1.0, np.nan], np.float32), np.array([1.0, 2.0], np.float32)) == (1, (1,))
    assert compared(np.array([0.0], np.float32), np.array([-0.0], np.float32)) == (1, (0,))
    assert compared(np.float32(1), np.float32(2)) == (1, ())
    assert compared(np.zeros((2, 3), np.int16), np.array([[0, 0, 0], [0, 5, 0]], np.int16)) == (1, (1, 1))
    assert compared(np.zeros((0, 3), np.int16), np.zeros((0, 3), np.int16)) == (0, None)


def test_nan_and_infinity_pass_through_a_float_model() -> None:
    graph = load(
        model("ADD", [tensor((1, 8), "float32"), tensor((1, 8), "float32")], [tensor((1, 8), "float32")]), name="f"
    )
    x = np.array([[np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, 3e38, -1]], np.float32)
    for target in ("host", "cortex-m0plus", "cortex-m4"):
        b = made(target, graph)
        assert b.verify([x, x[:, ::-1].copy()]).bit_exact
