"""Compute and store what is equal only once."""

from __future__ import annotations

from typing import Any

from skosh.ir.graph import Graph, Node, Tensor
from skosh.optimize.rewrite import alike, outside, renamed, volatile


def common_subexpressions(graph: Graph) -> Graph:
    """Merge equal constants, and nodes of equal operators on equal inputs with equal outputs.

    Needs: nodes in execution order. Leaves: no two such nodes, unless the outside knows the outputs of both.

        a = relu x; b = relu x; y = add a, b      ->      a = relu x; y = add a, a
    """
    again = True
    while again:
        graph, again = _merged(_equal_constants(graph))
    return graph


def _merged(graph: Graph) -> tuple[Graph, bool]:
    """(the graph with equal nodes merged, whether one was merged that has to be looked at again)."""
    fixed, rewritten = outside(graph), volatile(graph)
    names: dict[str, str] = {}
    first: dict[Any, Node] = {}
    nodes = []
    for original in graph.nodes:
        node = renamed(original, names)
        key = None if node.op.update or rewritten.intersection((*node.inputs, *node.outputs)) else _key(graph, node)
        if key is None or key not in first:
            nodes.append(node)
            if key is not None:
                first[key] = node
        elif not fixed.intersection(node.outputs):
            names |= dict(zip(node.outputs, first[key].outputs, strict=True))
        elif not fixed.intersection(first[key].outputs):  # the output keeps its name, and the first makes it
            back = dict(zip(first[key].outputs, node.outputs, strict=True))
            rest = tuple(renamed(n, back) for n in graph.nodes if n is not original)
            return graph.with_(nodes=rest), True
        else:
            nodes.append(node)
    return graph.with_(nodes=tuple(nodes)) if names else graph, False


def _key(graph: Graph, node: Node) -> Any:
    outs = tuple((t.shape, t.dtype, t.quant) for t in graph.required(node.outputs))
    key = (type(node.op), node.op, repr(node.op), node.inputs, outs)  # repr: 0.0 is not -0.0
    try:
        hash(key)
    except TypeError:  # an operator with arrays among its attributes
        return None
    return key


def _equal_constants(graph: Graph) -> Graph:
    fixed = outside(graph)
    first: dict[Any, Tensor] = {}
    names: dict[str, str] = {}
    for t in graph.constants:
        if t.data is None or t.name in fixed:
            continue
        found = first.setdefault((t.shape, t.dtype, t.quant, t.data.tobytes()), t)
        if found is not t:
            assert alike(found, t), "equal keys mean equal types"
            names[t.name] = found.name
    return graph.with_(nodes=tuple(renamed(n, names) for n in graph.nodes)) if names else graph
