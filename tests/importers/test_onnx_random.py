"""Random graphs against onnxruntime; ``benchmarks/fuzz_onnx.py`` runs more of them."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.importers.onnx_random import BROKEN, RIGHT, WRONG, tried

SEEDS = 240


def test_random_graphs_are_right_or_refused() -> None:
    found = [(seed, *tried(seed)) for seed in range(SEEDS)]
    assert not [f for f in found if f[1] in (WRONG, BROKEN)]
    assert Counter(kind for _, kind, _ in found)[RIGHT] >= 0.9 * SEEDS
