"""What schedules leave that no author would write: loops of one round; and comments that name what isn't there."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from skosh.ir.fold import fold_body
from skosh.ir.kernel import Assign, Body, Const, For, If, Let, Local, Stmt, While, substitute, walk
from skosh.ir.rename import fresh, renamed


def declared_twice(body: Body) -> frozenset[str]:
    """Locals that several of its blocks declare."""
    names = [s.var.name for s in walk(body) if isinstance(s, Let)] + [s.name for s in walk(body) if isinstance(s, Local)]
    return frozenset(n for n in names if names.count(n) > 1)


def tidied(body: Body, taken: set[str], twice: frozenset[str]) -> Body:
    """The body without loops of one round; what a machine's own form stands for stays as it is.

    taken: names of the whole function; it grows by those that locals get that would meet others of their name. twice: those
    that several blocks of the whole function declare, of which ``body`` may be a part.
    """
    folded = fold_body(_without_single_rounds(body, twice, taken))
    return _without_single_rounds(folded, twice, taken) if any(_does_nothing(s) for s in walk(folded)) else folded


def _does_nothing(s: Stmt) -> bool:
    """x = x: what adding a zero leaves."""
    return isinstance(s, Assign) and s.value == s.var


def _without_single_rounds(body: Body, twice: frozenset[str], taken: set[str]) -> Body:
    """twice: locals that several blocks declare; one that comes out of its loop gets another name, so that none hides it."""
    out: list[Stmt] = []
    for s in body:
        match s:
            case For() if s.vector or s.assembly or s.function or s.threads or s.issue:
                out.append(s)
            case For(lo=Const(value=lo), hi=Const(value=hi)) if 0 < int(hi) - int(lo) <= s.step:
                inside = _without_single_rounds(substitute(s.body, {s.var: s.lo}), twice, taken)
                own = {x.var.name for x in inside if isinstance(x, Let)} | {x.name for x in inside if isinstance(x, Local)}
                out.extend(renamed(inside, {n: fresh(n, taken) for n in sorted(own & twice)}))
            case For() | While():
                out.append(replace(s, body=_without_single_rounds(s.body, twice, taken)))
            case If(condition, then, other):
                out.append(If(condition, *(_without_single_rounds(b, twice, taken) for b in (then, other))))
            case Assign() if _does_nothing(s):
                pass
            case _:
                out.append(s)
    return tuple(out)


def plain_comment(doc: str, names: Collection[str]) -> str:
    """A docstring as a comment of the C: ``names`` without their quotes; sentences that name something else are left out."""
    paragraphs = [_paragraph(p, names) for p in doc.split("\n\n")]
    return "\n\n".join(p for p in paragraphs if p)


def _paragraph(text: str, names: Collection[str]) -> str:
    if all(n in names for n in _quoted(text)):
        return text.replace("``", "")
    sentences = re.split(r"(?<=[.:;])\s+", text)
    kept = [s for s in sentences if all(n in names for n in _quoted(s))]
    return " ".join(kept).replace("``", "")


def _quoted(text: str) -> list[str]:
    """The identifiers between double backquotes."""
    return [n for part in re.findall(r"``(.+?)``", text, re.S) for n in re.findall(r"[A-Za-z_]\w*", part)]
