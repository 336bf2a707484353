"""Whatever the network, the optimized one computes the same, bit for bit, and never more."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i8, i16
from skosh.ir.graph import Graph
from skosh.ir.interpret_calls import run_calls
from skosh.ir.interpret_graph import run_graph
from skosh.optimize import figures, optimize_graph
from tests.optimize.graphs import check_same, random_network
from tests.support.agree import random_input

SEEDS = st.integers(0, 2**32 - 1)


def check(graph: Graph, seed: int) -> Graph:
    after = optimize_graph(graph)
    check_same(graph, after, seed=seed, runs=2)
    a, b = figures(graph), figures(after)
    assert b.macs <= a.macs
    assert optimize_graph(after) is after, "nothing is left to do"
    return after


@settings(max_examples=60)
@given(SEEDS, st.integers(2, 10))
def test_int8(seed: int, layers: int) -> None:
    check(random_network(seed, i8, layers), seed)


@settings(max_examples=15)
@given(SEEDS, st.integers(2, 8))
def test_int16(seed: int, layers: int) -> None:
    check(random_network(seed, i16, layers), seed)


@settings(max_examples=5)
@given(SEEDS)
def test_kernels_take_what_is_left(seed: int) -> None:
    """Odd numbers of channels, new biases, copies of constants: the kernels compute what the reference does."""
    graph = optimize_graph(random_network(seed, i8, 4))
    rng = np.random.default_rng(seed)
    values = run_graph(graph, [random_input(t, rng) for t in graph.required(graph.inputs)]).values
    for node in graph.nodes:
        ins, outs = graph.operands(node.inputs), graph.required(node.outputs)
        if node.op.macs(ins, outs) > 2000 or outs[0].size > 300:
            continue  # the interpreter is slow
        arguments = [values[n] if n else None for n in node.inputs]
        results = run_calls(node.op, ins, outs, arguments, shuffle=random.Random(seed))
        for name, got in zip(node.outputs, results, strict=True):
            assert np.array_equal(got, values[name]), f"{node.op.kind} {name}"
