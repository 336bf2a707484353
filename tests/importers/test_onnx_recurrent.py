"""LSTM, GRU and RNN of ONNX files, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import skosh
from skosh.base.errors import SkoshError
from tests.importers.onnx_models import model, node, random, reference, runtime

STEPS, FEATURES, SIZE = 5, 3, 4
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(kind: str, direction: str, states: bool = False, **more: Any) -> Any:
    d, rows = (2 if direction == "bidirectional" else 1), GATES[kind] * SIZE
    names = {"w": (d, rows, FEATURES), "r": (d, rows, SIZE), "b": (d, 2 * rows), "h": (d, 1, SIZE), "c": (d, 1, SIZE)}
    constants = {n: random(s, seed, 0.5) for seed, (n, s) in enumerate(names.items())}
    inputs = "x w r b" + (" _ h" + " c" * (kind == "LSTM") if states else "")
    outputs = "y yh yc" if kind == "LSTM" else "y yh"
    made = node(kind, inputs, outputs, **{"direction": direction, "hidden_size": SIZE, **more})
    return model([made], {"x": (STEPS, 1, FEATURES)}, constants, outputs.split())


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "more"), [("LSTM", {}), ("GRU", {}), ("GRU", {"linear_before_reset": 1}), ("RNN", {})]
)
def test_a_layer_computes_what_onnxruntime_does(kind: str, more: Any, direction: str, states: bool) -> None:
    proto = layer(kind, direction, states, **more)
    x = random((STEPS, 1, FEATURES), 9)
    wanted, found = runtime(proto, [x]), reference(skosh.load(proto), [x])
    for want, got in zip(wanted, found, strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 2e-6


def test_an_rnn_of_relu() -> None:
    proto = layer("RNN", "bidirectional", activations=["Relu", "Relu"])
    x = random((STEPS, 1, FEATURES), 9)
    for want, got in zip(runtime(proto, [x]), reference(skosh.load(proto), [x]), strict=True):
        assert np.abs(got - want).max() <= 2e-6 * max(1.0, np.abs(want).max())


BATCH = 3


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("lengths", ["none", "constant", "input"])
def test_several_sequences_of_their_own_lengths(kind: str, direction: str, lengths: str) -> None:
    """With states to begin with, and for LSTM peepholes and a clip."""
    d, rows = (2 if direction == "bidirectional" else 1), GATES[kind] * SIZE
    names = {"w": (d, rows, FEATURES), "r": (d, rows, SIZE), "b": (d, 2 * rows), "h": (d, BATCH, SIZE), "c": (d, BATCH, SIZE),
             "p": (d, 3 * SIZE)}  # fmt: skip
    constants: dict[str, Any] = {n: random(s, seed, 0.5) for seed, (n, s) in enumerate(names.items())}
    x, said = random((STEPS, BATCH, FEATURES), 9), np.array([2, 5, 3], np.int32)
    inputs, types, values = {"x": x.shape}, {"l": 6}, [x]
    if lengths == "constant":
        constants["l"] = said
    elif lengths == "input":
        inputs["l"] = (BATCH,)
        values.append(said)
    outputs = "y yh yc" if kind == "LSTM" else "y yh"
    read = f"x w r b {'_' if lengths == 'none' else 'l'} h" + (" c p" if kind == "LSTM" else "")
    made = node(kind, read, outputs, direction=direction, hidden_size=SIZE, **({"clip": 1.5} if kind == "LSTM" else {}))
    proto = model([made], inputs, constants, outputs.split(), types=types)
    for want, got in zip(runtime(proto, values), reference(skosh.load(proto), values), strict=True):
        assert got.shape == want.shape
        assert np.abs(got - want).max() <= 2e-6


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_only_the_last_state_is_named(kind: str) -> None:
    d, rows = 1, GATES[kind] * SIZE
    constants = {"w": random((d, rows, FEATURES), 1, 0.5), "r": random((d, rows, SIZE), 2, 0.5)}
    proto = model([node(kind, "x w r", "_ yh", hidden_size=SIZE)], {"x": (STEPS, 2, FEATURES)}, constants, ["yh"])
    proto.graph.node[0].output[0] = ""
    x = random((STEPS, 2, FEATURES), 9)
    (want,), (got,) = runtime(proto, [x]), reference(skosh.load(proto), [x])
    assert np.abs(got - want).max() <= 2e-6


@pytest.mark.parametrize("more", [{"activations": ["Affine", "Tanh", "Tanh"]}, {"activation_alpha": [0.5]}, {"hidden_size": 9}])
def test_what_is_not_done_is_one_letter(more: Any) -> None:
    with pytest.raises(SkoshError):
        skosh.load(layer("LSTM", "forward", **more))
