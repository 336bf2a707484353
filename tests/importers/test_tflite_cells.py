"""A loop that is an LSTM becomes one operator; one that only looks like it stays a loop. TFLite Micro runs both as loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from skosh.importers.tflite import load
from skosh.ir.check_graph import check_graph
from tests.importers.test_tflite_control import condition, f32, i32, kinds
from tests.ops.one_operator import check_kernels
from tests.support.agree import check_against_tflm
from tests.support.tflite_writer import OperatorSpec, SubgraphSpec, model_bytes

STEPS, SIZE, FEATURES = 9, 3, 2


def lstm(
    steps: int = STEPS, gates: tuple[int, int, int, int] = (0, 1, 2, 3), whole: bool = True, twice: bool = False
) -> bytes:
    """Keras' LSTM as TensorFlow writes it. gates: where in the product input, forget, cell and output gate lie.

    whole: all hidden states are kept, not the last one only. twice: the cell state is doubled, which no LSTM does.
    """
    rng = np.random.default_rng(2)
    n, rows = 4 * SIZE, steps if whole else 1
    state = [f32("h", 1, SIZE), f32("c", 1, SIZE), f32("x", steps, 1, FEATURES), f32("list", rows, 1, SIZE)]
    names = ["i", "h", "c", "x", "list"]
    tensors: list[Any] = [i32("i"), *state]

    def new(spec: Any) -> int:
        tensors.append(spec)
        names.append(spec.name)
        return len(tensors) - 1

    ops: list[OperatorSpec] = []

    def apply(code: str, *inputs: int, shape: tuple[int, ...] = (1, SIZE), **options: Any) -> int:
        y = new(f32(f"{code}_{len(ops)}", *shape))
        ops.append(OperatorSpec(code, list(inputs), [y], options))
        return y

    following = new(i32("i+1"))
    ops.append(OperatorSpec("ADD", [0, new(i32("one", data=1))], [following]))
    r = new(f32("r", n, SIZE, data=rng.normal(0, 0.6, (n, SIZE))))
    w = new(f32("w", n, FEATURES, data=rng.normal(0, 0.6, (n, FEATURES))))
    hr = apply("FULLY_CONNECTED", 1, r, -1, shape=(1, n))
    xi = apply("GATHER", 3, 0, shape=(1, FEATURES))
    xw = apply("FULLY_CONNECTED", xi, w, -1, shape=(1, n))
    total = apply("ADD", apply("ADD", xw, hr, shape=(1, n)), new(f32("b", n, data=rng.normal(0, 0.5, n))), shape=(1, n))
    parts = [new(f32(f"part{k}", 1, SIZE)) for k in range(4)]
    ops.append(OperatorSpec("SPLIT", [new(i32("axis", data=1)), total], parts, {"num_splits": 4}))
    a, f, g, o = (parts[k] for k in gates)
    kept = apply("MUL", apply("LOGISTIC", f), 2)
    c = apply("ADD", kept, apply("MUL", apply("LOGISTIC", a), apply("TANH", g)))
    c = apply("ADD", c, c) if twice else c
    h = apply("MUL", apply("LOGISTIC", o), apply("TANH", c))
    row = apply("RESHAPE", h, new(i32("row shape", 3, data=[1, 1, SIZE])), shape=(1, 1, SIZE))
    if whole:
        index, place = new(i32("i1", 1)), new(i32("place", 3))
        ops.append(OperatorSpec("RESHAPE", [0, new(i32("list shape", 1, data=[1]))], [index]))
        ops.append(OperatorSpec("CONCATENATION", [index, new(i32("zeros", 2, data=[0, 0]))], [place]))
        row = apply("DYNAMIC_UPDATE_SLICE", 4, row, place, shape=(rows, 1, SIZE))
    body = SubgraphSpec(tensors, ops, [0, 1, 2, 3, 4], [following, h, c, 3, row], "body")
    main = [
        f32("input", steps, 1, FEATURES), i32("first", data=0), f32("h0", 1, SIZE, data=np.zeros((1, SIZE))),
        f32("c0", 1, SIZE, data=np.full((1, SIZE), 0.25)), f32("list0", rows, 1, SIZE, data=np.zeros((rows, 1, SIZE))),
        i32("last"), f32("hT", 1, SIZE), f32("cT", 1, SIZE), f32("x+", steps, 1, FEATURES), f32("all", rows, 1, SIZE),
    ]  # fmt: skip
    loop = OperatorSpec("WHILE", [1, 2, 3, 0, 4], [5, 6, 7, 8, 9], {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    return model_bytes(main, [loop], [0], [9, 6, 7], [condition(*state, steps=steps), body])


@pytest.mark.parametrize("whole", [True, False])
def test_an_lstm_is_one_operator(whole: bool) -> None:
    graph = check_against_tflm(lstm(whole=whole), 3, ulp=400)
    check_graph(graph)
    check_kernels(graph)
    assert kinds(graph).count("lstm") == 1
    assert not graph.states, "each run begins anew"


@pytest.mark.parametrize(
    "change", [{"gates": (2, 1, 0, 3)}, {"gates": (0, 1, 3, 2)}, {"twice": True}, {"steps": 5}], ids=str
)  # fmt: skip
def test_other_cells_and_short_loops_are_unrolled(change: Any) -> None:
    data = lstm(**change)
    graph = check_against_tflm(data, 2, ulp=400)
    assert "lstm" not in kinds(graph)
    assert kinds(graph).count("tanh") == 2 * change.get("steps", STEPS)


def test_more_steps_are_no_more_code() -> None:
    short, long = (load(lstm(steps)) for steps in (10, 40))
    assert kinds(short) == kinds(long)
