"""Rows of features side by side: numpy's numbers, and the C's."""

from __future__ import annotations

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.ir.interpret_graph import run_graph

ROWS, FEATURES, RUNS = 6, 4, 9


def expected(x: np.ndarray, first: int, centered: bool, slopes: bool) -> np.ndarray:
    m = x[:, first:]
    if centered:
        m = m - m.mean(axis=0, keepdims=True)
    if slopes:
        p = np.pad(m, ((2, 2), (0, 0)), "edge")
        m = np.concatenate([m, (2 * (p[4:] - p[:-4]) + p[3:-1] - p[1:-3]) / 10], axis=1)
    return m.reshape(-1)


@pytest.mark.parametrize(
    ("first", "centered", "slopes"), [(0, False, False), (1, True, False), (0, False, True), (1, True, True)]
)
def test_recent_rows(first: int, centered: bool, slopes: bool) -> None:
    graph = skosh.features.recent(ROWS, FEATURES, first=first, centered=centered, slopes=slopes)
    rows = np.random.default_rng(0).normal(0, 3, (RUNS, 1, FEATURES)).astype(np.float32)
    past = np.concatenate([np.zeros((ROWS - 1, FEATURES), np.float32), rows[:, 0]])
    here = skosh.compile(graph, target="host").run(rows)
    for n in range(RUNS):
        np.testing.assert_allclose(here[n], expected(past[n : n + ROWS], first, centered, slopes), atol=2e-6)


def test_it_is_the_same_on_the_device() -> None:
    graph = skosh.features.recent(ROWS, FEATURES, first=1, centered=True, slopes=True)
    rows = np.random.default_rng(1).normal(0, 3, (8, 1, FEATURES)).astype(np.float32)
    assert skosh.compile(graph, target="cortex-m4").verify(rows).bit_exact


def test_it_begins_with_zeros() -> None:
    graph = skosh.features.recent(3, 2)
    values = run_graph(graph, [np.array([[5, 7]], np.float32)]).values
    assert values[graph.outputs[0]].tolist() == [[0, 0, 0, 0, 5, 7]]


@pytest.mark.parametrize("sizes", [{"rows": 1, "features": 4}, {"rows": 4, "features": 4, "first": 4}])
def test_what_is_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(InputError, match="rows must be 2 or more and first from 0 to 3"):
        skosh.features.recent(**sizes)
