"""The order of instructions between two branches: few values alive at once, and neighbouring words loaded together.

Values are made when something needs them. What needs them (stores, and changes of what lives on) is taken one by one:
always the one that lets go of most registers and takes up fewest. Words that follow each other in memory are loaded
together as far as free registers go; a pointer that is only read word by word and then moved on is moved by its loads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from skosh.machines.arm_m.thumb.code import Dialect, Ins, Reg

MOST_JOINED = 8
MOST_JOINED_NARROW = 6  # of eight registers that can take them


def arranged(region: Sequence[Ins], alive_after: frozenset[Reg], dialect: Dialect) -> list[Ins]:
    """The region in a better order, loads of neighbouring words joined.

    alive_after: values needed after it. Those that only pass through may go to the frame.
    """
    walked = _walked(region)
    while True:
        kept = [ins for ins in region if not (ins.outs and ins.outs[0] in walked and ins.outs == ins.ins)]
        done = _Order(kept, alive_after, dialect, frozenset(walked)).run()
        astray = {r for r in walked if not _ascending(done, r)}
        if not astray:
            return [_joined(group, walked, dialect) for group in done]
        walked -= astray


def _walked(region: Sequence[Ins]) -> set[Reg]:
    """Pointers that are read word by word from their place on and then moved past the last one: loads can move them."""
    out = set()
    for move in region:
        if not (move.outs and move.outs == move.ins and move.text.startswith(("add {o0}, {i0}, #", "adds {o0}, {i0}, #"))):
            continue
        (pointer,) = move.outs
        uses = [ins for ins in region if pointer in ins.ins and ins is not move]
        words = sorted(ins.offset for ins in uses if ins.base == pointer and ins.memory == "load")
        if len(words) == len(uses) and words == list(range(0, int(move.text.rsplit("#", 1)[1]), 4)):
            out.add(pointer)
    return out


def _ascending(done: Sequence[Sequence[Ins]], pointer: Reg) -> bool:
    offsets = [ins.offset for group in done for ins in group if ins.base == pointer and ins.memory == "load"]
    return offsets == sorted(offsets)


@dataclass
class _Order:
    region: Sequence[Ins]
    alive_after: frozenset[Reg]
    dialect: Dialect
    walked: frozenset[Reg]
    groups: list[list[Ins]] = field(default_factory=list)

    def run(self) -> list[list[Ins]]:
        self.room = len(self.dialect.registers) + len(self.dialect.high)
        self.before = _dependences(self.region)
        writes: dict[Reg, int] = {}
        for ins in self.region:
            for r in ins.outs:
                writes[r] = writes.get(r, 0) + 1
        self.users: dict[Reg, set[int]] = {}
        for i, ins in enumerate(self.region):
            for r in ins.ins:
                self.users.setdefault(r, set()).add(i)
        self.lasting = self.alive_after | {r for r, n in writes.items() if n > 1}
        self.roots = [i for i, ins in enumerate(self.region) if not self._is_value(ins)]
        self.done: set[int] = set()
        written = {r for ins in self.region for r in ins.outs}
        self.alive = {r for r in self.users if r not in written or self._read_first(r)}
        waiting = list(self.roots)
        roots = set(self.roots)
        needs = {r: self._needs(r) for r in waiting}
        while waiting:
            able = [r for r in waiting if not any(n in roots and n not in self.done for n in needs[r])]
            best = min(able, key=lambda r: (self._cost({n for n in needs[r] if n not in self.done} | {r}), r))
            if self.dialect.is_narrow:
                self._emit_tree(best)
            else:
                for i in sorted(n for n in needs[best] if n not in self.done):
                    if i not in self.done:
                        self._emit(i)
                self._emit(best)
            waiting.remove(best)
        for i in range(len(self.region)):  # what nobody needs, but may be needed after the region
            if i not in self.done:
                self._emit(i)
        return self.groups

    def _is_value(self, ins: Ins) -> bool:
        """Does it only make values that are used in the region?"""
        return (
            bool(ins.outs)
            and ins.memory in ("", "load")
            and not any(r in self.lasting or r in ins.ins for r in ins.outs)
            and any(self.users.get(r) for r in ins.outs)
            and not _is_branch(ins)
        )

    def _read_first(self, r: Reg) -> bool:
        for ins in self.region:
            if r in ins.ins:
                return True
            if r in ins.outs:
                return False
        return False

    def _needs(self, i: int) -> set[int]:
        """Everything that must come before."""
        found: set[int] = set()
        stack = [i]
        while stack:
            for b in self.before[stack.pop()]:
                if b not in found:
                    found.add(b)
                    stack.append(b)
        return found

    def _cost(self, taken: set[int]) -> int:
        """Registers in use after these instructions, less those before."""
        born = {r for i in taken for r in self.region[i].outs}
        read = {r for i in taken for r in self.region[i].ins}
        stay = {
            r
            for r in born | (self.alive & read)
            if r in self.alive_after or self.users.get(r, set()) - self.done - taken
        }
        return len(stay) - len(self.alive & (born | read))

    def _emit_tree(self, i: int) -> None:
        """What it needs first, the larger part before the smaller one: fewest values wait (Sethi and Ullman, 1970)."""
        for b in sorted(self.before[i] - self.done, key=lambda b: (-len(self._needs(b) - self.done), b)):
            if b not in self.done:
                self._emit_tree(b)
        if i not in self.done:
            self._emit(i)

    def _emit(self, i: int) -> None:
        group = self._neighbours(i)
        for k in group:
            self.done.add(k)
        for k in group:
            ins = self.region[k]
            for r in (*ins.ins, *ins.outs):
                if r in self.alive_after or self.users.get(r, set()) - self.done:
                    self.alive.add(r)
                else:
                    self.alive.discard(r)
        self.groups.append([self.region[k] for k in group])

    def _neighbours(self, i: int) -> list[int]:
        """A load and the loads of the words after it that can come at once."""
        first = self.region[i]
        group = [i]
        if first.memory != "load" or first.base is None:
            return group
        near = [k for k in range(i + 1, len(self.region)) if self.region[k].memory == "load" and k not in self.done]
        spare = self.room - len(self.alive) - 2
        between = 0
        for k in near:  # words that the kernel reads one after the other; or a pair of which it reads the second soon
            ins = self.region[k]
            follows = ins.base == first.base and ins.offset == first.offset + 4 * len(group)
            if follows and self.before[k] <= self.done and self._is_value(ins) and (between == 0 or len(group) == 1):
                group.append(k)
            elif between >= 3 or spare <= 1 or len(group) > 1 or self.dialect.is_narrow:
                break
            else:
                between += 1
        free = max(self.room - len(self.alive), 1)
        joins = first.offset == 0 or first.base in self.walked
        if self.dialect.is_narrow:
            return group[: MOST_JOINED_NARROW if first.base in self.walked else 1]
        most = min(free, MOST_JOINED) if joins else min(free, 2) if first.offset <= 1020 else 1
        return group[: max(most, 1)]


def _is_branch(ins: Ins) -> bool:
    return "bhs" in ins.text or "blo" in ins.text


def _dependences(region: Sequence[Ins]) -> list[set[int]]:
    """For each instruction, those that must come before it."""
    out: list[set[int]] = []
    writer: dict[Reg, int] = {}
    readers: dict[Reg, list[int]] = {}
    stores: list[int] = []
    loads: list[int] = []
    for i, ins in enumerate(region):
        need: set[int] = set()
        for r in ins.ins:
            if r in writer:
                need.add(writer[r])
        for r in ins.outs:
            if r in writer:
                need.add(writer[r])
            need.update(readers.get(r, ()))
        if ins.memory == "load":
            need.update(stores[-1:])
        elif ins.memory == "store":
            need.update(stores[-1:])
            need.update(loads)
        if _is_branch(ins):  # it ends its region
            need.update(range(i))
        need.discard(i)
        for r in ins.outs:
            writer[r], readers[r] = i, []
        for r in ins.ins:
            readers.setdefault(r, []).append(i)
        if ins.memory == "load":
            loads.append(i)
        elif ins.memory == "store":
            stores.append(i)
            loads = []
        out.append(need)
    return out


def _joined(group: Sequence[Ins], walked: set[Reg] | Mapping[Reg, int], dialect: Dialect) -> Ins:
    """One instruction for several word loads: LDRD for two, LDM where the words begin at the pointer."""
    first = group[0]
    walks = first.memory == "load" and first.base in walked
    if len(group) == 1 and not walks:
        return first
    outs = tuple(r for ins in group for r in ins.outs)
    assert first.base is not None, "only words join"
    places = ", ".join(f"{{o{i}}}" for i in range(len(outs)))
    base = f"{{o{len(outs)}}}"
    match len(outs), walks:
        case _ if dialect.is_narrow:
            text = f"ldm {base}!, {{{{{places}}}}}"
        case 1, _:
            text = f"ldr {places}, [{base}], #4"
        case 2, False:
            text = f"ldrd {places}, [{{i0}}, #{first.offset}]"
        case 2, True:
            text = f"ldrd {places}, [{base}], #8"
        case _, False:
            text = f"ldm {{i0}}, {{{{{places}}}}}"
        case _:
            text = f"ldm {base}!, {{{{{places}}}}}"
    return Ins(
        text, (*outs, first.base) if walks else outs, (first.base,), "load", first.buffer, first.base, first.offset
    )
