"""Storages: tensors that share bytes for good, as ``sharing`` finds them; and who may take over another's by choice."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.ir.graph import Graph, Node
from skosh.plan.result import Kind


@dataclass(frozen=True)
class Storage:
    """Bytes shared by ``tensors``. ``writer``: the node that fills it first, None when it is full before the run."""

    tensors: tuple[str, ...]
    nbytes: int
    element: int  # bytes of its largest element
    writer: int | None
    readers: tuple[int, ...]  # nodes that read any version, views included
    kind: Kind

    @property
    def to_end(self) -> bool:
        """Must still hold its value when the run is over."""
        return self.kind in ("output", "state")


@dataclass(frozen=True)
class Storages:
    """All storages of a graph. ``idle``: views without work. ``edges``: (reader, writer), beyond the graph's own."""

    storages: tuple[Storage, ...]
    of: dict[str, int]
    copies: frozenset[int]
    idle: frozenset[int]
    edges: tuple[tuple[int, int], ...]


def inplace_pairs(graph: Graph, found: Storages, index: int) -> tuple[tuple[int, int], ...]:
    """(input, output) pairs of a node that may share memory if the input's storage dies there.

    Same number and size of elements, so that a broadcast operand never qualifies; and no other operand may read the
    same storage, unless it too is in a pair with that output.
    """
    node = graph.nodes[index]
    if index in found.idle or index in found.copies:
        return ()
    updated = {o for _, o in node.op.update}
    good = []
    for i, o in node.op.inplace:
        if i >= len(node.inputs) or o >= len(node.outputs) or o in updated:
            continue
        x, y = found.of.get(node.inputs[i]), found.of.get(node.outputs[o])
        if x is None or y is None or x == y or found.storages[x].to_end or found.storages[y].writer != index:
            continue
        readers = {k for k, name in enumerate(node.inputs) if found.of.get(name) == x}
        paired = {k for k, out in node.op.inplace if out == o}
        if found.storages[y].kind != "state" and readers <= paired and same_elements(graph, node, i, o):
            good.append((i, o))
    return tuple(good)


def same_elements(graph: Graph, node: Node, i: int, o: int) -> bool:
    a, b = graph.tensors[node.inputs[i]], graph.tensors[node.outputs[o]]
    return a.size == b.size and a.nbytes == b.nbytes
