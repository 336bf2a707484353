"""Every form in which a target can compute a node: recipes, and routines made for speed, for flash, or for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from skosh.ir.call import Call, Scratch
from skosh.ir.graph import Graph, Node, Operands
from skosh.lower.narrow.recipes import packed
from skosh.lower.recipes import forms
from skosh.targets import Target

STYLES = ("speed", "balanced", "flash")
"""What a routine can be made for: for one shape and unrolled, shared by all shapes, or shared and short."""

FRUGAL = "frugal "


@dataclass(frozen=True, order=True)
class Form:
    """``recipe``: whose calls, by the names of ``recipes.forms``; ``style``: what their routines are made for."""

    recipe: str
    style: str

    def __str__(self) -> str:
        return f"{self.recipe}, {self.style}"


def style_of(optimize: str) -> str:
    """The style that the rules take for an aim."""
    return optimize if optimize in STYLES else "balanced"


def node_forms(
    graph: Graph, node: Node, target: Target, styles: Sequence[str] = STYLES
) -> dict[Form, tuple[Call, ...]]:
    """The forms of a node that differ in their calls or their style; of each style, what the rules take comes first."""
    ins, outs = graph.operands(node.inputs), graph.operands(node.outputs)
    ordinary, frugal = tuple(node.op.calls(ins, outs)), tuple(node.op.frugal_calls(ins, outs))
    found: dict[Form, tuple[Call, ...]] = {}
    for style in styles:
        ways = [("", ordinary), *([(FRUGAL, frugal)] if _summary(frugal) != _summary(ordinary) else [])]
        for prefix, calls in ways:
            for recipe, made in _of_style(calls, ins, target, style):
                found.setdefault(Form(prefix + recipe, style), tuple(replace(c, aim=style) for c in made))
    return found


def _of_style(
    calls: tuple[Call, ...], inputs: Operands, target: Target, style: str
) -> Iterator[tuple[str, tuple[Call, ...]]]:
    """What the rules take for each call; then, for each recipe, that recipe wherever it fits."""
    whole = calls if style == "speed" else tuple(packed(c, inputs, target, style) for c in calls)
    each = [dict(forms(c, inputs, target, style)) for c in whole]
    first = [next(iter(options)) for options in each]
    yield "+".join(dict.fromkeys(first)), tuple(c for options in each for c in next(iter(options.values())))
    for recipe in dict.fromkeys(name for options in each for name in options):
        taken = [recipe if recipe in options else rule for options, rule in zip(each, first, strict=True)]
        if taken != first:
            yield recipe, tuple(c for options, name in zip(each, taken, strict=True) for c in options[name])


def _summary(calls: Sequence[Call]) -> list[object]:
    """What tells ways of computing apart: kernels and scratch memory."""
    return [(c.kernel.name, [b for b in c.buffers.values() if isinstance(b, Scratch)]) for c in calls]
