"""Which form each layer takes on a target, and why every other form doesn't fit."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.ir.call import Call
from skosh.ir.graph import Graph, Node
from skosh.lower.calls import Lowered
from skosh.lower.forests import formed
from skosh.lower.form import form
from skosh.lower.forms import PLAIN, answers_for, as_asked, storage
from skosh.ops.trees.forest import Forest
from skosh.schedule.answers import No
from skosh.targets import Target

FIRST = "another form comes before it"
NO_SCRATCH = "without scratch memory"


@dataclass(frozen=True)
class Refusal:
    """A form that a layer didn't take, and why."""

    form: str
    reason: str


@dataclass(frozen=True)
class Explained:
    """``kernels``: those that compute the layer now."""

    name: str
    kind: str
    taken: str
    kernels: tuple[str, ...]
    refused: tuple[Refusal, ...]


def explained(lowered: Lowered, target: Target | None, optimize: str) -> tuple[Explained, ...]:
    """Every layer of a lowered model, in the order in which they run; views, which compute nothing, are left out."""
    return tuple(
        _layer(lowered.graph, lowered.graph.nodes[i], lowered.calls[i], target, optimize)
        for i in lowered.plan.order
        if lowered.calls[i]
    )


def _layer(
    graph: Graph, node: Node, calls: tuple[Call, ...], target: Target | None, optimize: str
) -> Explained:
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    op = formed(node.op, ins, target, optimize)
    stores = {form(n).name for n in storage(target)}
    taken: list[str] = []
    refused: dict[str, Refusal] = {}
    expected: list[object] = []
    for c in as_asked(op.calls(ins, outs)):
        packing, computing = True, True
        for name, made in answers_for(c, ins, target, optimize):
            storing = name in stores
            if storing and optimize == "speed":
                made = No("weights stay as they are for speed")
            elif not (packing if storing else computing):
                made = No(FIRST)
            if isinstance(made, No):
                refused.setdefault(name, Refusal(name, made.reason))
                continue
            taken.append(name)
            expected += [x.kernel for x in made]
            packing, computing = False, computing and storing and False
        if packing and computing:
            taken.append(PLAIN)
            expected.append(c.kernel)
    real = [c.kernel for c in calls]
    label = "+".join(dict.fromkeys(taken))
    if real != expected and [c.kernel for c in as_asked(op.frugal_calls(ins, outs))] == real:
        label = NO_SCRATCH
        refused = {n: Refusal(n, "its scratch memory would raise the arena's peak") for n in dict.fromkeys(taken)} | refused
    if isinstance(op, Forest):
        label = f"{op.inline} nodes as code, the others in a table" if op.inline else "a table and a loop"
    return Explained(node.name, op.kind, label, tuple(dict.fromkeys(k.name for k in real)), tuple(refused.values()))
