"""A loop in two: over blocks, and over the iterations of a block."""

from __future__ import annotations

from skosh.base.dtypes import i32
from skosh.ir.kernel import Binary, Body, Const, For, Kernel, Var, substitute
from skosh.ir.rename import all_names
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import done, plain_loops, rewrite, with_rest


def can_split(kernel: Kernel, name: str, inner: str | None = None) -> Answer:
    answer = plain_loops(kernel, name)
    if not answer:
        return answer
    new = inner if inner is not None else f"{name}_in"
    return No(f'"{new}" is already a name') if new in all_names(kernel) else Yes()


def split(kernel: Kernel, name: str, factor: int, *, inner: str | None = None, exact: bool = False) -> Kernel:
    """A loop over blocks of ``factor`` iterations, and one over those of a block; the rest keeps a loop of its own.

    for k in seq(K): f(k)  ->  for k in seq(0, K // 4 * 4, step 4):
                                   for k_in in seq(4): f(k + k_in)
                               for k in seq(K // 4 * 4, K): f(k)
    """
    step = f'split "{name}" by {factor}'
    act(kernel, can_split(kernel, name, inner), step)
    new = inner if inner is not None else f"{name}_in"

    def rule(loop: For, _: frozenset[str]) -> Body:
        offset = Binary("*", Const(loop.step), Var(new), i32) if loop.step != 1 else Var(new)
        body = substitute(loop.body, {name: Binary("+", Var(name), offset, i32)})
        return with_rest(loop, factor, exact, (For(new, Const(0), Const(factor), body, loop.par),))

    return done(kernel, rewrite(kernel, name, rule), step)
