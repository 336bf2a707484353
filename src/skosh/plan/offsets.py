"""Offsets, fast: place the items one after another in the lowest gap, in several orders, and mend the peak.

An item is a rectangle: its steps wide, its bytes high. Items whose steps overlap must not overlap in bytes. An heir
that takes its predecessor's place is glued to it: one item, as high, over the steps of both.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from skosh.plan.liveness import Heir, Item, Live, best_heirs, live_bytes

MANY = 2000
"""Items from which on a sweep is tried first, whose work grows with them, not with their pairs."""

PAIRS = 5_000_000
"""Pairs of items alive at once beyond which it is the only way: all others look at each."""


@dataclass(frozen=True)
class Placement:
    """An offset for each item, the bytes they take together, and the heirs that took their predecessor's place."""

    offsets: tuple[int, ...]
    peak: int
    heirs: tuple[Heir, ...]


def place(live: Live, tries: int) -> Placement:
    """The best placement found; ``tries`` bounds the work. It stops as soon as the peak is that of the live bytes."""
    best: Placement | None = None
    choices = list(dict.fromkeys((best_heirs(live), _needed_heirs(live), ())))
    for heirs in choices:
        glued, group = _glue(live.items, heirs)
        offsets, peak = _pack(glued, live.peak, tries // len(choices))
        if best is None or peak < best.peak:
            best = Placement(tuple(offsets[g] for g in group), peak, heirs)
        if peak == live.peak:
            break
    assert best is not None, "there is always a choice of heirs: none"
    return best


def _needed_heirs(live: Live) -> tuple[Heir, ...]:
    """Only where a step would be above the peak without: the fewer are glued, the freer the rest."""
    with_all = live_bytes(live)
    kept: list[Heir] = []
    above: dict[int, int] = {}
    for heir in best_heirs(live):
        step, size = live.items[heir.new].first, live.items[heir.new].size
        if with_all[step] + above.get(step, 0) + size > live.peak:
            kept.append(heir)
        else:
            above[step] = above.get(step, 0) + size
    return tuple(kept)


def _glue(items: Sequence[Item], heirs: Sequence[Heir]) -> tuple[list[Item], list[int]]:
    """Items with heirs merged into their predecessors, and the merged item of each."""
    parent = list(range(len(items)))
    for heir in sorted(heirs, key=lambda h: items[h.new].first):  # by step: the predecessor's own place is known
        parent[heir.new] = parent[heir.old]
    groups: dict[int, list[int]] = {}
    for k, p in enumerate(parent):
        groups.setdefault(p, []).append(k)
    number = {p: g for g, p in enumerate(groups)}
    glued = []
    for members in groups.values():
        parts = [items[k] for k in members]
        first, last = min(p.first for p in parts), max(p.last for p in parts)
        glued.append(Item(parts[0].size, max(p.align for p in parts), first, last))
    return glued, [number[p] for p in parent]


def _pack(items: Sequence[Item], target: int, tries: int) -> tuple[list[int], int]:
    """Offsets and their peak; ``target`` is the least possible."""
    if len(items) > MANY:
        offsets, peak = _sweep(items)
        if peak == target or _pairs(items) > PAIRS:
            return offsets, peak
    neighbours = _neighbours(items)
    everyone = range(len(items))
    starts = [
        sorted(everyone, key=lambda k: (-items[k].size, items[k].first, k)),
        sorted(everyone, key=lambda k: (-(items[k].last - items[k].first), -items[k].size, k)),
        sorted(everyone, key=lambda k: (-items[k].size * (items[k].last - items[k].first + 1), k)),
        sorted(everyone, key=lambda k: (items[k].first, -items[k].size, k)),
        sorted(everyone, key=lambda k: (-items[k].last, -items[k].size, k)),
    ]
    found = []
    for order in starts:
        offsets, peak = _fit(items, order, neighbours)
        if peak == target:
            return offsets, peak
        found.append((peak, order, offsets))
    peak, order, offsets = min(found, key=lambda f: f[0])
    best, best_peak = offsets, peak
    chance = random.Random(0)
    for _ in range(tries):
        trial = _mend(items, order, offsets, peak, chance)
        new_offsets, new_peak = _fit(items, trial, neighbours)
        if new_peak <= peak or chance.random() < 0.05:
            order, offsets, peak = trial, new_offsets, new_peak
        if peak < best_peak:
            best, best_peak = offsets, peak
            if peak == target:
                break
    return best, best_peak


def _sweep(items: Sequence[Item]) -> tuple[list[int], int]:
    """Each item, by its first step, at the lowest place that is free then: work that grows with the items alone."""
    offsets = [0] * len(items)
    holes: list[tuple[int, int]] = []  # (start, end) below the top, by start
    ends: list[tuple[int, int]] = []  # a heap: (last step, item) of what is alive
    top = peak = 0
    for k in sorted(range(len(items)), key=lambda k: (items[k].first, -items[k].align, -items[k].size, k)):
        while ends and ends[0][0] < items[k].first:
            old = heappop(ends)[1]
            _free(holes, offsets[old], offsets[old] + items[old].size)
        if holes and holes[-1][1] == top:
            top = holes.pop()[0]
        size, align = items[k].size, items[k].align
        for n, (start, end) in enumerate(holes):
            at = -(-start // align) * align
            if at + size <= end:
                holes[n : n + 1] = [h for h in ((start, at), (at + size, end)) if h[0] < h[1]]
                break
        else:
            at = -(-top // align) * align
            if at > top:
                holes.append((top, at))
            top = at + size
        offsets[k] = at
        peak = max(peak, top)
        heappush(ends, (items[k].last, k))
    return offsets, peak


def _free(holes: list[tuple[int, int]], start: int, end: int) -> None:
    """Put a hole among the others, one with those that it touches."""
    if start == end:
        return
    n = bisect_left(holes, (start, end))
    if n < len(holes) and holes[n][0] == end:
        end = holes.pop(n)[1]
    if n and holes[n - 1][1] == start:
        start = holes.pop(n := n - 1)[0]
    holes.insert(n, (start, end))


def _pairs(items: Sequence[Item]) -> int:
    """How many pairs of items are alive at once, as far as PAIRS."""
    pairs = 0
    ends: list[int] = []
    for item in sorted(items, key=lambda i: i.first):
        while ends and ends[0] < item.first:
            heappop(ends)
        pairs += len(ends)
        if pairs > PAIRS:
            break
        heappush(ends, item.last)
    return pairs


def _mend(items: Sequence[Item], order: list[int], offsets: list[int], peak: int, chance: random.Random) -> list[int]:
    """Another order: an item at the top is placed before one of those it has to lie above, or any two change places."""
    trial = list(order)
    if chance.random() < 0.8:
        high = chance.choice([k for k in order if offsets[k] + items[k].size == peak])
        at = trial.index(high)
        first, last = items[high].first, items[high].last
        rivals = [n for n, k in enumerate(trial[:at]) if items[k].first <= last and first <= items[k].last]
        if rivals:
            trial.insert(chance.choice(rivals), trial.pop(at))
            return trial
    a, b = chance.randrange(len(trial)), chance.randrange(len(trial))
    trial[a], trial[b] = trial[b], trial[a]
    return trial


def _neighbours(items: Sequence[Item]) -> list[list[int]]:
    """For each item those that are alive at one of its steps."""
    found: list[list[int]] = [[] for _ in items]
    by_first = sorted(range(len(items)), key=lambda k: items[k].first)
    active: list[int] = []
    for k in by_first:
        active = [a for a in active if items[a].last >= items[k].first]
        for a in active:
            found[a].append(k)
            found[k].append(a)
        active.append(k)
    return found


def _fit(items: Sequence[Item], order: Sequence[int], neighbours: Sequence[Sequence[int]]) -> tuple[list[int], int]:
    """Each item in turn at the lowest offset that is free during all of its steps."""
    offsets = [-1] * len(items)
    peak = 0
    for k in order:
        size, align = items[k].size, items[k].align
        at = 0
        for start, end in sorted((offsets[j], offsets[j] + items[j].size) for j in neighbours[k] if offsets[j] >= 0):
            if start - at >= size:
                break
            if end > at:
                at = -(-end // align) * align
        offsets[k] = at
        peak = max(peak, at + size)
    return offsets, peak
