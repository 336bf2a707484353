"""Floor 4: which node runs when, and where each tensor lives in the arena. Proved, not hoped.

    plan = plan_memory(graph)        # order, offsets, arena_bytes, and how far from the least possible they can be
    check_plan(graph, plan)          # an independent proof that no value is overwritten before its last use

``memory`` puts it together. In flow order: ``sharing`` (which tensors share bytes for good), ``storage``,
``downsets`` and ``order``, ``liveness``, ``offsets`` (fast), ``exact`` (a solver), ``proof``, ``picture``.
"""

from skosh.plan.memory import plan_memory
from skosh.plan.picture import memory_map_svg, memory_map_text
from skosh.plan.proof import check_plan
from skosh.plan.result import Buffer, Plan

__all__ = ["Buffer", "Plan", "check_plan", "memory_map_svg", "memory_map_text", "plan_memory"]
