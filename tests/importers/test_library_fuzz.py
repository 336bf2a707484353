"""Random models of each family beside their libraries: a part of benchmarks/fuzz_libraries.py, and what it once found."""

from __future__ import annotations

import pytest

from tests.support.random_library_models import FAMILIES, case

SEEDS = range(3)
"""Of each family; the command tries as many as one likes."""

ONCE = {
    "support vectors": [13, 23, 45], "neighbors": [4, 8], "conditional random fields": [5], "transformers": [16],
    "pipelines": [13, 28],
}  # fmt: skip
"""Seeds that showed something: kernels of features far from 0, sums that cancel, ties by rounding alone and ties that are
broken by the square of a denormal number, a field with one label and no attributes,
norms that are all but 0."""

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(("family", "seed"), [(f, s) for f in FAMILIES for s in (*SEEDS, *ONCE.get(f, ()))])
def test_a_random_model_says_what_its_library_says(family: str, seed: int) -> None:
    found = case(family, seed)
    assert not found.differs, f"{found.model}: {found.differs}"


@pytest.mark.parametrize("family", FAMILIES)
def test_most_random_models_are_compared(family: str) -> None:
    """A family that refused all of them would test nothing."""
    assert any(case(family, seed).compared for seed in SEEDS)
