"""When something changes: thresholds with hysteresis, refractory times, and two tests for a mean that has moved."""

from __future__ import annotations

import math

import numpy as np

from skosh.base.dtypes import f32, i32
from skosh.base.errors import InputError
from skosh.features.builder import Builder
from skosh.features.decisions import counted_down
from skosh.ir.graph import Graph, Tensor
from skosh.ops.elements.comparisons import Compare, Logical, LogicalNot, Select
from skosh.ops.elements.elementwise import Add, Div, Maximum, Minimum, Mul, Sub
from skosh.ops.elements.quantization import Cast

LONGEST = 1 << 20
"""Runs over which a mean is taken at most; then the oldest are forgotten little by little, not the newest, as float32 would."""


def hysteresis(on: float, off: float, *, values: int = 1, name: str = "hysteresis") -> Graph:
    """int32[1, values], 1 from where a value reaches ``on`` to where it is below ``off``. Takes float32[1, values].

    Raises InputError unless off <= on.
    """
    if not off <= on:
        raise InputError(f"off must be at most on, not {off} and {on}")
    b = Builder(name)
    x = b.add(Tensor("values", (1, values), f32))
    before = b.memory("was_on", np.zeros((1, values), np.int32))
    (was,) = b.apply("was", Compare("!="), before, _integer(b, "off_before", 0))
    (high,) = b.apply("reaches_on", Compare(">="), x, _real(b, "on", on))
    (holds,) = b.apply("not_below_off", Compare(">="), x, _real(b, "off", off))
    (stays,) = b.apply("stays", Logical("and"), was, holds)
    (now,) = b.apply("now", Logical("or"), high, stays)
    (kept,) = b.apply("is_on", Cast(i32), now)
    b.remember(before, kept)
    (y,) = b.apply("state", Cast(i32), now)
    return b.graph([x], [y])


def refractory(runs: int, *, nothing: int = 0, name: str = "refractory") -> Graph:
    """Events as they are, and ``nothing`` in the ``runs`` runs after each that passed. Takes int32[1, 1], gives int32[1, 1].

    nothing: the number that is no event, 0 behind ``hysteresis``, -1 behind ``voted``. Raises InputError for fewer than 1 run.
    """
    if runs < 1:
        raise InputError(f"runs must be 1 or more, not {runs}")
    b = Builder(name)
    x = b.add(Tensor("events", (1, 1), i32))
    wait = b.memory("wait", np.zeros((1, 1), np.int32))
    none = _integer(b, "nothing", nothing)
    (event,) = b.apply("is_event", Compare("!="), x, none)
    (free,) = b.apply("free", Compare("<="), wait, _integer(b, "no_wait", 0))
    (passes,) = b.apply("passes", Logical("and"), event, free)
    (y,) = b.apply("passed", Select(), passes, x, none)
    b.remember(wait, counted_down(b, passes, wait, runs))
    return b.graph([x], [y])


def cusum(mean: float, slack: float, threshold: float, *, name: str = "cusum") -> Graph:
    """(int32[1, 1], 1 where the mean has moved up, -1 down, else 0; float32[1, 1], the larger sum). Takes float32[1, 1].

    Page's cumulative sums (1954): up = max(0, up + x - mean - slack), down = max(0, down + mean - slack - x); an alarm where
    one is above ``threshold``, and both begin anew. Raises InputError unless slack >= 0 and threshold > 0.
    """
    if not (math.isfinite(mean) and slack >= 0 and threshold > 0):
        raise InputError(f"slack must be 0 or more, threshold above 0, not {slack} and {threshold} around {mean}")
    b = Builder(name)
    x = b.add(Tensor("values", (1, 1), f32))
    zero = _real(b, "zero", 0.0)
    sums, over = [], []
    for side, level in (("up", mean + slack), ("down", mean - slack)):
        before = b.memory(f"{side}_before", np.zeros((1, 1), np.float32))
        ends = (x, _real(b, f"{side}_level", level))
        (step,) = b.apply(f"{side}_step", Sub(), *(ends if side == "up" else ends[::-1]))
        (moved,) = b.apply(f"{side}_moved", Add(), before, step)
        (total,) = b.apply(side, Maximum(), moved, zero)
        (above,) = b.apply(f"{side}_above", Compare(">"), total, _real(b, f"{side}_threshold", threshold))
        sums.append((before, total))
        over.append(above)
    (alarm,) = b.apply("alarm", Logical("or"), *over)
    for before, total in sums:
        (after,) = b.apply(f"{total.name}_after", Select(), alarm, zero, total)
        b.remember(before, after)
    (fallen,) = b.apply("fallen", Select(), over[1], _integer(b, "minus_one", -1), _integer(b, "no_change", 0))
    (change,) = b.apply("change", Select(), over[0], _integer(b, "plus_one", 1), fallen)
    (larger,) = b.apply("larger", Maximum(), sums[0][1], sums[1][1])
    return b.graph([x], [change, larger])


