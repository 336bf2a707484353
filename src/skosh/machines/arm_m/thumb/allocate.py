"""Registers for virtual ones: liveness, then linear scan (Poletto and Sarkar, 1999), spilling what inner loops don't use.

A spilled value lives in the frame; each stretch of straight code that uses it loads it once, and stores it if it changed.
On Thumb-1 a high register comes before the frame: additions, comparisons and moves name it as it is, others work on a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from skosh.machines.arm_m.thumb.code import Dialect, Ins, Reg

Line = tuple[Ins, int]  # an instruction and its loop depth


@dataclass(frozen=True)
class Allocated:
    """Instructions, the register of each virtual one, and the words of frame that spilled values take."""

    lines: tuple[Line, ...]
    registers: Mapping[Reg, str]
    frame: int


@dataclass
class _Spilled:
    slot: str | Reg  # a place in the frame, or the high register
    level: int  # 1: a copy for a stretch of code; 2: for one instruction, never spilled again


def allocate(
    lines: Sequence[Line], given: Mapping[Reg, str], stacked: Mapping[Reg, str], dialect: Dialect
) -> Allocated:
    """given: values that arrive in registers. stacked: values that arrive in the frame, and the text of their place."""
    state = _Allocator(list(lines), dict(given), dict(stacked), dialect)
    while True:
        victim = state.scan()
        if victim is None:
            return Allocated(tuple(state.lines), state.registers, state.frame)
        state.spill(victim)


class _Allocator:
    def __init__(self, lines: list[Line], given: dict[Reg, str], stacked: dict[Reg, str], dialect: Dialect) -> None:
        self.dialect = dialect
        self.high: set[Reg] = set()  # values that live in high registers
        self.given = given
        self.homes = stacked
        self.frame = 0
        self.spilled: dict[Reg, _Spilled] = {}
        self.registers: dict[Reg, str] = {}
        self.next_id = 1 + max((r.id for ins, _ in lines for r in (*ins.ins, *ins.outs)), default=0)
        used = {r for ins, _ in lines for r in ins.ins}
        loads = [(Ins(f"ldr {{o0}}, {place}", (r,), (), "stack"), 0) for r, place in stacked.items() if r in used]
        self.lines = [*loads, *lines]

    # ------------------------------------------------------------------------------------------------ liveness

    def index(self) -> None:
        """Where each value is touched, and which stretch of straight code each line is in."""
        self.touched: dict[Reg, list[int]] = {}
        self.stretch: list[int] = []
        at = 0
        for i, (ins, _) in enumerate(self.lines):
            at += bool(ins.label)
            self.stretch.append(at)
            at += _branch(ins) is not None
            for r in dict.fromkeys((*ins.ins, *ins.outs)):
                self.touched.setdefault(r, []).append(i)

    def last_alive(self) -> dict[Reg, int]:
        """The last line after which each value is still needed."""
        bit = {r: 1 << k for k, r in enumerate(self.touched)}
        labels = {ins.label: i for i, (ins, _) in enumerate(self.lines) if ins.label}
        kept = [~sum(bit[r] for r in set(ins.outs)) for ins, _ in self.lines]
        read = [sum(bit[r] for r in set(ins.ins)) for ins, _ in self.lines]
        targets = [None if (t := _branch(ins)) is None else labels[t] for ins, _ in self.lines]
        after = [0] * len(self.lines)
        before = [0] * (len(self.lines) + 1)
        changed = True
        while changed:
            changed = False
            for i in range(len(self.lines) - 1, -1, -1):
                target = targets[i]
                out = before[i + 1] | (before[target] if target is not None else 0)
                into = (out & kept[i]) | read[i]
                if out != after[i] or into != before[i]:
                    after[i], before[i], changed = out, into, True
        regs = list(self.touched)
        last: dict[Reg, int] = {}
        seen = 0
        for i in range(len(self.lines) - 1, -1, -1):
            new = after[i] & ~seen
            seen |= new
            while new:
                lowest = new & -new
                last[regs[lowest.bit_length() - 1]] = i
                new ^= lowest
        return last

    # ------------------------------------------------------------------------------------------------ linear scan

    def scan(self) -> Reg | None:
        """Registers for all, or the value that must be spilled first."""
        self.index()
        last = self.last_alive()
        start: dict[Reg, int] = dict.fromkeys(self.given, -1)
        end: dict[Reg, int] = dict.fromkeys(self.given, -1)
        for i, (ins, _) in enumerate(self.lines):
            for r in ins.outs:
                start.setdefault(r, 2 * i + 1)
                end[r] = max(end.get(r, 0), 2 * i + 1)
            for r in ins.ins:
                end[r] = max(end.get(r, -1), 2 * i + ins.early)
        for r, i in last.items():
            end[r] = max(end.get(r, -1), 2 * i + 2)
        for r in end:
            assert r in start, f"{r.name} is used before it has a value"
        # a value that is alive where a loop begins again lives through all of it: ``last`` says so by itself
        active: list[Reg] = []
        self.registers = {}
        hints = {ins.outs[0]: ins.ins[0] for ins, _ in self.lines if ins.copy}
        back = {ins.ins[0]: ins.outs[0] for ins, _ in self.lines if ins.copy}
        groups = {r: g for ins, _ in self.lines if ins.text.startswith("ldm") for g in [_listed(ins)] for r in g}
        for r in sorted(start, key=lambda r: (start[r], r.id)):
            if r in self.registers:
                continue
            active = [a for a in active if end[a] >= start[r]]
            taken = {self.registers[a] for a in active}
            free = [n for n in (self.dialect.high if r in self.high else self.dialect.registers) if n not in taken]
            wanted = groups.get(r, (r,))
            if r in self.given:
                self.registers[r] = self.given[r]
                active.append(r)
                continue
            if len(free) < len(wanted):
                return self._victim(active, wanted, start[r])
            hint = self.registers.get(hints[r]) if r in hints else None
            other = back.get(r)
            if hint not in free and other is not None:
                hint = self.registers.get(other)
            chosen = [hint] if len(wanted) == 1 and hint in free else free[: len(wanted)]
            for w, n in zip(wanted, chosen, strict=True):
                assert n is not None, "chosen from the free ones"
                self.registers[w] = n
                active.append(w)
        return None

    def _victim(self, active: Sequence[Reg], wanted: Sequence[Reg], position: int) -> Reg:
        """The cheapest value to keep in the frame, among those alive here."""
        here = self.lines[max(position, 0) // 2][0]
        busy = set(here.ins) | set(here.outs)

        def tied(r: Reg) -> bool:
            s = self.spilled.get(r)
            return s is not None and (s.level == 2 or r in busy)

        full = wanted[0] in self.high  # which of the two kinds of registers has none left
        choices = [r for r in active if (r in self.high) == full and not tied(r) and r not in here.outs]
        if full:
            choices.append(wanted[0])
        free_of_use = [r for r in choices if r not in busy]
        assert choices, f"no register left at: {here.text}"
        return min(free_of_use or choices, key=lambda r: (self._cost(r), r.id))

    def _cost(self, r: Reg) -> float:
        """Loads and stores that spilling it would add, each weighted by its loop depth."""
        total = 0.0
        level = self._level(r)
        used = changed = False
        here = -1
        upwards = bool(self.dialect.high) and r not in self.high and r not in self.spilled
        for i in self.touched.get(r, ()):
            ins, depth = self.lines[i]
            weight = 10.0**depth
            if upwards and self._takes_high(ins, r):
                continue
            if level == 1:
                total += weight * ((r in ins.ins) + (r in ins.outs))
                continue
            if self.stretch[i] != here:
                used = changed = False
                here = self.stretch[i]
            if r in ins.ins and not used:
                used, total = True, total + weight
            if r in ins.outs:
                total += 0 if changed else weight
                used = changed = True
        return total

    # ------------------------------------------------------------------------------------------------ spilling

    def spill(self, r: Reg) -> None:
        known = self.spilled.get(r)
        level = self._level(r) + 1
        upwards = bool(self.dialect.high) and r not in self.high and not known
        slot: str | Reg
        if upwards:
            slot = r
            self.high.add(r)
        else:
            slot = known.slot if known else self._slot(r)
            if r in self.high:  # its copies come from the frame from now on
                self.high.discard(r)
                for fresh, s in self.spilled.items():
                    self.spilled[fresh] = replace(s, slot=slot) if s.slot == r else s
        out: list[Line] = []
        if r in self.given:
            arrived = self._copy(r, slot, 2)
            self.given[arrived] = self.given.pop(r)
            out.append((_to(slot, arrived), 0))
        for stretch in self._stretches(r, single=level == 2):
            touched = [i for i, (ins, _) in enumerate(stretch) if r in ins.ins or r in ins.outs]
            if not touched or (upwards and all(self._takes_high(stretch[i][0], r) for i in touched)):
                out += stretch
                continue
            fresh = self._copy(r, slot, level)
            first = stretch[touched[0]][0]
            if level == 1 and len(touched) == 1 and first.memory == "stack" and first.text.endswith(str(slot)):
                out += [line for i, line in enumerate(stretch) if i != touched[0]]
                continue  # it came from there: no copy is needed before someone asks
            written = [i for i in touched if r in stretch[i][0].outs]
            for i, (ins, depth) in enumerate(stretch):
                if i == touched[0] and r in ins.ins:
                    out.append((_from(slot, fresh), depth))
                out.append((_renamed(ins, r, fresh), depth))
                if written and i == written[-1]:
                    out.append((_to(slot, fresh), depth))
        self.lines = out

    def _takes_high(self, ins: Ins, r: Reg) -> bool:
        """Can the instruction name r where r is a high register?"""
        return ins.high == "any" or (ins.high == "in place" and ins.outs[0] in ins.ins)

    def _level(self, r: Reg) -> int:
        """0: not spilled; 1: a copy for a stretch of code, or a value of one stretch only; 2: for one instruction."""
        if r in self.spilled:
            return self.spilled[r].level
        inside = len({self.stretch[i] for i in self.touched.get(r, ())})
        return 1 if inside <= 1 and not self._carried(r) else 0

    def _carried(self, r: Reg) -> bool:
        """Is it read before it is written, in its stretch? Then the round before left it."""
        touched = self.touched.get(r, [])
        return bool(touched) and r in self.lines[touched[0]][0].ins

    def _slot(self, r: Reg) -> str:
        if r in self.homes:
            return self.homes[r]
        self.frame += 1
        return f"[sp, #{4 * (self.frame - 1)}]"

    def _copy(self, r: Reg, slot: str | Reg, level: int) -> Reg:
        self.next_id += 1
        fresh = Reg(self.next_id, r.name)
        self.spilled[fresh] = _Spilled(slot, level)
        return fresh

    def _stretches(self, r: Reg, *, single: bool) -> list[list[Line]]:
        """Straight code between labels and branches; or each instruction that names the value by itself."""
        out: list[list[Line]] = [[]]
        for line in self.lines:
            ins = line[0]
            alone = single and (r in ins.ins or r in ins.outs)
            if ins.label or (alone and out[-1]):
                out.append([])
            out[-1].append(line)
            if _branch(ins) is not None or alone:
                out.append([])
        return [s for s in out if s]


def _from(slot: str | Reg, r: Reg) -> Ins:
    if isinstance(slot, Reg):
        return Ins("mov {o0}, {i0}", (r,), (slot,), copy=True, high="any")
    return Ins(f"ldr {{o0}}, {slot}", (r,), (), "stack")


def _to(slot: str | Reg, r: Reg) -> Ins:
    if isinstance(slot, Reg):
        return Ins("mov {o0}, {i0}", (slot,), (r,), copy=True, high="any")
    return Ins(f"str {{i0}}, {slot}", (), (r,), "stack")


def _listed(ins: Ins) -> tuple[Reg, ...]:
    """The registers in the braces of an LDM, in its order; not the pointer that it moves."""
    return ins.outs[:-1] if "!" in ins.text else ins.outs


def _branch(ins: Ins) -> str | None:
    """The label that an instruction may jump to."""
    return _target(ins.text)


@lru_cache(maxsize=4096)
def _target(text: str) -> str | None:
    last = text.rsplit("\n", 1)[-1].split()
    return last[1][:-1] if last and last[0] in ("blo", "bhs", "bne") else None


def _renamed(ins: Ins, old: Reg, new: Reg) -> Ins:
    def swap(rs: tuple[Reg, ...]) -> tuple[Reg, ...]:
        return tuple(new if r == old else r for r in rs)

    return replace(ins, outs=swap(ins.outs), ins=swap(ins.ins))
