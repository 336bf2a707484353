"""Which layers a run may leave out: those between a gate and the choice that then doesn't take what they compute.

    sure = ...; g = gate(x, sure, early); a = f(g); late = h(a); y = select(sure, early, late)
    ->  where sure is true, from the gate straight to the select: f and h aren't computed

Legal when each layer between feeds only layers between, and the select by ``late`` alone; when it isn't, all is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

from skosh.ir.graph import Graph
from skosh.lower.program import Layer, Program
from skosh.ops.choices.confidence import Gate
from skosh.ops.elements.comparisons import Select


@dataclass(frozen=True)
class Exit:
    """Layers from ``first`` to before ``last``, positions in ``program.layers``, are left out where tensor ``sure`` is true."""

    first: int
    last: int
    sure: str


def exits(program: Program) -> tuple[Exit, ...]:
    """All that are legal; an inner one lies inside an outer one."""
    found = (
        _exit(program.graph, program.layers, i)
        for i, layer in enumerate(program.layers)
        if isinstance(layer.node.op, Gate)
    )
    kept: list[Exit] = []
    for e in found:
        if e is not None and all(e.last <= k.last or e.first >= k.last for k in kept):
            kept.append(e)
    return tuple(kept)


def _exit(graph: Graph, layers: tuple[Layer, ...], gate: int) -> Exit | None:
    sure = layers[gate].node.inputs[1]
    if graph.tensors[sure].size != 1:
        return None
    for last in range(gate + 1, len(layers)):
        node = layers[last].node
        if isinstance(node.op, Select) and node.inputs[0] == sure:
            between = [layer.node for layer in layers[gate:last]]
            made = {name for n in between for name in n.outputs}
            seen = {*graph.outputs, *(s.after for s in graph.states)}
            inside = {id(n) for n in between}
            outside = [n for layer in layers for n in [layer.node] if id(n) not in inside and n is not node]
            used = seen | {name for n in outside for name in n.inputs} | set(node.inputs[:2])
            return None if made & used else Exit(gate, last, sure)
    return None
