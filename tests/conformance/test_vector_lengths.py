"""The same program on vectors of other lengths: what the reference means, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.built import build
from skosh.targets import target, vector_length
from tests.conformance.cases import make_input
from tests.conformance.test_conformance import EVERYWHERE, made
from tests.conformance.union import differences, expected
from tests.support.machines import needs


@pytest.mark.parametrize("bits", [256, 512])
@pytest.mark.parametrize("name", ["rv64gcv", "aarch64-sve"])
@pytest.mark.parametrize("piece", ["convolution-0", "dense-0", "pooling-0", "elementwise-0"])
def test_on_vectors_of_any_length(piece: str, name: str, bits: int) -> None:
    needs(name)
    whole = made(piece, EVERYWHERE)
    rng = np.random.default_rng(list(piece.encode()))
    runs = [[make_input(t, rng) for t in whole.graph.required(whole.graph.inputs)] for _ in range(2)]
    runner = build(whole.graph, target=vector_length(target(name), bits), name="u").runner
    assert not differences(whole, expected(whole.graph, runs), runner, runs)
