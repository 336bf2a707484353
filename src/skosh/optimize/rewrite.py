"""What passes share: which names must stay, and how to take a node out of a graph."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace

from skosh.ir.graph import Graph, Node, Tensor


def outside(graph: Graph) -> frozenset[str]:
    """Tensors that someone outside knows: inputs, outputs, states, and what is updated in place."""
    return frozenset({*graph.inputs, *graph.outputs}) | volatile(graph)


def volatile(graph: Graph) -> frozenset[str]:
    """Tensors whose memory is written again: states, and what a node updates in place. Nobody may read them later."""
    names = {n for s in graph.states for n in (s.before, s.after)}
    for node in graph.nodes:
        names |= {n for i, o in node.op.update for n in (node.inputs[i], node.outputs[o])}
    return frozenset(names)


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
