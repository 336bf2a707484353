"""Can the arithmetic of a kernel overflow? Proved not to, refused with data that does it, or left open and said so.

    proved    for all data there is, within what ``assume`` promises
    refused   for all data; or for data that is named: "every x is -128 and every w is -128"
    open      neither can be shown: it hangs on data. The interpreter stops where it happens; the C has no check

A shift by too much and a division by zero count as well, but data is not sought for them: counts and divisors in buffers are
the caller's. Full-width data (an i32 in i32 arithmetic) is never blamed by
itself: what is open about it, ``assume``, ``wrap`` or a wider type closes. What becomes of floats isn't looked at: an integer
that was one may be anything of its type.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from skosh.base.dtypes import i32
from skosh.ir.checks.intervals import Span
from skosh.ir.checks.ranges import findings
from skosh.ir.checks.reach import Finding
from skosh.ir.checks.values import Value, exactly
from skosh.ir.kernel import Binary, Const, Expr, For, Kernel, Load, Param, Var, all_exprs, map_expr, walk, walk_expr
from skosh.ir.kernel_text import expr_text
from skosh.ir.simplify import simplify

Array = npt.NDArray[Any]
Numbers = Mapping[str, int | float]
MOST_AT_ONCE = 1 << 20  # rounds of loops that are looked at one by one
MOST_FILLED = 3  # buffers whose elements are chosen independently, when an overflow is sought


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """What is known of a kernel's arithmetic. ``open``: what isn't shown to stay inside its type.

    ``refused``: the first of them that does leave it, and ``when``: for which data. ``left``: what buffers hold in the end.
    """

    kernel: str
    open: tuple[Finding, ...] = ()
    refused: Finding | None = None
    when: str = ""
    left: Mapping[str, Value | None] = field(default_factory=dict)

    @property
    def proved(self) -> bool:
        return not self.open

    def __str__(self) -> str:
        if self.proved:
            return f"{self.kernel}: proved not to overflow"
        what = "; ".join(dict.fromkeys(said(f) for f in self.open))
        return f"{self.kernel}: not proved, checked by the interpreter: {what}"


def arithmetic_of(
    kernel: Kernel,
    numbers: Numbers | None = None,
    constants: Mapping[str, Array] | None = None,
    contents: Mapping[str, Value | None] | None = None,
) -> Arithmetic:
    """Look at every operation on integers, with as much as is known.

    numbers: sizes and scalars that are bound. constants: buffers whose elements are known, flat or in shape. contents: what
    others hold when the kernel begins, where that is known; None for memory that holds nothing yet.
    """
    numbers = numbers or {}
    known = {n: Span(int(v), int(v)) for n, v in numbers.items() if not isinstance(v, float)}
    known |= {s: Span(1, i32.max) for s in kernel.sizes if s not in known}
    arrays = _in_shape(kernel, numbers, constants or {})
    held = dict(contents or {})
    found, left = findings(kernel, known, held, arrays)
    axes = _axes(kernel, numbers, arrays) if found and arrays else []
    if axes:
        found, left = findings(kernel, known, held, arrays, axes)
    refused = next((f for f in found if f.certain), None)
    if refused is not None or not found:
        return Arithmetic(kernel.name, tuple(found), refused, left=left)
    for filled in _fillings(kernel, arrays):
        then, _ = findings(kernel, known, {**held, **filled}, arrays, axes)
        sure = next((f for f in then if f.certain and f.what == "overflow"), None)
        if sure is not None:
            narrow = {n: v.span.lo for n, v in filled.items() if v.span.lo}
            when = " and ".join(f"every {n} is {v}" for n, v in narrow.items())
            return Arithmetic(kernel.name, tuple(found), sure, when, left)
    return Arithmetic(kernel.name, tuple(found), left=left)


def said(f: Finding) -> str:
    """``"acc + widen(x[k]) * widen(w[k])" reaches 3276800000, beyond i32``."""
    place = f' of "{f.function}"' if f.function else ""
    match f.what:
        case "shift":
            assert isinstance(f.expr, Binary), "only shifts have counts"
            reach = f"by {_reach(f.span, f.expr.dtype.bits - 1)}, and {f.expr.dtype} has {f.expr.dtype.bits} bits"
            return f'"{expr_text(f.expr)}"{place} shifts {reach}'
        case "zero":
            return f'"{expr_text(f.expr)}"{place} may divide by zero'
    return f'"{expr_text(f.expr)}"{place} reaches {_reach(f.span, f.expr.dtype.max)}, beyond {f.expr.dtype}'


def hint(f: Finding) -> str:
    """What can be done about it."""
    if f.what != "overflow":
        return "clamp(...) or if keeps it away, and assume(...) says what a kernel relies on"
    wide = "i64(...) on both sides makes it wide, " if f.expr.dtype.bits < 64 else ""
    return f"{wide}wrap and sat say what becomes of it, and assume(...) says what a kernel relies on"


def _reach(s: Span, largest: int) -> str:
    """The end that is beyond."""
    return str(s.hi if s.hi > largest else s.lo)


# ------------------------------------------------------------------------------------------------ what is known


def _in_shape(kernel: Kernel, numbers: Numbers, constants: Mapping[str, Array]) -> dict[str, Array]:
    """Constant integers in the shape of their parameters, where the numbers say it."""
    out = {}
    for name, data in constants.items():
        p = kernel.param(name)
        shape = [_number(d, numbers) for d in p.shape]
        if p.dtype.is_float or p.dtype.packed or any(d is None for d in shape):
            continue
        count = math.prod(d for d in shape if d is not None)
        flat = np.asarray(data).reshape(-1)
        if 0 < count <= flat.size and not p.written:
            out[name] = flat[:count].reshape([d for d in shape if d is not None])
    return out


def _number(e: Expr, numbers: Numbers) -> int | None:
    value = simplify(
        map_expr(e, lambda x: Const(int(numbers[x.name])) if isinstance(x, Var) and x.name in numbers else x)
    )
    return int(value.value) if isinstance(value, Const) else None


def _axes(kernel: Kernel, numbers: Numbers, arrays: Mapping[str, Array]) -> list[For]:
    """The loops that walk over constants, the inner ones first, as far as there are not too many rounds."""
    loads = [e for e in all_exprs(kernel.body) if isinstance(e, Load) and e.buffer in arrays]
    names = {x.name for e in loads for i in e.index for x in walk_expr(i) if isinstance(x, Var)}
    axes: list[For] = []
    rounds = 1
    for s in reversed(list(walk(kernel.body))):
        if isinstance(s, For) and s.var in names:
            count = _number(Binary("-", s.hi, s.lo, i32), numbers)
            if count is not None and count > 1 and rounds * count <= MOST_AT_ONCE:
                axes.append(s)
                rounds *= count
    return axes


def _fillings(kernel: Kernel, arrays: Mapping[str, Array]) -> list[dict[str, Value]]:
    """Data that is the same everywhere, at the ends of narrow types; zeros where the type is as wide as arithmetic."""

    def narrow(p: Param) -> bool:
        return p.dtype.is_integer and p.dtype.bits < 32

    inputs = [p for p in kernel.params if p.name not in arrays and not p.written and not p.dtype.is_float]
    small = [p for p in inputs if narrow(p)]
    rest = {p.name: exactly(0) for p in inputs if not narrow(p)}
    if not small:
        return []
    ends = [(p.dtype.min, p.dtype.max) for p in small]
    if len(small) > MOST_FILLED:
        chosen = [tuple(e[k] for e in ends) for k in range(2)]
    else:
        chosen = list(itertools.product(*ends))
    return [
        {**rest, **{p.name: exactly(v) for p, v in zip(small, values, strict=True)}} for values in chosen
    ]
