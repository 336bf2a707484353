"""What came in the last runs, side by side: rows of features become the input of a network that sees a whole word."""

from __future__ import annotations

import numpy as np

from skosh.base.dtypes import f32
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.ir.graph import Graph, Tensor
from skosh.ops.elements.elementwise import Add, Mul, Sub
from skosh.ops.moves.movement import Concat, Slice
from skosh.ops.moves.reshape import Reshape
from skosh.ops.reductions.reductions import Mean

REACH = 2
"""A slope is fitted to so many rows before and after."""


def recent(
    rows: int, features: int, *, first: int = 0, centered: bool = False, slopes: bool = False, name: str = "recent"
) -> Graph:
    """The newest ``rows`` rows of features, the oldest first: float32[1, features] in, float32[1, rows * width] out.

    Rows before the first run are zeros. first: columns before this one are left out, so width = features - first. centered:
    each column less its mean over the rows, which takes away what a microphone or a voice adds to all of them (cepstral mean
    normalization). slopes: beside each row its regression line over two rows before and after,
    (2 (r[t + 2] - r[t - 2]) + r[t + 1] - r[t - 1]) / 10, where the rows at the ends stand for those that aren't there; then
    width is twice as large. Raises InputError where these numbers don't fit each other.
    """
    if rows < 2 or not 0 <= first < features:
        raise InputError(f"rows must be 2 or more and first from 0 to {features - 1}, not {rows} and {first}")
    b = Builder(name)
    newest = b.add(Tensor("row", (1, features), f32))
    past = b.memory("rows_before", np.zeros((rows - 1, features), np.float32))
    (x,) = b.apply("rows", Concat(0), past, newest)
    b.remember(past, _part(b, x, 1, rows - 1, 0, features, "rows_after"))
    if first:
        x = _part(b, x, 0, rows, first, features - first, "kept")
    if centered:
        (mean,) = b.apply("mean", Mean((0,), keep_dims=True), x)
        (x,) = b.apply("centered", Sub(), x, mean)
    if slopes:
        (x,) = b.apply("with_slopes", Concat(1), x, _slopes(b, x))
    (x,) = b.apply("features", Reshape((1, x.size)), x)
    return b.graph([newest], [x])


def _slopes(b: Builder, x: Tensor) -> Tensor:
    rows, width = x.shape
    start, end = _part(b, x, 0, 1, 0, width, "first"), _part(b, x, rows - 1, 1, 0, width, "last")
    (wide,) = b.apply("continued", Concat(0), *[start] * REACH, x, *[end] * REACH)
    steps = {"before_2": -2, "before": -1, "after": 1, "after_2": 2}
    before2, before, after, after2 = (_part(b, wide, REACH + i, rows, 0, width, n) for n, i in steps.items())
    (far,) = b.apply("far", Sub(), after2, before2)
    (near,) = b.apply("near", Sub(), after, before)
    (twice,) = b.apply("far_twice", Add(), far, far)
    (total,) = b.apply("rise", Add(), twice, near)
    (slopes,) = b.apply("slopes", Mul(), total, b.constant("a_tenth", np.array([[0.1]], np.float32)))
    return slopes


def _part(b: Builder, x: Tensor, row: int, rows: int, column: int, columns: int, name: str) -> Tensor:
    (y,) = b.apply(name, Slice((row, column), (rows, columns), (1, 1), (rows, columns)), x)
    return y
