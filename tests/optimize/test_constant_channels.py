"""Channels that no input can change, or that nobody reads, go; what is left computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.base.dtypes import f32, i8
from skosh.importers.tflite import load
from skosh.ir.graph import Graph, Quant, macs
from skosh.ir.interpret_graph import run_graph
from skosh.ops.elements.activations import LeakyRelu
from skosh.ops.elements.elementwise import Add
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import AveragePool2D
from skosh.ops.moves.movement import Concat, Slice, Split
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape
from skosh.optimize import channel_constants, figures, optimize_graph, value_ranges
from skosh.optimize.constant_channels import constant_channels
from tests.optimize.graphs import Builder, check_same, optimized, quant
from tests.support.agree import random_input
from tests.support.shared import models_folder

Q = quant(0.05, -3)
ONE = Conv2D((1, 1), (0, 0, 0, 0))
THREE = Conv2D((1, 1), (1, 1, 1, 1))
DEPTHWISE = DepthwiseConv2D((1, 1), (1, 1, 1, 1))


@pytest.fixture
def by_fours() -> None:
    """What stays is a multiple of four, as everywhere but in most of these tests."""


@pytest.fixture(autouse=True)
def one_by_one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small examples: what can go goes, however many are left."""
    if "by_fours" not in request.fixturenames:
        monkeypatch.setitem(constant_channels.__globals__, "CHANNELS", 1)


class Net(Builder):
    """Layers with random weights in which chosen filters or inputs are zero."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def conv(
        self, x: str, filters: int, k: int = 1, dead: tuple[int, ...] = (), unread: tuple[int, ...] = (), q: Quant = Q,
        op: Conv2D | None = None, bias: tuple[int, ...] | None = None,
    ) -> str:  # fmt: skip
        w = self.rng.integers(-99, 100, (filters, k, k, self[x].shape[3])).astype(np.int8)
        w[list(dead)] = 0
        w[..., list(unread)] = 0
        b = self.rng.integers(-9000, 9000, filters) if bias is None else bias
        op = op or (ONE if k == 1 else THREE)
        return str(self.node(op, x, self.constant(w, quant(0.01)), self.constant(b, dtype=np.int32), q=q))

    def depthwise(self, x: str, op: DepthwiseConv2D = DEPTHWISE, per_channel: int = 1, q: Quant = Q) -> str:
        n = self[x].shape[3] * per_channel
        w = self.rng.integers(-99, 100, (1, 3, 3, n)).astype(np.int8)
        scales = tuple(float(np.float32(s)) for s in self.rng.uniform(0.01, 0.02, n))
        bias = self.constant(self.rng.integers(-3000, 3000, n).astype(np.int32))
        return str(self.node(op, x, self.constant(w, Quant(scales, (0,) * n, 3)), bias, q=q))

    def dense(self, x: str, units: int, dead: tuple[int, ...] = (), per_channel: bool = False) -> str:
        w = self.rng.integers(-99, 100, (units, self[x].size // self[x].shape[0])).astype(np.int8)
        w[list(dead)] = 0
        scales = self.rng.uniform(0.001, 0.01, units) if per_channel else np.array([0.01])
        q = Quant(tuple(float(np.float32(s)) for s in scales), (0,) * len(scales), 0)
        return str(
            self.node(
                Dense(), x, self.constant(w, q), self.constant(self.rng.integers(-99, 99, units), dtype=np.int32), q=Q
            )
        )

    def image(self, channels: int = 3, q: Quant = Q) -> str:
        return self.input((2, 5, 4, channels), i8, q)


def shapes(graph: Graph, kind: str) -> list[tuple[int, ...]]:
    """The weights' shapes of all nodes of a kind."""
    return [graph.tensors[n.inputs[1]].shape for n in graph.nodes if n.op.kind == kind]


def once(graph: Graph) -> Graph:
    after = constant_channels(graph)
    check_same(graph, after)
    return after


def test_ranges_know_filters_of_zeros_and_their_borders() -> None:
    b = Net()
    a = b.conv(b.image(), 4, dead=(1,), bias=(0, 1000, 0, 0))
    d = b.depthwise(a)
    graph = b.graph(d)
    known, value = channel_constants(graph)[a]
    assert known.tolist() == [False, True, False, False]
    assert value[1] == -3 + 10  # 1000 * 0.05 * 0.01 / 0.05
    ranges = value_ranges(graph)
    assert ranges[d].known[..., 1].all()
    assert not channel_constants(graph)[d][0].any(), "padding makes the border differ"
    run = run_graph(graph, [random_input(graph.tensors[graph.inputs[0]], np.random.default_rng(1))])
    assert np.array_equal(run.values[d][..., 1], ranges[d].lo[..., 1])


