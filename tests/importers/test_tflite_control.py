"""Loops and branches whose course is known: the graph of their steps means what TFLite Micro computes by the loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from skosh.base.errors import UnsupportedError
from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Graph
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check_kernels
from tests.support.agree import check_against_tflm
from tests.support.tflite_writer import OperatorSpec, SubgraphSpec, TensorSpec, model_bytes

STEPS, SIZE = 5, 3


def f32(name: str, *shape: int, data: Any = None) -> TensorSpec:
    return TensorSpec(name, shape, np.float32, data=data)


def i32(name: str, *shape: int, data: Any = None) -> TensorSpec:
    return TensorSpec(name, shape, np.int32, data=data)


def condition(*others: TensorSpec, steps: int = STEPS) -> SubgraphSpec:
    """i < steps."""
    tensors = [i32("i"), *others, i32("steps", data=steps), TensorSpec("more", (), "bool")]
    n = len(tensors)
    return SubgraphSpec(tensors, [OperatorSpec("LESS", [0, n - 2], [n - 1])], list(range(n - 2)), [n - 1], "cond")


STATE = [f32("h", 1, SIZE), f32("x", STEPS, 1, SIZE), f32("list", STEPS, 1, SIZE)]


def rnn(lists: bool = True) -> bytes:
    """h = tanh(h W + x[i]); list[i] = h. Outputs: the list, the last h."""
    w = np.random.default_rng(1).normal(0, 0.5, (SIZE, SIZE)).astype(np.float32)
    body = SubgraphSpec(
        [
            i32("i"), *STATE,
            i32("one", data=1), i32("i+1"), f32("w", SIZE, SIZE, data=w), f32("hw", 1, SIZE),
            f32("xi", 1, SIZE), f32("sum", 1, SIZE), f32("h+", 1, SIZE), f32("row", 1, 1, SIZE),
            i32("row shape", 3, data=[1, 1, SIZE]),
            i32("zeros", 2, data=[0, 0]), i32("i1", 1), i32("i shape", 1, data=[1]),
            i32("place", 3),
            f32("list+", STEPS, 1, SIZE),
        ],
        [
            OperatorSpec("ADD", [0, 4], [5]),
            OperatorSpec("FULLY_CONNECTED", [1, 6, -1], [7]),
            OperatorSpec("GATHER", [2, 0], [8]),
            OperatorSpec("ADD", [7, 8], [9]),
            OperatorSpec("TANH", [9], [10]),
            OperatorSpec("RESHAPE", [10, 12], [11]),
            OperatorSpec("RESHAPE", [0, 15], [14]),
            OperatorSpec("CONCATENATION", [14, 13], [16]),
            OperatorSpec("DYNAMIC_UPDATE_SLICE", [3, 11, 16], [17]),
        ],
        [0, 1, 2, 3],
        [5, 10, 2, 17 if lists else 3],
        "body",
    )  # fmt: skip
    tensors = [
        f32("input", STEPS, 1, SIZE), i32("first", data=0), f32("h0", 1, SIZE, data=np.zeros((1, SIZE))),
        f32("list0", STEPS, 1, SIZE, data=np.zeros((STEPS, 1, SIZE))),
        i32("last"), f32("hT", 1, SIZE), f32("x+", STEPS, 1, SIZE), f32("all", STEPS, 1, SIZE),
    ]  # fmt: skip
    loop = OperatorSpec("WHILE", [1, 2, 0, 3], [4, 5, 6, 7], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    return model_bytes(tensors, [loop], [0], [7, 5], [condition(*STATE), body])


def kinds(graph: Graph) -> list[str]:
    return [n.op.kind for n in graph.nodes]


def test_a_recurrent_layer_with_all_its_outputs() -> None:
    graph = check_against_tflm(rnn(), 3, ulp=16)
    check_graph(graph)
    check_kernels(graph)
    assert kinds(graph).count("tanh") == STEPS
    assert kinds(graph).count("concat") == 1, "the list is put together once, not in each step"
    weights = {n.inputs[1] for n in graph.nodes if n.op.kind == "dense"}
    assert len(weights) == 1, "there is one copy of the weights"


def test_a_list_that_nobody_fills_stays_what_it_was() -> None:
    graph = load(rnn(lists=False))
    check_graph(graph)
    x = np.ones((STEPS, 1, SIZE), np.float32)
    assert not run_graph(graph, [x]).values[graph.outputs[0]].any()


def keras_list(steps: int = STEPS) -> bytes:
    """list = CONCATENATION(list[:i], row, list[i+1:]), with sizes that the file leaves open, as Keras exports have it."""
    state = [f32("x", 1, SIZE), f32("list", STEPS, 1, SIZE)]
    empty = {"shape_signature": (-1, 1, SIZE)}
    body = SubgraphSpec(
        [
            i32("i"), *state,
            i32("one", data=1), i32("i+1"), f32("twice", 1, SIZE), f32("row", 1, 1, SIZE),
            i32("row shape", 3, data=[1, 1, SIZE]),
            i32("list shape", 1, data=[1]), i32("i1", 1), i32("i2", 1),
            i32("rest", 2, data=[-1, -1]), i32("zeros", 2, data=[0, 0]),
            i32("size", 3), i32("from", 3), i32("origin", 3, data=[0, 0, 0]), i32("all", 3, data=[-1, -1, -1]),
            replace(f32("before", 1, 1, SIZE), **empty), replace(f32("after", 1, 1, SIZE), **empty),
            f32("list+", STEPS, 1, SIZE),
        ],
        [
            OperatorSpec("ADD", [0, 3], [4]),
            OperatorSpec("ADD", [1, 1], [5]),
            OperatorSpec("RESHAPE", [5, 7], [6]),
            OperatorSpec("RESHAPE", [0, 8], [9]),
            OperatorSpec("RESHAPE", [4, 8], [10]),
            OperatorSpec("CONCATENATION", [9, 11], [13]),
            OperatorSpec("CONCATENATION", [10, 12], [14]),
            OperatorSpec("SLICE", [2, 15, 13], [17]),
            OperatorSpec("SLICE", [2, 14, 16], [18]),
            OperatorSpec("CONCATENATION", [17, 6, 18], [19]),
        ],
        [0, 1, 2],
        [4, 5, 19],
        "body",
    )  # fmt: skip
    tensors = [
        f32("input", 1, SIZE), i32("first", data=0), f32("list0", STEPS, 1, SIZE, data=np.full((STEPS, 1, SIZE), 7)),
        i32("last"), f32("x+", 1, SIZE), f32("all", STEPS, 1, SIZE),
        i32("begin", 3, data=[-1, 0, 0]), i32("end", 3, data=[0, 1, SIZE]), i32("step", 3, data=[1, 1, 1]), f32("row", 1, SIZE),
    ]  # fmt: skip
    loop = OperatorSpec("WHILE", [1, 0, 2], [3, 4, 5], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    masks = {"shrink_axis_mask": 1, "end_mask": 1}
    last = OperatorSpec("STRIDED_SLICE", [5, 6, 7, 8], [9], masks)
    return model_bytes(tensors, [loop, last], [0], [5, 9], [condition(*state, steps=steps), body])


@pytest.mark.parametrize("steps", [0, 1, 3, STEPS])
def test_lists_in_pieces(steps: int) -> None:
    graph = load(keras_list(steps))
    check_graph(graph)
    x = np.array([[1, 2, 3]], np.float32)
    values = run_graph(graph, [x]).values
    rows = np.full((STEPS, 1, SIZE), 7, np.float32)
    for i in range(steps):
        rows[i, 0] = 2.0 ** (i + 1) * x
    assert np.array_equal(values[graph.outputs[0]], rows)
    assert np.array_equal(values[graph.outputs[1]], rows[-1])
    assert kinds(graph).count("concat") <= 1


def branch(condition: TensorSpec, inputs: list[int]) -> bytes:
    tensors = [f32("x", 1, 2), condition, f32("y", 1, 2)]
    then = SubgraphSpec([f32("a", 1, 2), f32("b", 1, 2)], [OperatorSpec("RELU", [0], [1])], [0], [1], "then")
    other = SubgraphSpec([f32("a", 1, 2), f32("b", 1, 2)], [OperatorSpec("NEG", [0], [1])], [0], [1], "else")
    choose = OperatorSpec("IF", [1, 0], [2], {"then_subgraph_index": 1, "else_subgraph_index": 2})
    return model_bytes(tensors, [choose], inputs, [2], [then, other])


@pytest.mark.parametrize(("truth", "kind"), [(True, "relu"), (False, "neg")])
def test_a_branch_that_is_known(truth: bool, kind: str) -> None:
    graph = load(branch(TensorSpec("c", (), "bool", data=truth), [0]))
    assert kinds(graph) == [kind, "copy"]
    assert run_graph(graph, [np.array([[3, -4]], np.float32)]).values["y"].tolist() == (
        [[3, 0]] if truth else [[-3, 4]]
    )


def complaint(data: bytes) -> str:
    with pytest.raises(UnsupportedError) as caught:
        load(data)
    return str(caught.value)


def test_a_branch_that_depends_on_data_is_an_obstacle() -> None:
    text = complaint(branch(TensorSpec("c", (), "bool"), [0, 1]))
    assert "the condition of IF must be known now, but depends on what comes in" in text


def test_a_loop_without_end_is_an_obstacle() -> None:
    same = SubgraphSpec([i32("i"), f32("h", 1, SIZE)], [], [0, 1], [0, 1], "body")
    tensors = [f32("input", 1, SIZE), i32("first", data=0), i32("last"), f32("y", 1, SIZE)]
    loop = OperatorSpec("WHILE", [1, 0], [2, 3], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    text = complaint(model_bytes(tensors, [loop], [0], [3], [condition(STATE[0]), same]))
    assert "a loop must end after at most 512 steps" in text


def test_a_loop_in_itself_is_an_obstacle() -> None:
    loop = OperatorSpec("WHILE", [0, 1], [2, 3], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    body = SubgraphSpec([i32("i"), f32("h", 1, SIZE), i32("j"), f32("g", 1, SIZE)], [loop], [0, 1], [2, 3], "body")
    tensors = [f32("input", 1, SIZE), i32("first", data=0), i32("last"), f32("y", 1, SIZE)]
    outer = OperatorSpec("WHILE", [1, 0], [2, 3], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    text = complaint(model_bytes(tensors, [outer], [0], [3], [condition(STATE[0]), body]))
    assert "loops and branches must be at most 8 deep" in text


def test_what_a_loop_can_not_do_is_told_once() -> None:
    bad = SubgraphSpec(
        [i32("i"), f32("h", 1, SIZE), i32("one", data=1), i32("j"), f32("g", 1, SIZE)],
        [OperatorSpec("ADD", [0, 2], [3]), OperatorSpec("CUSTOM", [1], [4], custom_code="Mine")],
        [0, 1],
        [3, 4],
        "body",
    )
    tensors = [f32("input", 1, SIZE), i32("first", data=0), i32("last"), f32("y", 1, SIZE)]
    loop = OperatorSpec("WHILE", [1, 0], [2, 3], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    text = complaint(model_bytes(tensors, [loop], [0], [3], [condition(STATE[0]), bad]))
    assert "1 obstacle to" in text
    assert "operator CUSTOM:Mine is not supported" in text


# ------------------------------------------------------------------------------------- operators that need several nodes


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_select_by_rows_by_elements_and_at_all(shape: tuple[int, ...]) -> None:
    tensors = [TensorSpec("c", shape, "bool"), f32("a", 2, 3), f32("b", 2, 3), f32("y", 2, 3)]
    graph = load(model_bytes(tensors, [OperatorSpec("SELECT", [0, 1, 2], [3])], [0, 1, 2], [3]))
    check_kernels(graph)
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), -np.ones((2, 3), np.float32)
    c = np.array([1, 0, 1, 1, 0, 0][: int(np.prod(shape, dtype=int))], bool).reshape(shape)
    rows = c.reshape(2, 1) if shape == (2,) else c
    assert np.array_equal(run_graph(graph, [c, a, b]).values["y"], np.where(rows, a, b))


@pytest.mark.parametrize("code", ["ARG_MAX", "ARG_MIN"])
def test_arg_max_to_int64(code: str) -> None:
    tensors = [f32("x", 2, 5), i32("axis", 1, data=[1]), TensorSpec("y", (2,), np.int64)]
    graph = load(model_bytes(tensors, [OperatorSpec(code, [0, 1], [2], {"output_type": "INT64"})], [0], [2]))
    check_kernels(graph)
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    want = x.argmax(1) if code == "ARG_MAX" else x.argmin(1)
    assert np.array_equal(run_graph(graph, [x]).values["y"], want)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("stride", "dilation"), [((1, 1, 1), (1, 1, 1)), ((2, 1, 2), (1, 1, 1)), ((1, 1, 1), (2, 1, 2))]
)
def test_conv_3d(padding: str, stride: tuple[int, int, int], dilation: tuple[int, int, int]) -> None:
    """Against scipy's correlation, window by window."""
    from scipy.ndimage import correlate

    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(1, 6, 7, 5, 2)).astype(np.float32), rng.normal(size=(3, 2, 3, 2, 4)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    spread = np.zeros((*((k - 1) * d + 1 for k, d in zip(w.shape[:3], dilation, strict=True)), 2, 4))
    spread[:: dilation[0], :: dilation[1], :: dilation[2]] = w
    reach, sizes = spread.shape[:3], x.shape[1:4]
    if padding == "SAME":
        counts = [-(-n // s) for n, s in zip(sizes, stride, strict=True)]
        total = [max(0, (c - 1) * s + r - n) for c, s, r, n in zip(counts, stride, reach, sizes, strict=True)]
        padded = np.pad(x[0], [(t // 2, t - t // 2) for t in total] + [(0, 0)])
    else:
        padded = x[0]
    origin = [-((r - 1) // 2) - (0 if r % 2 else 1) + (r - 1) // 2 for r in reach]
    full = [sum(correlate(padded[..., c].astype(float), spread[..., c, f], mode="constant", origin=origin)
                for c in range(2)) for f in range(4)]  # fmt: skip
    centre = [r // 2 + o for r, o in zip(reach, origin, strict=True)]
    want = np.stack(full, -1)
    for a, (r, s, c) in enumerate(zip(reach, stride, centre, strict=True)):
        want = np.take(want, np.arange(c, padded.shape[a] - r + 1 + c, s), axis=a)
    want = np.maximum(want + bias, 0)[None]
    options = {"padding": padding, "fused_activation_function": "RELU"}
    options |= dict(zip(("stride_d", "stride_h", "stride_w"), stride, strict=True))
    options |= dict(zip(("dilation_d_factor", "dilation_h_factor", "dilation_w_factor"), dilation, strict=True))
    tensors = [f32("x", *x.shape), f32("w", *w.shape, data=w), f32("b", 4, data=bias), f32("y", *want.shape)]
    graph = load(model_bytes(tensors, [OperatorSpec("CONV_3D", [0, 1, 2], [3], options)], [0], [3]))
    check_graph(graph)
    assert np.allclose(run_graph(graph, [x]).values["y"], want, atol=1e-4)
