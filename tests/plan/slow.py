"""The planner's truth for tiny graphs: try every order, every way to work in place, every order of placing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations

from skosh.ir.graph import Graph


def least_arena(graph: Graph, scratch: dict[int, tuple[int, ...]], align: int = 4) -> tuple[int, int]:
    """(arena, live bytes): the least of all orders. For graphs without views, states and constants."""
    best_arena = best_live = 10**9
    for order in orders(graph):
        for pairs in choices(graph, order):
            rectangles = items(graph, order, pairs, scratch, align)
            steps = max(len(order), 1)
            live = max(sum(size for size, first, last in rectangles if first <= t <= last) for t in range(steps))
            best_live = min(best_live, live)
            if live < best_arena:
                best_arena = min(best_arena, lowest(rectangles, live))
    return best_arena, best_live


def orders(graph: Graph) -> Iterator[tuple[int, ...]]:
    for order in permutations(range(len(graph.nodes))):
        ready = set(graph.inputs)
        for k in order:
            if not ready.issuperset(graph.nodes[k].inputs):
                break
            ready |= set(graph.nodes[k].outputs)
        else:
            yield order


def last_use(graph: Graph, order: tuple[int, ...], name: str) -> int:
    if name in graph.outputs:
        return max(len(order) - 1, 0)
    steps = [t for t, k in enumerate(order) if name in (*graph.nodes[k].inputs, *graph.nodes[k].outputs)]
    return max(steps, default=0)


def choices(graph: Graph, order: tuple[int, ...]) -> Iterator[tuple[tuple[str, str], ...]]:
    """Sets of (old, new) tensors of which new takes the place of old."""
    possible = set()
    for t, k in enumerate(order):
        node = graph.nodes[k]
        for i, o in node.op.inplace:
            if i < len(node.inputs) and o < len(node.outputs):
                old, new = node.inputs[i], node.outputs[o]
                every = all((j, o) in node.op.inplace for j, name in enumerate(node.inputs) if name == old)
                dies = last_use(graph, order, old) == t and old not in graph.outputs
                if dies and every and graph.tensors[old].nbytes == graph.tensors[new].nbytes:
                    possible.add((old, new))
    ordered = sorted(possible)
    for count in range(len(ordered) + 1):
        for some in combinations(ordered, count):
            if len({old for old, _ in some}) == len({new for _, new in some}) == count:
                yield some


def items(
    graph: Graph,
    order: tuple[int, ...],
    pairs: tuple[tuple[str, str], ...],
    scratch: dict[int, tuple[int, ...]],
    align: int,
) -> list[tuple[int, int, int]]:
    """(size, first step, last step) of what must be placed."""

    def up(nbytes: int) -> int:
        return -(-nbytes // align) * align

    first = {out: t for t, k in enumerate(order) for out in graph.nodes[k].outputs}
    spans = {}
    for name, tensor in graph.tensors.items():
        spans[name] = (up(tensor.nbytes), first.get(name, 0), last_use(graph, order, name))
    for old, new in sorted(pairs, key=lambda p: -first[p[1]]):  # the latest first, so that chains merge backwards
        spans[old] = (spans[old][0], spans[old][1], spans.pop(new)[2])
    found = list(spans.values())
    found += [(up(n), t, t) for t, k in enumerate(order) for n in scratch.get(k, ())]
    return [item for item in found if item[0]]


def lowest(rectangles: list[tuple[int, int, int]], enough: int) -> int:
    """Least height: the best packing comes from some order of placing each rectangle as low as it goes."""
    best = 10**9
    for order in set(permutations(rectangles)):
        placed: list[tuple[int, int, int, int]] = []
        for size, first, last in order:
            at = 0
            for start, end in sorted((a, a + s) for a, s, f, z in placed if f <= last and first <= z):
                if start - at >= size:
                    break
                at = max(at, end)
            placed.append((at, size, first, last))
        best = min(best, max((a + s for a, s, _, _ in placed), default=0))
        if best == enough:
            break
    return best
