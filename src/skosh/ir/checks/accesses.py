"""Every place where a kernel touches a buffer, with what is known there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from skosh.ir.kernel import (
    Assume,
    Binary,
    Body,
    Expr,
    For,
    If,
    Load,
    Param,
    Select,
    Stmt,
    Store,
    While,
    children,
    stmt_exprs,
)
from skosh.ir.known import Known


@dataclass(frozen=True, eq=False)
class Access:
    """``index`` in names that never change; ``span``: elements from there on, more than one where a word is meant."""

    buffer: str
    index: tuple[Expr, ...]
    stored: bool
    span: int
    known: Known
    at: Stmt | Expr
    written: tuple[Expr, ...]  # the index as the kernel says it


def accesses(body: Body, known: Known, buffers: dict[str, Param]) -> Iterator[Access]:
    """In the order of the text. Conditions hold in what they guard: branches, both sides of ``and``, selections."""
    for s in body:
        if isinstance(s, Assume):
            known = known.after(s)
            continue
        inner = known.inside(s) if isinstance(s, While) else known
        for e in stmt_exprs(s):
            yield from _reads(e, known.forget(s.body) if isinstance(s, While) else known, buffers)
        match s:
            case Store(buffer, index, value):
                yield _access(buffer, index, True, value, known, buffers, s)
            case For():
                yield from accesses(s.body, known.inside(s), buffers)
            case While():
                yield from accesses(s.body, inner, buffers)
            case If(condition, then, other):
                yield from accesses(then, known.where(condition), buffers)
                yield from accesses(other, known.where(condition, False), buffers)
        known = known.after(s)


def _reads(e: Expr, known: Known, buffers: dict[str, Param]) -> Iterator[Access]:
    match e:
        case Load(buffer, index):
            for i in index:
                yield from _reads(i, known, buffers)
            yield _access(buffer, index, False, e, known, buffers, e)
        case Binary("and" | "or" as op, a, b):
            yield from _reads(a, known, buffers)
            yield from _reads(b, known.where(a, op == "and"), buffers)
        case Select(condition, a, b):  # both sides may be computed
            for part in (condition, a, b):
                yield from _reads(part, known, buffers)
        case _:
            for part in children(e):
                yield from _reads(part, known, buffers)


def _access(
    buffer: str,
    index: tuple[Expr, ...],
    stored: bool,
    value: Expr,
    known: Known,
    buffers: dict[str, Param],
    at: Stmt | Expr,
) -> Access:
    bits = buffers[buffer].dtype.bits
    span = value.dtype.bits // bits if value.dtype != buffers[buffer].dtype else 1
    return Access(buffer, tuple(known.expand(i) for i in index), stored, span, known, at, index)
