"""Schedules for portable C: which loops of which kernel become register tiles."""

from __future__ import annotations

from functools import cache

from skosh.base.dtypes import f32, i8, i16, i32, i64
from skosh.ir.call import Schedule
from skosh.language import typed
from skosh.lower.form import Schedules
from skosh.ops.classical.distances import squared_distances
from skosh.ops.classical.integer_points import distance_curves, integer_nearest, product_curves
from skosh.ops.classical.integer_scores import integer_scores
from skosh.ops.layers.depthwise import depthwise as depthwise_kernel
from skosh.ops.layers.depthwise import depthwise_rows
from skosh.ops.layers.float_kernels import batch_matmul_f32, dense_f32
from skosh.ops.layers.gemm import conv2d_patches
from skosh.ops.layers.gemm import matmul as matmul_kernel
from skosh.ops.layers.windows_kernels import batch_matmul, dense_wide
from skosh.ops.reductions.reductions import arg_max
from skosh.schedule.draft import Draft

ONE_ROW = ("M", 1)
"""One row times filters runs once a layer: its copies, specialised for each shape, measured slower than a shared routine."""


def matmul(d: Draft) -> None:
    """A register tile of filters by pixels; filters of a tile lie side by side, so one pointer walks them all."""
    single = all(t == 1 for t in d.trips("m"))
    filters = 8 if single and d.reaches("n", 8) else 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    if not single:
        d.tile("m", 2)
    if d.optimize != "flash":
        d.unroll("k", 4 if single else 8)


def depthwise(d: Draft) -> None:
    """Small windows unrolled whole, neighbouring pixels side by side; filters of one channel share its inputs."""
    small = all(t is not None and t <= 3 for t in (*d.trips("kh#*"), *d.trips("kw")))
    if any(t != 1 for t in d.trips("r")):
        d.tile("r", 8 if d.reaches("r", 8) else 4)
        if d.optimize != "flash":
            d.unroll("kw", 2)
        return
    if d.optimize == "flash":
        return
    d.tile("ow", 2)
    if small:
        for loop in ("kw", "kh#*"):  # rows of the window: where they are gathered, and where they are multiplied
            count = d.trips(loop)[0]
            if count is not None and count > 1 and all(t == count for t in d.trips(loop)):
                d.unroll(loop, count)


def largest(d: Draft) -> None:
    """A few classes side by side: no counter, and the index of each is a constant."""
    classes = d.trips("a")[0]
    if d.optimize != "flash" and classes is not None and 1 < classes <= 16 and all(t == classes for t in d.trips("a")):
        d.unroll("a", classes)


def points(d: Draft) -> None:
    """A register tile of points, whose coordinates lie side by side: one load of x serves them all."""
    if d.reaches("n", 4):
        d.tile("n", 4)
        d.pack("c", 4)
    if d.optimize != "flash":
        d.unroll("k", 2)


def scores(d: Draft) -> None:
    """Two rows share the loads of x. These are small: rows side by side in memory, or more of them, measured no better."""
    if d.optimize != "flash":
        d.tile("n", 2)
    if d.optimize == "speed":
        d.unroll("k", 4)


def curves(d: Draft) -> None:
    """A register tile of points where sums are long; where they are short, several rounds at once."""
    if d.optimize == "flash":
        return
    if d.reaches("k", 8) and d.reaches("n", 16):
        d.tile("n", 4)
        d.pack("c", 4)
    else:
        d.unroll("k", 4)


def nearest(d: Draft) -> None:
    """Whole blocks of features between two looks at the distance so far."""
    block = d.trips("k")[0]
    if d.optimize != "flash" and block is not None and block > 1:
        d.unroll("k", block)


def wide(d: Draft) -> None:
    """int16 or float inputs: filters side by side share the loads of x; each sum keeps its order."""
    if d.optimize == "flash":
        return
    filters = 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    d.unroll("k", 2)


@cache
def portable() -> Schedules:
    """The kernels of operators that have a schedule."""
    return (
        (matmul_kernel, Schedule(matmul, shared=ONE_ROW)),
        (conv2d_patches, Schedule(matmul)),
        (depthwise_kernel, Schedule(depthwise, ("KH", "KW", "R"))),
        (depthwise_rows, Schedule(depthwise, ("KH", "KW", "R"))),
        *((typed(dense_wide, A=a, X=i16), Schedule(wide)) for a in (i32, i64)),
        (dense_f32, Schedule(wide)),
        (squared_distances, Schedule(points)),
        *((typed(arg_max, T=t), Schedule(largest)) for t in (i32, f32, i8)),
        *((kernel, Schedule(curves)) for kernel in (distance_curves, product_curves)),
        (integer_nearest, Schedule(nearest)),
        (integer_scores, Schedule(scores)),
        (typed(batch_matmul, A=i32, X=i8), Schedule(fixed=("N", "bn"))),
        (batch_matmul_f32, Schedule(fixed=("N", "bn"))),
    )
