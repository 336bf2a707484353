"""What passes share: which names must stay, and how to take a node out of a graph."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import replace

from skosh.ir.graph import Graph, Node, Tensor


def outside(graph: Graph) -> frozenset[str]:
    """Tensors that someone outside knows: inputs, outputs, states, and what is updated in place."""
    return graph.outside


def volatile(graph: Graph) -> frozenset[str]:
    """Tensors whose memory is written again: states, and what a node updates in place. Nobody may read them later."""
    return graph.volatile


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether one can stand for the other where their bytes are equal."""
    return (a.shape, a.dtype, a.quant) == (b.shape, b.dtype, b.quant)


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """The node with its tensors called by their new names."""
    inputs = tuple(names.get(n, n) for n in node.inputs)
    outputs = tuple(names.get(n, n) for n in node.outputs)
    return node if (inputs, outputs) == (node.inputs, node.outputs) else replace(node, inputs=inputs, outputs=outputs)


def bypass(graph: Graph, node: Node, source: str) -> Graph | None:
    """The graph without ``node``, whose only output equals ``source``; None when both must have memory of their own.

    b = same a; c = f b      ->      c = f a
    b = same a; output b     ->      b = (what made a); output b
    """
    (made,) = node.outputs
    if not alike(graph.tensors[made], graph.tensors[source]):
        return None
    fixed, rewritten = outside(graph), volatile(graph)
    if source in rewritten or made in rewritten:
        return None
    if made not in fixed:
        names = {made: source}
    elif source not in fixed and not graph.tensors[source].is_constant:
        names = {source: made}
    else:
        return None
    return graph.with_(nodes=tuple(renamed(n, names) for n in graph.nodes if n is not node))


def bypass_all(graph: Graph, idle: Collection[Node]) -> Graph:
    """The graph without those of the nodes that ``bypass`` can take out, each equal to its first input, in one pass.

    Only where the outside knows a node's output, which its input must then be called, nodes are taken out one by one.
    """
    fixed = outside(graph)
    of = {id(n) for n in idle}
    names: dict[str, str] = {}
    nodes, later = [], []
    for original in graph.nodes:
        node = renamed(original, names)
        if id(original) not in of:
            nodes.append(node)
            continue
        (made,), source = node.outputs, node.inputs[0]
        if not alike(graph.tensors[made], graph.tensors[source]) or made in fixed or source in volatile(graph):
            nodes.append(node)
            later.append(node)
        else:
            names[made] = source
    if names:
        graph = graph.with_(nodes=tuple(nodes))
    for node in later:
        kept = next((n for n in graph.nodes if n.outputs == node.outputs), None)
        graph = (bypass(graph, kept, kept.inputs[0]) if kept is not None else None) or graph
    return graph


def replace_node(graph: Graph, node: Node, *by: Node, tensors: Iterable[Tensor] = ()) -> Graph:
    """The graph with other nodes in the place of ``node``; ``tensors`` are added or take their namesakes' place."""
    nodes = tuple(new for old in graph.nodes for new in (by if old is node else (old,)))
    return graph.with_(nodes=nodes, tensors={**graph.tensors, **{t.name: t for t in tensors}})


def fresh(names: Container[str], name: str) -> str:
    """``name``, or the first of name_2, name_3... that isn't among ``names``."""
    found, count = name, 1
    while found in names:
        count += 1
        found = f"{name}_{count}"
    return found
