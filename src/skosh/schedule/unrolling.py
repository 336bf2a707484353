"""Several iterations in one: one after another, or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skosh.ir.kernel import Assign, Body, For, If, Kernel, Let, Local, Stmt, walk
from skosh.ir.rename import declared
from skosh.schedule.addresses import loops, told
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.counts import Case, can_be_exact
from skosh.schedule.rewriting import (
    copy_names,
    depends,
    done,
    plain_loops,
    rewrite,
    shifted_copy,
    with_rest,
)


def can_unroll(
    kernel: Kernel, name: str, *, factor: int = 1, exact: bool = False, cases: Sequence[Case] = ()
) -> Answer:
    answer = plain_loops(kernel, name)
    return can_be_exact(kernel, name, factor, cases) if answer and exact else answer


def unroll(kernel: Kernel, name: str, factor: int, *, exact: bool = False, cases: Sequence[Case] = ()) -> Kernel:
    """Repeat the body ``factor`` times a round; what is left over keeps a loop of its own.

    for k in seq(K): f(k)  ->  for k in seq(0, K // 4 * 4, step 4): f(k); f(k+1); f(k+2); f(k+3)
                               for k in seq(K // 4 * 4, K): f(k)

    cases: the numbers of every call that the kernel must serve; a loop of which they leave nothing over has no rest.
    exact: refused unless that is shown for each loop that is rewritten.
    """
    act(kernel, can_unroll(kernel, name, factor=factor, exact=exact, cases=cases), f'unroll "{told(name)}" by {factor}')

    def rule(loop: For, visible: frozenset[str]) -> Body:
        names = copy_names(loop.body, loop.var, factor, visible)
        copies = [s for j in range(factor) for s in shifted_copy(loop.body, loop.var, j * loop.step, names[j])]
        return with_rest(kernel, loop, factor, tuple(copies), cases)

    return done(kernel, rewrite(kernel, name, rule), f'unroll "{told(name)}" by {factor}')


def can_unroll_and_jam(
    kernel: Kernel, name: str, *, factor: int = 1, exact: bool = False, cases: Sequence[Case] = ()
) -> Answer:
    answer = can_unroll(kernel, name, factor=factor, exact=exact, cases=cases)
    if not answer:
        return answer
    if not all(loop.par for loop in loops(kernel, name)):
        return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
    return Yes()


def unroll_and_jam(
    kernel: Kernel, name: str, factor: int, *, exact: bool = False, cases: Sequence[Case] = ()
) -> Kernel:
    """A register tile: ``factor`` iterations of a par loop side by side, sharing the loops inside; the rest as ``unroll``.

    for n in par(N):              for n in par(0, N, step 2):
        acc = 0                       acc = 0; acc_n1 = 0
        for k in seq(K):      ->      for k in seq(K):
            acc += w[n, k]                acc += w[n, k]; acc_n1 += w[n+1, k]
    """
    answer = can_unroll_and_jam(kernel, name, factor=factor, exact=exact, cases=cases)
    act(kernel, answer, f'unroll and jam "{told(name)}" by {factor}')

    def rule(loop: For, visible: frozenset[str]) -> Body:
        names = copy_names(loop.body, loop.var, factor, visible)
        jam = _Jam(loop.var, loop.step, names, declared(loop.body))
        return with_rest(kernel, loop, factor, jam.body(loop.body, {loop.var}), cases)

    return done(kernel, rewrite(kernel, name, rule), f'unroll and jam "{told(name)}" by {factor}')


class _Jam:
    """Copies of statements side by side. ``names``: what each copy calls the locals."""

    def __init__(self, loop: str, step: int, names: list[dict[str, str]], local: set[str]) -> None:
        self.loop, self.step, self.names, self.local = loop, step, names, local

    def body(self, body: Body, moving: set[str]) -> Body:
        """``moving``: what differs from copy to copy; it grows as locals that depend on it appear."""
        out: list[Stmt] = []
        for s in body:
            match s:
                case Let(var, value):
                    if not depends((value,), moving) and not _assigned(body, var.name):
                        out.append(s)  # the same in every copy: once
                        continue
                    moving.add(var.name)
                    out.extend(self.copies(s, moving))
                case Local(name):
                    moving.add(name)
                    out.extend(self.copies(s, moving))
                case For() if not depends((s.lo, s.hi), moving):
                    out.append(replace(s, body=self.body(s.body, moving)))
                case If(condition, then, other) if not depends((condition,), moving):
                    out.append(If(condition, self.body(then, moving), self.body(other, moving)))
                case _:
                    out.extend(self.copies(s, moving | declared((s,))))
        return tuple(out)

    def copies(self, s: Stmt, moving: set[str]) -> Body:
        out: list[Stmt] = []
        for j, names in enumerate(self.names):
            used = {old: new for old, new in names.items() if old in moving and old in self.local}
            out.extend(shifted_copy((s,), self.loop, j * self.step, used))
        return tuple(out)


def _assigned(body: Body, name: str) -> bool:
    return any(isinstance(s, Assign) and s.var.name == name for s in walk(body))
