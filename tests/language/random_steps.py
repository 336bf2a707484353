"""Random schedules: steps drawn from all there are, legal or not; what is refused must raise, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from skosh import schedule
from skosh.base.dtypes import i16, i32
from skosh.base.errors import ScheduleError
from skosh.ir.kernel import For, Kernel, Local, functions, walk

Step = tuple[Callable[..., Kernel], Callable[..., schedule.Answer], tuple[Any, ...], dict[str, Any]]


@st.composite
def step(draw: st.DrawFn, k: Kernel, constants: tuple[str, ...]) -> Step:
    """(the step, its question, arguments of the question, what only the step takes)."""
    names = sorted({s.var for s in walk(k.body) if isinstance(s, For)}) or ["none"]
    loop, other = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    factor = draw(st.integers(2, 3))
    what = draw(st.sampled_from(KINDS))
    match what:
        case "unroll":
            return schedule.unroll, schedule.can_unroll, (loop,), {"factor": factor}
        case "jam":
            return schedule.unroll_and_jam, schedule.can_unroll_and_jam, (loop,), {"factor": factor}
        case "split":
            return schedule.split, schedule.can_split, (loop,), {"factor": factor}
        case "tile":
            return schedule.tile, schedule.can_tile, ((loop, other),), {"factors": (factor, 2)}
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
        case "parallelize":
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
def scheduled(draw: st.DrawFn, k: Kernel, constants: tuple[str, ...] = (), most: int = 5) -> Kernel:
    """A kernel after some random steps."""
    for _ in range(draw(st.integers(1, most))):
        act, can, question, rest = draw(step(k, constants))
        asked = {n: v for n, v in rest.items() if n in ("memory", "dtype")}
        answer = can(k, *question, **asked)
        if answer:
            k = act(k, *question, **rest)
        else:
            assert isinstance(answer, schedule.No)
            with pytest.raises(ScheduleError) as error:
                act(k, *question, **rest)
            assert answer.reason in str(error.value)
    return k
