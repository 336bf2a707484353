"""The order of execution: among all that the graph allows, one that needs the fewest live bytes.

A set of executed nodes that contains the predecessors of its members (a downset) decides which bytes are live,
whatever the order inside. So the best order is a path through the downsets whose highest step is lowest, found best
first: as soon as the full set comes up, its peak is the least of all orders; when the work runs out before, the lowest
peak still in the queue is a lower bound. Sets of nodes are Python integers, a bit a node.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from skosh.ir.graph import Graph
from skosh.plan.downsets import Problem, bits
from skosh.plan.liveness import Rounding, Scratch
from skosh.plan.storage import Storages


@dataclass(frozen=True)
class Found:
    """Orders of ``graph.nodes``, best first; the peak of the first; and one below which no order gets."""

    orders: tuple[tuple[int, ...], ...]
    peak: int
    bound: int


def find_orders(graph: Graph, found: Storages, scratch: Scratch, rounding: Rounding, work: int) -> Found:
    """``work``: how many downsets to look at before settling for the best order so far.

    The graph's own order comes first when none is better: it is the one that people know.
    """
    problem = Problem(graph, found, scratch, rounding)
    bound = problem.bound()
    own = problem.own_order()
    candidates = [own] if own is not None else []
    best = problem.peak(own) if own is not None else None
    if best is None or best > bound:
        candidates.append(_beam(problem, width=max(4, min(64, work // (len(problem.nodes) + 1)))))
        best = min(problem.peak(c) for c in candidates)
    if best > bound:
        searched, bound = _best_first(problem, bound, best, work)
        if searched is not None:
            candidates.append(searched)
    candidates.sort(key=problem.peak)  # stable: the graph's own order wins a tie
    return Found(tuple(dict.fromkeys(problem.with_idle(c) for c in candidates)), problem.peak(candidates[0]), bound)


def other_orders(
    graph: Graph, found: Storages, scratch: Scratch, rounding: Rounding, peak: int
) -> Iterator[tuple[int, ...]]:
    """More orders that stay within ``peak``, for when the tensors of the first can't be packed without holes."""
    problem = Problem(graph, found, scratch, rounding)
    for prefer in ("late", "large", "small"):
        order = _beam(problem, width=16, prefer=prefer)
        if problem.peak(order) <= peak:
            yield problem.with_idle(order)


class _State(NamedTuple):
    """What is known of a downset: the lowest peak on the way to it, its live bytes, what can run next."""

    peak: int
    live: int
    ready: int


def _moves(problem: Problem, state: _State, done: int) -> list[tuple[int, int, int]]:
    """(node, bytes needed, bytes live afterwards) worth trying.

    A node that fits under the peak already reached and leaves no more behind than it found can go first without loss:
    moved to the front of any order, it raises no step of it.
    """
    moves = []
    for v in bits(state.ready):
        need, after = problem.execute(done, state.live, v)
        if need <= state.peak and after <= state.live:
            return [(v, need, after)]
        moves.append((v, need, after))
    return moves


def _best_first(problem: Problem, bound: int, limit: int, work: int) -> tuple[tuple[int, ...] | None, int]:
    """An order better than ``limit``, or None; and the bound proved on the way."""
    queue = [(bound, 0, problem.live, 0, problem.first_ready())]  # peak, -nodes done, live, downset, what can run next
    best: dict[int, int] = {0: bound}
    came: dict[int, tuple[int, int]] = {}
    closed: set[int] = set()
    while queue:
        peak, depth, live, done, ready = heapq.heappop(queue)
        if done == problem.full:
            return _path(came, done), peak
        if done in closed:
            continue
        if work <= 0:
            return None, peak
        work -= 1
        closed.add(done)
        for v, need, after in _moves(problem, _State(peak, live, ready), done):
            now, reached = done | 1 << v, max(peak, need)
            if reached < best.get(now, limit):
                best[now] = reached
                came[now] = (done, v)
                heapq.heappush(queue, (reached, depth - 1, after, now, problem.ready_after(ready, now, v)))
    return None, limit


def _beam(problem: Problem, width: int, prefer: str = "early") -> tuple[int, ...]:
    """A good order: node by node, keep the downsets of lowest peak, then fewest live bytes."""
    signs = {"early": (0, 0), "late": (0, -1), "large": (-1, 0), "small": (1, 0)}  # early: as they come
    by_size, by_index = signs[prefer]
    came: dict[int, tuple[int, int]] = {}
    level = {0: _State(problem.begin, problem.live, problem.first_ready())}
    for _ in problem.nodes:
        following: dict[int, tuple[int, int, int, int, _State]] = {}
        for done, state in level.items():
            for v, need, after in _moves(problem, state, done):
                now, reached = done | 1 << v, max(state.peak, need)
                if now not in following or reached < following[now][0]:
                    came[now] = (done, v)
                    next_state = _State(reached, after, problem.ready_after(state.ready, now, v))
                    following[now] = (reached, after, by_size * problem.made[v], by_index * v, next_state)
        kept = sorted(following, key=lambda now: following[now][:4])[:width]
        level = {now: following[now][4] for now in kept}
    return _path(came, problem.full)


def _path(came: dict[int, tuple[int, int]], done: int) -> tuple[int, ...]:
    order = []
    while done:
        done, v = came[done]
        order.append(v)
    return tuple(reversed(order))
