"""How far int8 is from float: each operator by itself within a step, whole networks within what their layers allow."""

from __future__ import annotations

import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skosh.base.errors import InputError
from skosh.ir.graph import Array, Graph, Node
from skosh.ir.interpret_graph import run_graph
from skosh.quantizer import compare_layers, quantize_graph
from skosh.quantizer.networks.affine import dequantized, quantized
from skosh.quantizer.networks.curves import joined
from tests.quantizer.nets import network

STEPS = {"mean": 0.8, "leaky_relu": 0.8, "relu": 0.8}
"""Largest error of one operator, in steps of its output, given its inputs as they are: these round twice. All others:
half a step, and a little for weights and factors that are rounded too."""


def real(graph: Graph, name: str, value: Array) -> Array:
    quant = graph.tensors[name].quant
    return value if quant is None else dequantized(value, quant).astype(np.float32)


def local_steps(floats: Graph, integers: Graph, node: Node, values: dict[str, Array]) -> float:
    """By how many steps an int8 node differs from the float operator on the same real inputs, weights included.

    floats: with chains of operators on single elements as one, as the quantizer has them.
    """
    same = next(n for n in floats.nodes if n.name == node.name)
    arguments = [real(integers, n, values[n]) for n in node.inputs[: len(same.inputs)]]
    (want,) = same.op.reference(floats.operands(same.inputs), floats.operands(same.outputs), arguments)
    name = node.outputs[0]
    quant = integers.tensors[name].quant
    assert quant is not None
    lo, hi = dequantized(np.array([-128, 127]), quant)
    error = real(integers, name, values[name]) - np.clip(want, lo, hi)
    return float(np.abs(error).max()) / quant.scale


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_every_layer_of_random_networks_is_within_a_step(seed: int) -> None:
    floats, samples = network(seed)
    try:
        integers = quantize_graph(floats, samples)
    except InputError:  # a random relu may let nothing through
        assume(False)
    quant = integers.tensors["image"].quant
    assert quant is not None
    floats, _ = joined(floats, floats.nodes, wide=False)
    for row in samples[:2]:
        values = dict(run_graph(integers, [quantized(row[None], quant)]).values)
        for node in integers.nodes:
            if node.op.kind != "quantize":
                steps = local_steps(floats, integers, node, values)
                assert steps <= STEPS.get(node.op.kind, 0.55), f"{node.name}: {steps}"


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_plain_networks_stay_within_a_few_steps(seed: int) -> None:
    """Layers, pools and relus: nothing takes differences of large numbers, so little is added up."""
    floats, integers, samples = plain_network(seed)
    for error in compare_layers(floats, integers, samples):
        assert error.worst <= 8, error
        assert error.typical <= 4, error


def plain_network(seed: int) -> tuple[Graph, Graph, Array]:
    """The first network from this seed on that is made of plain layers only and can be quantized: (float, int8, samples)."""
    for attempt in range(seed, seed + 1000):
        floats, samples = network(attempt, depth=3)
        if {n.op.kind for n in floats.nodes} <= PLAIN:
            with suppress(InputError):
                return floats, quantize_graph(floats, samples), samples
    raise AssertionError("1,000 networks in a row are not plain")


PLAIN = {
    "conv2d", "depthwise_conv2d", "dense", "relu", "average_pool2d", "max_pool2d", "reshape", "softmax", "transpose",
    "maximum", "leaky_relu", "concat",
}  # fmt: skip


def test_digits_lose_nothing_that_matters() -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    import skosh

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPClassifier((24,), max_iter=60, random_state=0).fit(x[:1200], y[:1200])
    floats = skosh.load(model)
    integers = quantize_graph(floats, x[:1200])
    quant = integers.tensors["x"].quant
    assert quant is not None
    rows = x[1200:]
    out = [run_graph(integers, [quantized(r[None], quant)]).values[integers.outputs[0]] for r in rows]
    accuracy = np.mean(np.concatenate(out).argmax(axis=1) == y[1200:])
    assert accuracy >= model.score(rows, y[1200:]) - 0.005
    errors = {e.layer: e for e in compare_layers(floats, integers, rows)}
    assert list(errors) == ["hidden_1", "scores", "probabilities"]
    assert errors["hidden_1"].typical < 1
    assert errors["scores"].typical < 1
    assert errors["scores"].noise_db > 35


def test_wide_features_behind_a_scaler_keep_their_accuracy() -> None:
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    import skosh

    x, y = load_wine(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[::2], y[::2])
    integers = skosh.quantize(skosh.load(model), x[::2])
    rows = x[1::2].astype(np.float32)
    out = np.concatenate([run_graph(integers, [r[None]]).values[integers.outputs[0]] for r in rows])
    assert np.mean(out.argmax(axis=1) == y[1::2]) >= model.score(rows, y[1::2]) - 0.01
