"""Replace results that no input can change."""

from __future__ import annotations

from skosh.ir.graph import Graph
from skosh.ops.moves.reshape import Copy
from skosh.optimize.constant_folding import fixed, worth_storing
from skosh.optimize.ranges import value_ranges


def known_values(graph: Graph) -> Graph:
    """Replace nodes all of whose output elements are constants, by the ranges of values.

    Needs: nodes in execution order. Leaves: such results as constants, where they are not far larger than the node's inputs.

        y = conv2d x, weights all zero; z = add u, y      ->      z = add u, constant
    """
    ranges = value_ranges(graph)
    for node in graph.nodes:
        outs, operands = graph.required(node.outputs), graph.operands(node.inputs)
        ins = [t for t in operands if t is not None]
        known = all(t.name in ranges and bool(ranges[t.name].known.all()) for t in outs)
        if not known or isinstance(node.op, Copy) or node.op.update:
            continue
        if worth_storing(sum(t.nbytes for t in outs), sum(t.nbytes for t in ins)):
            graph = fixed(graph, node, [ranges[t.name].lo.astype(t.dtype.np) for t in outs])
    return graph
