"""Equalized layers compute the same, with weights closer together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.importers.sklearn.builder import Builder
from skosh.ir.interpret_graph import run_graph
from skosh.ops.elements.activations import Relu
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import MaxPool2D
from skosh.ops.moves.reshape import Reshape
from skosh.quantizer.networks.equalize import equalized
from skosh.quantizer.study.compare import noise_db
from tests.quantizer.nets import network
from tests.quantizer.test_quantize_graph import ROWS, chain
from tests.quantizer.test_wide import real_outputs


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_stay_what_they_are(seed):
    graph, samples = network(seed, depth=5)
    made = equalized(graph)
    for row in samples[:3]:
        want, got = (run_graph(g, [row[None]]).values[g.outputs[0]] for g in (graph, made))
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)


def conv_net(rng):
    """conv -> relu -> depthwise -> pool -> reshape -> dense, with channels of very different sizes."""
    b = Builder("<test>")
    x = b.input("x", (1, 4, 4, 2))
    spread = 10.0 ** rng.uniform(-2, 2, 6)
    w = rng.normal(0, 1, (6, 1, 1, 2)) * spread[:, None, None, None]
    x = b.apply(Conv2D((1, 1), (0, 0, 0, 0)), x, b.constant("w", w), b.constant("b", spread), name="conv")
    x = b.apply(Relu("relu"), x, name="relu")
    d = rng.normal(0, 1, (1, 2, 2, 6)) / spread
    zeros = b.constant("z", np.zeros(6))
    x = b.apply(
        DepthwiseConv2D((1, 1), (0, 0, 0, 0), activation="relu"), x, b.constant("d", d), zeros, name="depthwise"
    )
    x = b.apply(MaxPool2D((3, 3), (1, 1), (0, 0, 0, 0)), x, name="pool")
    x = b.apply(Reshape((1, 6)), x, name="flat")
    x = b.apply(Dense(), x, b.constant("v", rng.normal(0, 1, (3, 6))), b.constant("u", [0, 0, 0]), name="scores")
    return b.graph("net", x), rng.normal(0, 1, (32, 4, 4, 2)).astype(np.float32)


def test_channels_become_alike_and_int8_loses_less():
    graph, samples = conv_net(np.random.default_rng(2))
    made = equalized(graph)

    def spread(g, name, axis):
        rows = np.moveaxis(g.tensors[name].data, axis, 0)
        largest = np.abs(rows.reshape(len(rows), -1)).max(axis=1)
        return largest.max() / largest.min()

    assert spread(graph, "w", 0) > 50
    assert spread(made, "w", 0) < 8
    want = real_outputs(graph, samples)
    plain, better = (
        noise_db(want, real_outputs(skosh.quantize(graph, samples, equalize=e), samples)) for e in (False, True)
    )
    assert better > plain + 6


@pytest.mark.parametrize("between", ["relu6", "shared"])
def test_what_does_not_scale_is_left_alone(between):
    rng = np.random.default_rng(0)
    one, two = (rng.normal(0, 1, (4, 4)), np.zeros(4)), (rng.normal(0, 1, (4, 4)), np.zeros(4))
    if between == "relu6":
        graph = chain((Dense("relu6"), one), (Dense(), two))
    else:
        b = Builder("<test>")
        x, w, z = b.input("x", (1, 4)), b.constant("w", one[0]), b.constant("z", one[1])
        y = b.apply(Dense(), b.apply(Dense(), x, w, z, name="one"), w, z, name="two")
        graph = b.graph("net", y)
    made = equalized(graph)
    assert all(np.array_equal(t.data, made.tensors[t.name].data) for t in graph.constants)
    assert skosh.quantize(graph, ROWS, equalize=True).nodes
