"""Every operator on every target: what the reference means, the C computes, to the last bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from skosh.base.dtypes import from_numpy
from skosh.base.errors import SkoshError
from tests.conformance.cases import DTYPES, TABLE, Case, cases, families, make_input
from tests.conformance.union import Union, differences, expected, union
from tests.support.machines import runnable

EVERYWHERE, MORE, AIMED = range(2), range(2, 4), range(4, 5)  # seeds


def test_every_operator_has_cases() -> None:
    assert set(TABLE) == set(families()), "a converter without cases, or cases without a converter: see cases.TABLE"


@pytest.mark.parametrize("code", TABLE)
def test_every_element_type_has_cases(code: str) -> None:
    taken = {dtype for dtype in DTYPES if accepted(code, dtype)}
    assert taken == set(TABLE[code][0].split()), f"cases.TABLE must name the types that {code} takes"


def accepted(code: str, dtype: str) -> bool:
    """Is there a case of this type, and does the importer take it, and not make another type of it?"""
    try:
        graph = Case(code, dtype, 0, "").graph
        return bool(graph.nodes) and from_numpy(np.dtype(dtype)) in {t.dtype for t in graph.required(graph.inputs)}
    except (SkoshError, KeyError, ValueError):
        return False


def pieces(seeds: range) -> dict[str, list[Case]]:
    """The cases by family, in portions."""
    by_family: dict[str, list[Case]] = {}
    for case in cases(seeds, turns=seeds is not EVERYWHERE):
        by_family.setdefault(case.family, []).append(case)
    many = seeds is EVERYWHERE  # compile faster, but some families plan slowly
    size = {family: 30 if many and family not in ("movement", "reductions") else 12 for family in by_family}
    return {
        f"{family}-{i // size[family]}": found[i : i + size[family]]
        for family, found in by_family.items()
        for i in range(0, len(found), size[family])
    }


@cache
def made(piece: str, seeds: range) -> Union:
    return union({str(case): case.graph for case in pieces(seeds)[piece]})


def check(piece: str, seeds: range, optimize: str, targets: tuple[str, ...]) -> None:
    whole = made(piece, seeds)
    rng = np.random.default_rng(list(piece.encode()))
    runs = [[make_input(t, rng) for t in whole.graph.required(whole.graph.inputs)] for _ in range(2)]
    want = expected(whole.graph, runs)
    found = []
    for target in targets:
        runner = whole.build(target, optimize).runner
        found += [f"{target}, {optimize}: {line}" for line in differences(whole, want, runner, runs)]
    assert not found, "\n".join([f"{len(found)} differ:", *found])


@pytest.mark.parametrize("piece", pieces(EVERYWHERE))
def test_on_every_target(piece: str) -> None:
    check(piece, EVERYWHERE, "balanced", runnable())


@pytest.mark.parametrize("piece", pieces(MORE))
def test_more_on_the_host(piece: str) -> None:
    check(piece, MORE, "balanced", ("host",))


@pytest.mark.parametrize("optimize", ["speed", "flash", "ram"])
@pytest.mark.parametrize("piece", pieces(AIMED))
def test_with_every_aim(piece: str, optimize: str) -> None:
    check(piece, AIMED, optimize, ("host", "cortex-m4"))
