"""The order in which variables are eliminated: greedy searches by several scores, the cheapest result kept.

Scores, all of what eliminating a variable does to the graph in which two variables of one factor are neighbours: see
Koller and Friedman, "Probabilistic Graphical Models" (2009), section 9.4.3.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations

from skosh.base.budget import spend

Neighbours = dict[str, set[str]]
Score = Callable[[str, Neighbours, Mapping[str, int]], float]

TRIES = 4
"""Searches by each score, with ties broken at random, in networks of up to MANY variables; one in larger ones."""
MANY = 100


def min_fill(v: str, near: Neighbours, states: Mapping[str, int]) -> float:
    """Pairs of neighbours that become neighbours."""
    return sum(b not in near[a] for a, b in combinations(near[v], 2))


def weighted_min_fill(v: str, near: Neighbours, states: Mapping[str, int]) -> float:
    """These pairs, each with the product of their states."""
    return sum(states[a] * states[b] for a, b in combinations(near[v], 2) if b not in near[a])


def min_weight(v: str, near: Neighbours, states: Mapping[str, int]) -> float:
    """Elements of the product of its factors."""
    return math.prod(states[a] for a in near[v]) * states[v]


SCORES: tuple[Score, ...] = (min_fill, weighted_min_fill, min_weight)


def best_order(
    scopes: Collection[Collection[str]], states: Mapping[str, int], stages: Sequence[Collection[str]]
) -> tuple[str, ...]:
    """All variables of the first stage, then of the next, in the cheapest order found. The same input gives the same order."""
    rng = random.Random(0)
    tries = TRIES if len(states) <= MANY else 1
    orders = [_greedy(scopes, states, stages, score, rng) for score in SCORES for _ in range(tries)]
    return min(orders, key=lambda order: cost(scopes, states, order))


def cost(scopes: Iterable[Collection[str]], states: Mapping[str, int], order: Sequence[str]) -> tuple[int, int]:
    """(elements of all products, those of the largest one)."""
    left = {i: frozenset(s) for i, s in enumerate(scopes)}
    of: dict[str, set[int]] = {}  # variable -> the scopes that it is in
    for i, scope in left.items():
        for v in scope:
            of.setdefault(v, set()).add(i)
    total = largest = 0
    for number, v in enumerate(order, len(left)):
        mine = of.pop(v, set())
        joined = frozenset({v}).union(*(left[i] for i in mine))
        elements = math.prod(states[u] for u in joined) * max(1, len(mine) - 1)
        total, largest = total + elements, max(largest, elements)
        for i in mine:
            for u in left.pop(i) - {v}:
                of[u].discard(i)
        left[number] = joined - {v}
        for u in left[number]:
            of.setdefault(u, set()).add(number)
    return total, largest


def _greedy(
    scopes: Iterable[Collection[str]],
    states: Mapping[str, int],
    stages: Sequence[Collection[str]],
    score: Score,
    rng: random.Random,
) -> tuple[str, ...]:
    near: Neighbours = {v: set() for v in states}
    for scope in scopes:
        for v in scope:
            near[v] |= {u for u in scope if u != v}
    order: list[str] = []
    for stage in stages:
        ties = {v: rng.random() for v in sorted(stage)}
        values = {v: score(v, near, states) for v in ties}
        least = [(value, ties[v], v) for v, value in values.items()]  # a heap; entries of older values are passed over
        heapify(least)
        while least:
            value, _, v = heappop(least)
            if values.get(v) != value:
                continue
            del values[v]
            order.append(v)
            around = near.pop(v)
            spend("work", 1 + len(around) ** 2, "the order of elimination")
            for u in around:
                near[u] |= around - {u}
                near[u].discard(v)
            for u in _touched(around, near) & values.keys():
                if (new := score(u, near, states)) != values[u]:
                    values[u] = new
                    heappush(least, (new, ties[u], u))
    return tuple(order)


def _touched(around: set[str], near: Neighbours) -> set[str]:
    """Whose score may be another when the neighbours ``around`` of one variable have become neighbours."""
    return around.union(*(near[u] for u in around))
