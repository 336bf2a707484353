"""What schedules leave that no author would write: loops of one round; and comments that name what isn't there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from skosh.ir.fold import fold_body
from skosh.ir.kernel import Body, Const, For, If, Let, Local, Stmt, While, substitute
from skosh.ir.rename import fresh, renamed


def tidied(body: Body, taken: set[str]) -> Body:
    """The body without loops of one round; what a machine's own form stands for stays as it is.

    taken: names of the whole function; it grows by those that locals get that would meet others of their name.
    """
    return fold_body(_without_single_rounds(body, taken))


def _without_single_rounds(body: Body, taken: set[str]) -> Body:
    out: list[Stmt] = []
    here = _declared(s for s in body if not isinstance(s, For))
    for s in body:
        match s:
            case For() if s.vector or s.assembly or s.function or s.threads:
                out.append(s)
            case For(lo=Const(value=lo), hi=Const(value=hi)) if 0 < int(hi) - int(lo) <= s.step:
                inside = _without_single_rounds(substitute(s.body, {s.var: s.lo}), taken)
                own = _declared(inside)
                inside = renamed(inside, {n: fresh(n, taken) for n in sorted(own & here)})
                here |= _declared(inside)
                out.extend(inside)
            case For() | While():
                out.append(replace(s, body=_without_single_rounds(s.body, taken)))
            case If(condition, then, other):
                out.append(If(condition, *(_without_single_rounds(b, taken) for b in (then, other))))
            case _:
                out.append(s)
    return tuple(out)


def _declared(body: Iterable[Stmt]) -> set[str]:
    """Locals that the block itself declares."""
    found: set[str] = set()
    for s in body:
        if isinstance(s, Let):
            found.add(s.var.name)
        elif isinstance(s, Local):
            found.add(s.name)
    return found


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
