"""Graph -> Plan: tensors become storages, an order is chosen, and every storage gets its place in the arena."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from skosh.base.aims import Aim
from skosh.ir.graph import Graph
from skosh.plan.exact import can_solve, place_exactly
from skosh.plan.liveness import Live, Rounding, Scratch, find_live
from skosh.plan.offsets import Placement, place
from skosh.plan.order import find_orders, other_orders
from skosh.plan.proof import check_plan
from skosh.plan.result import Buffer, Plan
from skosh.plan.sharing import find_storages
from skosh.plan.storage import Storages

NO_SCRATCH: Mapping[int, tuple[int, ...]] = MappingProxyType({})

# Work done in about a second: counted, not timed, so that a plan doesn't depend on the machine or its load.
DOWNSETS_A_SECOND = 50_000
PACKED_ITEMS_A_SECOND = 500_000
SOLVER_TIME_A_SECOND = 0.2


def plan_memory(
    graph: Graph,
    *,
    scratch: Mapping[int, tuple[int, ...]] = NO_SCRATCH,
    align: int = 4,
    optimize: Aim = "balanced",
    time_limit_s: float = 2.0,
) -> Plan:
    """Order the nodes and place every tensor that isn't constant, so that the arena is as small as can be.

    Needs a graph that ``check_graph`` accepts. Leaves a plan that ``check_plan`` accepts: nodes in an order that the
    graph allows, inputs live from the first step to their last use, outputs until the end, states all the time and
    each state's ``before`` and ``after`` in one place.

        conv(x) -> a; relu(a) -> b      ->     x at 0, a at 1024, b at 1024 (in place)

    scratch: node index -> sizes in bytes of buffers alive only while that node runs.
    align: every offset is a multiple of it and of the element size; with ``optimize="ram"`` of the element size alone.
    time_limit_s: about how long to look for a better plan on an ordinary computer. It is turned into an amount of work,
    so the same graph gives the same plan wherever the same solver is; one with ``bound_kind`` "optimal" can't be improved.

    An AssertionError tells when a state's new value would overwrite its old one too early; lowering must then insert
    a copy.
    """
    assert align > 0 and align & (align - 1) == 0, f"align must be a power of two, not {align}"
    rounding = Rounding(1 if optimize == "ram" else align)
    found = find_storages(graph)
    order, live, placed, bound, proved = _search(graph, found, scratch, rounding, time_limit_s)
    plan = _plan(graph, found, order, live, placed, scratch, rounding, bound, proved)
    check_plan(graph, plan, scratch)
    return plan


def _search(
    graph: Graph, found: Storages, scratch: Scratch, rounding: Rounding, seconds: float
) -> tuple[tuple[int, ...], Live, Placement, int, bool]:
    """Order, its items, their places, the bound, and whether the places are proved best for the order."""
    searched = find_orders(graph, found, scratch, rounding, work=int(0.3 * seconds * DOWNSETS_A_SECOND))
    tries = int(0.25 * seconds * PACKED_ITEMS_A_SECOND) // (len(found.storages) + 1)
    best: tuple[Placement, tuple[int, ...], Live] | None = None
    # other orders only when the first ones can't be packed without holes
    for order in chain(searched.orders, other_orders(graph, found, scratch, rounding, searched.peak)):
        live = find_live(graph, found, order, scratch, rounding)
        if best is not None and live.peak >= best[0].peak:
            continue
        placed = place(live, tries if best is None else tries // 4)
        if best is None or placed.peak < best[0].peak:
            best = placed, order, live
        if placed.peak == searched.bound:
            break
    assert best is not None, "there is at least one order"
    placed, order, live = best
    proved = placed.peak == live.peak
    if not proved:
        placed, proved = place_exactly(live, placed, 0.3 * seconds * SOLVER_TIME_A_SECOND)
    return order, live, placed, searched.bound, proved


def _plan(
    graph: Graph, found: Storages, order: tuple[int, ...], live: Live, placed: Placement, scratch: Scratch,
    rounding: Rounding, bound: int, proved: bool,
) -> Plan:  # fmt: skip
    buffers = []
    for k, (item, offset) in enumerate(zip(live.items, placed.offsets, strict=True)):
        if k < len(found.storages):
            s = found.storages[k]
            buffers.append(Buffer(k, offset, s.nbytes, item.first, item.last, s.tensors, s.kind))
        else:
            index, n = live.scratch[k - len(found.storages)]
            buffers.append(Buffer(k, offset, scratch[index][n], item.first, item.last, (), "scratch"))
    inplace: dict[int, tuple[tuple[int, int], ...]] = {}
    for heir in placed.heirs:
        inplace[heir.node] = (*inplace.get(heir.node, ()), heir.pair)
    return Plan(
        order=order,
        buffers=tuple(buffers),
        offset_of=MappingProxyType({t: placed.offsets[k] for k, s in enumerate(found.storages) for t in s.tensors}),
        scratch_offset=MappingProxyType(
            {name: placed.offsets[len(found.storages) + k] for k, name in enumerate(live.scratch)}
        ),
        arena_bytes=placed.peak,
        lower_bound=bound,
        bound_kind=_in_words(placed.peak, bound, proved),
        copies=tuple(sorted(found.copies)),
        inplace=MappingProxyType(inplace),
        align=rounding.align,
        base_align=max((rounding.align, *(item.align for item in live.items))),
    )


def _in_words(arena: int, bound: int, proved: bool) -> str:
    if arena == bound:
        return "optimal"
    gap = arena - bound
    text = f"gap {gap:,} byte{'s' if gap != 1 else ''} ({100 * gap / bound:.1f} %)"
    if not proved and not can_solve():
        return f"{text}, no solver to look for less: pip install ortools"
    return f"{text}, least for this order" if proved else text
