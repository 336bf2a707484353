"""Offsets, exact: a constraint solver finds a lower peak than the one known, or proves that there is none.

Work is bounded in the solver's own deterministic time and it runs on one thread, so the same items give the same
offsets on every machine.
"""

from __future__ import annotations

from importlib.util import find_spec
from math import gcd

from skosh.plan.liveness import Heir, Live
from skosh.plan.offsets import Placement


def can_solve() -> bool:
    """Whether the solver is installed: most models never need it, as the quick packing reaches the bound."""
    return find_spec("ortools") is not None


def place_exactly(live: Live, known: Placement, seconds: float) -> tuple[Placement, bool]:
    """A placement at least as good as ``known``, and whether it is proved best for this order. Without ortools, the same."""
    if not can_solve():
        return known, live.peak == known.peak
    from ortools.sat.python import cp_model  # slow to import, and most models never need it

    unit = gcd(*(item.size for item in live.items), *(item.align for item in live.items))
    model = cp_model.CpModel()
    limit = known.peak // unit - 1
    if limit * unit < live.peak:
        return known, True
    peak = model.new_int_var(-(-live.peak // unit), limit, "peak")
    offsets = []
    for k, item in enumerate(live.items):
        size, grain = item.size // unit, item.align // unit
        slot = model.new_int_var(0, max(0, (limit - size) // grain), f"slot{k}")
        offsets.append(slot * grain)
        model.add(slot * grain + size <= peak)
        model.add_hint(slot, min(known.offsets[k] // item.align, max(0, (limit - size) // grain)))
    taken = {(h.old, h.new): model.new_bool_var(f"heir{n}") for n, h in enumerate(live.heirs)}
    for (old, new), here in taken.items():
        model.add(offsets[old] == offsets[new]).only_enforce_if(here)
    for side in (0, 1):
        for k in range(len(live.items)):
            rivals = [here for pair, here in taken.items() if pair[side] == k]
            if len(rivals) > 1:
                model.add_at_most_one(rivals)
    # An item with heirs may give up its last step: that step is a rectangle of its own, there only if no heir takes it.
    across, along, heights = [], [], []
    for k, item in enumerate(live.items):
        size = item.size // unit
        if size == 0:
            continue
        heirs = [here for (old, _), here in taken.items() if old == k]
        first_of_last = item.last if heirs else item.last + 1
        if first_of_last > item.first:
            across.append(model.new_fixed_size_interval_var(item.first, first_of_last - item.first, f"steps{k}"))
            along.append(model.new_fixed_size_interval_var(offsets[k], size, f"bytes{k}"))
            heights.append(size)
        if heirs:
            alone = model.new_bool_var(f"alone{k}")
            model.add(sum(heirs) + alone == 1)
            across.append(model.new_optional_fixed_size_interval_var(item.last, 1, alone, f"last_step{k}"))
            along.append(model.new_optional_fixed_size_interval_var(offsets[k], size, alone, f"last_bytes{k}"))
            heights.append(size)
    model.add_no_overlap_2d(across, along)
    model.add_cumulative(across, heights, peak)
    model.minimize(peak)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = seconds
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        values = tuple(int(solver.value(offset)) * unit for offset in offsets)
        heirs_taken: tuple[Heir, ...] = tuple(h for h in live.heirs if solver.boolean_value(taken[h.old, h.new]))
        return Placement(values, int(solver.value(peak)) * unit, heirs_taken), status == cp_model.OPTIMAL
    return known, status == cp_model.INFEASIBLE
