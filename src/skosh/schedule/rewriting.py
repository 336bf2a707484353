"""What steps share: finding loops, replacing them, copying bodies under new names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from skosh.base.dtypes import i32
from skosh.ir.fold import fold_body
from skosh.ir.kernel import (
    Binary,
    Body,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Local,
    Stmt,
    Var,
    While,
    substitute,
    walk_expr,
)
from skosh.ir.rename import declared, fresh, names_in, renamed
from skosh.ir.simplify import simplify
from skosh.schedule.addresses import ambiguous, loops, means
from skosh.schedule.answers import Answer, No, Yes
from skosh.schedule.counts import Case, divides

Rule = Callable[[For, frozenset[str]], Body]
"""What takes a loop's place; the names are those that mean something there."""


def found_loops(kernel: Kernel, name: str) -> Answer:
    """Is there a loop over ``name`` (an address, see ``addresses``), and is it clear which one is meant?"""
    if not loops(kernel, name):
        return No(f'there is no loop over "{name}"')
    unclear = ambiguous(kernel, name)
    return No(unclear) if unclear else Yes()


def plain_loops(kernel: Kernel, name: str) -> Answer:
    """Is there a loop over ``name``, and no mark on it that a rewrite would lose?"""
    answer = found_loops(kernel, name)
    if not answer:
        return answer
    found = loops(kernel, name)
    if any(loop.vector for loop in found):
        return No(f'the loop over "{name}" is a vector loop')
    if any(loop.threads for loop in found):
        return No(f'the loop over "{name}" is shared out among threads')
    return Yes()


def done(kernel: Kernel, body: Body, step: str) -> Kernel:
    """The kernel after a step, what is known at compile time folded."""
    return replace(kernel, body=fold_body(body), steps=(*kernel.steps, step))


def rewrite(kernel: Kernel, name: str, rule: Rule) -> Body:
    """The kernel's body with each loop that ``name`` means replaced by what ``rule`` makes of it."""
    visible = frozenset({p.name for p in kernel.params} | {v.name for v in kernel.numbers})
    return rewrite_body(kernel.body, name, rule, visible)


def rewrite_body(body: Body, name: str, rule: Rule, visible: frozenset[str]) -> Body:
    out: list[Stmt] = []
    for s in body:
        if isinstance(s, For) and means(name, s):
            out.extend(rule(s, visible))
        elif isinstance(s, For):
            out.append(replace(s, body=rewrite_body(s.body, name, rule, visible | {s.var})))
        elif isinstance(s, While):
            out.append(replace(s, body=rewrite_body(s.body, name, rule, visible)))
        elif isinstance(s, If):
            then, other = (rewrite_body(b, name, rule, visible) for b in (s.then, s.other))
            out.append(If(s.condition, then, other))
        else:
            out.append(s)
            if isinstance(s, Let):
                visible |= {s.var.name}
            elif isinstance(s, Local):
                visible |= {s.name}
    return tuple(out)


def marked(kernel: Kernel, name: str, **marks: Any) -> Body:
    """The kernel's body with these marks on each loop that ``name`` means."""
    return rewrite(kernel, name, lambda loop, _: (replace(loop, **marks),))


def copy_names(body: Body, loop: str, copies: int, taken: Collection[str]) -> list[dict[str, str]]:
    """New names for what a body declares, copy by copy: acc -> acc_n1. Copy 0 keeps its names."""
    used = set(taken) | names_in(body)
    locals_ = sorted(declared(body))
    return [{}, *({n: fresh(f"{n}_{loop}{j}", used) for n in locals_} for j in range(1, copies))]


def shifted_copy(body: Body, loop: str, by: int, names: dict[str, str]) -> Body:
    """The body for the iteration ``by`` further on."""
    there = simplify(Binary("+", Var(loop), Const(by), i32))
    return renamed(substitute(body, {loop: there}) if by else body, names)


def with_rest(kernel: Kernel, loop: For, factor: int, body: Body, cases: Sequence[Case]) -> Body:
    """A loop whose rounds do ``factor`` rounds of the old one each, and one for what is left over.

    cases: the numbers of all calls; where each shows that nothing is left over of this loop, there is no loop for it.
    """
    step = loop.step * factor
    trips = simplify(Binary("-", loop.hi, loop.lo, i32))
    whole = simplify(Binary("-", loop.hi, Binary("%", trips, Const(step), i32), i32))
    if whole == simplify(loop.hi) or divides(kernel, loop, factor, cases):
        return (replace(loop, body=body, step=step),)
    return (replace(loop, hi=whole, body=body, step=step), replace(loop, lo=whole))


def depends(expressions: Sequence[Expr], names: Collection[str]) -> bool:
    """Does one of the expressions read one of these variables or buffers?"""
    return any(
        (isinstance(x, Var) and x.name in names) or (isinstance(x, Load) and x.buffer in names)
        for e in expressions
        for x in walk_expr(e)
    )
