"""Ranges for int8: each method on distributions where the best answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import skosh
from skosh.base.errors import InputError
from skosh.quantizer.networks.affine import Range, activation_quant, dequantized, quantized, range_of
from skosh.quantizer.networks.calibrate import ranges
from skosh.quantizer.networks.clipping import BINS, METHODS, clipped, histogram
from tests.quantizer.test_quantize_graph import PLAIN, ROWS


def seen(values):
    values = np.asarray(values, np.float32)
    return histogram(values, range_of(values))


def error(values, found):
    quant = activation_quant(found)
    return float(np.mean((dequantized(quantized(values, quant), quant) - values) ** 2))


@settings(max_examples=40)
@given(st.sampled_from(METHODS), st.integers(0, 2**31), st.floats(-5, 5), st.floats(0.01, 10))
def test_no_method_goes_beyond_what_was_seen(method, seed, center, width):
    values = np.random.default_rng(seed).normal(center, width, 500).astype(np.float32)
    found, whole = clipped(seen(values), method), range_of(values)
    assert whole.lo - 1e-6 <= found.lo <= found.hi <= whole.hi + 1e-6
    if method == "minmax":
        assert found == whole


def test_one_outlier_is_cut_off():
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(0, 1, 100_000), 1000.0).astype(np.float32)
    for method in ("percentile", "entropy"):
        found = clipped(seen(values), method)
        assert found.hi < 200, method
        assert found.lo < -2, method


def test_mse_weighs_an_outlier_against_all_others():
    """Cut at 5, the outlier loses 15^2 = 225; kept, a million values lose 1/12 step^2 each: 500 more."""
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(0, 1, 1_000_000), 20.0).astype(np.float32)
    assert clipped(seen(values), "mse").hi < 12
    few = np.append(values[:10_000], 20.0).astype(np.float32)
    assert clipped(seen(few), "mse").hi > 12


def test_percentile_leaves_out_its_share():
    values = np.linspace(0, 1, 1_000_000, dtype=np.float32)
    found = clipped(seen(values), "percentile")
    assert found.lo == pytest.approx(0.00005, abs=2 / BINS)
    assert found.hi == pytest.approx(0.99995, abs=2 / BINS)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from(["normal", "laplace", "exponential", "heavy"]))
def test_mse_is_no_worse_than_all(seed, kind):
    rng = np.random.default_rng(seed)
    draws = {"normal": rng.normal, "laplace": rng.laplace, "exponential": lambda a, b, n: rng.exponential(b, n)}
    values = (rng.standard_t(2, 20_000) if kind == "heavy" else draws[kind](0, 1, 20_000)).astype(np.float32)
    assert error(values, clipped(seen(values), "mse")) <= error(values, range_of(values)) * 1.02


def test_even_values_are_kept_whole():
    values = np.linspace(-1, 3, 10_000, dtype=np.float32)
    for method in ("mse", "entropy"):
        found = clipped(seen(values), method)
        assert found.hi > 2.9, method
        assert found.lo < -0.9, method


def test_constants_and_zeros():
    for method in METHODS:
        assert clipped(seen([2.0, 2.0]), method) == Range(2.0, 2.0)
        assert clipped(seen([0.0, 0.0, 0.0, 1.0]), method).hi > 0.9


def test_every_tensor_gets_a_range():
    samples = [(r[None],) for r in ROWS]
    for method in METHODS:
        assert set(ranges(PLAIN, samples, method)) == {"x", "t0"}


def test_the_word_for_it():
    with pytest.raises(InputError, match=r'calibration must be one of minmax, percentile, mse, entropy, not "max"'):
        skosh.quantize(PLAIN, ROWS, calibration="max")
