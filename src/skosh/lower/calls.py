"""Every node's kernel calls, and the scratch memory they ask for.

Some operators offer two ways: a fast one that needs scratch memory, and one that needs none. With ``optimize="ram"`` a
node takes the second where its scratch would raise the arena's peak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from skosh.base.aims import Aim
from skosh.ir.call import Call, Scratch
from skosh.ir.checks.overflow import Arithmetic
from skosh.ir.graph import Graph, Node
from skosh.lower.arithmetic import check_arithmetic
from skosh.lower.forests import formed
from skosh.lower.forms import as_asked, for_target, stored
from skosh.ops.moves.reshape import Copy
from skosh.plan import Plan, plan_memory
from skosh.targets import Target


@dataclass(frozen=True, eq=False)
class Lowered:
    """graph.nodes[i] is computed by calls[i]; its scratch buffers, in order of their labels' first use, are scratch[i].

    ``arithmetic``: of each call, whether it is proved not to overflow.
    """

    graph: Graph
    calls: Mapping[int, tuple[Call, ...]]
    plan: Plan
    arithmetic: Mapping[int, tuple[Arithmetic, ...]]


def node_calls(
    graph: Graph,
    node: Node,
    target: Target | None = None,
    *,
    frugal: bool = False,
    pack: bool = True,
    optimize: Aim = "balanced",
) -> tuple[Call, ...]:
    """frugal: without scratch memory where that can be had. pack: weights of few bits lie several to a byte."""
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    op = formed(node.op, ins, target, optimize)
    if target is not None and target.plain:
        return as_asked(op.frugal_calls(ins, outs))
    calls = as_asked(op.frugal_calls(ins, outs) if frugal else op.calls(ins, outs))
    if pack:
        calls = tuple(stored(c, ins, target, optimize) for c in calls)
    return calls if frugal else for_target(calls, ins, target, optimize)


def scratches(calls: Sequence[Call]) -> tuple[Scratch, ...]:
    """The scratch buffers of a node: equal labels are one buffer, as large as the largest."""
    found: dict[str, Scratch] = {}
    for call in calls:
        for b in call.buffers.values():
            if isinstance(b, Scratch) and (b.label not in found or _bytes(b) > _bytes(found[b.label])):
                found[b.label] = b
    return tuple(found.values())


def _bytes(s: Scratch) -> int:
    return s.elements * s.dtype.bytes


def choose_calls(
    graph: Graph, *, optimize: Aim, target: Target | None = None, chosen: Mapping[int, tuple[Call, ...]] | None = None
) -> Lowered:
    """Calls and memory plan together: needs a checked graph; leaves every node with calls and every tensor with a place.

    chosen: calls of nodes for which a search has decided; they stay, whatever their scratch memory does to the arena.
    """
    graph = with_constant_outputs_copied(graph)
    chosen = chosen or {}
    pack = optimize != "speed"
    calls = {
        i: () if node.op.view else chosen.get(i) or node_calls(graph, node, target, pack=pack, optimize=optimize)
        for i, node in enumerate(graph.nodes)
    }
    plan = _plan(graph, calls, optimize)
    if optimize == "ram" and any(scratches(c) for c in calls.values()):
        bare = plan_memory(graph, optimize=optimize)
        if plan.arena_bytes > bare.arena_bytes:
            limit = max(bare.arena_bytes, _plan(graph, chosen, optimize).arena_bytes) if chosen else bare.arena_bytes
            calls, plan = _without_raising(graph, calls, limit, optimize, chosen)
    for i in plan.copies:  # views that must have memory of their own
        calls[i] = node_calls(graph, graph.nodes[i], target, pack=pack, optimize=optimize)
    return Lowered(graph, MappingProxyType(calls), plan, MappingProxyType(check_arithmetic(graph, calls)))


def with_constant_outputs_copied(graph: Graph) -> Graph:
    """A constant that is an output of the model needs a place in the arena, and a layer that fills it.

    outputs: c (constant)  ->  c = copy "c/constant"; outputs: c
    """
    stored = {n: f"{n}/constant" for n in graph.outputs if graph.tensors[n].is_constant}
    if not stored:
        return graph
    tensors = dict(graph.tensors)
    for output, constant in stored.items():
        tensors[constant] = replace(tensors[output], name=constant)
        tensors[output] = replace(tensors[output], data=None)
    readers = tuple(replace(n, inputs=tuple(stored.get(i, i) for i in n.inputs)) for n in graph.nodes)
    copies = tuple(Node(Copy(), (constant,), (output,), output, graph.loc) for output, constant in stored.items())
    return replace(graph, tensors=tensors, nodes=(*readers, *copies))


def _plan(graph: Graph, calls: Mapping[int, tuple[Call, ...]], optimize: Aim) -> Plan:
    sizes = {i: tuple(_bytes(s) for s in scratches(c)) for i, c in calls.items() if scratches(c)}
    return plan_memory(graph, scratch=sizes, optimize=optimize)


def _without_raising(
    graph: Graph,
    calls: Mapping[int, tuple[Call, ...]],
    limit: int,
    optimize: Aim,
    decided: Mapping[int, tuple[Call, ...]],
) -> tuple[dict[int, tuple[Call, ...]], Plan]:
    """Give up scratch, the largest first, until the arena is as small as without any."""
    chosen = dict(calls)
    free = (i for i in calls if i not in decided and scratches(calls[i]))
    wanting = sorted(free, key=lambda i: -sum(map(_bytes, scratches(calls[i]))))
    for i in wanting:
        only = {i: calls[i]}
        if _plan(graph, only, optimize).arena_bytes > limit:
            chosen[i] = node_calls(graph, graph.nodes[i], None, frugal=True)
    plan = _plan(graph, chosen, optimize)
    for i in wanting:
        if plan.arena_bytes <= limit:
            break
        chosen[i] = node_calls(graph, graph.nodes[i], None, frugal=True)
        plan = _plan(graph, chosen, optimize)
    return chosen, plan
