"""A loop in two: over blocks, and over the iterations of a block."""

from __future__ import annotations

from collections.abc import Sequence

from skosh.base.dtypes import i32
from skosh.ir.kernel import Binary, Body, Const, For, Kernel, Var, substitute
from skosh.ir.rename import all_names
from skosh.schedule.addresses import told, variable
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.counts import Case, can_be_exact
from skosh.schedule.rewriting import done, plain_loops, rewrite, with_rest


def can_split(
    kernel: Kernel, name: str, inner: str | None = None,
    *, factor: int = 1, exact: bool = False, cases: Sequence[Case] = (),
) -> Answer:  # fmt: skip
    answer = plain_loops(kernel, name)
    if answer and exact:
        answer = can_be_exact(kernel, name, factor, cases)
    if not answer:
        return answer
    new = inner if inner is not None else f"{variable(name)}_in"
    return No(f'"{new}" is already a name') if new in all_names(kernel) else Yes()


def split(
    kernel: Kernel, name: str, factor: int,
    *, inner: str | None = None, exact: bool = False, cases: Sequence[Case] = (),
) -> Kernel:  # fmt: skip
    """A loop over blocks of ``factor`` iterations, and one over those of a block; the rest keeps a loop of its own.

    for k in seq(K): f(k)  ->  for k in seq(0, K // 4 * 4, step 4):
                                   for k_in in seq(4): f(k + k_in)
                               for k in seq(K // 4 * 4, K): f(k)

    exact, cases: as ``unroll`` takes them.
    """
    step = f'split "{told(name)}" by {factor}'
    act(kernel, can_split(kernel, name, inner, factor=factor, exact=exact, cases=cases), step)
    new = inner if inner is not None else f"{variable(name)}_in"

    def rule(loop: For, _: frozenset[str]) -> Body:
        offset = Binary("*", Const(loop.step), Var(new), i32) if loop.step != 1 else Var(new)
        body = substitute(loop.body, {loop.var: Binary("+", Var(loop.var), offset, i32)})
        return with_rest(kernel, loop, factor, (For(new, Const(0), Const(factor), body, loop.par),), cases)

    return done(kernel, rewrite(kernel, name, rule), step)
