"""Scales and zero points: exact where they must be, and never further off than rounding allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.dtypes import i32
from skosh.base.errors import InputError
from skosh.ir.graph import Quant
from skosh.quantizer.networks.affine import (
    BIAS_MAX,
    Range,
    activation_quant,
    bias_quant,
    dequantized,
    quantized,
    quantized_bias,
    quantized_weights,
    weight_quant,
)

REALS = st.floats(-1e6, 1e6, width=32)


def f32(x: float) -> float:
    return float(np.float32(x))


@pytest.mark.parametrize(
    ("lo", "hi", "scale", "zero"),
    [
        (0.0, 255.0, 1.0, -128),
        (-128.0, 127.0, 1.0, 0),
        (-1.0, 1.0, f32(2 / 255), 0),  # 0 falls on -0.5: away from zero from the nearer end, and the upper end is it
        (2.0, 5.1, f32(5.1 / 255), -128),  # widened to 0
        (-5.1, -2.0, f32(5.1 / 255), 127),
        (0.0, 1.0, f32(1 / 255), -128),
        (-0.3, 0.9, f32(1.2 / 255), -64),
    ],
)
def test_scales_and_zero_points(lo: float, hi: float, scale: float, zero: int) -> None:
    quant = activation_quant(Range(lo, hi))
    assert quant.scale == scale
    assert abs(quant.zero_point - zero) <= (1 if lo == -hi else 0)


@given(REALS, REALS)
def test_zero_is_a_value_and_the_range_is_covered(a: float, b: float) -> None:
    lo, hi = min(a, b), max(a, b)
    if max(abs(lo), abs(hi)) < 1e-30:
        return
    quant = activation_quant(Range(lo, hi))
    assert dequantized(quantized(np.array([0.0]), quant), quant)[0] == 0.0
    assert quant.scale == f32(quant.scale)
    values = np.linspace(lo, hi, 97)
    error = dequantized(quantized(values, quant), quant) - values
    # rounding costs half a step; moving the zero point to an integer another half, at the ends only
    assert np.abs(error).max() <= quant.scale * 1.001


@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**31 - 1))
def test_weights_are_within_half_a_step(channels: int, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    w = (rng.normal(0, 1, (channels, depth)) * 10 ** rng.uniform(-6, 6, (channels, 1))).astype(np.float32)
    quant = weight_quant(w, 0, None, 0.1)
    q = quantized_weights(w, 0, quant)
    assert q.min() >= -127
    assert set(quant.zero_points) == {0}
    steps = np.abs(q * np.array(quant.scales)[:, None] - w) / np.array(quant.scales)[:, None]
    assert steps.max() <= 0.5 + 1e-5
    assert (np.abs(q).max(axis=1) == 127).all()


def test_a_channel_of_zeros_borrows_a_scale() -> None:
    w = np.array([[0, 0], [0.5, -1.27], [0.254, 0]], np.float32)
    quant = weight_quant(w, 0, np.zeros(3, np.float32), 1.0)
    assert quant.scales == tuple(f32(float(np.float32(v)) / 127) for v in (1.27, 1.27, 0.254))
    assert weight_quant(np.zeros((2, 3), np.float32), 0, None, 1.0).scales == (1.0, 1.0)


def test_a_large_bias_widens_the_scale_of_its_channel() -> None:
    w, bias = np.full((2, 4), 1e-9, np.float32), np.array([1e3, 0.0], np.float32)
    quant = weight_quant(w, 0, bias, 0.01)
    q = quantized_bias(bias, 0.01, quant)
    assert abs(int(q[0])) <= BIAS_MAX[i32] * 1.0001
    assert quant.scales[1] == f32(float(np.float32(1e-9)) / 127)
    assert q[0] * 0.01 * quant.scales[0] == pytest.approx(1e3, rel=1e-6)


def test_a_bias_has_the_scale_of_the_products() -> None:
    weights = Quant((0.5, 0.125), (0, 0), 0)
    assert bias_quant(0.25, weights) == Quant((0.125, 0.03125), (0, 0), 0)
    assert quantized_bias(np.array([1.0, -1.0], np.float32), 0.25, weights).tolist() == [8, -32]


def test_one_channel_has_one_scale() -> None:
    assert weight_quant(np.array([[1.0]], np.float32), 0, None, 1.0).axis is None
    assert weight_quant(np.ones((1, 2, 2, 3), np.float32), 3, None, 1.0).axis == 3


def test_saturation() -> None:
    quant = Quant((0.1,), (5,))
    assert quantized(np.array([-100.0, 100.0, 0.26]), quant).tolist() == [-128, 127, 8]


@settings(max_examples=20)
@given(st.floats(0, 1e-37))
def test_a_range_too_narrow(hi: float) -> None:
    if hi / 255 >= np.finfo(np.float32).tiny:
        return
    with pytest.raises(InputError, match=r"a range must be wide enough for a float32 scale, but is \[0, "):
        activation_quant(Range(0.0, hi))
