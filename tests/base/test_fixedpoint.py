"""Fixed-point functions are near the real ones, and their tables have the values they must have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skosh.base import fixedpoint as fp

UNIT = 2.0**31


@pytest.mark.parametrize("bits", [0, 2, 4, 5, 12])
def test_exp(bits: int) -> None:
    rng = np.random.default_rng(bits)
    raw = -rng.integers(0, 2**31, 5000)
    raw[:3] = 0, -1, -(2**31)
    exact = np.exp(raw / 2.0 ** (31 - bits))
    assert np.max(np.abs(fp.exp_on_negative_values(raw, bits) / UNIT - exact)) < 3e-7


def test_logistic_and_tanh() -> None:
    x = np.linspace(-15.9, 15.9, 5001)
    raw = np.round(x * 2**27).astype(np.int64)
    assert np.max(np.abs(fp.logistic(raw, 4) / UNIT - 1 / (1 + np.exp(-x)))) < 1e-7
    assert np.max(np.abs(fp.tanh(raw, 4) / UNIT - np.tanh(x))) < 2e-7
    assert fp.logistic(0, 4) == 1 << 30
    assert fp.tanh(0, 4) == 0


def test_division() -> None:
    a = np.linspace(0, 1, 4001)
    raw = np.minimum(np.round(a * UNIT), 2**31 - 1).astype(np.int64)
    assert np.max(np.abs(fp.one_over_one_plus_x(raw) / UNIT - 1 / (1 + a))) < 1e-8
    assert np.max(np.abs(fp.one_minus_x_over_one_plus_x(raw) / UNIT - (1 - a) / (1 + a))) < 2e-8


def test_reciprocal() -> None:
    x = np.concatenate([np.arange(1, 600), [2**31 - 1, 2**30, 2**30 + 1, 12345678]])
    r, e = fp.reciprocal(x)
    assert np.array_equal(e, [int(v).bit_length() - 1 for v in x])
    assert np.max(np.abs(r * 2.0 ** (-31.0 - e) * x - 1)) < 1e-8


def test_inverse_sqrt() -> None:
    for x in [*range(1, 300), 10**6, 2**29, 2**31 - 1]:
        multiplier, shift = fp.inverse_sqrt(x)
        assert abs(multiplier * 2.0 ** (shift - 31) * math.sqrt(x) - 1) < 2e-6
    assert fp.inverse_sqrt(0) == fp.inverse_sqrt(1)


def test_int16_sigmoids() -> None:
    x = np.arange(-32768, 32768)
    multiplier = 3  # scale 2^-12
    assert np.max(np.abs(fp.logistic_int16(x, multiplier, 0) / 2.0**15 - 1 / (1 + np.exp(-x / 4096)))) < 5e-5
    assert np.max(np.abs(fp.tanh_int16(x, multiplier, 0) / 2.0**15 - np.tanh(x / 4096))) < 1e-4


def test_sigmoid_table() -> None:
    table = fp.sigmoid_table()
    exact = 65536 / (1 + np.exp(-np.arange(256) / 24))
    assert table[:5].tolist() == [32768, 33451, 34133, 34813, 35493]
    assert table[-1] == 65535
    assert np.max(np.abs(table - exact)) < 1.2


def test_saturation_and_rounding() -> None:
    assert fp.multiply_by_pot([2**30, -(2**30) - 1, 3], 1).tolist() == [2**31 - 1, -(2**31), 6]
    assert fp.multiply_by_pot([3, -3, 2], -1).tolist() == [2, -2, 1]
    assert fp.rounding_half_sum([1, -1, 2], [2, -2, 3]).tolist() == [2, -2, 3]
