"""Training with rounding and without channels: gradients as the paper has them, weights on their steps, graphs that compile."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxscript")

import torch
from torch import nn

import skosh
from skosh.base.errors import InputError
from skosh.ir.graph import macs
from skosh.optimize import optimize_graph
from skosh.quantizer.networks.schemes import SCHEMES
from skosh.quantizer.study.training import Inputs, rounded, train
from tests.quantizer.test_wide import real_outputs

RNG = np.random.default_rng(0)
torch.set_num_threads(1)


def blobs(count: int = 240, classes: int = 4, depth: int = 12):
    """Points around one center for each class."""
    centers = np.random.default_rng(5).normal(0, 1.0, (classes, depth))
    y = RNG.integers(0, classes, count)
    return (centers[y] + RNG.normal(0, 0.9, (count, depth))).astype(np.float32), y


def fitted(x, y, epochs: int = 12):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(epochs):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return net


X, Y = blobs()
NET = fitted(X, Y)


def accuracy(graph) -> float:
    return float(np.mean(real_outputs(graph, X).reshape(len(X), -1).argmax(axis=1) == Y))


def test_ternary_weights_lose_less_when_trained() -> None:
    plain = skosh.quantize(skosh.load(NET, example=X[:1]), X, scheme="ternary", compensate=False, bias_correction=False)
    trained = train(NET, X, Y, scheme="ternary", epochs=8, rate=5e-3)
    with torch.no_grad():
        floats = float(np.mean(NET(torch.from_numpy(X)).argmax(1).numpy() == Y))
    assert accuracy(trained) >= max(accuracy(plain), floats - 0.02)


@pytest.mark.parametrize("scheme", ["int8", "int4", "int2", "ternary"])
def test_weights_are_codes_of_the_scheme(scheme: str) -> None:
    before = {k: v.clone() for k, v in NET.state_dict().items()}
    graph = train(NET, X, Y, scheme=scheme, epochs=1)
    for node in graph.nodes:
        if node.op.kind == "dense":
            assert set(np.unique(graph.tensors[node.inputs[1]].data).tolist()) <= set(SCHEMES[scheme].weights)
    assert all(torch.equal(v, NET.state_dict()[k]) for k, v in before.items()), "the module stays as it was"


def test_the_integers_are_those_that_were_trained() -> None:
    """Weights that lie on steps are found again: quantizing loses nothing."""
    x, step = torch.tensor([[0.31, -0.12, 0.0, 0.9]]), torch.tensor([[0.1]])
    w = rounded(x, step, -7, 7, 1, 0.1).detach().numpy()
    np.testing.assert_allclose(w, [[0.3, -0.1, 0.0, 0.7]], rtol=1e-6)
    from skosh.ops.layers.dense import Dense
    from tests.quantizer.test_quantize_graph import ROWS, chain

    q = skosh.quantize(chain((Dense(), (w, np.zeros(1)))), ROWS, scheme="int4")
    assert q.tensors[q.nodes[0].inputs[1]].data.tolist() == [[3, -1, 0, 7]]
    assert q.tensors[q.nodes[0].inputs[1]].quant.scale == pytest.approx(0.1, rel=1e-6)


def test_gradients_of_the_paper() -> None:
    """d/ds = round(v) - v inside, the end outside, times the factor; d/dx = 1 inside, 0 outside."""
    x = torch.tensor([0.26, 0.9, -0.9], requires_grad=True)
    s = torch.tensor(0.1, requires_grad=True)
    y = rounded(x, s, -7, 7, 1, 0.5)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), [0.3, 0.7, -0.7], rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), [1, 0, 0], atol=1e-6)
    assert float(s.grad) == pytest.approx(0.5 * ((3 - 2.6) + 7 - 7), abs=1e-5)


@pytest.mark.parametrize(("codes", "want"), [((-3, 3, 2), [1, 3, -1, -3]), ((-1, 1, 1), [0, 1, 0, -1])])
def test_codes_without_a_zero(codes: tuple[int, int, int], want: list[int]) -> None:
    x = torch.tensor([0.01, 0.25, -0.04, -9.0])
    assert rounded(x, torch.tensor(0.1), *codes, 1.0).mul(10).round().int().tolist() == want


def test_inputs_are_rounded_to_256_steps() -> None:
    layer, values = nn.Linear(1, 1), torch.linspace(-1, 3, 1001).reshape(-1, 1)
    (got,) = Inputs()(layer.train(), (values,))
    assert len(np.unique(got.numpy())) == 256
    assert float((got - values).abs().max()) <= 4 / 255 * 0.51


def test_pruned_channels_vanish() -> None:
    graph = train(NET, X, Y, prune=0.5, epochs=8, rate=5e-3)
    assert macs(optimize_graph(graph)) <= 12 * 8 + 8 * 4 < macs(graph)
    assert accuracy(graph) > 0.9


def test_convolutions_with_batch_norm() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.ReLU(), nn.Flatten(),
        nn.Linear(54, 3),
    )  # fmt: skip
    x = RNG.normal(0, 1, (40, 2, 5, 5)).astype(np.float32)
    graph = train(net, x, x[:, 0, 0, :3].argmax(axis=1), scheme="int4", epochs=1)
    values = {n.op.kind: np.unique(graph.tensors[n.inputs[1]].data) for n in graph.nodes if len(n.inputs) > 1}
    assert values["conv2d"].min() >= -7
    assert values["conv2d"].max() <= 7
    assert values["depthwise_conv2d"].max() > 7
    assert skosh.compile(graph, target="cortex-m4").verify(samples=2).bit_exact


def test_real_targets() -> None:
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    x = RNG.normal(0, 1, (64, 3)).astype(np.float32)
    y = x.sum(axis=1, keepdims=True).astype(np.float32)
    graph = train(net, x, y, epochs=60, rate=1e-2)
    assert float(np.mean((real_outputs(graph, x).reshape(-1, 1) - y) ** 2)) < 0.2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scheme": "float16"}, "scheme must be one of int8"),
        ({"scheme": "int16x8"}, 'training rounds to int8, int4, int2 or ternary, not "int16x8".'),
        ({"prune": 1.0}, "prune must be a share from 0 to below 1, not 1.0."),
        ({"y": Y[:3]}, "x and y must have as many samples, and some, not 240 and 3."),
        ({"x": np.full_like(X, np.nan)}, "x must be finite numbers."),
        ({"module": nn.ReLU()}, "the module must have layers: nn.Linear, nn.Conv1d or nn.Conv2d."),
    ],
)
def test_what_cannot_be(changes: dict, text: str) -> None:
    options = {"module": NET, "x": X, "y": Y, "epochs": 1} | changes
    with pytest.raises(InputError) as info:
        train(options.pop("module"), options.pop("x"), options.pop("y"), **options)
    assert str(info.value).startswith(text)
