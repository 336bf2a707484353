"""The order of execution: among all that the graph allows, one that needs the fewest live bytes.

A set of executed nodes that contains the predecessors of its members (a downset) decides which bytes are live, whatever
the order inside. So the best order is a path through the downsets whose highest step is lowest, found best first: as soon
as the full set comes up, its peak is the least of all orders; when the work runs out before, the lowest peak still in the
queue is a lower bound. Sets of nodes are Python integers, a bit a node.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from skosh.ir.graph import Graph
from skosh.plan.liveness import Rounding, Scratch, matching
from skosh.plan.storage import Storages, inplace_pairs


@dataclass(frozen=True)
class Found:
    """Orders of ``graph.nodes``, best first, and a peak of live bytes below which no order gets."""

    orders: tuple[tuple[int, ...], ...]
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
    return Found(tuple(dict.fromkeys(problem.with_idle(c) for c in candidates)), bound)


def other_orders(graph: Graph, found: Storages, scratch: Scratch, rounding: Rounding, peak: int) -> Iterator[tuple[int, ...]]:
    """More orders that stay within ``peak``, for when the tensors of the first can't be packed without holes."""
    problem = Problem(graph, found, scratch, rounding)
    for prefer in ("late", "large", "small"):
        order = _beam(problem, width=16, prefer=prefer)
        if problem.peak(order) <= peak:
            yield problem.with_idle(order)


