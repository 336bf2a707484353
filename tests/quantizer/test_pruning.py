"""Pruned float graphs: what becomes 0, and what the compiler makes of it."""

from __future__ import annotations

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.ir.graph import macs
from skosh.ops.elements.activations import Relu
from skosh.ops.layers.dense import Dense
from skosh.ops.reductions.softmax import Softmax
from skosh.optimize import optimize_graph
from skosh.quantizer.study.pruning import pruned
from tests.quantizer.test_quantize_graph import ROWS, chain, layer


def net():
    return chain(
        (Dense(), layer(8, 4)), Relu("relu"), (Dense("relu"), layer(6, 8, 1)), (Dense(), layer(3, 6, 2)), Softmax()
    )


def test_the_smallest_filters_go_and_the_last_layer_stays():
    graph = net()
    made = pruned(graph, 0.5)
    zero = {n.name: [not made.tensors[c].data[i].any() for i in range(len(made.tensors[c].data))]
            for n in made.nodes if n.op.kind == "dense" for c in n.inputs[1:2]}  # fmt: skip
    assert [sum(z) for z in zero.values()] == [4, 3, 0]
    sizes = np.abs(graph.tensors[graph.nodes[0].inputs[1]].data).sum(axis=1)
    assert sizes[zero["t0"]].max() <= sizes[~np.array(zero["t0"])].min()
    assert not made.tensors[made.nodes[0].inputs[2]].data[zero["t0"]].any()


@pytest.mark.parametrize("scheme", ["int8", "int4", "ternary"])
def test_the_compiler_drops_what_is_constant(scheme):
    whole, less = (skosh.quantize(pruned(net(), share), ROWS, scheme=scheme) for share in (0.0, 0.5))
    assert macs(optimize_graph(whole)) == 4 * 8 + 8 * 6 + 6 * 3
    assert macs(optimize_graph(less)) <= 4 * 4 + 4 * 4 + 4 * 3  # channels may stay in fours


def test_nothing_is_pruned_at_0():
    graph = net()
    made = pruned(graph, 0.0)
    assert all(np.array_equal(t.data, made.tensors[t.name].data) for t in graph.constants)


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_shares(share):
    with pytest.raises(InputError, match=r"share must be from 0 to below 1, not"):
        pruned(net(), share)
