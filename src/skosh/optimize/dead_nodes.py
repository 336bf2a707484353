"""Remove nodes that nothing needs."""

from __future__ import annotations

from skosh.ir.graph import Graph


def dead_nodes(graph: Graph) -> Graph:
    """Drop nodes from which no graph output and no state can be reached.

    Needs: nodes in execution order. Leaves: every node has an output that someone reads; the rest is as it was.

        a = relu x; b = exp x; output a      ->      a = relu x; output a
    """
    needed = {*graph.outputs, *(s.after for s in graph.states)}
    kept = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(n for n in node.inputs if n)
    if len(kept) == len(graph.nodes):
        return graph
    return graph.with_(nodes=tuple(reversed(kept)))
