"""One budget for every load: how many bytes, numbers, nodes, levels and steps a model may cost before it is refused.

A file says how large things are, and nobody vouches for a file. So whoever makes something of a size that a file told asks
here first: ``spend("elements", count, "the constant w")``. The meter belongs to the load (a ``ContextVar``), so that
importers, folding, optimizer and planner share it without passing it on. Where no load runs, nothing is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import Any

from skosh.base.errors import InputError, Loc, SkoshError


@dataclass(frozen=True)
class Budget:
    """What one load may cost. The defaults are far above what fits a small computer, and far below what hurts a large one.

    bytes: of the file, and of all that is unpacked from it. elements: numbers beyond those that the file holds itself (two
    for each of its bytes: weights may have 4 bits). tensor: numbers in the largest tensor of a run. nodes: operators, nodes of
    trees, records. depth: things inside things. work: numbers computed while loading and optimizing.
    """

    bytes: int = 1 << 29
    elements: int = 1 << 24
    tensor: int = 1 << 26
    nodes: int = 1 << 21
    depth: int = 200
    work: int = 1 << 30

    def times(self, factor: float) -> Budget:
        """So many times as much of everything; of depth at most what Python itself can go down."""
        grown = {f.name: math.ceil(getattr(self, f.name) * factor) for f in fields(self)}
        return Budget(**grown | {"depth": min(grown["depth"], 800)})


class BudgetError(SkoshError):
    """A model needs more than its load may cost. No ModelError, so that no importer takes it for an obstacle of one node."""


WORDS = {
    "bytes": "bytes", "elements": "numbers", "tensor": "numbers at once", "nodes": "nodes",
    "depth": "levels of things inside things", "work": "steps of work",
}  # fmt: skip

LARGEST = ("depth", "tensor")
"""What isn't added up: the largest counts."""

HINT = "if you know who made the model, budget=10 allows ten times as much"


class Meter:
    """What is spent of one budget. loc: what is being loaded, for the letter."""

    def __init__(self, budget: Budget, loc: Loc | str | None, hint: str) -> None:
        self.budget = budget
        self.loc = loc
        self.hint = hint
        self.spent = {f.name: 0 for f in fields(budget)}
        self.held = 0  # bytes of the file: each may hold two numbers

    def spend(self, kind: str, count: int, what: str) -> None:
        limit = getattr(self.budget, kind) + (2 * self.held if kind == "elements" else 0)
        needed = count if kind in LARGEST else self.spent[kind] + count
        if needed > limit:
            place = self.loc if what == str(self.loc) else f"{self.loc}: {what}" if self.loc else what
            raise BudgetError(
                f"it needs {_count(needed)} {WORDS[kind]}, and a load may cost {_count(limit)}",
                loc=place,
                hint=self.hint,
            )
        self.spent[kind] = max(self.spent[kind], needed)
        if kind == "bytes":
            self.held += count


_METER: ContextVar[Meter | None] = ContextVar("skosh_meter", default=None)


def spend(kind: str, count: int, what: str) -> None:
    """Count what is about to be made or done. kind: a field of ``Budget``; "depth" and "tensor" are not added up.

    what: who needs it, for the letter. BudgetError when the load can't afford it.
    """
    meter = _METER.get()
    if meter is not None:
        meter.spend(kind, count, what)


def deeper(depth: int, what: str) -> int:
    """depth + 1, when things may lie so deep inside things."""
    spend("depth", depth + 1, what)
    return depth + 1


@contextmanager
def budgeted(budget: Budget | float | None, loc: Loc | str | None = None, *, hint: str = HINT) -> Iterator[None]:
    """A load. Inside another one without a budget of its own it is part of that. hint: how to get more.

    Raises BudgetError for MemoryError and RecursionError too, which say the same in Python's words.
    """
    outer = _METER.get()
    token = None
    if outer is None or budget is not None:
        token = _METER.set(Meter(as_budget(budget), loc, hint))
    try:
        yield
    except MemoryError as error:
        raise BudgetError(
            "it needs more memory than there is", loc=loc, hint="use a smaller model, or a computer with more memory"
        ) from error
    except RecursionError as error:
        raise BudgetError(
            "things lie too deep inside things", loc=loc, hint="the file may be damaged, or made to do harm"
        ) from error
    finally:
        if token is not None:
            _METER.reset(token)


def as_budget(budget: Any) -> Budget:
    """None: the default; a number: so many times the default; a Budget: itself. InputError for anything else."""
    if isinstance(budget, Budget):
        return budget
    if budget is None:
        return Budget()
    if isinstance(budget, bool) or not isinstance(budget, int | float) or not 0 < budget <= 1e6:
        raise InputError(
            f"budget must be a number above 0, up to a million, or a skosh.base.budget.Budget, not {budget!r}",
            hint="budget=10 allows ten times as much as usual",
        )
    return Budget().times(budget)


def _count(n: int) -> str:
    return f"{n:,}" if n < 10**15 else f"{float(n):.1e}" if n < 10**300 else "endlessly many"
