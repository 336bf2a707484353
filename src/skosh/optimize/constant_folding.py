"""Compute at compile time what no input can change."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace

import numpy as np

from skosh.base.budget import spend
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
    tensors = dict(graph.tensors)
    nodes: list[Node] = []
    changed = False
    for node in graph.nodes:
        operands = tuple(tensors[n] if n else None for n in node.inputs)
        ins = [t for t in operands if t is not None]
        outs = tuple(tensors[n] for n in node.outputs)
        foldable = all(t.is_constant for t in ins) and not _settled(graph, node) and not node.op.update
        if not (foldable and worth_storing(sum(t.nbytes for t in outs), sum(t.nbytes for t in ins))):
            nodes.append(node)
            continue
        spend("elements", sum(t.size for t in outs), f'the constants of "{node.name}"')
        spend("work", node.op.macs(operands, outs) + sum(t.size for t in (*ins, *outs)), f'"{node.name}"')
        data = [None if t is None else t.data for t in operands]
        made, copies = constants_for(node, node.op.reference(operands, outs, data), tensors, outside(graph))
        tensors |= {t.name: t for t in made}
        nodes += copies
        changed = True
    return graph.with_(nodes=tuple(nodes), tensors=tensors) if changed else graph


def worth_storing(result: int, inputs: int) -> bool:
    """Whether a constant of ``result`` bytes may take the place of a computation on ``inputs`` bytes."""
    return result <= max(LARGE, GROWTH * inputs)


def fixed(graph: Graph, node: Node, values: Sequence[Array]) -> Graph:
    """The graph with constants in the place of ``node``, whose outputs always have these values."""
    made, copies = constants_for(node, values, graph.tensors, outside(graph))
    return replace_node(graph, node, *copies, tensors=made)


def constants_for(
    node: Node, values: Sequence[Array], tensors: Mapping[str, Tensor], known: Container[str]
) -> tuple[list[Tensor], list[Node]]:
    """(constants of these values, copies of those whose outputs the outside knows) for a node that goes."""
    made: list[Tensor] = []
    copies: list[Node] = []
    for name, array in zip(node.outputs, values, strict=True):
        tensor, value = tensors[name], np.array(array, order="C")
        if name in known:
            constant = replace(tensor, name=fresh(tensors, f"{name}_value"), data=value)
            copies.append(Node(Copy(), (constant.name,), (name,), node.name, node.loc))
        else:
            constant = replace(tensor, data=value)
        made.append(constant)
    return made, copies


def _settled(graph: Graph, node: Node) -> bool:
    """Whether the node is a Copy that must stay: what the outside reads needs memory."""
    return isinstance(node.op, Copy) and node.outputs[0] in outside(graph)