def page_hinkley(
    threshold: float, *, delta: float = 0.005, minimum: int = 30, forget: float = 1.0, name: str = "page_hinkley"
) -> Graph:
    """(int32[1, 1], 1 where the mean has risen, else 0; float32[1, 1], by how much the sum is above its lowest). Takes
    float32[1, 1].

    The test of Page and Hinkley: the mean of all values so far is followed; total = forget * total + (x - mean - delta); an
    alarm where total is more than ``threshold`` above its lowest and there were ``minimum`` values, after which all begins
    anew. Raises InputError where a number is out of range.
    """
    if not (threshold > 0 and delta >= 0 and minimum >= 1 and 0 < forget <= 1):
        raise InputError(
            f"threshold must be above 0, delta 0 or more, minimum 1 or more, forget from above 0 to 1, "
            f"not {threshold}, {delta}, {minimum}, {forget}"
        )
    b = Builder(name)
    x = b.add(Tensor("values", (1, 1), f32))
    names = ("count", "mean", "total", "lowest")
    count0, mean0, total0, lowest0 = (b.memory(f"{n}_before", np.zeros((1, 1), np.float32)) for n in names)
    (more,) = b.apply("one_more", Add(), count0, _real(b, "one", 1.0))
    (count,) = b.apply("count", Minimum(), more, _real(b, "longest", LONGEST))
    (off,) = b.apply("off_mean", Sub(), x, mean0)
    (part,) = b.apply("part", Div(), off, count)
    (mean,) = b.apply("mean", Add(), mean0, part)
    (above,) = b.apply("above_mean", Sub(), x, mean)
    (step,) = b.apply("step", Sub(), above, _real(b, "delta", delta))
    (kept,) = b.apply("kept", Mul(), total0, _real(b, "forget", forget))
    (total,) = b.apply("total", Add(), kept, step)
    (lowest,) = b.apply("lowest", Minimum(), lowest0, total)
    (rise,) = b.apply("rise", Sub(), total, lowest)
    (over,) = b.apply("over", Compare(">"), rise, _real(b, "threshold", threshold))
    (few,) = b.apply("few", Compare("<"), count, _real(b, "minimum", minimum))
    (enough,) = b.apply("enough", LogicalNot(), few)
    (alarm,) = b.apply("alarm", Logical("and"), over, enough)
    for n, before, now in zip(names, (count0, mean0, total0, lowest0), (count, mean, total, lowest), strict=True):
        (after,) = b.apply(f"{n}_after", Select(), alarm, _real(b, f"no_{n}", 0.0), now)
        b.remember(before, after)
    (changed,) = b.apply("changed", Cast(i32), alarm)
    return b.graph([x], [changed, rise])


def _integer(b: Builder, name: str, value: int) -> Tensor:
    return b.constant(name, np.array([[value]], np.int32))


def _real(b: Builder, name: str, value: float) -> Tensor:
    return b.constant(name, np.array([[value]], np.float32))
