"""Floor 4: the same meaning, less work. Pure functions Graph -> Graph, bit-exact for every input."""

from __future__ import annotations

from skosh.ir.graph import Graph
from skosh.optimize.dead_nodes import dead_nodes

__all__ = ["optimize_graph"]


def optimize_graph(graph: Graph) -> Graph:
    """The graph after all passes."""
    return dead_nodes(graph)
