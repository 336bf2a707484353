"""A loop nest as a module-level assembly function, and its declaration and call in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh.emit.thumb.allocate import Allocated, Line, allocate
from skosh.emit.thumb.code import REGISTERS, Ins, Item, Reg, flat
from skosh.emit.thumb.order import arranged
from skosh.emit.thumb.select import NotAssembled, select
from skosh.ir.kernel import Expr, For, Param, Var


@dataclass(frozen=True)
class Assembled:
    """``lines``: instructions, each with a note on what it works on.

    The function takes a pointer per buffer, from the element at ``Expr`` on, then numbers.
    """

    lines: tuple[tuple[str, str], ...]
    pointers: tuple[tuple[str, Expr], ...]
    numbers: tuple[Var, ...]


def assemble(
    loop: For, params: Mapping[str, Param], steps: Mapping[str, int], scalars: Sequence[Var]
) -> Assembled | NotAssembled:
    """The loop as a function, or the reason why not. scalars: numbers and locals known outside of it."""
    try:
        found = select(loop, params, steps, scalars)
    except NotAssembled as reason:
        return reason
    arguments = [r for _, _, r in found.pointers] + [r for _, r in found.numbers]
    given = dict(zip(arguments, REGISTERS[:4], strict=False))
    stacked = {r: f"[sp, #@{i}]" for i, r in enumerate(arguments[4:])}
    lines = _ordered([*found.entry, *found.items], arguments)
    done = allocate(lines, given, stacked)
    return Assembled(
        tuple(_lines(done)),
        tuple((name, start) for name, start, _ in found.pointers),
        tuple(v for v, _ in found.numbers),
    )


def _ordered(items: list[Item], arguments: Sequence[Reg]) -> list[Line]:
    """Every stretch of straight code arranged."""
    plain = list(flat(items))
    after = _alive(plain, arguments)
    out: list[Line] = []
    start = 0
    for i in range(len(plain) + 1):
        ends = i == len(plain) or bool(plain[i][0].label) or plain[i][1] != plain[start][1] if i > start else False
        if i == len(plain) or ends or (i > start and _branches(plain[i - 1][0])):
            if i > start:
                out += _region(plain[start:i], after[i - 1])
            start = i
        if i < len(plain) and plain[i][0].label:
            out.append(plain[i])
            start = i + 1
    return out


def _region(lines: Sequence[Line], alive_after: frozenset[Reg]) -> list[Line]:
    region, depth = [ins for ins, _ in lines], lines[0][1]
    tail: list[Ins] = []
    while region and _branches(region[-1]):
        tail.insert(0, region.pop())
    wanted = alive_after | {r for ins in tail for r in ins.ins}
    region = _useful(region, wanted)
    return [(ins, depth) for ins in [*arranged(region, frozenset(wanted), len(REGISTERS)), *tail]]


def _useful(region: Sequence[Ins], alive_after: frozenset[Reg]) -> list[Ins]:
    """Without what makes values that nobody uses."""
    alive = set(alive_after)
    out = []
    for ins in reversed(region):
        if ins.outs and ins.memory in ("", "load") and not alive & set(ins.outs):
            continue
        alive -= set(ins.outs)
        alive |= set(ins.ins)
        out.append(ins)
    return out[::-1]


def _branches(ins: Ins) -> bool:
    return ins.text.rsplit("\n", 1)[-1].startswith(("blo ", "bhs ", "bne "))


def _alive(plain: Sequence[Line], arguments: Sequence[Reg]) -> list[frozenset[Reg]]:
    """Values alive after each instruction."""
    labels = {ins.label: i for i, (ins, _) in enumerate(plain) if ins.label}
    before: list[frozenset[Reg]] = [frozenset()] * (len(plain) + 1)
    after: list[frozenset[Reg]] = [frozenset()] * len(plain)
    for _ in range(2 + max((d for _, d in plain), default=0)):
        for i in range(len(plain) - 1, -1, -1):
            ins = plain[i][0]
            out = before[i + 1]
            if _branches(ins):
                out |= before[labels[ins.text.rsplit(" ", 1)[1][:-1]]]
            after[i] = out
            before[i] = (out - set(ins.outs)) | set(ins.ins)
    return after


def _lines(done: Allocated) -> list[tuple[str, str]]:
    saved = sorted(
        {r for r in done.registers.values() if r not in ("r0", "r1", "r2", "r3", "r12")}, key=REGISTERS.index
    )
    frame = 4 * done.frame
    out = [(f"push {{{', '.join(saved)}}}", "")] if saved else []
    if frame:
        out.append((f"sub sp, #{frame}", ""))
    for ins, _ in done.lines:
        if ins.label:
            out.append((f"{ins.label}:", ""))
            continue
        names = {f"o{i}": done.registers[r] for i, r in enumerate(ins.outs)}
        names |= {f"i{i}": done.registers[r] for i, r in enumerate(ins.ins)}
        if ins.copy and names["o0"] == names["i0"]:
            continue
        text = ins.text
        if "@" in text:
            head, rest = text.split("@")
            text = f"{head}{frame + 4 * len(saved) + 4 * int(rest.rstrip(']'))}]"
        filled = text.format(**names).splitlines()
        out += [(line, _note(ins) if i == 0 else "") for i, line in enumerate(filled)]
    if frame:
        out.append((f"add sp, #{frame}", ""))
    if "lr" in saved:
        out.append((f"pop {{{', '.join([*saved[:-1], 'pc'])}}}", ""))
    else:
        out += [(f"pop {{{', '.join(saved)}}}", ""), ("bx lr", "")] if saved else [("bx lr", "")]
    return out


def _note(ins: Ins) -> str:
    """What the registers hold: "acc_t1 <- two_t1, even, acc_t1"."""
    sources = ", ".join(dict.fromkeys(r.name for r in ins.ins))
    targets = ", ".join(r.name for r in ins.outs)
    if ins.memory == "stack":
        return f"{targets} from the frame" if targets else f"{sources} to the frame"
    if targets and sources:
        return f"{targets} <- {sources}"
    return targets or sources
