"""A kernel is looked at when it is defined: races, places outside buffers and overflow are refused at the user's own line.

What hangs on numbers that aren't known yet is looked at again when a call binds them (``check_bound``). An overflow that
can be neither shown nor excluded is no error: ``overflow.arithmetic_of`` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skosh.base.errors import ScheduleError
from skosh.ir.checks.bounds import Outside, outside
from skosh.ir.checks.overflow import Arithmetic, Array, arithmetic_of, hint, said
from skosh.ir.checks.races import races
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.ir.kernel import Const, Kernel
from skosh.ir.kernel_text import expr_text
from skosh.ir.specialize import bind
from skosh.language.frontend import Places

_waiting: dict[int, tuple[Kernel, Places]] = {}
"""Kernels of which something is still to be shown, by id; they stay alive, so that their ids stay theirs."""

ASSUME = "assume(...) says what a kernel relies on"


def check_defined(kernel: Kernel, places: Places) -> None:
    """ScheduleError, at the user's line, for a race, an index that is or may be outside, or an overflow that is certain or that
    data shows. See docs/kernel-language.md.
    """
    wait = False
    for race in races(kernel):
        if race.hangs_on == "numbers":
            wait = True
            continue
        hint = "seq runs them in order"
        raise ScheduleError(race.reason, loc=places.loc(race.at), hint=hint)
    for o in outside(kernel):
        if o.certain:
            raise ScheduleError(f"{_said(kernel, o)} is outside, always", loc=places.loc(o.at))
        if o.data:
            hint = f"clamp(...) keeps it inside, and {ASSUME}"
            raise ScheduleError(
                f"{_said(kernel, o)} hangs on data, and may lie outside", loc=places.loc(o.at), hint=hint
            )
        seen = None if kernel.scalars else _witness(kernel)
        if seen is not None:
            raise ScheduleError(f"{_said(kernel, o)} reaches outside: {seen}", loc=places.loc(o.at), hint=ASSUME)
        wait = True
    known = arithmetic_of(kernel)
    _refuse_overflow(known, places)
    if wait or (kernel.numbers and not known.proved):
        _waiting[id(kernel)] = kernel, places


def check_bound(
    kernel: Kernel, numbers: Mapping[str, int | float], constants: Mapping[str, Array] | None = None
) -> None:
    """The same for a kernel whose numbers a call has bound, if anything was left open when it was defined.

    constants: buffers whose elements the call knows too.
    """
    if id(kernel) not in _waiting:
        return
    made = bind(kernel, numbers)
    bound = ", ".join(f"{n} = {numbers[n]}" for n in (v.name for v in kernel.numbers))
    for race in races(made):
        raise ScheduleError(f"{race.reason} (with {bound})", loc=kernel.loc, hint="seq runs them in order")
    for o in outside(made):
        raise ScheduleError(f"{_said(made, o)} may lie outside (with {bound})", loc=kernel.loc, hint=ASSUME)
    _refuse_overflow(arithmetic_of(kernel, numbers, constants), _waiting[id(kernel)][1], f" (with {bound})")


def _refuse_overflow(known: Arithmetic, places: Places, bound: str = "") -> None:
    """``"acc + widen(x[k]) * widen(w[k])" reaches 3276800000, beyond i32, where every x is -128 and every w is -128``"""
    if known.refused is not None:
        where = f", where {known.when}" if known.when else ""
        message = f"{said(known.refused)}{where}{bound}"
        raise ScheduleError(message, loc=places.loc(known.refused.at), hint=hint(known.refused))


def _said(kernel: Kernel, o: Outside) -> str:
    shape = ", ".join(expr_text(d) for d in kernel.buffers[o.access.buffer].shape)
    index = ", ".join(expr_text(i) for i in o.written)
    return f"{o.access.buffer}[{index}] of {o.access.buffer}[{shape}]"


def _witness(kernel: Kernel) -> str | None:
    """Sizes with which the interpreter finds an index outside."""
    count = len(kernel.sizes)
    for sizes in (range(2, 2 + count), range(1 + count, 1, -1), [1] * count):
        numbers: dict[str, Any] = dict(zip(kernel.sizes, sizes, strict=True))
        bound = bind(kernel, numbers)
        buffers = {}
        for p in bound.params:
            elements = int(np.prod([int(getattr(d, "value", 0)) for d in p.shape]))
            buffers[p.name] = np.zeros(-(-max(elements, 0) // p.tile) * p.tile + p.tile * 8, p.dtype.np)
        try:
            run_kernel(bound, buffers, {})
        except Trap as trap:
            if "is outside" in str(trap):
                said = ", ".join(f"{n} = {v}" for n, v in numbers.items())
                return f"with {said}, {trap}" if said else str(trap)
        except AssertionError:
            continue
    return None


def check_instruction(kernel: Kernel, number: int) -> None:
    """ScheduleError for what the port of a custom function unit can't carry: two operands of 32 bits in, one result out."""
    problem = ""
    if kernel.sizes:
        problem = f'the state of an instruction must have sizes that are numbers, not "{kernel.sizes[0]}"'
    elif len(kernel.scalars) > 2:
        problem = f"an instruction must have at most 2 operands, not {len(kernel.scalars)}"
    elif any(v.dtype.bits != 32 or not v.dtype.is_integer for v in kernel.scalars):
        problem = f"operands must be i32 or u32, not {', '.join(str(v.dtype) for v in kernel.scalars)}"
    elif any(p.name == "out" and (p.dtype.bits != 32 or p.shape != (Const(1),)) for p in kernel.params):
        problem = '"out" must be i32[1] or u32[1]'
    elif not 0 <= number < 1024:
        problem = f"a function id must be from 0 to 1023, not {number}"
    if problem:
        raise ScheduleError(f"{kernel.name}: {problem}", loc=kernel.loc)
