"""ONNX's own node tests: how many are right is pinned; none may be wrong, and none may end in an exception of Python's."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("onnx")

from tests.importers.onnx_node_cases import BROKEN, REFUSED, RIGHT, WRONG, cases, verdicts

AT_LEAST = 1430
"""Right ones; more with every operator."""


def test_nodes_are_right_or_refused() -> None:
    found = verdicts()
    counts = Counter(v.kind for v in found)
    assert not [(v.name, v.why) for v in found if v.kind in (WRONG, BROKEN)]
    assert counts[RIGHT] >= AT_LEAST, counts
    assert counts[RIGHT] + counts[REFUSED] == len(cases())