class Problem:
    """The graph without its idle views: what each working node needs, as bit sets over ``nodes``."""

    def __init__(self, graph: Graph, found: Storages, scratch: Scratch, rounding: Rounding) -> None:
        self.graph, self.found = graph, found
        self.nodes = [i for i in range(len(graph.nodes)) if i not in found.idle]
        self.bit = {index: k for k, index in enumerate(self.nodes)}
        count = len(self.nodes)
        self.full = (1 << count) - 1
        self.before = self._predecessors()
        self.size = [rounding.size(s.nbytes) for s in found.storages]
        self.readers = [sum(1 << self.bit[r] for r in s.readers if r in self.bit) for s in found.storages]
        self.starts = [s.writer is None or s.kind == "state" for s in found.storages]
        self.stays = [s.to_end for s in found.storages]
        self.uses: list[list[int]] = [[] for _ in range(count)]  # storages that a node may be the last to need
        self.makes: list[list[int]] = [[] for _ in range(count)]
        for k, s in enumerate(found.storages):
            for reader in s.readers:
                if reader in self.bit and not s.to_end:
                    self.uses[self.bit[reader]].append(k)
            if not self.starts[k] and s.writer is not None:
                self.makes[self.bit[s.writer]].append(k)
        self.extra = [sum(rounding.size(n) for n in scratch.get(index, ())) for index in self.nodes]
        self.made = [sum(self.size[k] for k in made) for made in self.makes]
        self.kept = [sum(self.size[k] for k in made if self.readers[k] or self.stays[k]) for made in self.makes]
        self.heirs: list[list[tuple[int, int, int]]] = []
        for index in self.nodes:
            node = graph.nodes[index]
            pairs = [(found.of[node.inputs[i]], found.of[node.outputs[o]]) for i, o in inplace_pairs(graph, found, index)]
            self.heirs.append([(x, y, self.size[y]) for x, y in dict.fromkeys(pairs)])
        unread = (s and not r and not t for s, r, t in zip(self.starts, self.readers, self.stays, strict=True))
        whole = sum(size for size, starts in zip(self.size, self.starts, strict=True) if starts)
        self.begin = whole  # inputs that nobody reads count before the first node only
        self.live = whole - sum(size for size, alone in zip(self.size, unread, strict=True) if alone)

    def _predecessors(self) -> list[int]:
        """Working nodes that must come before each; views pass on what their input needs."""
        graph = self.graph
        needs: dict[str, int] = {}
        before = [0] * len(self.nodes)
        for index, node in enumerate(graph.nodes):
            mask = 0
            for name in node.inputs:
                mask |= needs.get(name, 0)
            if index in self.bit:
                before[self.bit[index]] = mask
                mask = 1 << self.bit[index]
            for out in node.outputs:
                needs[out] = mask
        for reader, writer in self.found.edges:
            if reader in self.bit:
                before[self.bit[writer]] |= 1 << self.bit[reader]
            else:  # a view that nobody reads: no work, no order
                before[self.bit[writer]] |= needs[graph.nodes[reader].outputs[0]]
        return before

    def ready(self, done: int) -> list[int]:
        left = self.full & ~done
        return [v for v in _bits(left) if not self.before[v] & ~done]

    def execute(self, done: int, live: int, v: int) -> tuple[int, int]:
        """Bytes needed while ``v`` runs, and bytes live afterwards."""
        now = done | 1 << v
        dead = [k for k in self.uses[v] if not self.readers[k] & ~now]
        after = live + self.kept[v] - sum(self.size[k] for k in dead)
        need = live + self.made[v] + self.extra[v]
        if self.heirs[v] and dead:
            need -= matching([e for e in self.heirs[v] if e[0] in dead])[0]
        return need, after

    def peak(self, order: tuple[int, ...]) -> int:
        """Of an order of bits."""
        done, live, peak = 0, self.live, self.begin
        for v in order:
            need, live = self.execute(done, live, v)
            done |= 1 << v
            peak = max(peak, need)
        return peak

    @cached_property
    def relations(self) -> tuple[list[int], list[int]]:
        """All that must come before, and all that must come after, each node."""
        earlier, later = [0] * len(self.nodes), [0] * len(self.nodes)
        for v in self.some_order():
            earlier[v] = self.before[v]
            for u in _bits(self.before[v]):
                earlier[v] |= earlier[u]
            for u in _bits(earlier[v]):
                later[u] |= 1 << v
        return earlier, later

    def some_order(self) -> list[int]:
        done, order = 0, []
        waiting = list(range(len(self.nodes)))
        while waiting:
            rest = []
            for v in waiting:
                if self.before[v] & ~done:
                    rest.append(v)
                else:
                    done |= 1 << v
                    order.append(v)
            assert len(rest) < len(waiting), f"{self.graph.name}: nodes wait for each other"
            waiting = rest
        return order

    def bound(self) -> int:
        """Bytes that some node needs in every order: its own, and those made before it for someone after it."""
        earlier, later = self.relations
        bound = self.begin
        for v in range(len(self.nodes)):
            need = self.extra[v] + self.made[v]
            for k, s in enumerate(self.found.storages):
                if k in self.makes[v]:
                    continue
                there = self.starts[k] or (s.writer is not None and earlier[v] >> self.bit[s.writer] & 1)
                if there and (self.stays[k] or self.readers[k] & (later[v] | 1 << v)):
                    need += self.size[k]
            need -= matching([e for e in self.heirs[v] if not self.readers[e[0]] & later[v]])[0]
            bound = max(bound, need)
        return bound

    def own_order(self) -> tuple[int, ...] | None:
        """The graph's order, if the edges of updates in place allow it."""
        done = 0
        for v in range(len(self.nodes)):
            if self.before[v] & ~done:
                return None
            done |= 1 << v
        return tuple(range(len(self.nodes)))

    def with_idle(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """Node indices with the idle views put in, each as soon as its input is there."""
        graph, out = self.graph, []
        if order == tuple(range(len(order))):
            return tuple(range(len(graph.nodes)))
        missing = {i: sum(1 for n in set(graph.nodes[i].inputs) if n in graph.producer) for i in self.found.idle}
        waiting: dict[str, list[int]] = {}
        for i in sorted(self.found.idle):
            for name in set(graph.nodes[i].inputs):
                waiting.setdefault(name, []).append(i)
        todo = [self.nodes[v] for v in reversed(order)]
        todo += [i for i in sorted(missing, reverse=True) if missing[i] == 0]
        while todo:
            index = todo.pop()
            out.append(index)
            freed = []
            for name in graph.nodes[index].outputs:
                for i in waiting.get(name, ()):
                    missing[i] -= 1
                    if missing[i] == 0:
                        freed.append(i)
            todo += reversed(freed)
        return tuple(out)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _moves(problem: Problem, done: int, live: int, peak: int) -> list[tuple[int, int, int]]:
    """(node, bytes needed, bytes live afterwards) worth trying. A node that fits under the peak already reached and leaves
    no more behind than it found can go first without loss: moved to the front of any order, it raises no step of it."""
    moves = []
    for v in problem.ready(done):
        need, after = problem.execute(done, live, v)
        if need <= peak and after <= live:
            return [(v, need, after)]
        moves.append((v, need, after))
    return moves


def _best_first(problem: Problem, bound: int, limit: int, work: int) -> tuple[tuple[int, ...] | None, int]:
    """An order better than ``limit``, or None; and the bound proved on the way."""
    queue: list[tuple[int, int, int, int]] = [(bound, 0, problem.live, 0)]  # peak, -nodes done, live, downset
    best: dict[int, int] = {0: bound}
    came: dict[int, tuple[int, int]] = {}
    closed: set[int] = set()
    while queue:
        peak, depth, live, done = heapq.heappop(queue)
        if done in closed:
            continue
        if done == problem.full:
            order = []
            while done:
                done, v = came[done]
                order.append(v)
            return tuple(reversed(order)), peak
        if work <= 0:
            return None, min(peak, limit)
        work -= 1
        closed.add(done)
        for v, need, after in _moves(problem, done, live, peak):
            now, reached = done | 1 << v, max(peak, need)
            if reached < limit and reached < best.get(now, limit):
                best[now] = reached
                came[now] = (done, v)
                heapq.heappush(queue, (reached, depth - 1, after, now))
    return None, limit


def _beam(problem: Problem, width: int, prefer: str = "") -> tuple[int, ...]:
    """A good order: level by level, keep the downsets of lowest peak, then fewest live bytes."""
    tie = {"": lambda v: 0, "late": lambda v: -v, "large": lambda v: -problem.made[v], "small": lambda v: problem.made[v]}[prefer]
    level: dict[int, tuple[int, int, int, tuple[object, ...]]] = {0: (problem.begin, problem.live, 0, ())}
    for _ in problem.nodes:
        following: dict[int, tuple[int, int, int, tuple[object, ...]]] = {}
        for done, (peak, live, _, path) in level.items():
            for v, need, after in _moves(problem, done, live, peak):
                now, reached = done | 1 << v, max(peak, need)
                if now not in following or reached < following[now][0]:
                    following[now] = (reached, after, tie(v), (path, v))
        kept = sorted(following.items(), key=lambda entry: (entry[1][:3], entry[0]))[:width]
        level = dict(kept)
    path: tuple[object, ...] = next(iter(level.values()))[3]
    order: list[int] = []
    while path:
        path, v = path  # type: ignore[assignment]
        order.append(v)  # type: ignore[arg-type]
    return tuple(reversed(order))
