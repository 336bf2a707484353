"""Resizing, against TFLM and against its kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from skosh.ops.moves.resize import ResizeBilinear
from tests.ops.one_operator import check, constant, model, tensor

few = settings(max_examples=25, deadline=None)
MODES = [{}, {"align_corners": True}, {"half_pixel_centers": True}]


def resize(code: str, shape: tuple[int, ...], size: tuple[int, int], dtype: Any, options: Any) -> bytes:
    out = (shape[0], *size, shape[3])
    return model(code, [tensor(shape, dtype), constant(size)], [tensor(out, dtype)], options)


sides = st.tuples(st.integers(1, 7), st.integers(1, 7))


@few
@given(
    sides, sides, st.sampled_from([np.int8, np.int16, np.float32]), st.sampled_from([*MODES, {**MODES[1], **MODES[2]}])
)
def test_nearest(old: tuple[int, int], new: tuple[int, int], dtype: Any, options: Any) -> None:
    check(resize("RESIZE_NEAREST_NEIGHBOR", (2, *old, 2), new, dtype, options), 1)


@few
@given(sides, sides, st.sampled_from([np.int8, np.float32]), st.sampled_from(MODES))
def test_bilinear(old: tuple[int, int], new: tuple[int, int], dtype: Any, options: Any) -> None:
    check(resize("RESIZE_BILINEAR", (2, *old, 2), new, dtype, options), 1)


def test_bilinear_stays_inside_where_the_rounded_scale_overshoots() -> None:
    table = ResizeBilinear((1000, 1)).in_1024ths(106, 1000)
    assert table[:, :2].max() == 105
    assert table[-1].tolist() == [105, 105, 1024]


def test_bilinear_refuses_both_modes() -> None:
    both = {"align_corners": True, "half_pixel_centers": True}
    with pytest.raises(ModelError, match="must not have both align_corners and half_pixel_centers"):
        load(resize("RESIZE_BILINEAR", (1, 2, 2, 1), (4, 4), np.int8, both))
