"""Streams: after each push the answer is that of the window, bit for bit; and what can't be a stream says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.dtypes import f32
from skosh.base.errors import InputError, ModelError
from skosh.features.builder import Builder
from skosh.features.streaming import layers
from skosh.ir.graph import FIRST_STATUS, Array, Graph, Tensor
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.ops.elements.activations import Relu
from skosh.ops.elements.elementwise import Add
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D
from skosh.ops.layers.pooling import AveragePool2D, MaxPool2D
from skosh.ops.moves.movement import Concat
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean
from tests.cli.run import run
from tests.support.shared import models_folder


def pushed(graph: Graph, parts: list[Array]) -> list[tuple[Array, ...]]:
    states, rows = initial_states(graph), []
    for x in parts:
        ran = run_graph(graph, (x,), states)
        states = dict(ran.states)
        rows.append(tuple(ran.values[n] for n in graph.outputs))
    return rows


def agree(graph: Graph, hop: int, axis: int, seed: int = 0, pushes: int = 3) -> None:
    """From the first whole window on, a stream of whole numbers gives what the windows give."""
    made = skosh.stream(graph, hop=hop, axis=axis)
    t = graph.tensors[graph.inputs[0]]
    count = t.shape[axis]
    need = -(-count // hop)
    shape = tuple((need + pushes) * hop if i == axis else n for i, n in enumerate(t.shape))
    rng = np.random.default_rng(seed)
    whole = rng.integers(-8, 8, shape).astype(t.dtype.np)  # sums of few whole numbers are exact in float32, in any order
    parts = [whole.take(range(p * hop, (p + 1) * hop), axis) for p in range(need + pushes)]
    for p, (*outs, status) in enumerate(pushed(made, parts)):
        assert status[0] == (0 if p + 1 >= need else FIRST_STATUS)
        if status[0]:
            continue
        end = (p + 1) * hop
        window = whole.take(range(end - count, end), axis)
        for name, got in zip(graph.outputs, outs, strict=True):
            assert np.array_equal(run_graph(graph, (window,)).values[name], got), (p, name)


def network(draw: Any) -> tuple[Graph, int, int]:
    """(a network of windows, hop, axis): strides, dilations, paddings, residual sums, and an end that sees all rows or each."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    axis = draw(st.sampled_from([1, 2]))
    across = draw(st.integers(1, 3))
    rows = draw(st.integers(8, 40))
    b = Builder("random")
    size = (rows, across) if axis == 1 else (across, rows)
    x = y = b.add(Tensor("x", (1, *size, 2), f32))
    hop = draw(st.integers(1, 3))
    for i in range(draw(st.integers(1, 4))):
        stride, dilation, reach = draw(st.sampled_from([1, 1, 2])), draw(st.integers(1, 2)), draw(st.integers(1, 4))
        top, bottom = draw(st.integers(0, reach - 1)), draw(st.integers(0, reach - 1))
        if y.shape[axis] < (reach - 1) * dilation + 1:
            break

        def along(a: int, other: int) -> tuple[int, int]:
            return (a, other) if axis == 1 else (other, a)

        pads = (top, bottom, 0, 0) if axis == 1 else (0, 0, top, bottom)
        kind = draw(st.sampled_from(["conv", "depthwise", "average", "max", "residual", "relu", "join"]))
        channels = y.shape[3]
        if kind in ("conv", "depthwise"):
            filters = draw(st.integers(1, 3)) if kind == "conv" else channels
            shape = (filters, *along(reach, 1), channels) if kind == "conv" else (1, *along(reach, 1), channels)
            w = b.constant(f"w{i}", rng.integers(-1, 2, shape).astype(np.float32))
            bias = b.constant(f"b{i}", rng.integers(-2, 3, filters).astype(np.float32))
            op = Conv2D if kind == "conv" else DepthwiseConv2D
            (y,) = b.apply(f"y{i}", op(along(stride, 1), pads, along(dilation, 1)), y, w, bias)
        elif kind in ("average", "max") and y.shape[axis] >= reach:
            pool = MaxPool2D if kind == "max" or reach == 3 else AveragePool2D
            if reach + min(top, bottom) <= 4:
                (y,) = b.apply(f"y{i}", pool(along(reach, 1), along(stride, 1), pads), y)
        elif kind == "residual":
            w = b.constant(f"w{i}", rng.integers(-1, 2, (1, *along(3, 1), channels)).astype(np.float32))
            bias = b.constant(f"b{i}", np.zeros(channels, np.float32))
            same = (1, 1, 0, 0) if axis == 1 else (0, 0, 1, 1)
            (inside,) = b.apply(f"inside{i}", DepthwiseConv2D((1, 1), same), y, w, bias)
            (y,) = b.apply(f"y{i}", Add(), y, inside)
        elif kind == "relu":
            (y,) = b.apply(f"y{i}", Relu("relu"), y)
        elif kind == "join" and channels < 6:
            (other,) = b.apply(f"other{i}", Relu("relu"), y)
            (y,) = b.apply(f"y{i}", Concat(3), y, other)
        hop *= rows_per(x, y, axis) if y.shape[axis] > 1 else 1
    end = draw(st.sampled_from(["rows", "flat", "most"]))
    if end == "flat":
        (y,) = b.apply("flat", Reshape((1, y.size)), y)
    elif end == "most":
        (y,) = b.apply("most", MaxPool2D((y.shape[1], y.shape[2]), (1, 1), (0, 0, 0, 0)), y)
    return b.graph([x], [y]), min(hop, rows - 1), axis


