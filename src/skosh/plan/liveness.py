"""When an order is chosen: from which step to which each piece of memory is taken, and who may take whose place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skosh.ir.graph import Graph
from skosh.plan.storage import Storages, inplace_pairs

Scratch = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class Item:
    """A piece of memory to place. ``size`` is rounded up so that items pack without holes; both steps are inclusive."""

    size: int
    align: int
    first: int
    last: int


@dataclass(frozen=True)
class Heir:
    """Item ``new`` may start where ``old`` is, at the step that ends the one and begins the other."""

    old: int
    new: int
    node: int
    pair: tuple[int, int]


@dataclass(frozen=True)
class Live:
    """Items of one order: the storages, in their order, then scratch buffers by (node, k). ``heirs`` exclude each other
    when they share an item on the same side."""

    items: tuple[Item, ...]
    scratch: tuple[tuple[int, int], ...]
    heirs: tuple[Heir, ...]
    peak: int  # least bytes that this order needs, whatever the offsets


@dataclass(frozen=True)
class Rounding:
    """Alignment of everything in the arena. ``align`` is 1 when only element sizes count."""

    align: int

    def size(self, nbytes: int) -> int:
        return -(-nbytes // self.align) * self.align

    def of_element(self, element: int) -> int:
        return max(self.align, element)

    def of_scratch(self, nbytes: int) -> int:
        """Scratch comes as bytes, its element type unknown: the largest that its size is a multiple of."""
        return max(self.align, min(8, nbytes & -nbytes or 1))


def find_live(graph: Graph, found: Storages, order: Sequence[int], scratch: Scratch, rounding: Rounding) -> Live:
    """Live ranges, chances to work in place, and the peak of live bytes with the best of these taken."""
    step = {index: at for at, index in enumerate(order)}
    end = max(len(order) - 1, 0)
    items = []
    for s in found.storages:
        first = 0 if s.writer is None or s.kind == "state" else step[s.writer]
        last = end if s.to_end else max([first, *(step[r] for r in s.readers)])
        items.append(Item(rounding.size(s.nbytes), rounding.of_element(s.element), first, last))
    names = [(index, k) for index in order for k in range(len(scratch.get(index, ())))]
    for index, k in names:
        nbytes = scratch[index][k]
        items.append(Item(rounding.size(nbytes), rounding.of_scratch(nbytes), step[index], step[index]))
    heirs: list[Heir] = []
    known: set[tuple[int, int, int]] = set()
    for index in order:
        for i, o in inplace_pairs(graph, found, index):
            node = graph.nodes[index]
            old, new = found.of[node.inputs[i]], found.of[node.outputs[o]]
            if items[old].last == step[index] and (old, new, index) not in known:
                known.add((old, new, index))
                heirs.append(Heir(old, new, index, (i, o)))
    live = Live(tuple(items), tuple(names), tuple(heirs), 0)
    return Live(live.items, live.scratch, live.heirs, max(live_bytes(live), default=0))


def live_bytes(live: Live) -> list[int]:
    """Bytes needed at each step, with as many outputs as possible in the place of inputs that die there."""
    steps = max((item.last for item in live.items), default=-1) + 1
    change = [0] * (steps + 1)
    for item in live.items:
        change[item.first] += item.size
        change[item.last + 1] -= item.size
    for heir in best_heirs(live):
        change[live.items[heir.new].first] -= live.items[heir.new].size
        change[live.items[heir.new].first + 1] += live.items[heir.new].size
    total, taken = 0, []
    for delta in change[:steps]:
        total += delta
        taken.append(total)
    return taken


def best_heirs(live: Live) -> tuple[Heir, ...]:
    """For each node, heirs that don't exclude each other and save the most bytes."""
    by_node: dict[int, list[Heir]] = {}
    for heir in live.heirs:
        by_node.setdefault(heir.node, []).append(heir)
    chosen: list[Heir] = []
    for heirs in by_node.values():
        sizes = [(h.old, h.new, live.items[h.new].size) for h in heirs]
        chosen.extend(heirs[k] for k in matching(sizes)[1])
    return tuple(chosen)


def matching(edges: Sequence[tuple[int, int, int]]) -> tuple[int, tuple[int, ...]]:
    """Heaviest set of (old, new, weight) edges, each old and each new at most once: its weight and the edges' indices.

    Tries all sets: a node has one or two such edges.
    """
    if not edges:
        return 0, ()
    old, new, weight = edges[0]
    rest = [(k, e) for k, e in enumerate(edges) if k > 0]
    free = [(k, e) for k, e in rest if e[0] != old and e[1] != new]
    with_it, taken = matching([e for _, e in free])
    best = (weight + with_it, (0, *(free[k][0] for k in taken)))
    if len(free) == len(rest):
        return best
    without, others = matching([e for _, e in rest])
    return best if best[0] >= without else (without, tuple(rest[k][0] for k in others))
