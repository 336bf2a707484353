"""What folding leaves behind: locals that nothing reads, and loops with nothing in them."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.kernel import Assign, Assume, Body, For, If, Let, Stmt, Var, While, stmt_exprs, walk, walk_expr


def without_unused_locals(body: Body) -> Body:
    """Locals that nothing reads go, with all that is assigned to them; so do promises (``assume``), which are no code.

    best = x[0]; where = 0; y[0] = where  ->  where = 0; y[0] = where

    Each block for itself: copies that a step made of a block may read a local or not.
    """
    body = _without(body, set())
    while (shorter := _block(body)) != body:
        body = shorter
    return body


def _block(body: Body) -> Body:
    """The same, once."""
    out: list[Stmt] = []
    for i, s in enumerate(body):
        match s:
            case Let(var) if not any(var.name in _reads(x) for x in walk(body[i + 1 :])):
                return (*out, *_block(_without(body[i + 1 :], {var.name})))
            case For() | While():
                out.append(replace(s, body=_block(s.body)))
            case If(condition, then, other):
                out.append(If(condition, _block(then), _block(other)))
            case _:
                out.append(s)
    return _without(tuple(out), set())


def _reads(s: Stmt) -> set[str]:
    """The variables whose value a statement needs for something else: acc += x needs x alone."""
    own = {s.var.name} if isinstance(s, Assign) else set()
    return {e.name for top in stmt_exprs(s) for e in walk_expr(top) if isinstance(e, Var)} - own


def _without(body: Body, unused: set[str]) -> Body:
    out: list[Stmt] = []
    for s in body:
        match s:
            case Let(var) | Assign(var) if var.name in unused:
                continue
            case For():
                if inner := _without(s.body, unused):
                    out.append(replace(s, body=inner))
            case Assume():
                continue
            case While():
                out.append(replace(s, body=_without(s.body, unused)))
            case If(condition, then, other):
                then, other = _without(then, unused), _without(other, unused)
                if then or other:
                    out.append(If(condition, then, other))
            case _:
                out.append(s)
    return tuple(out)
