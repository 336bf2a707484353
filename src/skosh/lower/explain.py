"""Which form each layer takes on a target, and why every other form doesn't fit."""

from __future__ import annotations

from dataclasses import dataclass

from skosh.base.aims import Aim
from skosh.ir.call import Call
from skosh.ir.graph import Graph, Node, Operands
from skosh.lower.calls import Lowered
from skosh.lower.forests import formed
from skosh.lower.form import Asked
from skosh.lower.form import answers as answers_of
from skosh.lower.forms import PLAIN, as_asked, storage
from skosh.ops.trees.forest import Forest
from skosh.schedule.answers import No
from skosh.targets import Target

FIRST = "another form comes before it"
NO_SCRATCH = "without scratch memory"
SEARCHED = "what a search chose"


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


def explained(lowered: Lowered, target: Target | None, optimize: Aim) -> tuple[Explained, ...]:
    """Every layer of a lowered model, in the order in which they run; views, which compute nothing, are left out."""
    return tuple(
        _layer(lowered.graph, lowered.graph.nodes[i], lowered.calls[i], target, optimize)
        for i in lowered.plan.order
        if lowered.calls[i]
    )


def _layer(graph: Graph, node: Node, calls: tuple[Call, ...], target: Target | None, optimize: Aim) -> Explained:
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    op = formed(node.op, ins, target, optimize)
    answers = [_answers(c, ins, target, optimize) for c in as_asked(op.calls(ins, outs))]
    taken = list(dict.fromkeys(name for a in answers for name in a.taken)) or [PLAIN]
    refused = {r.form: r for a in reversed(answers) for r in a.refused if r.form not in taken}
    real = tuple(c.kernel for c in calls)
    if real != tuple(k for a in answers for k in a.kernels):
        frugal = real == tuple(c.kernel for c in as_asked(op.frugal_calls(ins, outs)))
        given_up = "its scratch memory would raise the arena's peak" if frugal else "a search found another one better"
        refused |= {n: Refusal(n, given_up) for n in taken if n != PLAIN}
        taken = [NO_SCRATCH if frugal else SEARCHED]
    if isinstance(op, Forest):
        taken = [f"{op.inline} nodes as code" if op.inline else "a table and a loop"]
    names = tuple(dict.fromkeys(k.name for k in real))
    return Explained(node.name, op.kind, "+".join(taken), names, tuple(refused.values()))


@dataclass(frozen=True)
class _Answers:
    """Of one call: the forms that it takes, the kernels that they make of it, the others."""

    taken: tuple[str, ...]
    kernels: tuple[object, ...]
    refused: tuple[Refusal, ...]


def _answers(c: Call, inputs: Operands, target: Target | None, optimize: Aim) -> _Answers:
    """The first way to store constants that fits, then the first way to compute what it made."""
    taken: list[str] = []
    refused: list[Refusal] = []
    made: tuple[Call, ...] = (c,)
    for names in (storage(target), target.forms if target is not None else ()):
        storing, found = names == storage(target), False
        for name, answer in answers_of(names, Asked(made[0], inputs, target, optimize)):
            if storing and optimize == "speed":
                answer = No("for speed, weights stay as they are")
            elif found and not isinstance(answer, No):
                answer = No(FIRST)
            if isinstance(answer, No):
                refused.append(Refusal(name, answer.reason))
            else:
                taken, made, found = [*taken, name], answer, True
    return _Answers(tuple(taken), tuple(x.kernel for x in made), tuple(refused))
