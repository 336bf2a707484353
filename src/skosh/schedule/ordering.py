"""The order of loops: reorder, fuse two into one, fission one into several."""

from __future__ import annotations

from dataclasses import replace

from skosh.base.dtypes import i32
from skosh.ir.checks.races import race_of
from skosh.ir.kernel import Binary, Body, Const, Expr, For, Kernel, Let, Local, Var, substitute
from skosh.ir.rename import all_names
from skosh.schedule.addresses import loops, means, told, variable
from skosh.schedule.answers import Answer, No, Yes, act
from skosh.schedule.rewriting import depends, done, plain_loops, rewrite


def _nested(kernel: Kernel, outer: str, inner: str) -> Answer:
    for name in (outer, inner):
        answer = plain_loops(kernel, name)
        if not answer:
            return answer
    for loop in loops(kernel, outer):
        if not (len(loop.body) == 1 and isinstance(loop.body[0], For) and means(inner, loop.body[0])):
            return No(f'the loop over "{inner}" is not alone in the loop over "{outer}"')
        if depends((loop.body[0].lo, loop.body[0].hi), {loop.var}):
            return No(f'the range of "{inner}" depends on "{outer}"')
    return Yes()


def _one(loop: For) -> For:
    (inside,) = loop.body
    assert isinstance(inside, For), "asked before"
    return inside


def can_reorder(kernel: Kernel, outer: str, inner: str) -> Answer:
    answer = _nested(kernel, outer, inner)
    if not answer:
        return answer
    if all(loop.par for loop in loops(kernel, outer)):
        return Yes()  # rounds of different "outer" don't meet; those of one "outer" keep their order
    changed = replace(kernel, body=_swapped(kernel, outer, inner))
    race = race_of(changed, lambda loop: means(inner, loop) and len(loop.body) == 1 and _is(loop.body[0], outer))
    if race is None:
        return Yes()
    what = "local" if race.local else "element"
    return No(f'the loop over "{outer}" is ordered (seq), and its iterations may share a {what} of "{race.buffer}"')


def _is(s: object, name: str) -> bool:
    return isinstance(s, For) and means(name, s)


def reorder(kernel: Kernel, outer: str, inner: str) -> Kernel:
    """The inner loop outside.

    for m in par(M):                      for n in par(N):
        for n in par(N): f(m, n)  ->          for m in par(M): f(m, n)
    """
    step = f'reorder "{told(outer)}" and "{told(inner)}"'
    act(kernel, can_reorder(kernel, outer, inner), step)
    return done(kernel, _swapped(kernel, outer, inner), step)


def _swapped(kernel: Kernel, outer: str, inner: str) -> Body:
    def rule(loop: For, _: frozenset[str]) -> Body:
        inside = _one(loop)
        return (replace(inside, body=(replace(loop, body=inside.body),)),)

    return rewrite(kernel, outer, rule)


def can_fuse(kernel: Kernel, outer: str, inner: str, name: str | None = None) -> Answer:
    answer = _nested(kernel, outer, inner)
    if not answer:
        return answer
    for loop in loops(kernel, outer):
        inside = _one(loop)
        if loop.step != 1 or inside.step != 1:
            return No(f'the loop over "{outer if loop.step != 1 else inner}" is already split')
        if loop.lo != Const(0) or inside.lo != Const(0):
            return No(f'the loop over "{outer if loop.lo != Const(0) else inner}" does not begin at 0')
    new = name if name is not None else f"{variable(outer)}_{variable(inner)}"
    return No(f'"{new}" is already a name') if new in all_names(kernel) else Yes()


def fuse(kernel: Kernel, outer: str, inner: str, *, name: str | None = None) -> Kernel:
    """Two loops as one; it is par if both are.

    for m, n in par(M, N): f(m, n)  ->  for m_n in par(M * N): f(m_n // N, m_n % N)
    """
    step = f'fuse "{told(outer)}" and "{told(inner)}"'
    act(kernel, can_fuse(kernel, outer, inner, name), step)
    new = name if name is not None else f"{variable(outer)}_{variable(inner)}"

    def rule(loop: For, _: frozenset[str]) -> Body:
        inside = _one(loop)
        values: dict[str, Expr] = {
            loop.var: Binary("//", Var(new), inside.hi, i32),
            inside.var: Binary("%", Var(new), inside.hi, i32),
        }
        both = Binary("*", loop.hi, inside.hi, i32)
        return (For(new, Const(0), both, substitute(inside.body, values), loop.par and inside.par),)

    return done(kernel, rewrite(kernel, outer, rule), step)


def can_fission(kernel: Kernel, name: str) -> Answer:
    answer = plain_loops(kernel, name)
    if not answer:
        return answer
    for loop in loops(kernel, name):
        if not loop.par:
            return No(f'the loop over "{name}" is ordered (seq): its iterations may depend on each other')
        if any(isinstance(s, Let | Local) for s in loop.body):
            return No(f'the statements of the loop over "{name}" share locals')
    return Yes()


def fission(kernel: Kernel, name: str) -> Kernel:
    """A par loop for each statement of its body.

    for m in par(M): f(m); g(m)  ->  for m in par(M): f(m)
                                     for m in par(M): g(m)
    """
    step = f'fission "{told(name)}"'
    act(kernel, can_fission(kernel, name), step)
    return done(kernel, rewrite(kernel, name, lambda loop, _: tuple(replace(loop, body=(s,)) for s in loop.body)), step)
