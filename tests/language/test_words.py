"""Words of narrow buffers: four bytes at once, little-endian."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.base.errors import ScheduleError
from skosh.ir.interpret_kernel import Trap, run_kernel
from skosh.language import kernel, par, set_word, word


@kernel
def swapped(x: i8[N], y: i16[M], *, at):
    """Halfwords of a word, the other way round."""
    for i in par(1):  # noqa: B007
        set_word(y[at], (word(x[at]) << 16) | (word(x[at]) >> 16))


def test_words_are_little_endian_and_need_no_alignment():
    x = np.array([9, 1, 2, 3, 4, 9], np.int8)
    y = np.zeros(3, np.int16)
    run_kernel(swapped, dict(x=x, y=y), dict(N=6, M=3, at=1))
    assert y.tolist() == [0, 0x0403, 0x0201]


def test_a_word_must_lie_inside():
    with pytest.raises(Trap, match=r"the word at x\[1\] reaches beyond its 4 elements"):
        run_kernel(swapped, dict(x=np.zeros(4, np.int8), y=np.zeros(3, np.int16)), dict(N=4, M=3, at=1))


def test_words_are_of_narrow_integers():
    with pytest.raises(ScheduleError, match="a word is made of 8 or 16 bit integers, not f32"):

        @kernel
        def wrong(x: f32[N], y: i32[N]):
            for i in par(N):
                y[i] = wrap(i32, word(x[i]))
