"""The part of a graph that stays in floats: scalers, which give each feature a unit of its own."""

from __future__ import annotations

import numpy as np

from skosh.ir.graph import Graph, Node
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul, Sub


def scaler_nodes(graph: Graph) -> tuple[Node, ...]:
    """Nodes that move, stretch or clip the features of a float input by constants, where these differ between features.

    A feature in micrometres beside one in tonnes leaves a common int8 scale nothing to tell them apart by; after the
    scaler they are alike. So the model takes floats, and its integers begin behind the scaler.
    """
    found: list[Node] = []
    for name in graph.inputs:
        chain = _chain(graph, name)
        if any(_differs(graph, node) for node in chain) and chain[-1].outputs[0] not in graph.outputs:
            found += chain
    return tuple(n for n in graph.nodes if any(n is f for f in found))


def _chain(graph: Graph, name: str) -> list[Node]:
    chain: list[Node] = []
    while len(graph.consumers[name]) == 1 and name not in graph.outputs:
        (node,) = graph.consumers[name]
        constants = [n for n in node.inputs if graph.tensors[n].is_constant]
        if type(node.op) not in (Add, Sub, Mul, Div, Maximum, Minimum) or len(constants) != 1:
            break
        if not graph.tensors[name].dtype.is_float or graph.tensors[node.outputs[0]].shape != graph.tensors[name].shape:
            break
        chain.append(node)
        name = node.outputs[0]
    return chain


def _differs(graph: Graph, node: Node) -> bool:
    constants = [d for n in node.inputs if (d := graph.tensors[n].data) is not None]
    return any(len(np.unique(d)) > 1 for d in constants)
