"""Reshape, squeeze and expand_dims against TFLM, and what the importer says of impossible ones."""

from __future__ import annotations

import numpy as np
import pytest

from skosh.base.errors import ModelError
from skosh.importers import load
from tests.ops.one_operator import check, constant, model, tensor


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32"])
@pytest.mark.parametrize(
    ("wanted", "shape"), [((3, 4), (3, 4)), ((-1, 2), (6, 2)), ((12,), (12,)), ((2, 1, 6), (2, 1, 6))]
)
def test_reshape(dtype: str, wanted: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x, y = tensor((2, 6), np.dtype(dtype)), tensor(shape, np.dtype(dtype))
    graph = check(model("RESHAPE", [x, constant(wanted)], [y], {"new_shape": list(wanted)}))
    assert graph.nodes[0].op.view


def test_reshape_by_option_and_to_a_scalar() -> None:
    check(model("RESHAPE", [tensor((2, 6))], [tensor((3, 4))], {"new_shape": [3, 4]}))
    check(model("RESHAPE", [tensor((1, 1)), constant([])], [tensor(())]), oracle=False)


@pytest.mark.parametrize(("axes", "shape"), [([], (2, 3)), ([0], (2, 1, 3)), ([-2], (1, 2, 3)), ([0, 2], (2, 3))])
def test_squeeze(axes: list[int], shape: tuple[int, ...]) -> None:
    check(model("SQUEEZE", [tensor((1, 2, 1, 3))], [tensor(shape)], {"squeeze_dims": axes}))


@pytest.mark.parametrize(("axis", "shape"), [(0, (1, 2, 3)), (1, (2, 1, 3)), (2, (2, 3, 1)), (-1, (2, 3, 1))])
def test_expand_dims(axis: int, shape: tuple[int, ...]) -> None:
    check(model("EXPAND_DIMS", [tensor((2, 3)), constant([axis])], [tensor(shape)]))


@pytest.mark.parametrize(
    ("code", "shape", "wanted", "text"),
    [
        ("RESHAPE", (2, 6), [5, -1], r"12 elements must divide into the new shape \(5, -1\)"),
        ("RESHAPE", (2, 6), [-1, -1], r"positive sizes and at most one -1, not \(-1, -1\)"),
        ("RESHAPE", (2, 6), [0, 12], r"positive sizes and at most one -1, not \(0, 12\)"),
        ("RESHAPE", (2, 6), [2, 7], r"12 elements must divide into the new shape"),
        ("EXPAND_DIMS", (2, 6), [3], r"the axis must be in \[-3, 3\), not 3"),
    ],
)
def test_impossible_shapes(code: str, shape: tuple[int, ...], wanted: list[int], text: str) -> None:
    with pytest.raises(ModelError, match=text):
        load(model(code, [tensor(shape), constant(wanted)], [tensor((12,))]))
