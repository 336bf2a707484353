"""The selection: exact where layers don't depend on each other, never worse than the rules, shared code counted once."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.search.choice import Totals
from skosh.search.select import Layer, Option, rank, select
from skosh.search.trial import Cost

AIMS = ("speed", "balanced", "flash", "ram")
RULES = Totals(time=500_000, flash=20_000, arena=4000, stack=200)


def cost(time: int, code: int = 0, shared: int = 0, weights: int = 0, scratch: int = 0, stack: int = 0) -> Cost:
    return Cost(time, None, code, shared, weights, scratch, stack)


def options(*costs: Cost) -> tuple[Option, ...]:
    return tuple(Option(c, object()) for c in costs)


def totals(layers: list[Layer], choice: tuple[int, ...], rules: Totals, bare: int) -> Totals:
    """What ``select`` estimates, said once more."""
    taken = [(layer, layer.options[k].cost) for layer, k in zip(layers, choice, strict=True)]
    zero = [layer.options[0].cost for layer in layers]
    code: dict[object, int] = {}
    before: dict[object, int] = {}
    for layer, k in zip(layers, choice, strict=True):
        for o, sums in ((layer.options[k], code), (layer.options[0], before)):
            sums[o.routines] = max(sums.get(o.routines, 0), o.cost.shared)
    own = sum(c.code + c.weights for _, c in taken) - sum(c.code + c.weights for c in zero)
    return Totals(
        rules.time + sum(c.time for _, c in taken) - sum(c.time for c in zero),
        rules.flash + own + sum(code.values()) - sum(before.values()),
        max(bare, *(layer.live + c.scratch for layer, c in taken)),
        rules.stack + max(c.stack for _, c in taken) - max(c.stack for c in zero),
    )


def test_speed_takes_the_fastest() -> None:
    layers = [Layer(options(cost(100), cost(90, shared=5000), cost(95)), 0), Layer(options(cost(50), cost(60)), 0)]
    assert select(layers, RULES, 4000, "speed") == (1, 0)


def test_flash_takes_the_smallest_that_is_worth_its_time() -> None:
    layers = [Layer(options(cost(100, shared=900), cost(90, shared=5000), cost(150, shared=200)), 0)]
    assert select(layers, RULES, 4000, "flash") == (2,)
    slow = [Layer(options(cost(100, shared=900), cost(900_000, shared=880)), 0)]
    assert select(slow, RULES, 4000, "flash") == (0,)


def test_ram_takes_what_keeps_the_arena_small() -> None:
    layers = [
        Layer(options(cost(100, scratch=900), cost(300)), 3900),  # would raise it
        Layer(options(cost(100, scratch=900), cost(300)), 3000),  # doesn't
    ]
    assert select(layers, RULES, 4000, "ram") == (1, 0)


def test_a_shared_routine_counts_once() -> None:
    shared = object()
    own = lambda: Option(cost(100, shared=600), object())  # noqa: E731
    layers = [Layer((own(), Option(cost(101, shared=1000), shared)), 0) for _ in range(3)]
    assert select(layers, RULES, 4000, "flash") == (1, 1, 1)


def test_limits_come_first() -> None:
    layers = [Layer(options(cost(100, shared=900), cost(200, shared=100)), 0)]
    assert select(layers, RULES, 4000, "speed") == (0,)
    assert select(layers, RULES, 4000, "speed", (None, 19_500)) == (1,)


sizes = st.integers(0, 2000)
one = st.builds(cost, st.integers(1, 200_000), sizes, sizes, sizes, sizes, sizes)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.lists(st.tuples(one, st.integers(0, 3)), min_size=1, max_size=4), sizes), min_size=1, max_size=4
    ),
    st.sampled_from(AIMS),
)
def test_never_worse_than_the_rules_and_best_for_speed(
    spec: list[tuple[list[tuple[Cost, int]], int]], aim: str
) -> None:
    layers = [Layer(tuple(Option(c, r) for c, r in forms), live) for forms, live in spec]
    rules = Totals(1_000_000, 60_000, max(500, *(la.live + la.options[0].cost.scratch for la in layers)), 3000)
    ranks = {
        choice: rank(totals(layers, choice, rules, 500), rules, aim)
        for choice in itertools.product(*(range(len(layer.options)) for layer in layers))
    }
    found = select(layers, rules, 500, aim)
    assert ranks[found] <= ranks[tuple(0 for _ in layers)]
    if aim == "speed":
        assert ranks[found][1] == min(r[1] for r in ranks.values())
