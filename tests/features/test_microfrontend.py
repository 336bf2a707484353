"""The microfrontend against TFLite Micro's audio preprocessor, hop by hop, and what may follow it."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError, ModelError
from skosh.importers.tflite import load
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check_kernels, constant, model, tensor
from tests.support.audio import clips, oracle_features

CLIPS = ["no_1000ms", "noise_1000ms", "silence_1000ms", "yes_1000ms"]


def hops(x: Any, size: int) -> Any:
    return x[: len(x) // size * size].reshape(-1, size)


def features_of(graph: Graph, rows: Any) -> Any:
    """By the meaning of the graph, run after run."""
    states, found = None, []
    for row in rows:
        run = run_graph(graph, [row.reshape(graph.tensors[graph.inputs[0]].shape)], states)
        states = run.states
        found.append(run.values[graph.outputs[0]].reshape(-1))
    return np.stack(found)


@pytest.fixture(scope="module")
def builds() -> dict[str, Any]:
    front = skosh.features.microfrontend()
    return {target: skosh.compile(front, target=target) for target in ("host", "cortex-m4")}


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_whole_clips(builds: dict[str, Any], clip: str, target: str) -> None:
    x = clips()[clip]
    got, want = builds[target].run(hops(x, 320)), oracle_features(x)
    assert (got[0] == -128).all()  # no whole window yet
    assert np.array_equal(got[1 : 1 + len(want)], want)


def test_made_clips(builds: dict[str, Any]) -> None:
    """100 clips of 0.3 s: noise, tones and steps of any loudness."""
    rng = np.random.default_rng(7)
    t = np.arange(4800) / 16000
    for i in range(100):
        loudness = 10 ** rng.uniform(0, 5)
        tone = np.sin(2 * np.pi * rng.uniform(50, 7900) * t)
        tone = tone if i % 3 else np.sign(np.sin(2 * np.pi * rng.uniform(1, 90) * t))
        x = np.clip(loudness * (tone + rng.normal(0, rng.uniform(0, 1), t.size)), -32768, 32767).astype(np.int16)
        assert np.array_equal(builds["host"].run(hops(x, 320))[1:], oracle_features(x)), f"clip {i}"


def test_reset_begins_anew(builds: dict[str, Any]) -> None:
    x = hops(clips()["yes_1000ms"], 320)
    assert np.array_equal(builds["host"].run(x), builds["host"].run(x))


@pytest.mark.parametrize(("window", "stride", "channels"), [(30, 10, 40), (25, 10, 20), (16, 16, 10), (32, 5, 13)])
def test_other_shapes(window: float, stride: float, channels: int) -> None:
    """C and meaning agree; a run without a whole window leaves no trace: later features are those of a later start."""
    front = skosh.features.microfrontend(window, stride, channels)
    size = front.tensors[front.inputs[0]].size
    rows = hops(clips()["yes_1000ms"], size)[:40]
    want = features_of(front, rows)
    assert np.array_equal(skosh.compile(front, target="host").run(rows), want)
    waits = -(-window // stride) - 1
    assert (want[: int(waits)] == -128).all()
    assert (want[int(waits) :] > -128).any()


@pytest.mark.parametrize("clip", [*CLIPS, "loud"])
def test_wake_words(clip: str) -> None:
    """pymicro-features, with its 10 ms hop; its floats are whole numbers times 10 / 256. It has wheels for Linux on x86-64."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip("pymicro-features has no wheel here")
    import pymicro_features

    loud = np.random.default_rng(2).normal(0, 30000, 8000).clip(-32768, 32767).astype(np.int16)
    rows = hops(loud if clip == "loud" else clips()[clip], 160)
    oracle, want = pymicro_features.MicroFrontend(), []
    for row in rows:
        found = np.array(oracle.process_samples(row.tobytes()).features)
        if found.size:
            logs = np.round(found * 25.6).astype(np.int64)
            want.append(np.clip((logs * 256 + 333) // 666 - 128, -128, 127).astype(np.int8))
    front = skosh.features.microfrontend(stride_ms=10, older_tables=True)
    got = skosh.compile(front, target="host").run(rows)
    assert len(want) == len(rows) - 2
    assert np.array_equal(got[2:], np.stack(want))


def test_kernels() -> None:
    check_kernels(skosh.features.microfrontend())


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"stride_ms": 40}, "a stride must be"),
        ({"stride_ms": 0}, "a stride must be"),
        ({"window_ms": 1000}, "at most 8192 samples"),
        ({"channels": 0}, "at least 1"),
        ({"upper_hz": 9000.0}, "between 0 and 8000"),
        ({"lower_hz": 7600.0}, "between 0 and 8000"),
        ({"smoothing": (0.1, 1.5)}, "from 0 to 1"),
    ],
)
def test_numbers_that_do_not_fit(options: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        skosh.features.microfrontend(**options)


# ---------------------------------------------------------------------------------------------------------------- then


def network(width: int = 40) -> Graph:
    """A dense layer of 3 units, whose tensors have names of the front end's."""
    rng = np.random.default_rng(5)
    w = constant(rng.integers(-127, 128, (3, width)), np.int8, scale=0.01)
    bias = constant(rng.integers(-9, 10, 3), np.int32, scale=0.001)
    data = model("FULLY_CONNECTED", [tensor((1, width), scale=0.1, zero=-128), w, bias], [tensor((1, 3))])
    return load(data, name="network")


def test_then() -> None:
    front, net = skosh.features.microfrontend(), network()
    both = front.then(net)
    rows = hops(clips()["yes_1000ms"], 320)[:9]
    want = np.stack([run_graph(net, [f[None]]).values[net.outputs[0]][0] for f in features_of(front, rows)])
    assert np.array_equal(features_of(both, rows), want)
    for target in ("host", "cortex-m4"):
        assert np.array_equal(skosh.compile(both, target=target).run(rows), want)


def test_then_of_the_same_names() -> None:
    net = network(3)
    alike = net.with_(tensors={n: replace(t, quant=net.tensors[net.inputs[0]].quant) if n == net.outputs[0] else t
                               for n, t in net.tensors.items()})  # fmt: skip
    both = alike.then(net)
    x = np.array([[5, -7, 100]], np.int8)
    middle = run_graph(alike, [x]).values[alike.outputs[0]]
    want = run_graph(net, [middle]).values[net.outputs[0]]
    assert np.array_equal(run_graph(both, [x]).values[both.outputs[0]], want)
    with pytest.raises(ModelError, match="must have the scale and zero point"):
        net.then(net)


def test_then_refuses_what_does_not_fit() -> None:
    with pytest.raises(ModelError, match=r"must be given i8\[1, 39\], not i8\[1, 40\]"):
        skosh.features.microfrontend().then(network(39))
