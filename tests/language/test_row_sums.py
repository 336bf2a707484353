"""Sums along rows: which loops are some, and that the mark changes neither values nor the C beside it."""

from __future__ import annotations

import pytest

from skosh.ir.kernel import For, walk
from skosh.language import func, kernel, seq
from skosh.ops.classical.distances import manhattan_distances, scaled_squared_distances, squared_distances
from skosh.ops.layers.float_kernels import conv2d_f32, dense_f32
from skosh.schedule.row_sums import DOT, SQUARED_DISTANCE, row_sum, sum_by_function


@func
def square(d: f32) -> f32:
    return d * d


@kernel
def of_a_function(x: f32[K], c: f32[K], y: f32[1]):
    acc = 0.0
    for k in seq(K):
        acc += square(x[k] - c[k])
    y[0] = acc


@kernel
def from_an_offset(x: f32[K], w: f32[2 * K], y: f32[1], *, first):
    acc = y[0]
    for k in seq(first, K):
        acc += x[k] * w[K + (k - first)]
    y[0] = acc


@kernel
def with_a_stride(x: f32[K], w: f32[2 * K], y: f32[1]):
    acc = 0.0
    for k in seq(K):
        acc += x[k] * w[2 * k]
    y[0] = acc


@kernel
def of_integers(x: i32[K], w: i32[K], y: i32[1]):
    acc = 0
    for k in seq(K):
        acc += x[k] * w[k]
    y[0] = acc


@kernel
def with_more(x: f32[K], w: f32[K], y: f32[1]):
    acc = 0.0
    more = 0.0
    for k in seq(K):
        acc += x[k] * w[k]
        more += x[k]
    y[0] = acc + more


def sums(k) -> list[str]:
    marked = sum_by_function(k.kernel if hasattr(k, "kernel") else k)
    loops = [s for s in walk(marked.body) if isinstance(s, For) and s.function]
    return [row_sum(s).what for s in loops]


@pytest.mark.parametrize(
    ("k", "found"),
    [
        (dense_f32, [DOT]), (conv2d_f32, [DOT]), (from_an_offset, [DOT]), (squared_distances, [SQUARED_DISTANCE]),
        (of_a_function, [SQUARED_DISTANCE]), (with_a_stride, []), (of_integers, []), (with_more, []),
        (scaled_squared_distances, []), (manhattan_distances, []),
    ],
)  # fmt: skip
def test_what_is_a_sum(k, found):
    assert sums(k) == found
