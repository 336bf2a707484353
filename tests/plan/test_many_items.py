"""Plans of very many items: work that grows with the items, not with their pairs; and the proof sees what overlaps."""

from __future__ import annotations

import itertools
import random

import pytest

from skosh.plan.liveness import Item
from skosh.plan.offsets import MANY, _free, _pack, _pairs, _sweep
from skosh.plan.proof import _overlap, _overlapping


def items_of(count: int, seed: int, steps: int) -> list[Item]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        first = rng.randrange(steps)
        align = rng.choice((1, 4, 8))
        found.append(Item(align * rng.randrange(20), align, first, min(steps - 1, first + rng.randrange(6))))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_sweep_is_sound(seed: int) -> None:
    items = items_of(150, seed, (1, 5, 40)[seed % 3])
    offsets, peak = _sweep(items)
    assert all(at % item.align == 0 and at + item.size <= peak for at, item in zip(offsets, items, strict=True))
    for (a, p), (b, q) in itertools.combinations(zip(offsets, items, strict=True), 2):
        if p.first <= q.last and q.first <= p.last:
            assert not _overlap((a, a + p.size), (b, b + q.size)), (p, q)
    live = max(sum(i.size for i in items if i.first <= t <= i.last) for t in range(40))
    assert live <= peak <= 2 * live


def test_what_all_lives_at_once_is_packed_without_holes() -> None:
    items = [Item(4, 4, 0, 0)] * 20_000
    assert _pack(items, 80_000, 100)[1] == 80_000


def test_pairs_are_counted() -> None:
    for seed in range(4):
        items = items_of(60, seed, 10)
        want = sum(p.first <= q.last and q.first <= p.last for p, q in itertools.combinations(items, 2))
        assert _pairs(items) == want
    assert len(items) < MANY


def test_holes_that_touch_are_one() -> None:
    holes: list[tuple[int, int]] = []
    for start, end in ((8, 12), (0, 4), (20, 24), (4, 8), (12, 12), (12, 20)):
        _free(holes, start, end)
    assert holes == [(0, 24)]


@pytest.mark.parametrize("seed", range(8))
def test_the_proof_sees_what_overlaps(seed: int) -> None:
    rng = random.Random(seed)
    spaces = [(str(n), (start := rng.randrange(60), start + rng.randrange(6))) for n in range(9)]
    want = any(_overlap(a, b) for (_, a), (_, b) in itertools.combinations(spaces, 2))
    assert bool(list(_overlapping(spaces))) == want
