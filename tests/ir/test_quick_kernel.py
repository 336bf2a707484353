"""The quick way to run kernels does what the interpreter does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skosh.ir.interpret_kernel import Trap
from skosh.ir.kernel import Const
from skosh.ir.quick_kernel import run_quick
from skosh.language import kernel, seq
from tests.language.zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_as_the_interpreter(name: str) -> None:
    animal = ZOO[name]
    for seed in range(2):
        want, got = animal.run(animal.kernel, seed), animal.run(animal.kernel, seed, run_quick)
        for buffer in want:
            assert np.array_equal(got[buffer], want[buffer], equal_nan=want[buffer].dtype.kind == "f"), buffer


@kernel
def copied(x: i32[K], y: i32[K]):
    """y is x."""
    for k in seq(K):
        y[k] = x[k]


def test_a_place_outside_a_buffer_stops_it() -> None:
    x, y = copied.params
    shorter = replace(copied, params=(replace(x, shape=(Const(3),)), y))
    with pytest.raises(Trap, match="an index is outside x"):
        run_quick(shorter, {"x": np.zeros(9, np.int32), "y": np.zeros(9, np.int32)}, {"K": 4})
