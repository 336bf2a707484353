"""Thumb-1: results in the place of an operand.

t = muls a, b  ->  t = mov a; t = muls t, b

The move vanishes where a isn't needed any more, as both then have one register.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from skosh.machines.arm_m.thumb.code import Ins, Reg


def two_address(region: Sequence[Ins], alive_after: frozenset[Reg], fresh: Callable[[str], Reg]) -> list[Ins]:
    """The straight code ``region``, with a move before every instruction that replaces an operand that is still needed."""
    alive = set(alive_after)
    out: list[Ins] = []
    for ins in reversed(region):
        out += reversed(_in_place(ins, alive, fresh))
        alive -= set(ins.outs)
        alive |= set(ins.ins)
    return out[::-1]


def _in_place(ins: Ins, alive: set[Reg], fresh: Callable[[str], Reg]) -> list[Ins]:
    """alive: after it."""
    if not ins.tied or ins.outs[0] == ins.ins[0]:
        return [ins]
    (target,), operands = ins.outs, ins.ins
    if ins.swaps and (target == operands[1] or (operands[0] in alive and operands[1] not in alive)):
        operands = (operands[1], operands[0])
    if target == operands[0]:
        return [replace(ins, ins=operands)]
    place = fresh(target.name) if target in operands[1:] else target
    first = Ins("mov {o0}, {i0}", (place,), (operands[0],), copy=True, high="any")
    then = replace(ins, outs=(place,), ins=(place, *operands[1:]))
    if place == target:
        return [first, then]
    return [first, then, Ins("mov {o0}, {i0}", (target,), (place,), copy=True, high="any")]