def rows_per(x: Tensor, y: Tensor, axis: int) -> int:
    return 2 if y.shape[axis] * 3 < x.shape[axis] * 2 else 1


@settings(max_examples=150)
@given(data=st.data())
def test_any_network_of_windows_is_a_stream_or_says_which_hop_fits(data: st.DataObject) -> None:
    graph, hop, axis = network(data.draw)
    for _ in range(4):
        try:
            agree(graph, hop, axis)
            return
        except InputError as error:
            assert error.hint.startswith("hop="), error
            hop = int(error.hint.split()[0].removeprefix("hop="))
            if hop >= graph.tensors[graph.inputs[0]].shape[axis]:
                return  # no hop within the window fits
    raise AssertionError("the hop that the hint names must fit")


@pytest.mark.parametrize(("file", "hop"), [("kws", 2), ("kws", 10), ("ic", 8)])
def test_real_networks(file: str, hop: int) -> None:
    graph = skosh.load(models_folder() / f"{file}.tflite")
    agree(graph, hop, 1, pushes=1)


def test_fewer_rows_are_computed() -> None:
    graph = skosh.load(models_folder() / "kws.tflite")
    found = layers(graph, hop=2)
    assert [r.computed for r in found[:9]] == [6, 8, 8, 10, 10, 12, 12, 14, 14]
    assert {r.rows for r in found[:9]} == {25}


def test_a_valid_network_computes_new_rows_only() -> None:
    b = Builder("valid")
    y = x = b.add(Tensor("x", (1, 30, 1, 4), f32))
    for i in range(3):
        w = b.constant(f"w{i}", np.ones((4, 5, 1, 4), np.float32))
        (y,) = b.apply(f"y{i}", Conv2D((1, 1), (0, 0, 0, 0)), y, w, b.constant(f"b{i}", np.zeros(4, np.float32)))
    (y,) = b.apply("mean", Mean((1, 2), keep_dims=False), y)
    graph = b.graph([x], [y])
    assert [r.computed for r in layers(graph, hop=1)] == [1, 1, 1, 1]
    agree(graph, 1, 1)
    states = skosh.stream(graph, hop=1).states
    assert [s.initial.shape[1] for s in states[:-1]] == [4, 4, 4, 17]  # the rows under the next window; all for the mean


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
def test_the_c_pushes(target: str) -> None:
    graph = skosh.load(models_folder() / "kws.tflite")
    build, window = skosh.compile(skosh.stream(graph, hop=8), target=target), skosh.compile(graph)
    x = np.random.default_rng(3).integers(-128, 128, (1, 72, 10, 1), dtype=np.int8)
    answers = [build.push(x[:, 8 * p : 8 * p + 8]) for p in range(9)]
    assert [a is None for a in answers] == [True] * 6 + [False] * 3
    for p in (6, 7, 8):
        assert np.array_equal(answers[p], window.run(x[:, 8 * p + 8 - 49 : 8 * p + 8]))
    assert build.verify(4).bit_exact
    build.reset()
    assert build.push(x[0, :8]) is None
    assert "kws_status kws_push(const int8_t input[KWS_INPUT_LEN]" in build.sources["kws.h"]
    assert "KWS_NOT_YET = 16" in build.sources["kws.h"]


def test_bad_input_is_said() -> None:
    graph = skosh.load(models_folder() / "kws.tflite")
    with pytest.raises(InputError, match=r"by the strides of the layers: 3 rows are 3 at .*, which goes on by 2"):
        skosh.stream(graph, hop=3)
    with pytest.raises(InputError, match=r"hop must be from 1 to 48, rows along axis 1 of .* not 49"):
        skosh.stream(graph, hop=49)
    with pytest.raises(InputError, match=r"axis must be one of input .* from 1 to 3, not 4"):
        skosh.stream(graph, hop=2, axis=4)
    with pytest.raises(ModelError, match="must have one input and no state to become a stream, not states"):
        skosh.stream(skosh.stream(graph, hop=2), hop=2)
    with pytest.raises(InputError, match=r"push needs a model with states.*skosh.stream\(graph, hop=\.\.\.\)"):
        skosh.compile(graph).push(np.zeros((1, 2, 10, 1), np.int8))
    with pytest.raises(InputError):
        skosh.compile(skosh.stream(graph, hop=2)).push(np.zeros((1, 3, 10, 1), np.int8))


def test_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "kws_stream.skosh"
    ran = run("stream", models_folder() / "kws.tflite", "--hop", "2", "-o", file, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["layers"][0] == {"name": "functional_1/activation/Relu", "rows": 25, "computed": 6}
    kept = skosh.load(file)
    assert kept.status is not None and kept.status.codes[0][0] == "NOT_YET"
    shown = run("stream", models_folder() / "kws.tflite", "--hop", "2")
    assert shown.status == 0 and "2 rows a push" in shown.out
    assert run("stream", models_folder() / "kws.tflite", "--hop", "3").status == 2