def test_ranges_know_saturation() -> None:
    b = Net()
    graph = b.graph(b.conv(b.image(), 3, bias=(10**7, -(10**7), 0)))
    known, value = channel_constants(graph)[graph.outputs[0]]
    assert known.tolist() == [True, True, False]
    assert value[:2].tolist() == [127, -128]


def test_sums_that_may_wrap_are_not_trusted() -> None:
    b = Net()
    graph = b.graph(b.conv(b.image(), 2, bias=(2**31 - 1, 0)))
    assert not channel_constants(graph)[graph.outputs[0]][0].any()


def test_the_next_layer_takes_a_constant_into_its_bias() -> None:
    b = Net()
    a = b.conv(b.image(), 6, 3, dead=(0, 4))
    after = once(b.graph(b.conv(b.node(LeakyRelu(0.2), a), 5)))
    assert shapes(after, "conv2d") == [(4, 3, 3, 3), (5, 1, 1, 4)]


def test_a_layer_without_bias_gets_one() -> None:
    b = Net()
    a = b.conv(b.image(), 3, dead=(2,))
    w = b.constant(np.full((2, 1, 1, 3), 7, np.int8), quant(0.01))
    after = once(b.graph(b.node(ONE, a, w, q=Q)))
    assert len(after.nodes[1].inputs) == 3
    assert shapes(after, "conv2d") == [(2, 1, 1, 3), (2, 1, 1, 2)]


def test_padding_keeps_all_constants_but_the_zero_point() -> None:
    for value, kept in ((1000, 4), (0, 3)):
        b = Net()
        a = b.conv(b.image(), 4, dead=(1,), bias=(5, value, 6, 7))
        after = once(b.graph(b.conv(a, 2, 3)))
        assert shapes(after, "conv2d")[1] == (2, 3, 3, kept)


def test_no_padding_no_border() -> None:
    b = Net()
    a = b.conv(b.image(), 4, dead=(1,))
    after = once(b.graph(b.conv(a, 2, 3, op=Conv2D((1, 2), (0, 0, 0, 0)))))
    assert shapes(after, "conv2d")[1] == (2, 3, 3, 3)


def test_through_depthwise() -> None:
    b = Net()
    a = b.conv(b.image(), 4, dead=(1, 2), bias=(5, 0, 900, 7))
    after = once(b.graph(b.conv(b.depthwise(a), 3)))  # channel 2 has a border of its own
    assert shapes(after, "depthwise_conv2d") == [(1, 3, 3, 3)]
    assert [len(t.quant.scales) for t in after.constants if t.quant and t.quant.axis == 3] == [3]


def test_a_border_is_a_constant_after_pooling_or_flattening() -> None:
    for flat in (True, False):
        b = Net()
        a = b.conv(b.image(), 4, dead=(2,), bias=(5, 0, 900, 7))
        d = b.depthwise(a)
        last = b.node(Reshape((2, 80)), d) if flat else b.node(AveragePool2D((5, 4), (1, 1), (0, 0, 0, 0)), d)
        after = once(b.graph(b.dense(last, 3)))
        assert shapes(after, "depthwise_conv2d") == [(1, 3, 3, 3)]
        assert shapes(after, "dense") == [(3, 60 if flat else 3)]


def test_several_filters_a_channel() -> None:
    b = Net()
    a = b.conv(b.image(), 3, dead=(1,), bias=(5, 0, 7))
    after = once(b.graph(b.conv(b.depthwise(a, per_channel=2), 3)))
    assert shapes(after, "depthwise_conv2d") == [(1, 3, 3, 4)]


def test_what_nobody_reads() -> None:
    b = Net()
    a = b.depthwise(b.conv(b.image(), 5, 3))
    after = once(b.graph(b.conv(a, 2, 3, unread=(0, 3)), b.conv(a, 3, unread=(1, 3))))
    assert shapes(after, "conv2d") == [(4, 3, 3, 3), (2, 3, 3, 4), (3, 1, 1, 4)]


def test_a_residual_loses_only_what_both_sides_lose() -> None:
    b = Net()
    x = b.conv(b.image(), 5, dead=(0, 1))
    y = b.conv(x, 5, dead=(1, 2))
    after = once(b.graph(b.conv(b.node(Add("relu"), x, y, q=Q), 2)))
    assert shapes(after, "conv2d") == [(4, 1, 1, 3), (4, 1, 1, 3), (2, 1, 1, 4)] or shapes(after, "conv2d") == [
        (4, 1, 1, 3), (4, 1, 1, 4), (2, 1, 1, 4),
    ]  # fmt: skip


