"""The ways in which a target can compute a node: its forms, and routines made for speed, for flash, or for both.

The rule is to take the first form that fits, as the target orders them (``for_target``); ``node_forms`` gives all of them, for
those who measure; ``lower.explain`` says why the others don't fit, for those who ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from skosh.base.aims import Aim
from skosh.ir.call import Call, Scratch
from skosh.ir.graph import Graph, Node, Operands
from skosh.lower.form import Asked, form, scheduled
from skosh.lower.portable.schedules import portable
from skosh.schedule.answers import No
from skosh.targets import Target

STYLES: tuple[Aim, ...] = ("speed", "balanced", "flash")
"""What a routine can be made for: for one shape and unrolled, shared by all shapes, or shared and short."""

FRUGAL = "frugal "

PLAIN = "plain"
"""The form of a call that stays as the operator made it."""

STORAGE = (
    "skosh.lower.narrow.forms:BYTES",
    "skosh.lower.narrow.forms:HALVES",
    "skosh.lower.narrow.forms:FIELDS",
)
"""Ways to store constants in fewer bits, for every machine."""


def as_asked(calls: Sequence[Call]) -> tuple[Call, ...]:
    """An operator's calls with the schedules of portable C."""
    return tuple(scheduled(c, portable()) for c in calls)


def stored(c: Call, inputs: Operands, target: Target | None, optimize: Aim = "balanced") -> Call:
    """The call with its weights in the fewest bits that hold them; itself where that saves little, or nothing."""
    asked = Asked(c, inputs, target, optimize)
    for name in storage(target):
        made = form(name).answer(asked)
        if not isinstance(made, No):
            (one,) = made
            return one
    return c


def storage(target: Target | None) -> tuple[str, ...]:
    """The ways to store constants that a target has, the best first."""
    return (*(target.storage if target is not None else ()), *STORAGE)


def for_target(
    calls: tuple[Call, ...], inputs: Operands, target: Target | None, optimize: Aim = "balanced"
) -> tuple[Call, ...]:
    """The same calls, each in the best form that the target has for the aim."""
    if target is None:
        return calls
    return tuple(better for c in calls for better in next(fitting(c, inputs, target, optimize))[1])


def fitting(c: Call, inputs: Operands, target: Target, optimize: Aim) -> Iterator[tuple[str, tuple[Call, ...]]]:
    """Every form of a call on a target, by name: what the rules take comes first, the call as it is, "plain", last."""
    asked = Asked(c, inputs, target, optimize)
    for f in map(form, target.forms):
        made = f.answer(asked)
        if not isinstance(made, No):
            yield f.name, made
    yield PLAIN, (c,)



@dataclass(frozen=True, order=True)
class Candidate:
    """``recipe``: whose calls, by the names of forms; ``style``: what their routines are made for."""

    recipe: str
    style: Aim

    def __str__(self) -> str:
        return f"{self.recipe}, {self.style}"


def style_of(optimize: Aim) -> Aim:
    """The style that the rules take for an aim."""
    return optimize if optimize in STYLES else "balanced"


def node_forms(
    graph: Graph, node: Node, target: Target, styles: Sequence[Aim] = STYLES
) -> dict[Candidate, tuple[Call, ...]]:
    """The forms of a node that differ in their calls or their style; of each style, what the rules take comes first."""
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    ordinary, frugal = as_asked(node.op.calls(ins, outs)), as_asked(node.op.frugal_calls(ins, outs))
    found: dict[Candidate, tuple[Call, ...]] = {}
    for style in styles:
        ways = [("", ordinary), *([(FRUGAL, frugal)] if _summary(frugal) != _summary(ordinary) else [])]
        for prefix, calls in ways:
            for recipe, made in _of_style(calls, ins, target, style):
                found.setdefault(Candidate(prefix + recipe, style), tuple(replace(c, aim=style) for c in made))
    return found


def _of_style(
    calls: tuple[Call, ...], inputs: Operands, target: Target, style: Aim
) -> Iterator[tuple[str, tuple[Call, ...]]]:
    """What the rules take for each call; then, for each form, that form wherever it fits."""
    whole = calls if style == "speed" else tuple(stored(c, inputs, target, style) for c in calls)
    each = [dict(fitting(c, inputs, target, style)) for c in whole]
    first = [next(iter(options)) for options in each]
    yield "+".join(dict.fromkeys(first)), tuple(c for options in each for c in next(iter(options.values())))
    for recipe in dict.fromkeys(name for options in each for name in options):
        taken = [recipe if recipe in options else rule for options, rule in zip(each, first, strict=True)]
        if taken != first:
            yield recipe, tuple(c for options, name in zip(each, taken, strict=True) for c in options[name])


def _summary(calls: Sequence[Call]) -> list[object]:
    """What tells ways of computing apart: kernels and scratch memory."""
    return [(c.kernel, [b for b in c.buffers.values() if isinstance(b, Scratch)]) for c in calls]
