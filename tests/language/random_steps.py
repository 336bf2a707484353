"""Random schedules: steps drawn from all there are, legal or not; what is refused must raise, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import i16, i32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import For, Kernel, Local, functions, walk
from skosh.schedule.counts import Case

Step = tuple[Callable[..., Kernel], Callable[..., schedule.Answer], tuple[Any, ...], dict[str, Any]]


@st.composite
def step(draw: st.DrawFn, k: Kernel, constants: tuple[str, ...], numbers: Case) -> Step:
    """(the step, its question, arguments of the question, what only the step takes)."""
    found = {(s.var, s.nth) for s in walk(k.body) if isinstance(s, For)}
    names = sorted({a for v, nth in found for a in (v, f"{v}#{nth}", f"{v}#*")}) or ["none"]
    loop, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    factor = draw(st.integers(2, 3))
    what = draw(st.sampled_from(KINDS))
    rest = {"exact": draw(st.booleans()), "cases": draw(st.sampled_from([(), (numbers,)]))}
    match what:
        case "unroll":
            return schedule.unroll, schedule.can_unroll, (loop,), {"factor": factor, **rest}
        case "jam":
            return schedule.unroll_and_jam, schedule.can_unroll_and_jam, (loop,), {"factor": factor, **rest}
        case "split":
            return schedule.split, schedule.can_split, (loop,), {"factor": factor, **rest}
        case "tile":
            return schedule.tile, schedule.can_tile, ((loop, other),), {"factors": (factor, 2), **rest}
        case "reorder":
            return schedule.reorder, schedule.can_reorder, (loop, other), {}
        case "fuse":
            return schedule.fuse, schedule.can_fuse, (loop, other), {}
        case "fission":
            return schedule.fission, schedule.can_fission, (loop,), {}
        case "peel":
            return schedule.peel, schedule.can_peel, (loop,), {}
        case "hoist":
            return schedule.hoist, schedule.can_hoist, (loop,), {}
        case "parallelize" if len(list(walk(k.body))) <= 40:  # of longer ones the proof takes a minute
            return schedule.parallelize, schedule.can_parallelize, (loop,), {}
        case "stage":
            buffer = draw(st.sampled_from(sorted(p.name for p in k.params)))
            how = {
                "memory": draw(st.sampled_from(["ram", "register"])),
                "dtype": draw(st.sampled_from([None, None, i16, i32])),
            }
            return schedule.stage, schedule.can_stage, (buffer, loop), how
        case "registers":
            own = sorted({s.name for s in walk(k.body) if isinstance(s, Local)}) or ["none"]
            return schedule.registers, schedule.can_registers, (draw(st.sampled_from(own)),), {}
        case "inline":
            called = sorted(f.name for f in functions(k)) or ["none"]
            return schedule.inline, schedule.can_inline, (draw(st.sampled_from(called)),), {}
        case _:
            return schedule.pack, schedule.can_pack, (draw(st.sampled_from(constants or ("none",))),), {"rows": factor}


KINDS = (
    "unroll", "jam", "split", "split", "tile", "reorder", "reorder", "fuse", "fission", "peel", "peel", "hoist", "hoist",
    "parallelize", "stage", "stage", "stage", "registers", "inline", "pack",
)  # fmt: skip


@st.composite
def scheduled(
    draw: st.DrawFn, k: Kernel, constants: tuple[str, ...] = (), most: int = 5, numbers: Case = MappingProxyType({})
) -> Kernel:
    """A kernel after some random steps. numbers: those of the call that it must serve."""
    for _ in range(draw(st.integers(1, most))):
        act, can, question, rest = draw(step(k, constants, numbers))
        asked = {n: v for n, v in rest.items() if n in ("memory", "dtype", "factor", "factors", "exact", "cases")}
        answer = can(k, *question, **asked)
        if answer:
            k = act(k, *question, **rest)
        else:
            assert isinstance(answer, schedule.No)
            with pytest.raises(ScheduleError) as error:
                act(k, *question, **rest)
            assert answer.reason in str(error.value)
    return k
