"""A loop nest as a module-level assembly function, and its declaration and call in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from skosh.ir.kernel import For, Param, Var
from skosh.machines.arm_m.thumb.allocate import Allocated, Line, allocate
from skosh.machines.arm_m.thumb.code import DIALECTS, REGISTERS, THUMB_2, Dialect, Ins, Item, Pool, Reg, flat
from skosh.machines.arm_m.thumb.narrow import NarrowSelector
from skosh.machines.arm_m.thumb.order import arranged
from skosh.machines.arm_m.thumb.select import Selector
from skosh.machines.arm_m.thumb.two_address import two_address
from skosh.targets.assembler import Assembled, NotAssembled


def assemble(
    loop: For, params: Mapping[str, Param], steps: Mapping[str, int], scalars: Sequence[Var]
) -> Assembled | NotAssembled:
    """The loop as a function, or the reason why not. scalars: numbers and locals known outside of it."""
    dialect = DIALECTS[loop.assembly or THUMB_2.name]
    try:
        selector = (NarrowSelector if dialect.is_narrow else Selector)(loop, params, steps, {v.name: v for v in scalars})
        return _assembled(selector, dialect)
    except NotAssembled as reason:
        return reason


def _assembled(selector: Selector, dialect: Dialect) -> Assembled:
    found = selector.run()
    arguments = [r for _, _, r in found.pointers] + [r for _, r in found.numbers]
    given = dict(zip(arguments, REGISTERS[:4], strict=False))
    stacked = {r: f"[sp, #@{i}]" for i, r in enumerate(arguments[4:])}
    lines = _ordered([*found.entry, *found.items], arguments, dialect, selector.pool)
    done = allocate(lines, given, stacked, dialect)
    return Assembled(
        tuple(_near(_lines(done, dialect)) if dialect.is_narrow else _lines(done, dialect)),
        tuple((name, start) for name, start, _ in found.pointers),
        tuple(v for v, _ in found.numbers),
    )


def _ordered(items: list[Item], arguments: Sequence[Reg], dialect: Dialect, pool: Pool) -> list[Line]:
    """Every stretch of straight code arranged."""
    plain = list(flat(items))
    after = _alive(plain, arguments)
    out: list[Line] = []
    start = 0
    for i in range(len(plain) + 1):
        ends = i == len(plain) or bool(plain[i][0].label) or plain[i][1] != plain[start][1] if i > start else False
        if i == len(plain) or ends or (i > start and _branches(plain[i - 1][0])):
            if i > start:
                out += _region(plain[start:i], after[i - 1], dialect, pool)
            start = i
        if i < len(plain) and plain[i][0].label:
            out.append(plain[i])
            start = i + 1
    return out


def _region(lines: Sequence[Line], alive_after: frozenset[Reg], dialect: Dialect, pool: Pool) -> list[Line]:
    region, depth = [ins for ins, _ in lines], lines[0][1]
    tail: list[Ins] = []
    while region and _branches(region[-1]):
        tail.insert(0, region.pop())
    wanted = alive_after | {r for ins in tail for r in ins.ins}
    region = _useful(region, wanted)
    region = arranged(region, frozenset(wanted), dialect)
    if dialect.is_narrow:
        region = two_address(region, frozenset(wanted), pool.reg)
    return [(ins, depth) for ins in [*region, *tail]]


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


def _lines(done: Allocated, dialect: Dialect) -> list[tuple[str, str]]:
    used = set(done.registers.values())
    saved = sorted(used - {"r0", "r1", "r2", "r3", "r12"}, key=REGISTERS.index)
    high = [r for r in saved if dialect.is_narrow and r in ("r8", "r9", "r10", "r11")]
    if dialect.is_narrow:  # they are saved by way of low ones
        saved = ["r4", "r5", "r6", "r7", "lr"] if high else [r for r in saved if r not in high]
    frame = 4 * done.frame
    out = [(f"push {{{', '.join(saved)}}}", "")] if saved else []
    if high:
        by_way = ("r4", "r5", "r6", "r7")[: len(high)]
        out += [(f"mov {low}, {r}", "") for low, r in zip(by_way, high, strict=True)]
        out.append((f"push {{{', '.join(by_way)}}}", ""))
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
        if ins.high == "in place" and any(n in dialect.high for n in names.values()):
            text = "add {o0}, {i0}" if names["o0"] == names["i1"] else "add {o0}, {i1}"
        if "@" in text:
            head, rest = text.split("@")
            text = f"{head}{frame + 4 * len(saved) + 4 * len(high) + 4 * int(rest.rstrip(']'))}]"
        filled = text.format(**names).splitlines()
        out += [(line, _note(ins) if i == 0 else "") for i, line in enumerate(filled)]
    if frame:
        out.append((f"add sp, #{frame}", ""))
    if high:
        out.append((f"pop {{{', '.join(by_way)}}}", ""))
        out += [(f"mov {r}, {low}", "") for low, r in zip(by_way, high, strict=True)]
    if "lr" in saved:
        out.append((f"pop {{{', '.join([*saved[:-1], 'pc'])}}}", ""))
    else:
        out += [(f"pop {{{', '.join(saved)}}}", ""), ("bx lr", "")] if saved else [("bx lr", "")]
    return out


NEAR, FAR = 240, 2000  # bytes that a conditional branch of Thumb-1, and one without a condition, surely reach
_OPPOSITE = {"blo": "bhs", "bhs": "blo", "bne": "beq", "beq": "bne", "bge": "blt", "ble": "bgt"}


def _near(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Thumb-1: a conditional branch to a far label jumps over one that reaches it.

    blo 1b  ->  bhs 1000f; b 1b; 1000:
    """
    places = list(accumulate((0 if text.endswith(":") else 6 if text[:3] in _OPPOSITE else 2) for text, _ in lines))
    out: list[tuple[str, str]] = []
    for i, (text, note) in enumerate(lines):
        if text[:3] not in _OPPOSITE:
            out.append((text, note))
            continue
        label, backwards = text.split()[1][:-1], text.endswith("b")
        where = range(i, -1, -1) if backwards else range(i, len(lines))
        distance = abs(places[next(k for k in where if lines[k][0] == f"{label}:")] - places[i])
        if distance >= FAR:
            raise NotAssembled("a loop is longer than a branch reaches")
        if distance < NEAR:
            out.append((text, note))
        else:
            over = str(1000 + i)
            out += [(f"{_OPPOSITE[text[:3]]} {over}f", note), (f"b {text.split()[1]}", ""), (f"{over}:", "")]
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
