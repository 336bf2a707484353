"""Operators that move elements, against TFLM and against their kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skosh.base.errors import ModelError
from skosh.importers.tflite import load
from skosh.ir.interpret_graph import run_graph
from tests.ops.one_operator import check, constant, model, tensor

few = settings(max_examples=12, deadline=None)
TYPES = [np.int8, np.int16, np.int32, np.float32]


def of(dtype: Any, shape: Any, **more: Any) -> Any:
    return tensor(shape, dtype, zero=3 if dtype == np.int8 else 0, **more)


@st.composite
def shapes(draw: Any, low: int = 1, high: int = 4, largest: int = 4) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(1, largest), min_size=low, max_size=high)))


# ------------------------------------------------------------------------------------------------------ order, pieces


@few
@given(st.data(), shapes(1, 5, 3), st.sampled_from([np.int8, np.int16, np.float32]))
def test_transpose(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    perm = data.draw(st.permutations(range(len(shape))))
    out = tuple(shape[p] for p in perm)
    check(model("TRANSPOSE", [of(dtype, shape), constant(perm)], [of(dtype, out)]), 1)


@few
@given(st.data(), shapes(1, 5), st.sampled_from([*TYPES, np.bool_]))
def test_slice(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    begin = [data.draw(st.integers(0, n - 1)) for n in shape]
    size = [data.draw(st.integers(1, n - b)) for n, b in zip(shape, begin, strict=True)]
    stored = [
        data.draw(st.sampled_from([s, -1])) if b + s == n else s for n, b, s in zip(shape, begin, size, strict=True)
    ]
    check(model("SLICE", [of(dtype, shape), constant(begin), constant(stored)], [of(dtype, size)]), 1)


@few
@given(st.data(), shapes(1, 4, 5), st.sampled_from([*TYPES, np.bool_]))
def test_strided_slice(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    begin, end, stride, masks, out = [], [], [], [0, 0, 0], []
    for axis, n in enumerate(shape):
        b, e = data.draw(st.integers(-n - 1, n + 1)), data.draw(st.integers(-n - 1, n + 1))
        s = data.draw(st.sampled_from([1, 2, 3, -1, -2]))
        keep = [data.draw(st.booleans()) for _ in range(2)]
        count = len(range(n)[slice(None if keep[0] else b, None if keep[1] else e, s)])
        if count == 0 or data.draw(st.integers(0, 3)) == 0:
            b, e, s, keep = data.draw(st.integers(-n, n - 1)), 0, 1, [False, False]
            masks[2] |= 1 << axis
        else:
            out.append(count)
        begin.append(b)
        end.append(e)
        stride.append(s)
        masks[0] |= keep[0] << axis
        masks[1] |= keep[1] << axis
    options = dict(zip(("begin_mask", "end_mask", "shrink_axis_mask"), masks, strict=True))
    inputs = [of(dtype, shape), constant(begin), constant(end), constant(stride)]
    check(model("STRIDED_SLICE", inputs, [of(dtype, out)], options), 1)


@pytest.mark.parametrize(
    ("spec", "begin", "end", "options"),
    [
        (np.s_[..., 1], [0, 1], [0, 2], {"ellipsis_mask": 1, "shrink_axis_mask": 2}),
        (np.s_[:, None, 1:], [0, 0, 1], [9, 0, 9], {"new_axis_mask": 2}),
        (np.s_[1, ..., None], [1, 0, 0], [2, 0, 0], {"shrink_axis_mask": 1, "ellipsis_mask": 2, "new_axis_mask": 4}),
    ],
)
def test_strided_slice_with_ellipsis_and_new_axes(spec: Any, begin: list[int], end: list[int], options: Any) -> None:
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    inputs = [tensor(x.shape, np.int32), constant(begin), constant(end), constant([1] * len(begin))]
    data = model("STRIDED_SLICE", inputs, [tensor(x[spec].shape, np.int32)], options)
    check(data, oracle=False)  # TFLM ignores these masks
    graph = load(data)
    assert np.array_equal(run_graph(graph, [x]).values[graph.outputs[0]], x[spec])


@pytest.mark.parametrize("axes", [[0], [-1], [1, 2]])
def test_reverse(axes: list[int]) -> None:
    check(model("REVERSE_V2", [of(np.int8, (2, 3, 4)), constant(axes)], [of(np.int8, (2, 3, 4))]), 1)


# --------------------------------------------------------------------------------------------------- joins and splits


@few
@given(st.data(), shapes(1, 4), st.sampled_from([*TYPES, np.int64, np.bool_]), st.integers(1, 4))
def test_concatenation(data: Any, shape: tuple[int, ...], dtype: Any, count: int) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = [data.draw(st.integers(1, 3)) for _ in range(count)]

    def at(n: int) -> Any:
        new = list(shape)
        new[axis] = n
        return of(dtype, new)

    check(model("CONCATENATION", [at(n) for n in sizes], [at(sum(sizes))], {"axis": axis}), 1)


def test_concatenation_with_a_constant() -> None:
    parts = [of(np.float32, (2, 2)), constant([[1.5], [-2.0]], np.float32)]
    check(model("CONCATENATION", parts, [of(np.float32, (2, 3))], {"axis": 1}))


def test_concatenation_must_not_change_the_scale() -> None:
    parts = [tensor((2,), scale=0.5), tensor((2,), scale=0.25)]
    with pytest.raises(ModelError, match="must have the scale and zero point of its output"):
        load(model("CONCATENATION", parts, [tensor((4,), scale=0.5)], {"axis": 0}))


@few
@given(st.data(), shapes(1, 3), st.sampled_from([*TYPES, np.int64]), st.integers(1, 3))
def test_pack(data: Any, shape: tuple[int, ...], dtype: Any, count: int) -> None:
    axis = data.draw(st.integers(-len(shape) - 1, len(shape)))
    place = axis % (len(shape) + 1)
    out = (*shape[:place], count, *shape[place:])
    check(model("PACK", [of(dtype, shape)] * count, [of(dtype, out)], {"axis": axis, "values_count": count}), 1)


@few
@given(st.data(), shapes(1, 4), st.sampled_from(TYPES))
def test_unpack(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    place = axis % len(shape)
    out = (*shape[:place], *shape[place + 1 :])
    n = shape[place]
    check(model("UNPACK", [of(dtype, shape)], [of(dtype, out)] * n, {"axis": axis, "num": n}), 1)


@few
@given(st.data(), shapes(1, 4), st.sampled_from(TYPES), st.integers(1, 3))
def test_split(data: Any, shape: tuple[int, ...], dtype: Any, count: int) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    whole = list(shape)
    whole[axis] *= count
    inputs = [constant(axis), of(dtype, whole)]
    check(model("SPLIT", inputs, [of(dtype, shape)] * count, {"num_splits": count}), 1)


@few
@given(st.data(), shapes(1, 4), st.sampled_from(TYPES))
def test_split_v(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    whole, outs = list(shape), []
    whole[axis] = sum(sizes)
    for n in sizes:
        part = list(shape)
        part[axis] = n
        outs.append(of(dtype, part))
    stored = [*sizes[:-1], -1] if data.draw(st.booleans()) else sizes
    inputs = [of(dtype, whole), constant(stored), constant(axis)]
    check(model("SPLIT_V", inputs, outs, {"num_splits": len(sizes)}), 1)


# ------------------------------------------------------------------------------------------------------------- padding


@few
@given(st.data(), shapes(1, 5, 3), st.sampled_from(TYPES), st.booleans())
def test_pad(data: Any, shape: tuple[int, ...], dtype: Any, valued: bool) -> None:
    pads = [[data.draw(st.integers(0, 2)) for _ in range(2)] for _ in shape]
    out = [n + sum(p) for n, p in zip(shape, pads, strict=True)]
    value = [constant(data.draw(st.integers(-9, 9)), dtype, zero=3 if dtype == np.int8 else 0)] if valued else []
    inputs = [of(dtype, shape), constant(np.reshape(pads, (-1, 2))), *value]
    check(model("PADV2" if valued else "PAD", inputs, [of(dtype, out)]), 1)


@few
@given(st.data(), shapes(1, 4, 4), st.sampled_from([np.int8, np.float32]), st.sampled_from(["REFLECT", "SYMMETRIC"]))
def test_mirror_pad(data: Any, shape: tuple[int, ...], dtype: Any, mode: str) -> None:
    pads = [[data.draw(st.integers(0, min(2, n - (mode == "REFLECT")))) for _ in range(2)] for n in shape]
    out = [n + sum(p) for n, p in zip(shape, pads, strict=True)]
    check(model("MIRROR_PAD", [of(dtype, shape), constant(pads)], [of(dtype, out)], {"mode": mode}), 1)


@few
@given(st.data(), st.integers(1, 2), st.integers(1, 3), st.booleans(), st.sampled_from([np.int8, np.float32]))
def test_space_to_batch_and_back(data: Any, batch: int, depth: int, flat: bool, dtype: Any) -> None:
    axes = 1 if flat else 2
    block = [data.draw(st.integers(1, 3)) for _ in range(axes)]
    pads = [[data.draw(st.integers(0, 2)) for _ in range(2)] for _ in range(axes)]
    small = [data.draw(st.integers(2, 3)) for _ in range(axes)]
    space = [n * b - sum(p) for n, b, p in zip(small, block, pads, strict=True)]
    if min(space) < 1:
        return
    spatial = tensor((batch, *space, depth), dtype)
    dealt = tensor((batch * int(np.prod(block)), *small, depth), dtype)
    check(model("SPACE_TO_BATCH_ND", [spatial, constant(block), constant(pads)], [dealt]), 1)
    check(model("BATCH_TO_SPACE_ND", [dealt, constant(block), constant(pads)], [spatial]), 1)


# ---------------------------------------------------------------------------------------------- repetition and indices


@few
@given(st.data(), shapes(1, 5, 3), st.sampled_from([*TYPES, np.bool_]))
def test_broadcast_to(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    start = data.draw(st.integers(0, len(shape) - 1))
    small = tuple(n if data.draw(st.booleans()) else 1 for n in shape[start:])
    check(model("BROADCAST_TO", [of(dtype, small), constant(shape)], [of(dtype, shape)]), 1)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float32])
def test_fill(dtype: Any) -> None:
    check(model("FILL", [constant([2, 3]), constant(7, dtype)], [of(dtype, (2, 3))]), 1)


def test_shape() -> None:
    check(model("SHAPE", [of(np.int8, (2, 3, 4))], [of(np.int32, (3,))], {"out_type": "INT32"}))


@few
@given(st.data(), shapes(1, 4, 3))
def test_tile(data: Any, shape: tuple[int, ...]) -> None:
    multiples = [data.draw(st.integers(1, 3)) for _ in shape]
    out = tuple(n * m for n, m in zip(shape, multiples, strict=True))
    graph = check(model("TILE", [of(np.int8, shape), constant(multiples)], [of(np.int8, out)]), oracle=False)
    x = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    assert np.array_equal(run_graph(graph, [x]).values[graph.outputs[0]], np.tile(x, multiples))


@few
@given(st.data(), shapes(1, 4, 3), st.sampled_from([np.int8, np.float32]))
def test_gather(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    batch = data.draw(st.integers(0, axis))
    index = shape[:batch] + data.draw(shapes(0 if batch else 1, 2, 3))
    picks = np.random.default_rng(0).integers(0, shape[axis], index)
    out = (*shape[:axis], *index[batch:], *shape[axis + 1 :])
    options = {"axis": axis, "batch_dims": batch}
    check(model("GATHER", [of(dtype, shape), constant(picks)], [of(dtype, out)], options), 1)


@few
@given(st.data(), shapes(1, 4, 3), st.sampled_from([np.int8, np.float32]))
def test_gather_nd(data: Any, shape: tuple[int, ...], dtype: Any) -> None:
    depth = data.draw(st.integers(1, len(shape)))
    leading = data.draw(shapes(1, 2, 3))
    picks = np.random.default_rng(0).integers(0, shape[:depth], (*leading, depth))
    out = (*leading, *shape[depth:])
    check(model("GATHER_ND", [of(dtype, shape), constant(picks)], [of(dtype, out)]), 1)


def test_an_index_outside_is_clamped() -> None:
    data = model("GATHER", [tensor((3,), np.float32), tensor((4,), np.int32)], [tensor((4,), np.float32)])
    graph = check(data, oracle=False)
    x, index = np.array([1, 2, 3], np.float32), np.array([-5, 0, 2, 7], np.int32)
    assert run_graph(graph, [x, index]).values[graph.outputs[0]].tolist() == [1, 1, 3, 3]


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize("block", [1, 2, 3])
def test_depth_to_space_and_back(dtype: Any, block: int) -> None:
    deep, wide = of(dtype, (2, 2, 3, 2 * block * block)), of(dtype, (2, 2 * block, 3 * block, 2))
    check(model("DEPTH_TO_SPACE", [deep], [wide], {"block_size": block}), 1)
    check(model("SPACE_TO_DEPTH", [wide], [deep], {"block_size": block}), 1)
