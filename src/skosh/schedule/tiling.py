"""Tiles: blocks of several loops at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from skosh.ir.kernel import For, Kernel
from skosh.schedule.addresses import loops, means, told, variable
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.counts import Case
from skosh.schedule.ordering import can_reorder, fission, reorder
from skosh.schedule.splitting import can_split, split


def can_tile(
    kernel: Kernel, names: Sequence[str],
    *, factors: Sequence[int] = (), exact: bool = False, cases: Sequence[Case] = (),
) -> Answer:  # fmt: skip
    if len(names) < 2:
        return No("a tile has at least two loops")
    for name, factor in zip(names, factors or [1] * len(names), strict=True):
        answer = can_split(kernel, name, factor=factor, exact=exact, cases=cases)
        if not answer:
            return answer
    for outer, inner in pairwise(names):
        for loop in loops(kernel, outer):
            if not (len(loop.body) == 1 and isinstance(loop.body[0], For) and means(inner, loop.body[0])):
                return No(f'the loop over "{inner}" is not alone in the loop over "{outer}"')
    for name in names[:-1]:
        if not all(loop.par for loop in loops(kernel, name)):
            return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
    return Yes()


def tile(
    kernel: Kernel, names: Sequence[str], factors: Sequence[int], *, exact: bool = False, cases: Sequence[Case] = ()
) -> Kernel:
    """Blocks of several loops, one after another, each block whole before the next.

    for m, n in par(M, N): f(m, n)  ->  for m in par(0, M, step 2):
                                            for n in par(0, N, step 4):
                                                for m_in, n_in in par(2, 4): f(m + m_in, n + n_in)

    and loops for what is left over of M and N. exact, cases: as ``unroll`` takes them.
    """
    step = "tile " + " by ".join(f'"{told(n)}"' for n in names) + f": {' x '.join(map(str, factors))}"
    assert len(names) == len(factors), "a tile has a factor for each loop"
    act(kernel, can_tile(kernel, names, factors=factors, exact=exact, cases=cases), step)
    made = kernel
    for name, factor in zip(names, factors, strict=True):
        made = split(made, name, factor, exact=exact, cases=cases)
    for depth in range(1, len(names)):
        for outer in reversed(names[:depth]):
            inside = f"{variable(outer)}_in"
            made = fission(made, inside) if any(len(loop.body) > 1 for loop in loops(made, inside)) else made
            if can_reorder(made, inside, names[depth]):
                made = reorder(made, inside, names[depth])
    return replace(made, steps=(*kernel.steps, step))
