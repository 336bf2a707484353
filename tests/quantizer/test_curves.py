"""Chains of operators on single elements as one table; masks as numbers that int8 can say; both in the emulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import skosh
import skosh.quantizer
from skosh.base.dtypes import bool_, f32
from skosh.ir.graph import Graph, Node, Tensor
from skosh.ops.elements.activations import Logistic, Relu
from skosh.ops.elements.arcs import Sinh
from skosh.ops.elements.comparisons import Compare, Select
from skosh.ops.elements.elementwise import Add, Maximum, Mul
from skosh.ops.elements.functions import Exp, Neg, Sin
from skosh.ops.layers.dense import BatchMatMul, Dense
from skosh.ops.reductions.softmax import Softmax
from skosh.quantizer.networks.calibrate import as_samples
from skosh.quantizer.networks.curves import joined
from skosh.quantizer.study.compare import noise_db, real_outputs


class Net:
    """A float graph of one input, node by node."""

    def __init__(self, *shape: int) -> None:
        self.tensors = {"x": Tensor("x", shape, f32)}
        self.nodes: list[Node] = []

    def put(self, name: str, op: Any, *inputs: str | float | np.ndarray[Any, Any]) -> str:
        names = []
        for k, value in enumerate(inputs):
            if isinstance(value, str):
                names.append(value)
                continue
            data = np.asarray(value)
            data = data.reshape((1,) * len(self.tensors["x"].shape)) if data.ndim == 0 else data
            data = data if data.dtype == bool else data.astype(np.float32)
            names.append(f"{name}_{k}")
            dtype = bool_ if data.dtype == bool else f32
            self.tensors[names[-1]] = Tensor(names[-1], data.shape, dtype, data=data)
        (made,) = op.infer([self.tensors[n] for n in names])
        self.tensors[name] = Tensor(name, made.shape, made.dtype)
        self.nodes.append(Node(op, tuple(names), (name,), name))
        return name

    def graph(self, *outputs: str) -> Graph:
        return Graph("net", self.tensors, tuple(self.nodes), ("x",), outputs)


def kinds(graph: Graph) -> list[str]:
    return [n.op.kind for n in graph.nodes]


def samples(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def swish() -> Graph:
    net = Net(1, 12)
    net.put("d", Dense(), "x", samples(8, 12, seed=1) / 3)
    net.put("s", Logistic(), "d")
    net.put("y", Mul(), "d", "s")
    return net.graph("y")


def test_a_chain_is_one_table_and_better_than_its_parts() -> None:
    assert kinds(skosh.quantize(swish(), samples(64, 12))) == ["dense", "lookup"]
    net = Net(1, 12)
    net.put("s", Logistic(), "x")
    net.put("y", Mul(), "x", "s")
    graph, x = net.graph("y"), samples(64, 12)
    apart = skosh.quantize(graph, x, layers={"s": "int8"})  # what is named stays a node
    assert kinds(apart) == ["logistic", "mul"]
    found = as_samples(graph, x)
    better, worse = (noise_db(real_outputs(graph, found), real_outputs(g, found)) for g in (skosh.quantize(graph, x), apart))
    assert better > max(36, worse)


def test_the_table_is_the_chain_at_each_integer() -> None:
    graph, x = swish(), samples(64, 12)
    small = skosh.quantize(graph, x)
    d, y = small.tensors["d"].quant, small.tensors["y"].quant
    assert d is not None and y is not None
    real = (np.arange(-128, 128) - d.zero_point) * d.scale
    want = np.clip(np.rint(real / (1 + np.exp(-real)) / y.scale) + y.zero_point, -128, 127)
    table = small.tensors[small.nodes[1].inputs[1]].data
    assert table is not None
    assert np.abs(table - want).max() <= 1  # where the sum in float32 lies at a tie


def test_what_another_reads_is_made() -> None:
    net = Net(1, 12)
    net.put("a", Neg(), "x")
    net.put("b", Exp(), "a")
    net.put("c", Add(), "b", 1.0)
    net.put("y", Mul(), "c", "a")  # of a: one table; of x: another, as a is an output too
    small = skosh.quantize(net.graph("y", "a"), samples(32, 12))
    assert kinds(small) == ["lookup", "lookup"]
    small = skosh.quantize(net.graph("y"), samples(32, 12))
    assert kinds(small) == ["lookup"]


def test_single_operators_with_a_form_of_their_own_keep_it() -> None:
    net = Net(1, 12)
    net.put("y", Logistic(), "x")
    assert kinds(skosh.quantize(net.graph("y"), samples(32, 12))) == ["logistic"]


def test_int16_keeps_chains_that_it_can_compute() -> None:
    assert kinds(skosh.quantize(swish(), samples(32, 12), scheme="int16x8")) == ["dense", "logistic", "mul"]
    net = Net(1, 12)
    net.put("y", Sin(), "x")
    assert "lookup" in kinds(skosh.quantize(net.graph("y"), samples(32, 12), scheme="int16x8"))


def test_constants_by_channel_are_no_table() -> None:
    net = Net(1, 12)
    net.put("a", Mul(), "x", samples(1, 12, seed=3))
    net.put("y", Relu("relu"), "a")
    graph = net.graph("y")
    assert joined(graph, graph.nodes, wide=False)[0] is graph


def choice() -> Graph:
    net = Net(1, 12)
    net.put("m", Maximum(), "x", -0.4)
    net.put("c", Compare(">"), "m", 0.25)
    net.put("y", Select(), "c", "m", -0.1)
    return net.graph("y")


@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4"])
def test_tables_are_bit_exact_on_machines(target: str) -> None:
    for graph in (swish(), choice()):
        small = skosh.quantize(graph, samples(64, 12))
        assert kinds(small)[-1] == "lookup"
        assert skosh.compile(small, target=target).verify(samples=4).bit_exact


def attention(mask: Any, chosen: bool) -> Graph:
    """Scores of a row with itself, masked by an addition or a choice."""
    net = Net(1, 6, 8)
    net.put("s", BatchMatMul(transpose_b=True), "x", "x")
    if chosen:
        net.put("m", Select(), mask == 0, "s", np.full((1, 1, 1), -1e9))
    else:
        net.put("m", Add(), "s", mask)
    net.put("p", Softmax(0.35), "m")
    net.put("y", BatchMatMul(), "p", "x")
    return net.graph("y")


@pytest.mark.parametrize(("number", "chosen"), [(-np.inf, False), (np.finfo(np.float32).min, False), (-1e9, True)])
def test_masked_scores_get_nothing_and_the_others_their_share(number: float, chosen: bool) -> None:
    mask = np.triu(np.full((1, 6, 6), number, np.float32), 1)
    mask[np.abs(mask) == 0] = 0.0
    graph, x = attention(mask, chosen), samples(48, 6, 8)
    small = skosh.quantize(graph, x)
    assert kinds(small) == ["batch_matmul", "select", "softmax", "batch_matmul"]
    found = as_samples(graph, x)
    assert noise_db(real_outputs(graph, found), real_outputs(small, found)) > 28
    first = real_outputs(small, found).reshape(48, 6, 8)[:, 0]
    assert np.abs(first - x[:, 0]).max() < 0.06  # the first row sees itself alone


def test_a_mask_with_finite_numbers_keeps_them() -> None:
    mask = np.triu(np.full((1, 6, 6), -np.inf, np.float32), 1)
    mask[:, 3, 1] = 0.75
    graph, x = attention(mask, False), samples(48, 6, 8)
    small = skosh.quantize(graph, x)
    assert kinds(small) == ["batch_matmul", "add", "select", "softmax", "batch_matmul"]
    found = as_samples(graph, x)
    assert noise_db(real_outputs(graph, found), real_outputs(small, found)) > 28


@pytest.mark.parametrize("target", ["host", "cortex-m0plus", "cortex-m4"])
def test_attention_is_bit_exact_on_machines(target: str) -> None:
    mask = np.triu(np.full((1, 6, 6), -np.inf, np.float32), 1)
    small = skosh.quantize(attention(mask, False), samples(48, 6, 8))
    assert skosh.compile(small, target=target).verify(samples=3).bit_exact


def test_layers_beside_masks_and_chains_have_their_share_of_the_loss() -> None:
    net = Net(1, 6, 8)
    net.put("d", Dense(keep_dims=True), "x", samples(8, 8, seed=1) / 3)
    net.put("s", BatchMatMul(transpose_b=True), "d", "d")
    net.put("m", Add(), "s", np.triu(np.full((1, 6, 6), -np.inf, np.float32), 1))
    net.put("p", Softmax(0.35), "m")
    net.put("o", BatchMatMul(), "p", "d")
    net.put("n", Sin(), "o")
    net.put("e", Dense(keep_dims=True), "n", samples(4, 8, seed=2) / 3)
    graph, x = net.graph("e"), samples(32, 6, 8)
    assert [s.layer for s in skosh.quantizer.sensitivity(graph, x)] == ["d", "e"]
    assert all(s.noise_db > 25 for s in skosh.quantizer.sensitivity(graph, x))
    for scheme in ("mixed", "int4"):
        found = as_samples(graph, x)
        small = skosh.quantize(graph, x, scheme=scheme)
        assert noise_db(real_outputs(graph, found), real_outputs(small, found)) > 18


def test_an_operator_that_says_only_its_meaning_and_traits_becomes_a_table() -> None:
    """Sinh has no int8 form and stands in no table: its base class says what it is."""
    net = Net(1, 8)
    net.put("d", Dense(), "x", samples(8, 8, seed=1) / 3)
    net.put("s", Sinh(), "d")
    net.put("e", Dense(), "s", samples(4, 8, seed=2) / 3)
    graph, x = net.graph("e"), samples(64, 8)
    made = skosh.quantize(graph, x)
    assert "lookup" in kinds(made)
    assert "sinh" not in kinds(made)
    found = as_samples(graph, x)
    assert noise_db(real_outputs(graph, found), real_outputs(made, found)) > 25
