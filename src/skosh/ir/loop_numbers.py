"""Which of the loops written over a variable each loop is (``For.nth``), as a table, for a kernel's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from skosh.ir.kernel import Body, For, If, Kernel, Stmt, While, walk

Numbers = Mapping[str, tuple[int, ...]]
"""Variable -> the number of each loop over it, in the order of the text."""


def loop_numbers(body: Body) -> Numbers:
    found: dict[str, tuple[int, ...]] = {}
    for s in walk(body):
        if isinstance(s, For):
            found[s.var] = (*found.get(s.var, ()), s.nth)
    return found


def usual_numbers(kernel: Kernel) -> Numbers:
    """What goes without saying: 1, 2, 3 in a kernel as it was written; after steps, which copy loops, 1."""
    return {v: tuple(1 if kernel.steps else i + 1 for i in range(len(n))) for v, n in loop_numbers(kernel.body).items()}


def renumbered(body: Body, numbers: Numbers) -> Body:
    """The body with these numbers on its loops."""
    left = {v: list(n) for v, n in numbers.items()}

    def one(s: Stmt) -> Stmt:
        match s:
            case For():
                nth = left[s.var].pop(0)
                return replace(s, nth=nth, body=tuple(map(one, s.body)))
            case While():
                return replace(s, body=tuple(map(one, s.body)))
            case If(condition, then, other):
                return If(condition, tuple(map(one, then)), tuple(map(one, other)))
        return s

    return tuple(map(one, body))
