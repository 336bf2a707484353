"""How often a loop runs: is it a multiple of a factor in every call that a kernel must serve?

Each loop is asked for itself: loops over one variable may have different ranges, and so may the copies of one loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skosh.base.dtypes import i32
from skosh.ir.kernel import Assign, Assume, Binary, Const, Expr, For, Kernel, Var, walk
from skosh.ir.kernel_text import expr_text
from skosh.ir.simplify import Polynomial, polynomial, simplify, value_of
from skosh.schedule.addresses import loops
from skosh.schedule.answers import Answer, No, Yes

Case = Mapping[str, int | float]
"""The numbers of one call."""


def rounds(kernel: Kernel, loop: For, case: Case) -> int | None:
    """How often a loop of this kernel runs in a call with these numbers; None where data or a loop around it decides."""
    count = _value(span(loop), case, _fixed(kernel))
    return None if count is None else -(-count // loop.step)


def divides(kernel: Kernel, loop: For, factor: int, cases: Sequence[Case] = ()) -> bool:
    """Is it shown that ``factor`` rounds in one leave none over: by the range itself, by an ``assume``, or in all ``cases``?"""
    step = loop.step * factor
    whole = simplify(span(loop))
    if _is_multiple(whole, step) or any(_is_multiple(whole, step, known) for known in _assumed(kernel, step)):
        return True
    fixed = _fixed(kernel)
    found = [_value(whole, case, fixed) for case in cases]
    return bool(found) and all(v is not None and v % step == 0 for v in found)


def can_be_exact(kernel: Kernel, address: str, factor: int, cases: Sequence[Case]) -> Answer:
    """May every loop that ``address`` means do ``factor`` rounds in one, with no loop for what is left over?"""
    for loop in loops(kernel, address):
        if not divides(kernel, loop, factor, cases):
            lo, hi = expr_text(loop.lo, kernel.buffers), expr_text(loop.hi, kernel.buffers)
            return No(
                f'the loop over "{address}" from {lo} to {hi} isn\'t shown to run a multiple of {factor} rounds; bind its'
                f" numbers, or assume({loop.var.upper()} % {factor * loop.step} == 0) in the kernel"
            )
    return Yes()


def span(loop: For) -> Expr:
    """From where a loop begins to where it ends."""
    return Binary("-", loop.hi, loop.lo, i32)


def _fixed(kernel: Kernel) -> frozenset[str]:
    """The numbers that are the same throughout a call."""
    changed = {s.var.name for s in walk(kernel.body) if isinstance(s, Assign)}
    return frozenset(v.name for v in kernel.numbers) - changed


def _value(e: Expr, case: Case, fixed: frozenset[str]) -> int | None:
    return value_of(e, {name: case[name] for name in fixed if name in case})


def _is_multiple(whole: Expr, step: int, known: Polynomial | None = None) -> bool:
    """Is a span a multiple of ``step``, given that ``known`` is one?"""
    mine = polynomial(whole)
    if known is None:
        return all(c % step == 0 for c in mine.values())
    names = set(mine) | set(known)
    return any(all((mine.get(m, 0) - t * known.get(m, 0)) % step == 0 for m in names) for t in range(1, step))


def _assumed(kernel: Kernel, step: int) -> list[Polynomial]:
    """What the kernel's promises say to be multiples of ``step``: assume(K % 4 == 0), at its beginning."""
    found: list[Polynomial] = []
    fixed = _fixed(kernel)
    for s in kernel.body:
        match s:
            case Assume(Binary("==", Binary("%", e, Const(value=by)), Const(value=0))) if (
                int(by) > 0 and int(by) % step == 0
            ):
                if all(isinstance(f, Var) and f.name in fixed for m in polynomial(e) for f in m):
                    found.append(polynomial(e))
    return found
