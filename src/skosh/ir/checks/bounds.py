"""Does every index lie inside its buffer? Shown, or where and why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skosh.ir.checks.accesses import Access, accesses
from skosh.ir.kernel import Expr, Kernel, Load, Stmt, Var, walk_expr
from skosh.ir.known import start
from skosh.ir.prove import always, plus, poly


@dataclass(frozen=True, eq=False)
class Outside:
    """An access that can't be shown to lie inside. ``place``: the number of the index. ``data``: does it hang on data?"""

    access: Access
    place: int
    size: Expr
    low: bool  # is it the lower end that isn't shown?
    certain: bool  # it is outside whenever it is reached
    data: bool

    @property
    def written(self) -> tuple[Expr, ...]:
        return self.access.written

    @property
    def at(self) -> Stmt | Expr:
        return self.access.at


def outside(kernel: Kernel) -> Iterator[Outside]:
    """The accesses that can't be shown to lie inside, in the order of the text."""
    buffers = kernel.buffers
    for access in accesses(kernel.body, start(kernel), buffers):
        known, shape = access.known, buffers[access.buffer].shape
        facts = list(known.facts)
        for place, (index, size) in enumerate(zip(access.index, shape, strict=True)):
            last = place == len(shape) - 1
            where, room = poly(index), plus(poly(size), {(): access.span if last else 1}, -1)
            for low, inside in ((True, where), (False, plus(room, where, -1))):
                if always(inside, facts, known.sizes):
                    continue
                beyond = plus(plus({}, inside, -1), {(): -1})
                certain = always(beyond, facts, known.sizes)
                yield Outside(access, place, size, low, certain, _on_data(index))


def _on_data(index: Expr) -> bool:
    """Is there an element in it, or a local that changes?"""
    return any(isinstance(x, Load) or (isinstance(x, Var) and "@" in x.name) for x in walk_expr(index))
