"""Remove nodes that do nothing, and turn those that move nothing into views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from skosh.ir.graph import Graph, Node, Op
from skosh.ops.moves.movement import BroadcastTo, Concat, Pack, Slice, Split, Tile, Transpose
from skosh.ops.moves.padding import BatchToSpace, MirrorPad, Pad, SpaceToBatch
from skosh.ops.moves.reshape import Copy, Reshape
from skosh.optimize.rewrite import alike, bypass_all, outside, volatile


def no_op_nodes(graph: Graph) -> Graph:
    """Shorten chains of reshapes and of transposes, make views of movements that keep the order of elements, drop copies.

    Needs: nodes in execution order. Leaves: a movement node moves something; a Reshape changes the shape or the scale.

        a = reshape x; y = reshape a               ->      y = reshape x
        a = transpose x, (1, 0); y = transpose a, (1, 0); z = relu y      ->      z = relu x
        y = transpose x[1, 1, 64], (0, 2, 1)       ->      y = reshape x
        y = pad x by nothing; z = relu y           ->      z = relu x
    """
    while True:
        made: dict[str, Node] = {}  # who makes each tensor, as it is now
        nodes, idle = [], []
        for original in graph.nodes:
            node = original
            while (shorter := _shortened(graph, node, made)) is not None:
                node = shorter
            if keeps_order(graph, node):
                if removable(graph, node):
                    idle.append(node)
                elif not isinstance(node.op, (Reshape, Copy)):
                    node = replace(node, op=Reshape(graph.tensors[node.outputs[0]].shape))
            nodes.append(node)
            made |= dict.fromkeys(node.outputs, node)
        if not idle and all(new is old for new, old in zip(nodes, graph.nodes, strict=True)):
            return graph
        graph = bypass_all(graph.with_(nodes=tuple(nodes)), idle)


def removable(graph: Graph, node: Node) -> bool:
    """Whether ``bypass`` takes the node out, which keeps the order of elements."""
    source, (made,) = node.inputs[0], node.outputs
    if not alike(graph.tensors[made], graph.tensors[source]) or volatile(graph) & {source, made}:
        return False
    return made not in outside(graph) or (source not in outside(graph) and not graph.tensors[source].is_constant)


def _shortened(graph: Graph, node: Node, made: Mapping[str, Node]) -> Node | None:
    """The node reading what the movement before it reads, when the two are one movement. made: who makes each tensor."""
    before = made.get(node.inputs[0]) if node.inputs else None
    if before is None or before.inputs[0] in volatile(graph):
        return None
    op: Op | None = None
    if isinstance(node.op, Reshape) and (isinstance(before.op, Reshape) or _private_copy(graph, before)):
        op = node.op
    elif isinstance(node.op, Transpose) and isinstance(before.op, Transpose):
        op = Transpose(tuple(before.op.perm[p] for p in node.op.perm))
    return None if op is None else replace(node, op=op, inputs=(before.inputs[0],))


def _private_copy(graph: Graph, node: Node) -> bool:
    return isinstance(node.op, Copy) and node.outputs[0] not in outside(graph)


def keeps_order(graph: Graph, node: Node) -> bool:
    """Whether the node's only output has the elements of its only input in the same order of memory."""
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return False
    x, y = graph.tensors[node.inputs[0]], graph.tensors[node.outputs[0]]
    if x.size != y.size or x.dtype != y.dtype:
        return False
    op = node.op
    if isinstance(op, Transpose):
        long = [p for p in op.perm if x.shape[p] != 1]
        return long == sorted(long)
    if isinstance(op, Slice):
        return op.size == x.shape and all(step == 1 or n == 1 for step, n in zip(op.step, op.size, strict=True))
    if isinstance(op, (SpaceToBatch, BatchToSpace)):
        return all(b == 1 for b in op.block)
    # Of as many elements as they read, these can only have copied them.
    return isinstance(op, (Reshape, Copy, Concat, Pack, Split, Tile, BroadcastTo, Pad, MirrorPad))
