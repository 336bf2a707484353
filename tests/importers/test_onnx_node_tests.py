"""ONNX's own node tests: how many are right is pinned; none may be wrong, and none may end in an exception of Python's."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("onnx")

from tests.importers.onnx_node_cases import BROKEN, REFUSED, RIGHT, WRONG, cases, in_c, verdicts

AT_LEAST = 1475
"""Right ones; more with every operator."""


def test_nodes_are_right_or_refused() -> None:
    found = verdicts()
    counts = Counter(v.kind for v in found)
    assert not [(v.name, v.why) for v in found if v.kind in (WRONG, BROKEN)]
    assert counts[RIGHT] >= AT_LEAST, counts
    assert counts[RIGHT] + counts[REFUSED] == len(cases())


@pytest.mark.parametrize("part", range(12))
def test_the_c_gives_the_interpreters_numbers(part: int) -> None:
    """A slice of the right ones; ``benchmarks/onnx_node_tests.py --c`` compiles all."""
    right = [v for v in verdicts() if v.kind == RIGHT and v.graph is not None and v.graph.inputs]
    assert in_c(right[part * len(right) // 12]) == ""
