"""What is known at a place of a kernel that is run on intervals, and what is found there."""

from __future__ import annotations

from dataclasses import dataclass, field

from skosh.ir.checks import intervals as iv
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.values import Value, joined
from skosh.ir.kernel import Expr, Load, Stmt, Var, walk_expr


@dataclass(frozen=True, eq=False)
class Finding:
    """An operation that can't be shown to stay inside its type. ``span``: what it reaches. ``at``: the statement it is in.

    ``what``: "overflow", "shift" (a count out of range) or "zero" (a division by it). ``certain``: it is, in every run.
    """

    expr: Expr
    at: Stmt
    span: Span
    what: str
    certain: bool
    function: str = ""


@dataclass
class Env:
    """What is known at a place: locals, what buffers hold, and expressions that conditions and promises speak of."""

    names: dict[str, Value]
    contents: dict[str, Value | None]  # None: nothing was stored yet
    facts: dict[Expr, Span] = field(default_factory=dict)

    def copy(self) -> Env:
        return Env(dict(self.names), dict(self.contents), dict(self.facts))

    def forget(self, changed: set[str]) -> None:
        """Facts about what has changed are facts no more."""
        if self.facts:
            self.facts = {e: s for e, s in self.facts.items() if not _mentions(e, changed)}


def _mentions(e: Expr, names: set[str]) -> bool:
    return any(
        (isinstance(x, Var) and x.name in names) or (isinstance(x, Load) and x.buffer in names) for x in walk_expr(e)
    )


def merged(a: Env, b: Env) -> Env:
    """What is known where two ways meet."""
    names = {n: v if v is b.names[n] else joined(v, b.names[n]) for n, v in a.names.items() if n in b.names}
    contents = {n: _one_of(v, b.contents[n]) for n, v in a.contents.items() if n in b.contents}
    facts = {e: iv.hull(s, b.facts[e]) for e, s in a.facts.items() if e in b.facts}
    return Env(names, contents, facts)


def _one_of(a: Value | None, b: Value | None) -> Value | None:
    return b if a is None else a if b is None or a is b else joined(a, b)


class Unset(Exception):
    """An element of memory that holds nothing yet is read: no run gets here, as far as such things don't happen."""
