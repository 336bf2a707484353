"""Compression is without loss, and its sizes are those of what is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from skosh.place.compress import from_png, from_rice, is_image, measure, png, rice


@given(arrays(np.int16, st.integers(0, 60)))
@settings(max_examples=40, deadline=None)
def test_signals_come_back(x: np.ndarray) -> None:
    np.testing.assert_array_equal(from_rice(rice(x)), x)


def test_long_signals_are_several_blocks() -> None:
    x = (1000 * np.sin(np.arange(9000) / 20)).astype(np.int16)
    np.testing.assert_array_equal(from_rice(rice(x)), x)
    assert len(rice(x)) < x.nbytes / 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16])
@pytest.mark.parametrize("shape", [(9, 8), (8, 11, 1), (10, 9, 3)])
def test_images_come_back(shape: tuple[int, ...], dtype: type) -> None:
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(shape[0]), np.arange(int(np.prod(shape[1:])))).reshape(shape)
    for image in (rng.integers(0, 100, shape).astype(dtype), ramp.astype(dtype)):
        np.testing.assert_array_equal(from_png(png(image), shape, np.dtype(dtype)), image)


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=8, max_side=10)))
@settings(max_examples=20, deadline=None)
def test_any_image_comes_back(image: np.ndarray) -> None:
    np.testing.assert_array_equal(from_png(png(image), image.shape, image.dtype), image)


def test_what_is_measured() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(-128, 127, (4, 2000)).astype(np.int8)
    quiet = np.zeros((4, 2000), np.int16)
    assert 0.95 < measure(noise).ratio < 1.2, "noise doesn't get smaller"
    assert measure(quiet).ratio < 0.1
    assert measure(quiet).method == "rice"
    assert measure(np.zeros((2, 16, 16), np.uint8)).method == "png"
    assert is_image((96, 96, 3)) and is_image((8, 8)) and not is_image((49, 10, 2)) and not is_image((640,))
