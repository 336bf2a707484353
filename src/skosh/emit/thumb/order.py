"""The order of instructions between two branches: few values alive at once, and neighbouring words loaded together.

A greedy list scheduler. What can be computed from values at hand comes first, preferring what frees registers; only when
nothing is left is a value loaded, together with the words beside it as far as free registers go. Dependences through
registers and memory are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from skosh.emit.thumb.code import Ins, Reg

MOST_JOINED = 8


def arranged(region: Sequence[Ins], alive_after: frozenset[Reg], elsewhere: int, registers: int) -> list[Ins]:
    """The region in a better order, loads and stores of neighbouring words joined.

    alive_after: values needed after it. elsewhere: registers taken by values that only pass through.
    """
    before = _dependences(region)
    waiting = [set(b) for b in before]
    followers: list[list[int]] = [[] for _ in region]
    for i, b in enumerate(before):
        for j in b:
            followers[j].append(i)
    uses: dict[Reg, int] = {}
    for ins in region:
        for r in set(ins.ins):
            uses[r] = uses.get(r, 0) + 1
    defined = {r for ins in region for r in ins.outs}
    alive = {r for ins in region for r in ins.ins if r not in defined}
    alive |= {r for ins in region for r in ins.ins if r in ins.outs and _first_use(region, r)}
    done: list[Ins] = []
    ready = [i for i, w in enumerate(waiting) if not w]

    def growth(ins: Ins) -> int:
        dying = sum(uses[r] == 1 and r not in alive_after and r not in ins.outs for r in set(ins.ins))
        return len([r for r in ins.outs if r not in alive]) - dying

    def finish(i: int) -> None:
        ins = region[i]
        ready.remove(i)
        for r in set(ins.ins):
            uses[r] -= 1
            if uses[r] == 0 and r not in alive_after and r not in ins.outs:
                alive.discard(r)
        alive.update(r for r in ins.outs if uses.get(r, 0) or r in alive_after)
        for f in followers[i]:
            waiting[f].discard(i)
            if not waiting[f]:
                ready.append(f)

    while ready:
        computing = [i for i in ready if region[i].memory != "load"]
        if computing:
            best = min(computing, key=lambda i: (max(growth(region[i]), 0), i))
            if growth(region[best]) <= 0 or not any(region[i].memory == "load" for i in ready) or len(alive) + elsewhere < registers:
                finish(best)
                done.append(region[best])
                continue
        loads = sorted(i for i in ready if region[i].memory == "load")
        room = max(registers - elsewhere - len(alive), 1)
        group = _load_group(region, loads, room)
        for i in group:
            finish(i)
        done.append(_joined([region[i] for i in group]))
    assert sum(1 for _ in done) <= len(region), "an instruction was arranged twice"
    return done


def _first_use(region: Sequence[Ins], r: Reg) -> bool:
    """Is the register read before it is written?"""
    for ins in region:
        if r in ins.ins:
            return True
        if r in ins.outs:
            return False
    return False


def _dependences(region: Sequence[Ins]) -> list[set[int]]:
    """For each instruction, those that must come before it."""
    out: list[set[int]] = []
    writer: dict[Reg, int] = {}
    readers: dict[Reg, list[int]] = {}
    stores: list[int] = []
    loads: list[int] = []
    flags = -1
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
            need.update(stores)
        elif ins.memory == "store":
            need.update(stores[-1:])
            need.update(loads)
        if "cmp" in ins.text:
            if flags >= 0:
                need.add(flags)
            flags = i
        if "bhs" in ins.text or "blo" in ins.text:  # a branch ends its region
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


def _load_group(region: Sequence[Ins], loads: Sequence[int], room: int) -> list[int]:
    """The next load and its neighbours: words that follow each other in memory."""
    first = region[loads[0]]
    group = [loads[0]]
    if first.base is None:
        return group
    for i in loads[1:]:
        if region[i].base is not first.base or region[i].offset != first.offset + 4 * len(group):
            break
        group.append(i)
    most = min(room, MOST_JOINED) if first.offset == 0 else min(room, 2) if first.offset <= 1020 else 1
    return group[: max(most, 1)]


def _joined(group: Sequence[Ins]) -> Ins:
    """One instruction for several word loads: LDRD for two, LDM where the words begin at the pointer."""
    first = group[0]
    if len(group) == 1:
        return first
    outs = tuple(r for ins in group for r in ins.outs)
    assert first.base is not None, "only words join"
    places = ", ".join(f"{{o{i}}}" for i in range(len(outs)))
    text = f"ldrd {places}, [{{i0}}, #{first.offset}]" if len(outs) == 2 else f"ldm {{i0}}, {{{{{places}}}}}"
    return Ins(text, outs, (first.base,), "load", first.buffer, first.base, first.offset)
