"""Fixed-point functions: numpy's statement and the kernel language's are the same, and both are near the real ones."""

from __future__ import annotations

import numpy as np

from skosh.base import fixedpoint
from skosh.language.vectorized import apply
from skosh.ops.elements import fixed_point_kernels

RNG = np.random.default_rng(0)
POSITIVE = np.concatenate([RNG.integers(1, 2**31, 500), [1, 2, 3, 2**19, 2**30, 2**31 - 1], 2 ** np.arange(31)])
NEGATIVE = np.concatenate([-(RNG.integers(0, 2**31, 500) >> RNG.integers(0, 20, 500)), [0, -1, -(2**24), 1 - 2**31]])
ABOVE_ONE = np.concatenate([RNG.integers(2**19, 2**31, 500), [2**19, 2**19 + 1, 2**31 - 1]])


def test_leading_zeros() -> None:
    assert np.array_equal(fixedpoint.leading_zeros(POSITIVE), 32 - np.floor(np.log2(POSITIVE)).astype(int) - 1)
    assert np.array_equal(apply(fixed_point_kernels.leading_zeros, POSITIVE), fixedpoint.leading_zeros(POSITIVE))
    assert fixedpoint.leading_zeros(0) == 32
    assert apply(fixed_point_kernels.leading_zeros, np.array([0]))[0] == 32


def test_exp() -> None:
    want = fixedpoint.exp_on_negative_values(NEGATIVE, 5)
    assert np.array_equal(apply(fixed_point_kernels.exp_on_negative_values, NEGATIVE), want)
    assert np.allclose(want / 2**31, np.exp(NEGATIVE / 2**26), atol=1e-6)


def test_reciprocal() -> None:
    want, exponent = fixedpoint.reciprocal_in(ABOVE_ONE, 12)
    assert np.array_equal(apply(fixed_point_kernels.reciprocal_of_sum, ABOVE_ONE), want)
    assert np.allclose(want / 2.0**31 / 2.0**exponent, 2**19 / ABOVE_ONE, rtol=1e-6)


def test_log() -> None:
    want = fixedpoint.log_above_one(ABOVE_ONE, 12, 5)
    assert np.array_equal(apply(fixed_point_kernels.log_above_one, ABOVE_ONE), want)
    assert np.allclose(want / 2**26, np.log(ABOVE_ONE / 2**19), atol=1e-5)
