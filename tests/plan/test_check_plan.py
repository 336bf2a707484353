"""The proof must fail on every plan that is wrong, and say why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from skosh.ir.graph import Graph
from skosh.plan import Plan, check_plan, plan_memory
from tests.plan.fakes import Make, Push, Same, View, f32, graph, node


def moved(plan: Plan, name: str, offset: int) -> Plan:
    """The plan with one tensor's buffer elsewhere."""
    buffers = tuple(replace(b, offset=offset) if name in b.tensors else b for b in plan.buffers)
    offset_of: Mapping[str, int] = {t: b.offset for b in buffers for t in b.tensors}
    return replace(plan, buffers=buffers, offset_of=offset_of)


def skip() -> Graph:
    return graph({}, [node(Make(), "x", "a"), node(Make(), "a", "b"), node(Make(), "b x", "y")], "x", "y")


def stateful() -> Graph:
    nodes = [node(Push(), "s0 x", "s1"), node(Make(), "s1", "a"), node(View(), "a", "v"), node(Same(), "v", "y")]
    return graph({}, nodes, "x", "y", states=[("s0", "s1")])


def floats() -> Graph:
    return graph({}, [node(Make(), "x", "y")], "x", "y", types={"y": f32})


@pytest.mark.parametrize(
    ("make", "spoil", "why"),
    [
        (skip, lambda p: moved(p, "a", p.offset_of["x"]), 'writes "a" on its input "x" (bytes '),
        (skip, lambda p: moved(p, "b", p.offset_of["x"]), 'needs "x", but byte'),
        (skip, lambda p: moved(p, "y", 4096), '"y" is at bytes 4096..4112, outside the arena'),
        (skip, lambda p: replace(p, order=(0, 2, 1)), 'reads "b" before anything writes it'),
        (skip, lambda p: replace(p, order=(0, 1)), "the order must name each of 3 nodes once"),
        (skip, lambda p: moved(p, "x", p.offset_of["x"] + 2), "not a multiple of 4"),
        (skip, lambda p: replace(p, offset_of={}), '"x" has no place in the arena'),
        (skip, lambda p: replace(p, arena_bytes=p.arena_bytes - 1), "outside the arena of 47"),
        (
            skip,
            lambda p: replace(p, buffers=tuple(replace(b, last_step=b.first_step) for b in p.buffers)),
            "is used in steps 0 to 2, outside those of its buffer",
        ),
        (skip, lambda p: replace(p, buffers=p.buffers[1:]), "the buffers and offset_of must name the same tensors"),
        (skip, lambda p: replace(p, scratch_offset={(0, 0): 0}), "the plan has other scratch buffers"),
        (skip, lambda p: replace(p, inplace={0: ((0, 0),)}), "the plan calls input 0 and output 0 one place"),
        (
            stateful,
            lambda p: replace(p, offset_of={**p.offset_of, "v": p.offset_of["a"] + 4}),
            '"v" is a view of "a" but at bytes',
        ),
        (stateful, lambda p: replace(p, offset_of={**p.offset_of, "s1": 64}), 'updates "s0" but is at bytes 64..80'),
        (stateful, lambda p: moved(replace(p, inplace={}), "y", p.offset_of["s0"]), 'state "s_s0" must be there'),
        (stateful, lambda p: moved(p, "x", p.offset_of["s0"]), "states and inputs must all be there"),
        (
            floats,
            lambda p: moved(replace(p, align=1, arena_bytes=200), "y", 130),
            "has elements of 4 bytes but is at byte 130",
        ),
        (floats, lambda p: replace(p, base_align=2), '"y" needs an arena aligned to 4 bytes'),
    ],
)
def test_wrong_plans_are_refused(make: Callable[[], Graph], spoil: Callable[[Plan], Plan], why: str) -> None:
    good = plan_memory(make())
    check_plan(make(), good)
    with pytest.raises(AssertionError) as error:
        check_plan(make(), spoil(good))
    assert why in str(error.value)


def test_the_whole_sentence() -> None:
    plan = plan_memory(skip())
    at = plan.offset_of["x"]
    with pytest.raises(AssertionError) as error:
        check_plan(skip(), moved(plan, "b", at))
    assert str(error.value) == (
        f'step 2, node 2 "y": needs "x", but byte {at} was overwritten by "b" at step 1, node 1 "b"'
    )


def test_scratch_memory_is_proved_too() -> None:
    scratch = {1: (8, 8)}
    plan = plan_memory(skip(), scratch=scratch)
    check_plan(skip(), plan, scratch)
    for key, at, why in (
        ((1, 0), plan.offset_of["x"], "overwritten by scratch 0 of node 1"),
        ((1, 0), plan.offset_of["a"], 'scratch 0 and "a" overlap'),
        ((1, 0), plan.offset_of["b"], '"b" and scratch 0 overlap'),
        ((1, 0), plan.scratch_offset[1, 1], "scratch 1 and scratch 0 overlap"),
        ((1, 0), 10**6, "outside the arena"),
    ):
        with pytest.raises(AssertionError, match=why):
            check_plan(skip(), replace(plan, scratch_offset={**plan.scratch_offset, key: at}), scratch)
    with pytest.raises(AssertionError, match="other scratch buffers"):
        check_plan(skip(), plan, {})
