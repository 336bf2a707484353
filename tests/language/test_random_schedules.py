"""Schedules never change what a kernel computes: random steps on kernels of every kind, in the interpreter and as C."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.ir.kernel_text import text
from skosh.language.parse import parse
from tests.language.random_steps import scheduled
from tests.language.zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
@settings(max_examples=24)
@given(data=st.data())
def test_random_schedules(name: str, data: st.DataObject) -> None:
    animal = ZOO[name]
    bound = data.draw(st.integers(0, 3)) > 0
    k = schedule.bind(animal.kernel, animal.numbers) if bound else animal.kernel
    made = data.draw(scheduled(k, animal.constants, numbers=animal.numbers))
    seed = data.draw(st.integers(0, 99))
    want, got = animal.run(animal.kernel, seed), animal.run(made, seed)
    for buffer in want:
        assert np.array_equal(got[buffer], want[buffer], equal_nan=want[buffer].dtype.kind == "f"), (buffer, text(made))
    assert parse(text(made)) == made, text(made)
