"""Floor 4: the same meaning, less work. Pure functions Graph -> Graph that change no bit of any output for any input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from skosh.ir.graph import Graph, macs
from skosh.optimize.activation_fusion import activation_fusion
from skosh.optimize.common_subexpressions import common_subexpressions
from skosh.optimize.constant_channels import constant_channels
from skosh.optimize.constant_folding import constant_folding
from skosh.optimize.dead_nodes import dead_nodes
from skosh.optimize.identity_functions import identity_functions
from skosh.optimize.known_values import known_values
from skosh.optimize.no_op_nodes import no_op_nodes
from skosh.optimize.pad_fusion import pad_fusion
from skosh.optimize.ranges import channel_constants, value_ranges

__all__ = ["PASSES", "Figures", "channel_constants", "explain", "figures", "optimize_graph", "steps", "value_ranges"]

PASSES: tuple[Callable[[Graph], Graph], ...] = (
    dead_nodes,
    constant_folding,
    no_op_nodes,
    pad_fusion,  # after no_op_nodes: a reshape between may have gone
    common_subexpressions,
    activation_fusion,  # before identity_functions: what is fused tightens the ranges
    identity_functions,
    constant_channels,
    known_values,  # after constant_channels, which shrinks what would be stored
    dead_nodes,
)

MAX_ROUNDS = 10


def optimize_graph(graph: Graph) -> Graph:
    """All passes, again and again until none finds anything. Needs a checked graph; leaves one."""
    for _, after in steps(graph):
        graph = after
    return graph


def steps(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """(pass, graph after it) for every pass that changes something, in order."""
    for _ in range(MAX_ROUNDS):
        before = graph
        for run in PASSES:
            after = run(graph)
            if after is not graph:
                graph = after
                yield run.__name__, graph
        if graph is before:
            return


@dataclass(frozen=True)
class Figures:
    """What a graph costs before it is lowered. weight_bytes: constant operands of two or more axes; constant_bytes: all."""

    nodes: int
    macs: int
    weight_bytes: int
    constant_bytes: int


def figures(graph: Graph) -> Figures:
    """Count a graph."""
    constants = list(graph.constants)
    weights = sum(t.nbytes for t in constants if len(t.shape) > 1)
    return Figures(len(graph.nodes), macs(graph), weights, sum(t.nbytes for t in constants))


def explain(before: Graph, after: Graph | None = None) -> str:
    """A table of what each pass changes; with ``after``, only of these two graphs."""
    rows = [("before", figures(before))]
    if after is None:
        rows += [(name, figures(graph)) for name, graph in steps(before)]
    else:
        rows += [("after", figures(after))]
    head = ("", "nodes", "MACs", "weights", "all constants")
    cells = [
        head,
        *((name, *(f"{n:,}" for n in (f.nodes, f.macs, f.weight_bytes, f.constant_bytes))) for name, f in rows),
    ]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for name, *numbers in cells:
        right = (cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True))
        lines.append("  ".join([name.ljust(widths[0]), *right]))
    return "\n".join(lines)