def test_outputs_and_inputs_keep_their_channels() -> None:
    b = Net()
    x = b.image()
    a = b.conv(x, 4, dead=(1,), unread=(0,))
    graph = b.graph(a, b.conv(a, 2))
    assert constant_channels(graph) is graph


def test_one_channel_stays() -> None:
    b = Net()
    a = b.conv(b.image(), 4, dead=(0, 1, 2, 3))
    after = once(b.graph(b.conv(a, 2)))
    assert shapes(after, "conv2d") == [(1, 1, 1, 3), (2, 1, 1, 1)]


def test_scales_of_a_dense_layer_stay_per_channel() -> None:
    """TFLM rounds the factor of a single scale differently."""
    b = Net()
    a = b.dense(b.image(), 4, dead=(0, 1, 3), per_channel=True)
    after = once(b.graph(b.dense(a, 2)))
    assert shapes(after, "dense")[0] == (2, 60)


def test_concat_split_slice_and_pad_of_channels() -> None:
    b = Net()
    x = b.image()
    a, c = b.conv(x, 4, dead=(1,)), b.conv(x, 3, dead=(0, 2))
    joined = b.node(Concat(3), a, c, b.constant(np.full((2, 5, 4, 2), 9, np.int8), Q))
    left, right = b.node(Split(3, (5, 4)), b.node(Pad(((0, 0), (0, 0), (0, 0), (0, 0)), 0), joined))
    part = b.node(Slice((0, 0, 0, 1), (2, 5, 4, 3), (1, 1, 1, 1), (2, 5, 4, 3)), left)
    wide = b.node(Pad(((0, 0), (0, 0), (0, 0), (2, 1)), 7), part)
    after = once(b.graph(b.conv(wide, 2), b.conv(right, 2)))
    assert shapes(after, "conv2d") == [(2, 1, 1, 3), (1, 1, 1, 3), (2, 1, 1, 2), (2, 1, 1, 1)]


def test_a_bias_that_would_overflow_is_left_alone() -> None:
    b = Net()
    a = b.conv(b.image(), 3, dead=(1,), bias=(1, 1000, 1))
    graph = b.graph(b.conv(a, 2, bias=(2**31 - 1, 0)))
    assert constant_channels(graph) is graph


def test_floats_stay() -> None:
    b = Builder()
    w = b.constant(np.zeros((2, 1, 1, 3), np.float32))
    a = b.node(ONE, b.input((1, 2, 2, 3), f32), w)
    graph = b.graph(b.node(ONE, a, w := b.constant(np.ones((2, 1, 1, 2), np.float32))))
    assert constant_channels(graph) is graph


def test_rounds_follow_what_became_unread() -> None:
    """The only filter that read a channel of the first layer is itself unread."""
    b = Net()
    w = b.rng.integers(1, 99, (3, 1, 1, 4)).astype(np.int8)
    w[:2, ..., 3] = 0
    a = b.node(ONE, b.conv(b.image(), 4), b.constant(w, quant(0.01)), q=Q)
    after = optimized(b.graph(b.conv(a, 2, unread=(2,))))
    assert shapes(after, "conv2d") == [(3, 1, 1, 3), (2, 1, 1, 3), (2, 1, 1, 2)]


@pytest.mark.usefixtures("by_fours")
@pytest.mark.parametrize(("filters", "dead", "kept"), [(12, 3, 12), (12, 4, 8), (12, 6, 8), (12, 11, 4), (6, 1, 6), (3, 2, 3)])
def test_what_stays_is_a_multiple_of_four(filters: int, dead: int, kept: int) -> None:
    """Or all, where there are fewer; what stays of the constants still computes the same."""
    b = Net()
    a = b.conv(b.image(), filters, dead=tuple(range(dead)))
    after = once(b.graph(b.conv(a, 2)))
    assert shapes(after, "conv2d") == [(kept, 1, 1, 3), (2, 1, 1, kept)]


@pytest.mark.usefixtures("by_fours")
@pytest.mark.parametrize("name", ["vww", "kws", "ic", "ad", "hello_world", "micro_speech"])
def test_real_models_give_their_golden_outputs(name: str) -> None:
    folder = models_folder()
    before, golden = load(folder / f"{name}.tflite"), np.load(folder / f"{name}.npz")
    after = optimize_graph(before)
    shape = after.tensors[after.inputs[0]].shape
    for x, y in zip(golden["inputs"], golden["outputs"], strict=True):
        got = run_graph(after, [x.reshape(shape)]).values[after.outputs[0]]
        assert np.array_equal(got.reshape(y.shape), y)
    check_same(before, after, runs=2)
    if name == "vww":
        assert macs(before) == 7_489_664
        assert macs(after) <= 3_766_476
        assert figures(before).weight_bytes == 208_112
        assert figures(after).weight_bytes <= 30_340
