"""What quantization does to graphs: who shares a scale with whom, what is refused, and with what words."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.dtypes import f32, i8, i32
from skosh.base.errors import InputError, ModelError, UnsupportedError
from skosh.importers.sklearn.builder import Builder
from skosh.ir.graph import Graph, Op, Quant
from skosh.ops.classical.tables import Products
from skosh.ops.elements.activations import Logistic, Relu, Tanh
from skosh.ops.elements.elementwise import Add, Mul
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.dense import Dense
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import Concat
from skosh.ops.moves.padding import Pad
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean
from skosh.ops.reductions.softmax import Softmax
from skosh.quantizer import quantize_graph
from skosh.quantizer.study.batch import rebatched

RNG = np.random.default_rng(7)
ROWS = RNG.uniform(-2, 3, (16, 4)).astype(np.float32)
IMAGES = RNG.uniform(-1, 1, (8, 4, 4, 2)).astype(np.float32)


def chain(*ops: Op | tuple[Op, Any], shape: tuple[int, ...] = (1, 4)) -> Graph:
    """Operators one after the other; a pair is an operator and its constant operands."""
    b = Builder("<test>")
    x = b.input("x", shape)
    for k, item in enumerate(ops):
        op, constants = item if isinstance(item, tuple) else (item, ())
        names = [b.constant(f"c{k}_{i}", c) for i, c in enumerate(constants)]
        x = b.apply(op, x, *names, name=f"t{k}")
    return b.graph("net", x)


def quant_of(graph: Graph, name: str) -> Quant:
    quant = graph.tensors[name].quant
    assert quant is not None
    return quant


def layer(out: int, depth: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.5, (out, depth)), rng.normal(0, 0.1, out)


# --------------------------------------------------------------------------------------------------------------- scales


def test_a_dense_layer_in_full() -> None:
    w, bias = layer(3, 4)
    q = quantize_graph(chain((Dense("relu"), (w, bias))), ROWS)
    x, weights, biases, y = (q.tensors[n] for n in (*q.nodes[0].inputs, *q.nodes[0].outputs))
    assert [t.dtype for t in (x, weights, biases, y)] == [i8, i8, i32, i8]
    assert x.quant is not None
    assert weights.quant is not None
    assert biases.quant is not None
    lo, hi = float(ROWS.min()), float(ROWS.max())
    assert x.quant.scale == float(np.float32((hi - lo) / 255))
    w32 = w.astype(np.float32)
    assert weights.quant.scales == tuple(float(np.float32(float(m) / 127)) for m in np.abs(w32).max(axis=1))
    assert weights.quant.axis == 0
    assert biases.quant.scales == tuple(float(np.float32(x.quant.scale * s)) for s in weights.quant.scales)
    assert quant_of(q, "t0").zero_point == -128  # relu: nothing below 0
    assert q.notes["quantization"] == {"scheme": "int8", "samples": 16}
    assert [n.name for n in q.nodes] == ["t0"]


@pytest.mark.parametrize(
    ("op", "quant"),
    [
        (Softmax(), Quant((1 / 256,), (-128,))),
        (Logistic(), Quant((1 / 256,), (-128,))),
        (Tanh(), Quant((1 / 128,), (0,))),
    ],
)
def test_scales_that_operators_demand(op: Op, quant: Quant) -> None:
    q = quantize_graph(chain((Dense(), layer(3, 4)), op, Reshape((3,))), ROWS)
    assert quant_of(q, "t1") == quant == quant_of(q, "t2")


def test_pools_and_views_keep_the_scale() -> None:
    pools = [AveragePool2D((2, 2), (1, 1), (0, 0, 0, 0)), MaxPool2D((2, 2), (1, 1), (0, 0, 0, 0)), Reshape((1, 8))]
    q = quantize_graph(chain(*pools, Relu("relu6"), shape=(1, 4, 4, 2)), IMAGES)
    assert len({t.quant for t in q.tensors.values()}) == 1


def test_a_relu_behind_a_layer_costs_no_precision() -> None:
    """The layer's output has the relu's scale; both are then what a fused relu would be."""
    parts = layer(3, 4)
    apart = quantize_graph(chain((Dense(), parts), Relu("relu")), ROWS)
    fused = quantize_graph(chain((Dense("relu"), parts)), ROWS)
    assert quant_of(apart, "t0") == quant_of(apart, "t1") == quant_of(fused, "t0")


def test_a_relu_that_shares_its_input_leaves_the_range() -> None:
    b = Builder("<test>")
    x = b.input("x", (1, 4))
    y = b.apply(Relu("relu"), x, name="y")
    q = quantize_graph(b.graph("net", b.apply(Add(), x, y, name="z")), ROWS, layers={"y": "int8"})
    assert quant_of(q, "x").zero_point > -128
    assert quant_of(q, "y").zero_point == -128


def test_convolutions_have_their_scales_along_the_right_axis() -> None:
    w = (RNG.normal(0, 1, (3, 2, 2, 2)), np.zeros(3))
    d = (RNG.normal(0, 1, (1, 2, 2, 3)), np.zeros(3))
    q = quantize_graph(
        chain((Conv2D((1, 1), (0, 0, 0, 0)), w), (DepthwiseConv2D((1, 1), (0, 0, 0, 0)), d), shape=(1, 4, 4, 2)), IMAGES
    )
    assert [quant_of(q, n).axis for n in ("c0_0", "c1_0")] == [0, 3]
    assert [len(quant_of(q, n).scales) for n in ("c0_0", "c1_0")] == [3, 3]


def test_what_a_pad_adds_is_in_the_scale() -> None:
    q = quantize_graph(chain(Pad(((0, 0), (1, 1)), -9.0)), ROWS)
    quant, op = quant_of(q, "t0"), q.nodes[0].op
    assert isinstance(op, Pad)
    assert op.value == -128
    assert (op.value - quant.zero_point) * quant.scale == pytest.approx(-9, abs=quant.scale / 2)
    zero = quantize_graph(chain(Pad(((0, 0), (1, 1)))), ROWS)
    assert zero.nodes[0].op == Pad(((0, 0), (1, 1)), quant_of(zero, "t0").zero_point)


def test_weights_used_with_two_scales_are_two_constants() -> None:
    b = Builder("<test>")
    x = b.input("x", (1, 4))
    w, bias = layer(4, 4)
    names = (b.constant("w", w), b.constant("b", bias))
    y = b.apply(Dense(), b.apply(Dense(), x, *names, name="one"), *names, name="two")
    q = quantize_graph(b.graph("net", y), ROWS)
    assert {n.inputs[1] for n in q.nodes} == {"w"}
    assert {n.inputs[2] for n in q.nodes} == {"b", "b_2"}


def test_constants_of_sums_and_products() -> None:
    q = quantize_graph(chain((Add(), ([[0.5]],)), (Mul(), ([[-3.0]],))), ROWS, layers={"t0": "int8", "t1": "int8"})
    for name, real in (("c0_0", 0.5), ("c1_0", -3.0)):
        data, quant = q.tensors[name].data, quant_of(q, name)
        assert data is not None
        assert (int(data[0, 0]) - quant.zero_point) * quant.scale == pytest.approx(real)


def test_parts_that_cannot_agree_are_requantized() -> None:
    b = Builder("<test>")
    x = b.input("x", (1, 4))
    y = b.apply(Concat(1), x, b.apply(Logistic(), x, name="likely"), name="both")
    q = quantize_graph(b.graph("net", y), ROWS)
    assert [n.op.kind for n in q.nodes] == ["logistic", "quantize", "concat"]
    assert q.nodes[2].inputs == ("x", "likely_int8")
    assert quant_of(q, "likely_int8") == quant_of(q, "both") == quant_of(q, "x")


def test_parts_that_agree_by_demand_are_left_alone() -> None:
    b = Builder("<test>")
    x = b.input("x", (1, 4))
    parts = [b.apply(Logistic(), x, name=n) for n in ("one", "two")]
    q = quantize_graph(b.graph("net", b.apply(Concat(1), *parts, name="both")), ROWS)
    assert [n.op.kind for n in q.nodes] == ["logistic", "logistic", "concat"]
    assert quant_of(q, "both") == Quant((1 / 256,), (-128,))


def test_scaled_features_stay_floats_up_to_the_scaler() -> None:
    scale = [[1e-3, 1.0, 1e3, 5.0]]
    graph = chain((Mul(), (scale,)), (Dense(), layer(3, 4)))
    q = quantize_graph(graph, ROWS / np.array(scale, np.float32))
    assert [n.op.kind for n in q.nodes] == ["mul", "quantize", "dense"]
    assert [q.tensors[n].dtype for n in ("x", "t0", "t0_int8", "t1")] == [f32, f32, i8, i8]
    alike = quantize_graph(chain((Mul(), ([[0.5] * 4],)), (Dense(), layer(3, 4))), ROWS)
    assert [n.op.kind for n in alike.nodes] == ["mul", "dense"]
    assert alike.tensors["x"].dtype == i8


def test_two_inputs() -> None:
    b = Builder("<test>")
    one, two = b.input("one", (1, 4)), b.input("two", (1, 4))
    graph = b.graph("net", b.apply(Add(), one, two, name="sum"))
    q = skosh.quantize(graph, samples=[ROWS, ROWS * 10])
    assert quant_of(q, "two").scale == pytest.approx(10 * quant_of(q, "one").scale)
    with pytest.raises(InputError, match="samples must be a list of 2 arrays, one for each input"):
        skosh.quantize(graph, samples=ROWS)
    with pytest.raises(InputError, match=r"all inputs must have as many samples, not \[16, 3\]"):
        skosh.quantize(graph, samples=[ROWS, ROWS[:3]])


# -------------------------------------------------------------------------------------------------------------- batches


def test_many_samples_run_at_once_where_they_can() -> None:
    one = chain((Dense(), layer(3, 4)), Reshape((1, 3, 1)), Mean((2,)), Softmax())
    many = rebatched(one, 5)
    assert many is not None
    assert [many.tensors[n].shape for n in ("x", "t0", "t1", "t2", "t3")] == [(5, 4), (5, 3), (5, 3, 1), (5, 3), (5, 3)]
    assert rebatched(chain(Mean((0,))), 5) is None
    assert rebatched(chain(Reshape((4, 1))), 5) is None


def test_one_by_one_gives_the_same() -> None:
    parts = layer(3, 4)
    at_once = quantize_graph(chain((Dense(), parts), Softmax()), ROWS)
    one_by_one = quantize_graph(chain((Dense(), parts), Softmax(), Reshape((3, 1)), Reshape((1, 3))), ROWS)
    assert [quant_of(at_once, n) for n in ("x", "t0", "t1")] == [quant_of(one_by_one, n) for n in ("x", "t0", "t1")]


# --------------------------------------------------------------------------------------------------------------- errors

PLAIN = chain((Dense(), layer(3, 4)))


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        (ROWS[:, :3], '<test>: samples for "x" must have shape (samples, 4), not (16, 3).'),
        (ROWS[0, 0], '<test>: samples for "x" must have shape (samples, 4), not ().'),
        (ROWS[:0], '<test>: samples for "x" must not be empty.'),
        ([["a"] * 4], '<test>: samples for "x" must be numbers, not <U1.'),
        (
            np.where(np.arange(64).reshape(16, 4) == 13, np.nan, ROWS),
            '<test>: samples for "x" must be finite float32 numbers, but sample 3 holds nan.',
        ),
        (ROWS.astype(np.float64) * 1e39, '<test>: samples for "x" must be finite float32 numbers, but sample 0 holds '),
        (
            np.full((5, 4), 2.5),
            '<test>: samples for "x" must vary, but all are 2.5. Hint: give samples like those that the model will see',
        ),
    ],
)
def test_samples_that_do_not_fit(samples: Any, text: str) -> None:
    with pytest.raises(InputError) as info:
        quantize_graph(PLAIN, samples)
    assert str(info.value).startswith(text)


def test_rows_of_different_lengths() -> None:
    with pytest.raises(InputError, match='samples for "x" must be an array'):
        quantize_graph(PLAIN, [[1, 2, 3, 4], [1, 2]])


def test_a_layer_that_is_always_zero() -> None:
    graph = chain((Dense("relu"), (-np.eye(4), np.zeros(4))), (Dense(), layer(3, 4)))
    with pytest.raises(InputError) as info:
        quantize_graph(graph, np.abs(ROWS))
    assert str(info.value) == (
        '<test>: "t0": it is 0 on every sample, so no scale can be found for it. '
        "Hint: give samples on which it varies, or remove it from the model"
    )


def test_a_sum_that_overflows() -> None:
    graph = chain((Mul(), ([[1e30]],)), (Mul(), ([[1e30]],)))
    with pytest.raises(InputError, match='"t1": its values must be finite on the samples'), np.errstate(over="ignore"):
        quantize_graph(graph, ROWS)


def test_all_operators_without_an_int8_form() -> None:
    monomials = Products((-1, 0, 1, 2), (0, 1, 2, 0))
    with pytest.raises(UnsupportedError) as info:
        quantize_graph(chain(monomials, (Dense(), layer(3, 4)), monomials), ROWS)
    assert [o.loc.node for o in info.value.obstacles] == ["t0", "t2"]
    assert 'node 0 "t0": products has no int8 form. Hint: keep the model in float32' in str(info.value)


def test_what_is_quantized_already() -> None:
    with pytest.raises(ModelError, match=r'it is quantized already: ".*" is i'):
        quantize_graph(quantize_graph(PLAIN, ROWS), ROWS)


def test_schemes() -> None:
    with pytest.raises(InputError) as info:
        skosh.quantize(PLAIN, ROWS, scheme="int3")
    assert str(info.value) == 'scheme must be one of int8, int16x8, int4, int2, ternary, float16, mixed, not "int3".'


def test_notes_stay_but_for_the_file() -> None:
    graph = replace(PLAIN, notes=MappingProxyType({"classes": ("a", "b", "c"), "tflite": b"the float model"}))
    q = quantize_graph(graph, ROWS)
    assert q.notes["classes"] == ("a", "b", "c")
    assert "tflite" not in q.notes
    assert len(q.digest) == 64
    assert q.digest not in (graph.digest, quantize_graph(graph, ROWS * 2).digest)
