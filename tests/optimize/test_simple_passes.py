"""Each pass on the smallest graph that shows it: before, after, and the same numbers from both."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.base.dtypes import f32, i8, i16
from skosh.ir.graph import State
from skosh.ops.elements.activations import Relu
from skosh.ops.elements.elementwise import Add, Mul
from skosh.ops.layers.convolution import Conv2D
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import BroadcastTo, Concat, Pack, Slice, Split, Tile, Transpose
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Copy, Reshape
from skosh.optimize import explain, steps
from skosh.optimize.activation_fusion import activation_fusion
from skosh.optimize.common_subexpressions import common_subexpressions
from skosh.optimize.constant_folding import constant_folding
from skosh.optimize.dead_nodes import dead_nodes
from skosh.optimize.identity_functions import identity_functions
from skosh.optimize.known_values import known_values
from skosh.optimize.no_op_nodes import no_op_nodes
from skosh.optimize.pad_fusion import pad_fusion
from tests.optimize.graphs import Builder, check_same, kinds, optimized, quant

Q = quant(0.05, -3)


def conv(b: Builder, x: str, op: Conv2D, filters: int = 3, k: int = 3, seed: int = 0) -> str:
    rng, c = np.random.default_rng(seed), b[x].shape[3]
    if b[x].dtype == f32:
        return str(b.node(op, x, b.constant(rng.normal(0, 1, (filters, k, k, c)).astype(np.float32))))
    w = b.constant(rng.integers(-99, 99, (filters, k, k, c)).astype(np.int8), quant(0.01))
    bias = b.constant(rng.integers(-9000, 9000, filters).astype(np.int32 if b[x].dtype == i8 else np.int64))
    return str(b.node(op, x, w, bias, q=Q if b[x].dtype == i8 else quant(0.01)))


def test_dead_nodes() -> None:
    b = Builder()
    x = b.input((4,), f32)
    y = b.node(Relu("relu"), x)
    b.node(Relu("relu6"), b.node(Relu("relu"), x))
    before = b.graph(y)
    after = dead_nodes(before)
    assert [n.outputs for n in after.nodes] == [(y,)]
    assert set(after.tensors) == {x, y}
    assert dead_nodes(after) is after


def test_dead_nodes_keeps_what_a_state_needs() -> None:
    b = Builder()
    x = b.input((4,), f32)
    y, after = b.node(Relu("relu"), x), b.node(Relu("relu6"), x)
    start = b.input((4,), f32)
    graph = b.graph(y).with_(
        inputs=(x,), tensors=b.tensors, states=(State("s", start, after, np.zeros(4, np.float32)),)
    )
    graph = graph.with_(nodes=tuple(b.nodes))
    assert dead_nodes(graph) is graph


class TestConstantFolding:
    def test_folds_chains(self) -> None:
        b = Builder()
        x = b.input((3,), f32)
        c = b.node(Add(), b.constant(np.float32([1, 2, 3])), b.constant(np.float32([0.5, 0, 1])))
        before = b.graph(b.node(Add(), x, b.node(Mul(), c, c)))
        after = constant_folding(before)
        assert kinds(after) == ["add"]
        assert [t.data.tolist() for t in after.constants if t.data is not None] == [[2.25, 4, 16]]
        check_same(before, after)

    def test_an_output_is_a_copy(self) -> None:
        b = Builder()
        b.input((1,), f32)
        before = b.graph(b.node(Reshape(()), b.constant(np.float32([5]))))
        after = constant_folding(before)
        assert kinds(after) == ["copy"]
        assert constant_folding(after) is after
        check_same(before, after)

    def test_nothing_is_blown_up(self) -> None:
        b = Builder()
        b.input((1,), f32)
        large = b.graph(b.node(BroadcastTo((100, 1000)), b.constant(np.float32([5]))))
        assert constant_folding(large) is large


class TestActivationFusion:
    @pytest.mark.parametrize("dtype", [i8, i16, f32])
    @pytest.mark.parametrize("activation", ["relu", "relu6", "relu_n1_to_1"])
    def test_conv(self, dtype: object, activation: str) -> None:
        b = Builder()
        x = b.input((1, 4, 4, 2), dtype, None if dtype == f32 else Q if dtype == i8 else quant(0.01))  # type: ignore[arg-type]
        before = b.graph(b.node(Relu(activation), conv(b, x, Conv2D((1, 1), (1, 1, 1, 1)))))
        after = activation_fusion(before)
        assert [n.op for n in after.nodes] == [Conv2D((1, 1), (1, 1, 1, 1), activation=activation)]
        check_same(before, after)

    def test_sum(self) -> None:
        b = Builder()
        x, y = b.input((9,), i8, Q), b.input((9,), i8, quant(0.1, 5))
        after = optimized(b.graph(b.node(Relu("relu6"), b.node(Add(), x, y, q=quant(0.07, -20)))))
        assert [n.op for n in after.nodes] == [Add("relu6")]

    def test_a_sum_of_floats_can_be_minus_zero(self) -> None:
        b = Builder()
        x, y = b.input((9,), f32), b.input((9,), f32)
        graph = b.graph(b.node(Relu("relu"), b.node(Add(), x, y)))
        check_same(graph, activation_fusion(graph), make=lambda t, rng: np.full(t.shape, -0.0, np.float32))

    def test_not_across_scales(self) -> None:
        b = Builder()
        x = b.input((1, 4, 4, 2), i8, Q)
        graph = b.graph(b.node(Relu("relu"), conv(b, x, Conv2D((1, 1), (0, 0, 0, 0))), q=quant(0.06, -3)))
        assert activation_fusion(graph) is graph

    def test_not_what_others_read(self) -> None:
        b = Builder()
        x = b.input((1, 4, 4, 2), i8, Q)
        y = conv(b, x, Conv2D((1, 1), (0, 0, 0, 0)))
        graph = b.graph(b.node(Relu("relu"), y), y)
        assert activation_fusion(graph) is graph


class TestPadFusion:
    @pytest.mark.parametrize("dtype", [i8, f32])
    def test_conv(self, dtype: object) -> None:
        b = Builder()
        x = b.input((1, 4, 5, 2), dtype, Q if dtype == i8 else None)  # type: ignore[arg-type]
        p = b.node(Pad(((0, 0), (1, 0), (2, 1), (0, 0)), -3 if dtype == i8 else 0.0), x)
        before = b.graph(conv(b, p, Conv2D((2, 1), (0, 1, 0, 0), (1, 1))))
        after = dead_nodes(pad_fusion(before))
        assert [n.op for n in after.nodes] == [Conv2D((2, 1), (1, 1, 2, 1), (1, 1))]
        check_same(before, after)

    @pytest.mark.parametrize(
        ("pads", "value"),
        [
            (((0, 0), (1, 0), (0, 0), (0, 0)), 0),
            (((0, 0), (1, 0), (0, 0), (0, 1)), -3),
            (((0, 0), (3, 0), (0, 0), (0, 0)), -3),
        ],
    )
    def test_not_with_other_values_or_axes_or_more_than_the_window(self, pads: object, value: int) -> None:
        b = Builder()
        p = b.node(Pad(pads, value), b.input((1, 4, 5, 2), i8, Q))  # type: ignore[arg-type]
        graph = b.graph(conv(b, p, Conv2D((1, 1), (0, 0, 0, 0))))
        assert pad_fusion(graph) is graph

    def test_maximum_but_not_average(self) -> None:
        b = Builder()
        p = b.node(Pad(((0, 0), (1, 1), (1, 1), (0, 0)), -128), b.input((1, 4, 4, 2), i8, quant(0.05, -128)))
        before = b.graph(*(b.node(op((2, 2), (2, 2), (0, 0, 0, 0)), p) for op in (MaxPool2D, AveragePool2D)))
        after = pad_fusion(before)
        assert kinds(after) == ["pad", "max_pool2d", "average_pool2d"]
        assert after.nodes[1].inputs == (before.inputs[0],)
        check_same(before, after)


class TestNoOpNodes:
    def test_reshapes(self) -> None:
        b = Builder()
        x = b.input((2, 6), f32)
        r = b.node(Reshape((2, 6)), b.node(Reshape((12,)), b.node(Reshape((3, 4)), x)))
        before = b.graph(b.node(Relu("relu"), r))
        after = dead_nodes(no_op_nodes(before))
        assert [(n.op.kind, n.inputs) for n in after.nodes] == [("relu", (x,))]
        check_same(before, after)

    def test_transposes(self) -> None:
        b = Builder()
        x = b.input((2, 3, 4), f32)
        t = b.node(Transpose((1, 0, 2)), b.node(Transpose((2, 0, 1)), b.node(Transpose((1, 2, 0)), x)))
        after = optimized(
            b.graph(t, b.node(Relu("relu"), b.node(Transpose((0, 2, 1)), b.node(Transpose((0, 2, 1)), x))))
        )
        assert [n.op for n in after.nodes] == [Transpose((1, 0, 2)), Relu("relu")]

    @pytest.mark.parametrize(
        ("op", "view"),
        [
            (Transpose((1, 0, 2, 3)), True), (Transpose((0, 2, 1, 3)), True), (Transpose((0, 1, 3, 2)), False),
            (Slice((0, 0, 0, 0), (1, 1, 3, 4), (1, 1, 1, 1), (3, 4)), True),
            (Slice((0, 0, 2, 0), (1, 1, 3, 4), (1, 1, -1, 1), (1, 1, 3, 4)), False),
            (Pad(((0, 0),) * 4), True), (Concat(2), True), (Pack(0), True), (Split(0, (1,), True), True),
            (Tile((1, 1, 1, 1)), True),            (Tile((1, 2, 1, 1)), False), (BroadcastTo((1, 1, 1, 3, 4)), True),
        ],
    )  # fmt: skip
    def test_movements_that_keep_the_order(self, op: object, view: bool) -> None:
        b = Builder()
        before = b.graph(b.node(op, b.input((1, 1, 3, 4), f32)))  # type: ignore[arg-type]
        after = no_op_nodes(before)
        assert kinds(after) == (["reshape"] if view else kinds(before))
        check_same(before, after)

    def test_a_reshape_that_relabels_the_scale_stays(self) -> None:
        b = Builder()
        x = b.input((4,), i8, Q)
        graph = b.graph(b.node(Relu("relu"), b.node(Reshape((4,)), x, q=quant(0.1, 7))))
        assert no_op_nodes(graph) is graph

    def test_an_output_that_is_the_input_stays(self) -> None:
        b = Builder()
        graph = b.graph(b.node(Copy(), b.input((4,), f32)))
        assert no_op_nodes(graph) is graph

    def test_an_output_keeps_its_name(self) -> None:
        b = Builder()
        a = b.node(Relu("relu"), b.input((4,), f32))
        y = b.node(Reshape((4,)), a)
        after = optimized(b.graph(y, b.node(Relu("relu6"), a)))
        assert (after.nodes[0].op.kind, after.nodes[0].outputs) == ("relu", (y,))


class TestCommonSubexpressions:
    def test_merges(self) -> None:
        b = Builder()
        x = b.input((4,), f32)
        one, other = b.constant(np.float32([1, 2, 3, 4])), b.constant(np.float32([1, 2, 3, 4]))
        u, v = b.node(Relu("relu"), b.node(Add(), x, one)), b.node(Relu("relu"), b.node(Add(), x, other))
        before = b.graph(b.node(Mul(), u, v))
        after = common_subexpressions(before)
        assert kinds(after) == ["add", "relu", "mul"]
        assert len(list(after.constants)) == 1
        check_same(before, after)

    def test_outputs(self) -> None:
        b = Builder()
        x = b.input((4,), f32)
        inner = b.node(Relu("relu"), x)
        u, v = b.node(Relu("relu"), x), b.node(Relu("relu"), x)
        before = b.graph(u, v, b.node(Mul(), inner, x))
        after = common_subexpressions(before)
        assert kinds(after) == ["relu", "relu", "mul"]  # two outputs need two memories
        check_same(before, after)

    def test_attributes_scales_and_signs_of_zero_matter(self) -> None:
        b = Builder()
        x, q = b.input((2, 2), f32), b.input((2,), i8, Q)
        pads = ((1, 0), (0, 0))
        ys = [b.node(Pad(pads, v), x) for v in (0.0, -0.0)] + [b.node(Relu(r), q) for r in ("relu", "relu6")]
        graph = b.graph(*ys, b.node(Relu("relu"), q, q=quant(0.1, 0)))
        assert common_subexpressions(graph) is graph


class TestIdentityFunctions:
    def test_a_clamp_after_a_clamp(self) -> None:
        b = Builder()
        x = b.input((1, 4, 4, 2), i8, Q)
        y = conv(b, x, Conv2D((1, 1), (0, 0, 0, 0), activation="relu6"))
        before = b.graph(b.node(Relu("relu"), y))
        after = identity_functions(before)
        assert kinds(after) == ["conv2d"]
        assert after.nodes[0].outputs == before.outputs
        check_same(before, after)

    def test_stays_where_it_does_something(self) -> None:
        b = Builder()
        x = b.input((1, 4, 4, 2), i8, Q)
        graph = b.graph(b.node(Relu("relu6"), conv(b, x, Conv2D((1, 1), (0, 0, 0, 0), activation="relu"))))
        assert identity_functions(graph) is graph


def test_known_values() -> None:
    b = Builder()
    x = b.input((1, 3, 3, 2), i8, Q)
    w = b.constant(np.zeros((2, 3, 3, 2), np.int8), quant(0.01))
    y = b.node(Conv2D((1, 1), (1, 1, 1, 1)), x, w, b.constant(np.int32([500, -700])), q=Q)
    before = b.graph(b.node(Add(), x, y, q=Q))
    after = known_values(before)
    assert kinds(after) == ["add"]
    check_same(before, after)


def test_what_lies_between_passes() -> None:
    b = Builder()
    x = b.input((1, 2, 4, 4), i8, Q)
    t = b.node(Transpose((0, 2, 3, 1)), x)
    p = b.node(Pad(((0, 0), (1, 1), (1, 1), (0, 0)), -3), b.node(Reshape((1, 4, 4, 2)), b.node(Reshape((32,)), t)))
    before = b.graph(b.node(Relu("relu"), b.node(Copy(), conv(b, p, Conv2D((1, 1), (0, 0, 0, 0))))))
    after = optimized(before)
    assert [n.op for n in after.nodes] == [Transpose((0, 2, 3, 1)), Conv2D((1, 1), (1, 1, 1, 1), activation="relu")]
    assert [name for name, _ in steps(before)] == ["no_op_nodes", "pad_fusion", "activation_fusion", "dead_nodes"]
    assert explain(before).splitlines()[0].split() == ["nodes", "MACs", "weights", "all", "constants"]
    assert explain(before, after).splitlines()[-1].split() == ["after", "2", "864", "54", "66"]
