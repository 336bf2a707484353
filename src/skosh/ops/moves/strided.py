"""Moving elements without changing them: rectangles in flat memory, and the three kernels that copy and fill them.

Every operator that only rearranges (transpose, slice, concat, pad, tile, depth_to_space...) says which rectangle of
the input goes to which rectangle of the output; dimensions are collapsed here, so that few loops and kernels remain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from skosh.base.dtypes import DType
from skosh.ir.call import Call, Const, In, Out
from skosh.language import call, kernel, par

OUTER = 3
"""Loops around the innermost one in the kernels below; more dimensions than these become several calls."""


@kernel
def copy_rows(x: T[X], y: T[Y], *, x0, y0, A, B, C, N, xa, xb, xc, ya, yb, yc):
    """y[y0 + a*ya + b*yb + c*yc + i] = x[x0 + a*xa + b*xb + c*xc + i]: rows of N neighbours."""
    for a in par(A):
        for b in par(B):
            for c in par(C):
                p = x0 + a * xa + b * xb + c * xc
                q = y0 + a * ya + b * yb + c * yc
                for i in par(N):
                    y[q + i] = x[p + i]


@kernel
def copy_strided(x: T[X], y: T[Y], *, x0, y0, A, B, C, N, xa, xb, xc, xi, ya, yb, yc, yi):
    """y[y0 + a*ya + b*yb + c*yc + i*yi] = x[x0 + a*xa + b*xb + c*xc + i*xi]; strides may be 0 (repeat) or negative."""
    for a in par(A):
        for b in par(B):
            for c in par(C):
                p = x0 + a * xa + b * xb + c * xc
                q = y0 + a * ya + b * yb + c * yc
                for i in par(N):
                    y[q + i * yi] = x[p + i * xi]


@kernel
def fill_rows(y: T[Y], value: T, *, y0, A, B, C, N, ya, yb, yc):
    """y[y0 + a*ya + b*yb + c*yc + i] = value."""
    for a in par(A):
        for b in par(B):
            for c in par(C):
                q = y0 + a * ya + b * yb + c * yc
                for i in par(N):
                    y[q + i] = value


@dataclass(frozen=True)
class Box:
    """Elements (i, j, ...) of flat memory of ``total`` elements, at offset + i*strides[0] + j*strides[1] + ..."""

    total: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    def cut(self, axis: int, start: int, count: int, step: int = 1) -> Box:
        """``count`` indices of ``axis``: start, start + step, ..."""
        return replace(
            self,
            shape=_with(self.shape, axis, count),
            strides=_with(self.strides, axis, self.strides[axis] * step),
            offset=self.offset + start * self.strides[axis],
        )

    def window(self, starts: Sequence[int], counts: Sequence[int], steps: Sequence[int]) -> Box:
        """``cut`` of every axis."""
        box = self
        for axis, (start, count, step) in enumerate(zip(starts, counts, steps, strict=True)):
            box = box.cut(axis, start, count, step)
        return box

    def split(self, axis: int, *sizes: int) -> Box:
        """``axis`` as several axes of ``sizes``, whose product it is: (6,) -> (2, 3)."""
        assert math.prod(sizes) == self.shape[axis], f"{sizes} don't make up {self.shape[axis]}"
        inner = [self.strides[axis] * math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
        return replace(
            self,
            shape=(*self.shape[:axis], *sizes, *self.shape[axis + 1 :]),
            strides=(*self.strides[:axis], *inner, *self.strides[axis + 1 :]),
        )

    def transpose(self, perm: Sequence[int]) -> Box:
        """Axis ``i`` of the result is axis ``perm[i]``."""
        return replace(self, shape=tuple(self.shape[p] for p in perm), strides=tuple(self.strides[p] for p in perm))

    def repeat(self, axis: int, count: int) -> Box:
        """A new axis at ``axis``, along which the same elements repeat."""
        return replace(
            self,
            shape=(*self.shape[:axis], count, *self.shape[axis:]),
            strides=(*self.strides[:axis], 0, *self.strides[axis:]),
        )


def _with(values: tuple[int, ...], axis: int, value: int) -> tuple[int, ...]:
    return (*values[:axis], value, *values[axis + 1 :])


def whole(shape: Sequence[int]) -> Box:
    """All of a row-major tensor."""
    strides = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    return Box(math.prod(shape), tuple(shape), strides)


def copy(x: In | Const, source: Box, y: Out, target: Box, dtype: DType) -> tuple[Call, ...]:
    """Calls that copy ``source`` of buffer x to ``target`` of buffer y: boxes of one shape."""
    assert source.shape == target.shape, f"{source.shape} doesn't fit {target.shape}"
    calls = []
    for n, (sx, sy), (x0, y0) in _loops(source.shape, (source, target)):
        numbers = {
            "x0": x0, "y0": y0, "A": n[0], "B": n[1], "C": n[2], "N": n[3],
            "xa": sx[0], "xb": sx[1], "xc": sx[2], "ya": sy[0], "yb": sy[1], "yc": sy[2],
        }  # fmt: skip
        sizes = {"X": source.total, "Y": target.total}
        if sx[3] == sy[3] == 1:
            calls.append(call(copy_rows, x=x, y=y, T=dtype, **sizes, **numbers))
        else:
            calls.append(call(copy_strided, x=x, y=y, T=dtype, **sizes, **numbers, xi=sx[3], yi=sy[3]))
    return tuple(calls)


def fill(y: Out, target: Box, value: int | float, dtype: DType) -> tuple[Call, ...]:
    """Calls that set ``target`` of buffer y, whose rows are contiguous, to ``value``."""
    calls = []
    for n, (sy,), (y0,) in _loops(target.shape, (target,)):
        assert sy[3] == 1, "only contiguous rows are filled"
        numbers = {"y0": y0, "A": n[0], "B": n[1], "C": n[2], "N": n[3], "ya": sy[0], "yb": sy[1], "yc": sy[2]}
        calls.append(call(fill_rows, y=y, value=value, T=dtype, Y=target.total, **numbers))
    return tuple(calls)


def _loops(shape: tuple[int, ...], boxes: tuple[Box, ...]) -> list[tuple[list[int], list[list[int]], list[int]]]:
    """(sizes, strides of each box, offset of each box) of calls with exactly OUTER + 1 loops.

    Axes of size 1 go, neighbours that lie alike in all boxes merge; of too many axes the smallest are unrolled.
    """
    if math.prod(shape) == 0:
        return []
    axes = collapse(shape, [b.strides for b in boxes]) or [(1, *(1 for _ in boxes))]
    if all(s != 1 for s in axes[-1][1:]) and len(boxes) == 1:
        axes.append((1, 1))
    calls = [(axes, [b.offset for b in boxes])]
    while len(calls[0][0]) > OUTER + 1:
        rest = calls[0][0]
        smallest = min(range(len(rest) - 1), key=lambda i: rest[i][0])
        calls = [
            ([*a[:smallest], *a[smallest + 1 :]], [o + k * s for o, s in zip(offsets, a[smallest][1:], strict=True)])
            for a, offsets in calls
            for k in range(a[smallest][0])
        ]
    out = []
    for a, offsets in calls:
        full = [(1, *(0 for _ in boxes))] * (OUTER + 1 - len(a)) + a
        out.append(([n for n, *_ in full], [[axis[1 + i] for axis in full] for i in range(len(boxes))], offsets))
    return out


def collapse(shape: Sequence[int], strides: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Axes as (size, stride in each box), outer first, without axes of size 1 and with mergeable neighbours merged."""
    axes: list[tuple[int, ...]] = []
    for axis in zip(shape, *strides, strict=True):
        n, *inner = axis
        if n == 1:
            continue
        if axes and all(o == n * i for o, i in zip(axes[-1][1:], inner, strict=True)):
            axes[-1] = (axes[-1][0] * n, *inner)
        else:
            axes.append(tuple(axis))
    return axes
