"""Drop functions that change nothing."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import i8, i16
from skosh.ir.graph import Graph, Node
from skosh.optimize.elementwise import function_of
from skosh.optimize.ranges import Ranges, value_ranges
from skosh.optimize.rewrite import bypass_all


def identity_functions(graph: Graph) -> Graph:
    """Drop unary functions of int8 or int16 that give back every number that can reach them.

    Needs: nodes in execution order; equal scales and zero points before and after. Leaves: no such node, unless the outside
    knows both its tensors.

        a = conv2d x, activation relu; y = relu a      ->      y = conv2d x, activation relu
        b = quantize a, to the same scale; y = f b     ->      y = f a
    """
    if not any(_candidate(graph, node) for node in graph.nodes):
        return graph
    ranges = value_ranges(graph)
    # the ranges stay true: a tensor takes the name of an equal one
    return bypass_all(graph, [n for n in graph.nodes if _candidate(graph, n) and changes_nothing(graph, n, ranges)])


def _candidate(graph: Graph, node: Node) -> bool:
    if not node.op.traits.unary or len(node.inputs) != 1:
        return False
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    return x.dtype in (i8, i16) and (x.dtype, x.quant) == (y.dtype, y.quant)


def changes_nothing(graph: Graph, node: Node, ranges: Ranges) -> bool:
    """Whether the function is the identity between the least and the largest number that can reach it."""
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    r = ranges[x.name]
    every = np.arange(int(r.lo.min()), int(r.hi.max()) + 1).astype(x.dtype.np)
    return bool(np.array_equal(function_of(node.op, x, y, every), every))
