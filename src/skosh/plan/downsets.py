"""The graph as the search for an order sees it: bits instead of names, idle views gone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from skosh.ir.graph import Graph
from skosh.plan.liveness import Rounding, Scratch, matching
from skosh.plan.storage import Storages, inplace_pairs


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
            pairs = [
                (found.of[node.inputs[i]], found.of[node.outputs[o]]) for i, o in inplace_pairs(graph, found, index)
            ]
            self.heirs.append([(x, y, self.size[y]) for x, y in dict.fromkeys(pairs)])
        unread = (s and not r and not t for s, r, t in zip(self.starts, self.readers, self.stays, strict=True))
        whole = sum(size for size, starts in zip(self.size, self.starts, strict=True) if starts)
        waste = sum(size for size, alone in zip(self.size, unread, strict=True) if alone)
        self.begin, self.live = whole, whole - waste
        self.waste = 0 if self._view_first() else waste  # inputs that nobody reads are there during the first step only

    def _view_first(self) -> bool:
        """Whether the first step can be a view, which needs nothing."""
        graph = self.graph
        return any(not graph.producer.keys() & set(graph.nodes[i].inputs) for i in self.found.idle)

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

    @cached_property
    def after(self) -> list[list[int]]:
        """Nodes that wait for each node."""
        after: list[list[int]] = [[] for _ in self.nodes]
        for v, mask in enumerate(self.before):
            for u in bits(mask):
                after[u].append(v)
        return after

    def first_ready(self) -> int:
        return sum(1 << v for v, mask in enumerate(self.before) if not mask)

    def ready_after(self, ready: int, done: int, v: int) -> int:
        """Nodes that can run when ``v`` has: ``done`` includes it."""
        ready ^= 1 << v
        for u in self.after[v]:
            if not self.before[u] & ~done:
                ready |= 1 << u
        return ready

    def execute(self, done: int, live: int, v: int) -> tuple[int, int]:
        """Bytes needed while ``v`` runs, and bytes live afterwards."""
        now = done | 1 << v
        dead = [k for k in self.uses[v] if not self.readers[k] & ~now]
        after = live + self.kept[v] - sum(self.size[k] for k in dead)
        need = live + self.made[v] + self.extra[v] + (0 if done else self.waste)
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
        order = self.some_order()
        for v in order:
            earlier[v] = self.before[v]
            for u in bits(self.before[v]):
                earlier[v] |= earlier[u]
        for v in reversed(order):
            for u in self.after[v]:
                later[v] |= 1 << u | later[u]
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
        count = len(self.nodes)
        need = np.array(self.extra, np.int64) + np.array(self.made, np.int64)
        for k, s in enumerate(self.found.storages):
            there = self.full if self.starts[k] or s.writer is None else later[self.bit[s.writer]]
            if not self.stays[k]:
                there &= self._until(k, earlier)
            marks = np.frombuffer(there.to_bytes((count + 7) // 8, "little"), np.uint8)
            need += self.size[k] * np.unpackbits(marks, count=count, bitorder="little").astype(np.int64)
        for v in range(count):
            need[v] -= matching([e for e in self.heirs[v] if not self.readers[e[0]] & later[v]])[0]
        return max(self.begin, int(need.max(initial=0)))

    def _until(self, k: int, earlier: list[int]) -> int:
        """The readers of a storage, and all that must come before one of them."""
        found = self.readers[k]
        for reader in bits(self.readers[k]):
            found |= earlier[reader]
        return found

    def own_order(self) -> tuple[int, ...] | None:
        """The graph's order, if the edges of updates in place allow it."""
        if any(reader > writer for reader, writer in self.found.edges):
            return None
        return tuple(range(len(self.nodes)))

    def with_idle(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """Node indices with the idle views put in, each as soon as its input is there."""
        graph = self.graph
        if order == self.own_order():
            return tuple(range(len(graph.nodes)))
        out = []
        needs = {i: {n for n in graph.nodes[i].inputs if n in graph.producer} for i in sorted(self.found.idle)}
        missing = {i: len(names) for i, names in needs.items()}
        waiting: dict[str, list[int]] = {}
        for i, names in needs.items():
            for name in names:
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


def bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
