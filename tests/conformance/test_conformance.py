"""Every operator on every target: what the reference means, the C computes, to the last bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from skosh.base.errors import SkoshError
from skosh.targets import names
from tests.conformance.cases import DTYPES, TABLE, Case, cases, families, make_input
from tests.conformance.union import Union, at, differences, expected, union

EVERYWHERE, MORE, AIMED = range(2), range(2, 4), range(4, 5)  # seeds
SIZE = {EVERYWHERE: 30, MORE: 12, AIMED: 12}  # members of a union: many, to compile less; few, to plan less


def test_every_operator_has_cases() -> None:
    assert set(TABLE) == set(families()), "a converter without cases, or cases without a converter: see cases.TABLE"


@pytest.mark.parametrize("code", TABLE)
def test_every_element_type_has_cases(code: str) -> None:
    for dtype in DTYPES:
        if dtype in TABLE[code][0].split():
            assert Case(code, dtype, 0, "").graph.nodes
        else:
            with pytest.raises((SkoshError, KeyError, ValueError, AssertionError)):  # no such graph, or no such case
                assert Case(code, dtype, 0, "").graph.nodes
                raise AssertionError(f"{code} takes {dtype}: put it in cases.TABLE")


def pieces(seeds: range) -> dict[str, list[Case]]:
    """The cases by family, in portions."""
    by_family: dict[str, list[Case]] = {}
    for case in cases(seeds, turns=seeds is not EVERYWHERE):
        by_family.setdefault(case.family, []).append(case)
    size = SIZE[seeds]
    return {
        f"{family}-{i // size}": found[i : i + size]
        for family, found in by_family.items()
        for i in range(0, len(found), size)
    }


@cache
def made(piece: str, seeds: range) -> Union:
    return union({str(case): case.graph for case in pieces(seeds)[piece]})


def check(piece: str, seeds: range, optimize: str, targets: tuple[str, ...]) -> None:
    whole = made(piece, seeds)
    rng = np.random.default_rng(list(piece.encode()))
    runs = [[make_input(t, rng) for t in whole.graph.required(whole.graph.inputs)] for _ in range(2)]
    want = expected(whole.graph, runs)
    first = whole.build(targets[0], optimize)
    found = []
    for target in targets:
        runner = at(first, target).runner
        found += [f"{target}, {optimize}: {line}" for line in differences(whole, want, runner, runs)]
    assert not found, "\n".join([f"{len(found)} differ:", *found])


@pytest.mark.parametrize("piece", pieces(EVERYWHERE))
def test_on_every_target(piece: str) -> None:
    check(piece, EVERYWHERE, "balanced", names())


@pytest.mark.parametrize("piece", pieces(MORE))
def test_more_on_the_host(piece: str) -> None:
    check(piece, MORE, "balanced", ("host",))


@pytest.mark.parametrize("optimize", ["speed", "flash", "ram"])
@pytest.mark.parametrize("piece", pieces(AIMED))
def test_with_every_aim(piece: str, optimize: str) -> None:
    check(piece, AIMED, optimize, ("host", "cortex-m4"))
