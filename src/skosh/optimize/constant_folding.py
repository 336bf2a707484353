"""Compute at compile time what no input can change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skosh.ir.graph import Array, Graph, Node, Tensor
from skosh.ops.moves.reshape import Copy
from skosh.optimize.rewrite import fresh, outside, replace_node

LARGE = 64 << 10
"""Bytes of constants that are worth a multiplication of what is stored ..."""
GROWTH = 4
"""... and how many times larger than its inputs a larger one may be."""


def constant_folding(graph: Graph) -> Graph:
    """Evaluate nodes all of whose inputs are constants, unless the result is far larger than they are.

    Needs: nodes in execution order. Leaves: outputs as constants; one that the outside knows is a ``Copy`` of a constant.

        c = add 2, 3; y = mul x, c      ->      y = mul x, 5
    """
    for node in graph.nodes:
        ins = [t for t in graph.operands(node.inputs) if t is not None]
        if all(t.is_constant for t in ins) and not _settled(graph, node) and not node.op.update:
            outs = graph.required(node.outputs)
            if worth_storing(sum(t.nbytes for t in outs), sum(t.nbytes for t in ins)):
                operands = graph.operands(node.inputs)
                data = [None if t is None else t.data for t in operands]
                graph = fixed(graph, node, node.op.reference(operands, outs, data))
    return graph


def worth_storing(result: int, inputs: int) -> bool:
    """Whether a constant of ``result`` bytes may take the place of a computation on ``inputs`` bytes."""
    return result <= max(LARGE, GROWTH * inputs)


def fixed(graph: Graph, node: Node, values: Sequence[Array]) -> Graph:
    """The graph with constants in the place of ``node``, whose outputs always have these values."""
    known = outside(graph)
    tensors: list[Tensor] = []
    copies: list[Node] = []
    for name, array in zip(node.outputs, values, strict=True):
        tensor, value = graph.tensors[name], np.array(array, order="C")
        if name in known:
            constant = replace(tensor, name=fresh(graph.tensors, f"{name}_value"), data=value)
            copies.append(Node(Copy(), (constant.name,), (name,), node.name, node.loc))
        else:
            constant = replace(tensor, data=value)
        tensors.append(constant)
    return replace_node(graph, node, *copies, tensors=tensors)


def _settled(graph: Graph, node: Node) -> bool:
    """Whether the node is a Copy that must stay: what the outside reads needs memory."""
    return isinstance(node.op, Copy) and node.outputs[0] in outside(graph)
