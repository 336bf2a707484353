"""Networks with one fault each: what is said of them, and what the remedies gain."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import skosh
import skosh.quantizer.study.examine as module
from skosh.base.errors import QuantizationWarning
from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Array, Graph
from skosh.ops.elements.activations import Relu
from skosh.ops.layers.dense import Dense
from skosh.quantizer import Examination, Finding, examine

WIDTH, CLASSES = 16, 6


def net(w: Array, v: Array, bias: Array | None = None) -> Graph:
    """x -> hidden (relu) -> scores."""
    b = Builder("<test>")
    x = b.input("x", (1, w.shape[1]))
    first = b.constant("b", np.zeros(len(w)) if bias is None else bias)
    x = b.apply(Dense(), x, b.constant("w", w), first, name="hidden")
    x = b.apply(Relu("relu"), x, name="relu")
    x = b.apply(Dense(), x, b.constant("v", v), b.constant("u", np.zeros(len(v))), name="scores")
    return b.graph("net", x)


def parts(seed: int = 0) -> tuple[Array, Array, Array]:
    """(weights of both layers, samples), all usual."""
    rng = np.random.default_rng(seed)
    w, v = rng.normal(0, 0.4, (WIDTH, 8)), rng.normal(0, 0.4, (CLASSES, WIDTH))
    return w, v, rng.normal(0, 1, (200, 8)).astype(np.float32)


def looked_at(graph: Graph, x: Array, **how: object) -> Examination:
    scheme = {k: v for k, v in how.items() if k != "held_out"}
    made = skosh.quantize(graph, x, examine=False, **scheme)  # type: ignore[arg-type]
    return examine(graph, made, x, **how)  # type: ignore[arg-type]


def kinds(found: Examination) -> dict[str, str]:
    return {f.kind: f.layer for f in found.findings}


def test_a_network_without_a_fault_is_good_and_nothing_is_said() -> None:
    w, v, x = parts()
    found = looked_at(net(w, v), x)
    assert found.is_good
    assert found.lines == ()
    assert found.remedies == ()
    assert found.samples == 64
    assert [s.layer for s in found.layers] == ["hidden", "relu", "scores"]
    assert all(s.noise_db > 25 and s.beyond == 0 for s in found.layers)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        skosh.quantize(net(w, v), x, held_out=x[:50])


def test_one_sample_far_out_makes_the_range_wide_and_another_calibration_gains() -> None:
    w, v, x = parts()
    x[0] *= 1500.0
    found = looked_at(net(w, v), x, held_out=x[1:])
    assert not found.is_good
    assert found.held_out
    best = {r.options: r for r in found.remedies}
    assert "scheme=\"int16x8\"" in best
    assert best['scheme="int16x8"'].noise_db > found.noise_db + 20
    assert found.agreement is not None
    assert (found.remedies[0].agreement or 0) > found.agreement + 0.1
    assert "activation" in kinds(found)
    assert any("gives" in line and "% the same" in line for line in found.lines)


def test_values_far_from_the_others_are_named_where_they_are() -> None:
    w, v, x = parts()
    x[::100] *= 400.0
    found = looked_at(net(w, v), x)
    far = {f.layer: f.text for f in found.findings if f.kind == "activation"}
    assert set(far) == {"x", "hidden", "relu", "scores"}
    assert "but 98 % of its values are within " in far["x"]


def test_ranges_too_small_for_held_out_samples() -> None:
    w, v, x = parts()
    found = looked_at(net(w, v), x, held_out=5 * x)
    assert kinds(found)["range"] in ("hidden", "scores", "relu")
    text = next(f.text for f in found.findings if f.kind == "range")
    assert "lie beyond its integers' range [" in text
    assert max(s.beyond for s in found.layers) > 0.05
    assert all(s.beyond == 0 for s in looked_at(net(w, v), x, held_out=x).layers)


def test_one_outlier_weight() -> None:
    w, v, x = parts()
    x[:, 3] *= 0.001  # so that the weight does little in floats
    w[5, 3] = 300.0
    v[:, 5] *= 8
    found = looked_at(net(w, v), x)
    assert [f.layer for f in found.findings if f.kind == "weight"] == ["hidden"]
    text = next(f.text for f in found.findings if f.kind == "weight")
    assert text.startswith("one weight of channel 5 is 300, all others are within ")
    assert "of 127 steps" in text


def test_the_layer_that_loses_most() -> None:
    w, v, x = parts()
    w[0] *= 4000.0  # one channel of the hidden layer takes all its range
    v[:, 0] = 0.0001
    found = looked_at(net(w, v), x)
    assert not found.is_good
    assert kinds(found)["layer"] == "scores"
    best = {r.options: r.noise_db for r in found.remedies}
    assert best["equalize=True"] > found.noise_db + 10  # channels share out their ranges


def test_a_tensor_that_never_varies() -> None:
    w, v, x = parts()
    b = Builder("<test>")
    h = b.apply(Dense(), b.input("x", (1, 8)), b.constant("w", w), b.constant("b", np.full(WIDTH, 3000.0)), name="hidden")
    six = b.apply(Relu("relu6"), h, name="six")
    y = b.apply(Dense(), six, b.constant("v", v), b.constant("u", np.zeros(CLASSES)), name="scores")
    found = looked_at(b.graph("net", y), x)
    assert [f for f in found.findings if f.kind == "constant"] == [
        Finding("constant", "six", "its output never varies on the samples: it is 6")
    ]
    assert any("never varies" in line for line in found.lines)


def test_python_warns_and_says_what_helps() -> None:
    w, v, x = parts()
    w[0] *= 4000.0
    v[:, 0] = 0.0001
    with pytest.warns(QuantizationWarning, match=r"int8: .* dB signal over noise on 64 samples.*equalize=True gives"):
        skosh.quantize(net(w, v), x)


def test_json_holds_all() -> None:
    w, v, x = parts()
    told = json.loads(json.dumps(looked_at(net(w, v), x).as_json()))
    assert set(told) == {
        "samples", "held_out", "noise_db", "agreement", "layers", "findings", "remedies", "good",
    }  # fmt: skip
    assert told["good"] is True


def test_large_models_are_looked_at_on_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    w, v, x = parts()
    monkeypatch.setattr(module, "WORK", 20_000)
    assert looked_at(net(w, v), x).samples == 20_000 // (8 * WIDTH + WIDTH * CLASSES + 16 * (8 + 2 * WIDTH + CLASSES))
    monkeypatch.setattr(module, "WORK", 1)
    assert looked_at(net(w, v), x).samples == module.LEAST_SAMPLES
